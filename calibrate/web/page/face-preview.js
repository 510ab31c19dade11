// The image with the outline of the face; a live image is mirrored.

const HEADER_BYTES = 20; // before the JPEG: docs/protocol/README.md, uploads

export class FacePreview {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.face = null;
    this.decoding = false;
    this.newest = null;
    this.mirrored = true; // like a mirror; a recording is not
    document.addEventListener("visibilitychange", () => this.newest && this.showImage(this.newest));
  }

  /** Takes the `calibrate.look` of the next image. */
  setFace(check) {
    this.face = check;
  }

  /** Shows the newest image; skips those that arrive during decoding or while the page is hidden. */
  async showImage(bytes) {
    this.newest = bytes;
    if (this.decoding || document.hidden) return;
    this.decoding = true;
    try {
      while (this.newest) {
        const part = new Uint8Array(this.newest, HEADER_BYTES);
        this.newest = null;
        const face = this.face;
        const bitmap = await createImageBitmap(new Blob([part], { type: "image/jpeg" }));
        this.#draw(bitmap, face);
        bitmap.close();
      }
    } finally {
      this.decoding = false;
    }
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  #draw(bitmap, face) {
    const { canvas, context } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    context.setTransform(this.mirrored ? -1 : 1, 0, 0, 1, this.mirrored ? canvas.width : 0, 0);
    context.drawImage(bitmap, 0, 0);
    context.strokeStyle = face?.usable ? "#5be3a7" : "#ffc25c";
    context.lineWidth = 2;
    context.globalAlpha = 0.9;
    for (const line of face?.outline ?? []) {
      context.beginPath();
      for (let i = 0; i < line.length; i += 2) context.lineTo(line[i] * canvas.width, line[i + 1] * canvas.height);
      context.closePath();
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

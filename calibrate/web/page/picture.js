// The picture, a live one mirrored, with the outline of the face over it.

const HEADER_BYTES = 20; // before the JPEG, as of pictures that a browser sends: docs/protocol

export class PictureView {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.look = null;
    this.decoding = false;
    this.newest = null;
    this.mirrored = true; // as people know themselves; a recording is shown as it is
    document.addEventListener("visibilitychange", () => this.newest && this.show(this.newest));
  }

  /** What the server saw in the picture that comes next. */
  expect(look) {
    this.look = look;
  }

  /** The newest picture is shown, whatever comes while one is decoded or the page is hidden. */
  async show(bytes) {
    this.newest = bytes;
    if (this.decoding || document.hidden) return;
    this.decoding = true;
    try {
      while (this.newest) {
        const part = new Uint8Array(this.newest, HEADER_BYTES);
        this.newest = null;
        const look = this.look;
        const bitmap = await createImageBitmap(new Blob([part], { type: "image/jpeg" }));
        this.#draw(bitmap, look);
        bitmap.close();
      }
    } finally {
      this.decoding = false;
    }
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  #draw(bitmap, look) {
    const { canvas, context } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    context.setTransform(this.mirrored ? -1 : 1, 0, 0, 1, this.mirrored ? canvas.width : 0, 0);
    context.drawImage(bitmap, 0, 0);
    context.strokeStyle = look?.usable ? "#5be3a7" : "#ffc25c";
    context.lineWidth = 2;
    context.globalAlpha = 0.9;
    for (const line of look?.outline ?? []) {
      context.beginPath();
      for (let i = 0; i < line.length; i += 2) context.lineTo(line[i] * canvas.width, line[i + 1] * canvas.height);
      context.closePath();
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

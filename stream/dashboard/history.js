// What was said of each face in the last half minute: the memory that the charts draw from.

export const WINDOW_S = 30;
export const SLOTS = 6; // colours
const GAP_S = 1; // longer without a sample: the line is broken

/** Samples in order of time; those older than the window fall off the front. */
export class Track {
  constructor() {
    this.samples = [];
    this.first = 0;
  }

  add(sample) {
    const last = this.samples.at(-1);
    if (last && sample.t < last.t) this.clear(); // the clip began again, or the server did
    sample.gap = sample.gap || !last || sample.t - last.t > GAP_S;
    this.samples.push(sample);
    this.dropBefore(sample.t - WINDOW_S);
  }

  dropBefore(t) {
    while (this.first < this.samples.length && this.samples[this.first].t < t) this.first += 1;
    if (this.first > 1000) {
      this.samples.splice(0, this.first);
      this.first = 0;
    }
  }

  clear() {
    this.samples = [];
    this.first = 0;
  }

  get last() {
    return this.first < this.samples.length ? this.samples.at(-1) : undefined;
  }

  /** Index of the first sample at or after t. */
  from(t) {
    let low = this.first;
    let high = this.samples.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.samples[middle].t < t) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** One face of one stream: its latest description beside its track. */
class Face extends Track {
  constructor(key, stream, id, slot) {
    super();
    this.key = key;
    this.stream = stream;
    this.id = id;
    this.slot = slot;
    this.present = false;
    this.latest = null; // the face as it came in the last message that had it
  }

  get name() {
    return this.latest?.subject || `Face ${this.id}`;
  }
}

/** All faces seen in the window, and the scripts of streams whose truth is known. */
export class History {
  constructor() {
    this.faces = new Map(); // "stream/id" -> Face, oldest first
    this.scripts = new Map(); // stream -> Track of the known truth
    this.slotOfSubject = new Map(); // a subject keeps its colour when its track gets a new id
    this.now = 0;
  }

  clear() {
    this.faces.clear();
    this.scripts.clear();
    this.now = 0;
  }

  addAffect(message) {
    const t = message.t_capture;
    if (t < this.now - GAP_S) this.clear();
    this.now = Math.max(this.now, t);
    const seen = new Set();
    for (const face of message.faces) seen.add(this.#addFace(message.stream, t, face));
    for (const face of this.faces.values()) {
      if (face.stream === message.stream && !seen.has(face)) face.present = false;
      face.dropBefore(this.now - WINDOW_S);
      if (!face.present && face.last === undefined) this.faces.delete(face.key);
    }
    const truth = message.truth;
    if (truth) {
      if (!this.scripts.has(message.stream)) this.scripts.set(message.stream, new Track());
      this.scripts.get(message.stream).add({ t, v: truth[0], a: truth[1] });
    }
  }

  get present() {
    return [...this.faces.values()].filter((face) => face.present);
  }

  #addFace(stream, t, message) {
    const key = `${stream}/${message.id}`;
    let face = this.faces.get(key);
    if (!face) {
      face = new Face(key, stream, message.id, this.#slotFor(message.subject));
      this.faces.set(key, face);
    }
    const wasPresent = face.present;
    face.latest = message;
    face.present = message.state !== "lost";
    if (message.valence === null || message.valence === undefined) return face;
    face.add({
      t,
      v: message.valence,
      a: message.arousal,
      sv: message.sd ? message.sd[0] : 0,
      sa: message.sd ? message.sd[1] : 0,
      raw: message.raw,
      seen: message.state === "ok",
      gap: !wasPresent,
    });
    return face;
  }

  #slotFor(subject) {
    const taken = new Set(this.present.map((face) => face.slot));
    const own = this.slotOfSubject.get(subject);
    if (own !== undefined && !taken.has(own)) return own;
    let slot = 0;
    while (slot < SLOTS && taken.has(slot)) slot += 1;
    slot %= SLOTS;
    if (subject && own === undefined) this.slotOfSubject.set(subject, slot);
    return slot;
  }
}

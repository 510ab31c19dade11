// What was said of each face in the last five minutes: the memory that the charts and the exports draw from.

export const KEPT_S = 300;
export const SLOTS = 8; // colours
const GAP_S = 1; // longer without a sample: the line is broken

/** Samples in order of time; those older than KEPT_S fall off the front. */
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
    this.dropBefore(sample.t - KEPT_S);
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

  /** The sample that held at time t: the last one until then, unless its face had gone by then. */
  at(t) {
    let i = this.from(t);
    if (this.samples[i]?.t !== t) i -= 1;
    const sample = i >= this.first ? this.samples[i] : undefined;
    return sample && t < (sample.until ?? sample.t + GAP_S) ? sample : undefined;
  }

  /** Takes over the samples of another track as they are now. */
  copy(other) {
    this.samples = other.samples.slice(other.first);
    return this;
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

  /** The face as a message would describe it at time t, or undefined where it was not there. */
  described(t) {
    const sample = this.at(t);
    return (
      sample && {
        subject: sample.subject,
        state: sample.state,
        faults: sample.faults,
        valence: sample.v,
        arousal: sample.a,
        sd: [sample.sv, sample.sa],
        in_support: sample.inSupport,
        drift: sample.drift,
        calibrated: sample.calibrated,
        support: sample.support,
        similarity: sample.similarity && Array.from(sample.similarity, (byte) => byte / 255),
      }
    );
  }
}

/** All faces seen in that time, and the scripts of streams whose truth is known. */
export class History {
  constructor() {
    this.faces = new Map(); // "stream/id" -> Face, oldest first
    this.scripts = new Map(); // stream -> Track of the known truth
    this.slotOfSubject = new Map(); // a subject keeps its colour when its track gets a new id
    this.times = new Map(); // stream -> the newest capture time
  }

  /** The newest capture time of all streams, on the server's clock; 0 before the first. */
  get now() {
    return Math.max(0, ...this.times.values());
  }

  clear() {
    this.faces.clear();
    this.scripts.clear();
    this.times.clear();
  }

  /** A copy that later messages do not change. */
  still() {
    const copy = new History();
    copy.times = new Map(this.times);
    for (const [key, face] of this.faces) {
      const one = new Face(key, face.stream, face.id, face.slot).copy(face);
      one.latest = face.latest;
      copy.faces.set(key, one);
    }
    for (const [stream, script] of this.scripts) copy.scripts.set(stream, new Track().copy(script));
    return copy;
  }

  addAffect(message) {
    const t = message.t_capture;
    if (t < this.times.get(message.stream) - GAP_S) this.clear();
    this.times.set(message.stream, t);
    const { now } = this;
    const seen = new Set();
    for (const face of message.faces) seen.add(this.#addFace(message, face));
    for (const face of this.faces.values()) {
      if (face.stream === message.stream && !seen.has(face)) leave(face, t);
      face.dropBefore(now - KEPT_S);
      if (!face.present && face.last === undefined) this.faces.delete(face.key);
    }
    if (message.truth) {
      if (!this.scripts.has(message.stream)) this.scripts.set(message.stream, new Track());
      this.scripts.get(message.stream).add({ t, v: message.truth[0], a: message.truth[1] });
    }
  }

  /** The faces that are there now, of one stream or of all (null). */
  presentIn(stream) {
    return [...this.faces.values()].filter((face) => face.present && (stream === null || face.stream === stream));
  }

  #addFace({ stream, t_capture: t, pts, frame }, said) {
    const key = `${stream}/${said.id}`;
    let face = this.faces.get(key);
    if (!face) {
      face = new Face(key, stream, said.id, this.#slotFor(said.subject));
      this.faces.set(key, face);
    }
    const wasPresent = face.present;
    if (said.state === "lost") leave(face, t);
    else face.present = true;
    face.latest = said;
    if (said.state === "lost" || typeof said.valence !== "number") return face;
    face.add({
      t,
      pts,
      frame,
      subject: said.subject,
      state: said.state,
      faults: said.faults,
      calibrated: said.calibrated,
      support: said.support,
      inSupport: said.in_support,
      drift: said.drift,
      v: said.valence,
      a: said.arousal,
      sv: said.sd ? said.sd[0] : 0,
      sa: said.sd ? said.sd[1] : 0,
      raw: said.raw,
      similarity: said.similarity?.length ? Uint8Array.from(said.similarity, (share) => Math.round(255 * share)) : null,
      seen: said.state === "ok",
      gap: !wasPresent,
    });
    return face;
  }

  #slotFor(subject) {
    const taken = new Set(this.presentIn(null).map((face) => face.slot));
    const own = this.slotOfSubject.get(subject);
    if (own !== undefined && !taken.has(own)) return own;
    let slot = 0;
    while (slot < SLOTS && taken.has(slot)) slot += 1;
    slot %= SLOTS;
    if (subject && own === undefined) this.slotOfSubject.set(subject, slot);
    return slot;
  }
}

function leave(face, t) {
  if (face.present && face.last) face.last.until = t;
  face.present = false;
}

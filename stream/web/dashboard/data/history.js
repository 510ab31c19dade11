// The samples of each face in the last five minutes, for the charts and the exports.

import { text } from "../../shared/texts.js";

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
    if (last && sample.t < last.t) this.clear(); // the clip or the server has started again
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

  /** The sample at time t: the last one before it, unless the face had disappeared by then. */
  at(t) {
    let i = this.from(t);
    if (this.samples[i]?.t !== t) i -= 1;
    const sample = i >= this.first ? this.samples[i] : undefined;
    return sample && t < (sample.until ?? sample.t + GAP_S) ? sample : undefined;
  }

  /** Copies the samples of another track. */
  copy(other) {
    this.samples = other.samples.slice(other.first);
    return this;
  }
}

/** One face of one stream: its samples and its latest description. */
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
    return this.latest?.subject || text("face.number", { id: this.id });
  }

  /** The face as a message would describe it at time t, or undefined if it was absent. */
  described(t) {
    const sample = this.at(t);
    return (
      sample && {
        subject: sample.subject,
        state: sample.state,
        faults: sample.faults,
        caveats: sample.caveats,
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

/** All faces of that time, and the known truth of scripted streams. */
export class History {
  constructor() {
    this.faces = new Map(); // "stream/id" -> Face, oldest first
    this.scripts = new Map(); // stream -> Track of the known truth
    this.slotOfSubject = new Map(); // a subject keeps its colour when its track gets a new id
    this.times = new Map(); // stream -> the newest capture time
    this.marks = []; // {t, label, stream} in order of time; events of thresholds have `active` too
  }

  /** The newest capture time of all streams, on the server's clock; 0 before the first. */
  get now() {
    return Math.max(0, ...this.times.values());
  }

  clear() {
    this.faces.clear();
    this.scripts.clear();
    this.times.clear();
    this.marks = [];
  }

  /** A copy that later messages do not change. */
  snapshot() {
    const copy = new History();
    copy.times = new Map(this.times);
    copy.marks = [...this.marks];
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
      if (face.stream === message.stream && !seen.has(face)) markAbsent(face, t);
      face.dropBefore(now - KEPT_S);
      if (!face.present && face.last === undefined) this.faces.delete(face.key);
    }
    if (message.truth) {
      if (!this.scripts.has(message.stream)) this.scripts.set(message.stream, new Track());
      this.scripts.get(message.stream).add({ t, v: message.truth[0], a: message.truth[1] });
    }
  }

  /** Adds a mark {t, label, stream}, unless it is there already. */
  addMark(mark) {
    if (this.marks.some(({ t, label }) => t === mark.t && label === mark.label)) return;
    this.marks = [...this.marks.filter(({ t }) => t > mark.t - KEPT_S), mark].sort((a, b) => a.t - b.t);
  }

  /** The faces that are present now, of one stream or of all (null). */
  presentIn(stream) {
    return [...this.faces.values()].filter((face) => face.present && (stream === null || face.stream === stream));
  }

  #addFace({ stream, t_capture: t, pts, frame, clock, latency_ms }, description) {
    const key = `${stream}/${description.id}`;
    let face = this.faces.get(key);
    if (!face) {
      face = new Face(key, stream, description.id, this.#slotFor(description.subject));
      this.faces.set(key, face);
    }
    const wasPresent = face.present;
    if (description.state === "lost") markAbsent(face, t);
    else face.present = true;
    face.latest = description;
    if (description.state === "lost" || typeof description.valence !== "number") return face;
    face.add({
      t,
      pts,
      frame,
      subject: description.subject,
      state: description.state,
      faults: description.faults,
      caveats: description.caveats,
      calibrated: description.calibrated,
      support: description.support,
      inSupport: description.in_support,
      drift: description.drift,
      v: description.valence,
      a: description.arousal,
      sv: description.sd ? description.sd[0] : 0,
      sa: description.sd ? description.sd[1] : 0,
      raw: description.raw,
      absolute: description.absolute,
      box: description.box,
      pose: description.pose,
      nearest: description.nearest_similarity,
      latency_ms: clock === "file" ? undefined : latency_ms?.total,
      similarity: description.similarity?.length ? Uint8Array.from(description.similarity, (share) => Math.round(255 * share)) : null,
      seen: description.state === "ok",
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

function markAbsent(face, t) {
  if (face.present && face.last) face.last.until = t;
  face.present = false;
}

// The support sets of the server's messages: which one a message used for a face.

import { barOrder } from "../charts/similarity.js";

export class SupportSets {
  #sets = new Map(); // "stream/subject" -> {frames, labels, order, since, before}

  clear() {
    this.#sets.clear();
  }

  /** Stores the support sets of a stream, which its messages use from number `since` on. */
  store(stream, subjects, since) {
    for (const { subject, frames, labels = [] } of subjects) {
      const key = `${stream}/${subject}`;
      const before = since > 0 && this.#sets.has(key) ? { ...this.#sets.get(key), before: undefined } : undefined;
      this.#sets.set(key, { frames, labels, order: barOrder(labels), since, before });
    }
  }

  /** The support set that a message used for a face; the message may be older than the last change. */
  of({ stream, seq }, { subject }) {
    const support = this.#sets.get(`${stream}/${subject}`);
    return support && seq < support.since ? support.before : support;
  }
}

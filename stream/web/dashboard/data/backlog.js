// What was sent before this page was opened, or while it was not connected, comes before the messages that are new.

const TIMEOUT_MS = 2000; // for the answer to `history`; then the page starts without it

export class Backlog {
  #on;
  #subscribed = false; // on this connection
  #early = null; // messages that have come since, until the answer is here
  #lastSeqs = new Map(); // stream -> of its last message that was added

  /** Calls onAffect, onMark and onEvent in order, and onAdded when the answer to `request` is in. */
  constructor({ request, onAffect, onMark, onEvent, onAdded }) {
    this.#on = { request, onAffect, onMark, onEvent, onAdded };
  }

  /** Another session of the server numbers its messages anew, and has another past. */
  clear() {
    this.#lastSeqs.clear();
    if (this.#subscribed) this.#ask();
  }

  onDisconnect() {
    this.#subscribed = false;
  }

  onSubscribed() {
    if (this.#subscribed) return;
    this.#subscribed = true;
    this.#ask();
  }

  async #ask() {
    this.#early = [];
    const timer = setTimeout(() => this.#start(), TIMEOUT_MS);
    const answer = await this.#on.request().catch(() => null); // without it, the page begins now
    clearTimeout(timer);
    this.#start(answer);
  }

  onAffect(message) {
    if (this.#early) this.#early.push(message);
    else this.#add(message);
  }

  #add(message) {
    if (message.seq <= this.#lastSeqs.get(message.stream)) return;
    this.#lastSeqs.set(message.stream, message.seq);
    this.#on.onAffect(message);
  }

  /** Adds the answer, and what has come meanwhile. */
  #start(answer) {
    if (!this.#early) return;
    const messages = [...(answer?.affect ?? []), ...this.#early];
    this.#early = null;
    messages.forEach((message) => this.#add(message));
    for (const mark of answer?.marks ?? []) this.#on.onMark(mark);
    for (const event of answer?.events ?? []) this.#on.onEvent(event);
    this.#on.onAdded();
  }
}

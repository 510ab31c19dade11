// What a program has not read yet of the server's messages, and which messages are missing in between.

const MOST_WAITING = 1024; // the oldest are dropped then, and reported as a gap

/** What an iteration has not read yet. */
export class Inbox {
  #items = new Map(); // in their order; an `affect` by its stream if a newer one replaces it
  #gaps = new Gaps();
  #wake = () => {};
  #over = false;
  #error = null;

  put(item, every) {
    const { type, stream } = item.message;
    const key = type === "affect" && !every ? stream : Symbol(type);
    this.#items.delete(key);
    this.#items.set(key, item);
    if (this.#items.size > MOST_WAITING) this.#items.delete(this.#items.keys().next().value);
    this.#wake();
  }

  forget() {
    for (const [key, { message }] of this.#items) if (message.type === "affect") this.#items.delete(key);
    this.#gaps.clear();
  }

  end(error) {
    this.#over = true;
    this.#error = error;
    this.#wake();
  }

  async *messages() {
    for (;;) {
      for (const [key, item] of this.#items) {
        this.#items.delete(key);
        const gap = this.#gaps.before(item);
        if (gap) yield gap;
        yield item.message;
      }
      if (this.#items.size) continue;
      if (this.#error) throw this.#error;
      if (this.#over) return;
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }
}

/** Compares each `affect` with the one before it of its stream. */
export class Gaps {
  #seen = new Map();

  clear() {
    this.#seen.clear();
  }

  before(item) {
    const { type, stream, seq } = item.message;
    if (type !== "affect") return null;
    const last = this.#seen.get(stream);
    this.#seen.set(stream, item);
    if (!last) return null;
    const disconnected_s = item.disconnected_s - last.disconnected_s;
    const missed = item.session === last.session ? seq - last.message.seq - 1 : null;
    if (!disconnected_s && (item.max_hz || !missed)) return null; // with max_hz fewer messages are what was asked for
    return { type: "gap", stream, missed, disconnected_s };
  }
}

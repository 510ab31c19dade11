// Messages a second, latency, dropped and missed: counted from the messages as they arrive.

const WINDOW_MS = 2000;

export class Meter {
  constructor() {
    this.clear();
  }

  clear() {
    this.arrivals = []; // {at, latency_ms}, of the last two seconds
    this.lastAt = performance.now();
    this.streams = new Map(); // stream -> {seq, dropped}
    this.missed = 0;
  }

  count(message) {
    const at = performance.now();
    this.lastAt = at;
    this.arrivals.push({ at, latency_ms: message.latency_ms.total });
    const before = this.streams.get(message.stream);
    if (before && message.seq > before.seq + 1) this.missed += message.seq - before.seq - 1;
    this.streams.set(message.stream, { seq: message.seq, dropped: message.dropped });
    this.#forget(at);
  }

  silence_s() {
    return (performance.now() - this.lastAt) / 1000;
  }

  /** {fps of one stream, median latency, dropped by the server, messages that this page missed}. */
  read() {
    this.#forget(performance.now());
    if (this.streams.size === 0) return { fps: null, latency_ms: null, dropped: null, missed: 0 };
    const { arrivals } = this;
    const span_ms = arrivals.length > 1 ? arrivals.at(-1).at - arrivals[0].at : 0;
    const fps = span_ms > 0 ? ((arrivals.length - 1) * 1000) / span_ms / this.streams.size : 0;
    const sorted = arrivals.map((arrival) => arrival.latency_ms).sort((a, b) => a - b);
    let dropped = 0;
    for (const stream of this.streams.values()) dropped += stream.dropped;
    return { fps, latency_ms: sorted.length ? sorted[sorted.length >> 1] : null, dropped, missed: this.missed };
  }

  #forget(now) {
    while (this.arrivals.length && this.arrivals[0].at < now - WINDOW_MS) this.arrivals.shift();
  }
}

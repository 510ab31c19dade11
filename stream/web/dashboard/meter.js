// Messages a second, latency, dropped and missed of each stream: counted from the messages as they arrive.

const WINDOW_MS = 2000;

export class Meter {
  constructor() {
    this.clear();
  }

  clear() {
    this.streams = new Map(); // stream -> {seq, dropped, missed, lastAt, arrivals: [{at, latency_ms}]}
  }

  count({ stream, seq, dropped, latency_ms }) {
    const at = performance.now();
    if (!this.streams.has(stream)) this.streams.set(stream, { missed: 0, arrivals: [] });
    const counts = this.streams.get(stream);
    if (seq > counts.seq + 1) counts.missed += seq - counts.seq - 1;
    Object.assign(counts, { seq, dropped, lastAt: at });
    counts.arrivals.push({ at, latency_ms: latency_ms.total });
    forget(counts.arrivals, at);
  }

  /** Seconds since the last message of a stream; undefined before its first. */
  silence_s(stream) {
    const counts = this.streams.get(stream);
    return counts && (performance.now() - counts.lastAt) / 1000;
  }

  /**
   * {fps, median latency, dropped by the server, missed by this page} of one stream, or of all (null): rates and counts
   * add up. Null where nothing was measured.
   */
  read(stream) {
    const chosen = stream === null ? [...this.streams.values()] : [this.streams.get(stream)].filter(Boolean);
    if (chosen.length === 0) return { fps: null, latency_ms: null, dropped: null, missed: 0 };
    const now = performance.now();
    const latencies = [];
    const sums = { fps: 0, dropped: 0, missed: 0 };
    for (const { arrivals, dropped, missed } of chosen) {
      forget(arrivals, now);
      const span_ms = arrivals.length > 1 ? arrivals.at(-1).at - arrivals[0].at : 0;
      if (span_ms > 0) sums.fps += ((arrivals.length - 1) * 1000) / span_ms;
      sums.dropped += dropped;
      sums.missed += missed;
      latencies.push(...arrivals.map((arrival) => arrival.latency_ms));
    }
    latencies.sort((a, b) => a - b);
    return { ...sums, latency_ms: latencies.length ? latencies[latencies.length >> 1] : null };
  }
}

function forget(arrivals, now) {
  while (arrivals.length && arrivals[0].at < now - WINDOW_MS) arrivals.shift();
}

// Messages a second, latency, dropped and missed of each stream: counted from the messages as they arrive.

const WINDOW_MS = 2000;
const DROPPED_MS = 10_000; // of the rate of dropped frames

export class Meter {
  constructor() {
    this.clear();
  }

  clear() {
    this.streams = new Map(); // stream -> {seq, dropped, missed, lastAt, arrivals: [{at, latency_ms}]}
  }

  count({ stream, seq, dropped, latency_ms }) {
    const at = performance.now();
    if (!this.streams.has(stream)) this.streams.set(stream, { missed: 0, arrivals: [], drops: [] });
    const counts = this.streams.get(stream);
    if (seq > counts.seq + 1) counts.missed += seq - counts.seq - 1;
    Object.assign(counts, { seq, dropped, lastAt: at });
    counts.arrivals.push({ at, latency_ms: latency_ms.total });
    forget(counts.arrivals, at, WINDOW_MS);
    if (at - (counts.drops.at(-1)?.at ?? -Infinity) >= 500) counts.drops.push({ at, dropped });
    forget(counts.drops, at, DROPPED_MS);
  }

  /** Seconds since the last message of a stream; undefined before its first. */
  silence_s(stream) {
    const counts = this.streams.get(stream);
    return counts && (performance.now() - counts.lastAt) / 1000;
  }

  /**
   * {fps, median latency, dropped by the server, the same in a second, missed by this page} of one stream, or of all (null): rates and counts
   * add up. Null where nothing was measured.
   */
  read(stream) {
    const chosen = stream === null ? [...this.streams.values()] : [this.streams.get(stream)].filter(Boolean);
    if (chosen.length === 0) return { fps: null, latency_ms: null, dropped: null, droppedPerSecond: null, missed: 0 };
    const now = performance.now();
    const latencies = [];
    const sums = { fps: 0, dropped: 0, droppedPerSecond: 0, missed: 0 };
    for (const { arrivals, drops, dropped, missed, lastAt } of chosen) {
      forget(arrivals, now, WINDOW_MS);
      forget(drops, now, DROPPED_MS);
      if (drops.length > 1) sums.droppedPerSecond += (1000 * Math.max(0, dropped - drops[0].dropped)) / (lastAt - drops[0].at);
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

function forget(items, now, window_ms) {
  while (items.length && items[0].at < now - window_ms) items.shift();
}

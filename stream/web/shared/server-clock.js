// This browser's clock on the server's: from the clock pair of `hello` at first, then from the quickest answer.

const FORGETS_S = 60; // clocks drift: an answer that old makes room for a slower, newer one

export class ServerClock {
  constructor() {
    this.offset_s = 0; // server's monotonic clock less this page's
    this.delay_s = Infinity; // of the answer that the offset is from
    this.measured_s = -Infinity;
    this.roundTrip_ms = null; // of the last answer
  }

  /** `hello` says the server's time when it was sent: right up to the way it took. */
  greet(server_s, here_s) {
    this.offset_s = server_s - here_s;
    this.delay_s = Infinity;
  }

  /** Sent and answered on this clock, arrived and answered on the server's: as NTP does (RFC 5905, section 8). */
  answered(sent_s, arrived_s, replied_s, heard_s) {
    const delay_s = heard_s - sent_s - (replied_s - arrived_s);
    this.roundTrip_ms = 1000 * (heard_s - sent_s);
    if (delay_s > this.delay_s && heard_s - this.measured_s < FORGETS_S) return;
    this.delay_s = delay_s;
    this.measured_s = heard_s;
    this.offset_s = (arrived_s - sent_s + (replied_s - heard_s)) / 2;
  }

  toServer(here_s) {
    return here_s + this.offset_s;
  }
}

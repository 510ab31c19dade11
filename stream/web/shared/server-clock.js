// Converts this browser's clock to the server's: by the clock pair of `hello` at first, then by the fastest reply.

const MAX_AGE_S = 60; // clocks drift: after that a slower, newer measurement replaces it

export class ServerClock {
  constructor() {
    this.offset_s = 0; // server's monotonic clock less this page's
    this.delay_s = Infinity; // of the answer that the offset is from
    this.measured_s = -Infinity;
    this.roundTrip_ms = null; // of the last answer
  }

  /** The server's time in `hello` is late by the time that the message took. */
  onHello(server_s, here_s) {
    this.offset_s = server_s - here_s;
    this.delay_s = Infinity;
  }

  /** As NTP does (RFC 5905, section 8): two times on this clock, the two between them on the server's. */
  onReply(sent_s, arrived_s, replied_s, received_s) {
    const delay_s = received_s - sent_s - (replied_s - arrived_s);
    this.roundTrip_ms = 1000 * (received_s - sent_s);
    if (delay_s > this.delay_s && received_s - this.measured_s < MAX_AGE_S) return;
    this.delay_s = delay_s;
    this.measured_s = received_s;
    this.offset_s = (arrived_s - sent_s + (replied_s - received_s)) / 2;
  }

  toServer(here_s) {
    return here_s + this.offset_s;
  }
}

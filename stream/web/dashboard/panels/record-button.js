// The record button: an operator starts and stops a recording; everybody sees that one runs, its session and for how long.

import { element, setText } from "../../shared/dom.js";
import { showRecordingNotice } from "../../shared/recording-notice.js";
import { text } from "../../shared/texts.js";
import { durationText } from "../words.js";

export class RecordButton {
  #state = null; // the last `recording` message; null: the server cannot record
  #operator = false;
  #serverAhead_s = 0; // the server's monotonic clock less this page's

  /** Calls onRecord({recording, session}) when a person starts or stops a recording. */
  constructor(onRecord) {
    const form = element("record-form");
    element("record").addEventListener("click", () => {
      if (this.#state?.recording) onRecord({ recording: false });
      else this.#ask(true);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      onRecord({ recording: true, session: element("record-session").value.trim() });
      this.#ask(false);
    });
    element("record-cancel").addEventListener("click", () => this.#ask(false));
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#ask(false);
    });
    setInterval(() => this.#showTime(), 500);
  }

  /** A new connection: what this page may do, and the server's clock. */
  onHello({ role, clock }) {
    this.#operator = role !== "viewer";
    this.#serverAhead_s = clock.monotonic - performance.now() / 1000;
  }

  /** The server's last `recording` message; null without a connection. */
  show(state) {
    this.#state = state;
    const running = state?.recording ?? false;
    element("recording").hidden = !state || !(running || this.#operator);
    element("record").hidden = !this.#operator;
    element("recording").dataset.running = running;
    setText(element("record"), text(running ? "record.stop" : "record.start"));
    element("record").setAttribute("aria-label", text(running ? "record.stop.label" : "record.start.label"));
    if (running || !state) this.#ask(false);
    showRecordingNotice(state);
    this.#showTime();
  }

  #ask(open) {
    element("record-form").hidden = !open;
    element("record").hidden = open || !this.#operator;
    if (open) element("record-session").focus();
    else element("record-session").value = "";
  }

  #showTime() {
    const { recording, session, since } = this.#state ?? {};
    const elapsed_s = performance.now() / 1000 + this.#serverAhead_s - since;
    const what = session ? text("record.running.named", { session }) : text("record.running");
    element("recording-state").hidden = !recording;
    setText(element("recording-what"), recording ? what : "");
    setText(element("recording-time"), recording ? durationText(Math.max(0, elapsed_s)) : "");
  }
}

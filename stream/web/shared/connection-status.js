// The connection's pill in the header, and the button that reconnects at once.

import { element, setText } from "./dom.js";
import { seconds } from "./format.js";

export function showConnection(state, wait_s) {
  document.body.dataset.connection = state;
  const pill = element("connection");
  pill.dataset.state = state;
  // A live region would read every second of the countdown aloud.
  pill.setAttribute("aria-live", state === "waiting" ? "off" : "polite");
  setText(element("connection-text"), connectionText(state, wait_s));
  element("retry").hidden = state !== "waiting";
}

function connectionText(state, wait_s) {
  if (state === "live") return "Connected";
  if (state === "waiting") return `Connection lost, trying again in ${seconds(wait_s)}`;
  if (state === "denied") return "Token needed";
  return "Connecting";
}

// The connection's pill in the header, and the button that reconnects at once.

import { element, setText } from "./dom.js";
import { optionalText, text } from "./texts.js";

/** What a refused page says. */
export const refusalText = ({ status, text: reason }) => text("connection.refusal", { status, reason });

/** What a page for operators says to a viewer. */
export const VIEWER_TEXT = text("connection.viewer");

export function showConnection(state, wait_s, refusal = null) {
  document.body.dataset.connection = state;
  const pill = element("connection");
  pill.dataset.state = state;
  // A live region would read every second of the countdown aloud.
  pill.setAttribute("aria-live", state === "waiting" ? "off" : "polite");
  setText(element("connection-text"), connectionText(state, wait_s, refusal));
  element("retry").hidden = state !== "waiting";
}

function connectionText(state, wait_s, refusal) {
  if (state !== "live" && refusal) return text("connection.refused", { status: refusal.status, seconds: wait_s });
  return optionalText(`connection.${state}`, { seconds: wait_s }) ?? text("connection.connecting");
}

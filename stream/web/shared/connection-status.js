// The connection's pill in the header, and the button that reconnects at once.

import { element, setText } from "./dom.js";
import { seconds } from "./format.js";

/** What a refused page says. */
export const refusalText = ({ status, text }) => `The server refused this page (${status}): ${text}`;

/** What a page for operators says to a viewer. */
export const VIEWER_TEXT = "You may only watch: your token is the server's view token, or the server is read-only. Reload the page to enter another token.";

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
  if (state === "live") return "Connected";
  if (refusal) return `Refused (${refusal.status}), trying again in ${seconds(wait_s)}`;
  if (state === "waiting") return `Connection lost, trying again in ${seconds(wait_s)}`;
  if (state === "denied") return "Token needed";
  return "Connecting";
}

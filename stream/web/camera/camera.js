// The camera page: a person presses the button, pictures go to the server, its replies come back.

import { CameraSender } from "../shared/camera-sender.js";
import { refusalText, showConnection, VIEWER_TEXT } from "../shared/connection-status.js";
import { Connection } from "../shared/connection.js";
import { element } from "../shared/dom.js";
import { TokenPrompt } from "../shared/token.js";

const STATE = { off: "Off", asking: "Asking", waiting: "Waiting", sending: "On", failed: "No camera" };
const COLOUR = { sending: "ok", failed: "gone", waiting: "source" };

const FIRST_WORDS = element("camera-words").textContent;

function showWords(text, bad) {
  element("camera-words").textContent = text;
  element("camera-words").dataset.kind = bad ? "bad" : "";
}

const connection = new Connection({
  onMessage: (message) => {
    if (message.type === "hello") {
      connection.send({ type: "subscribe", streams: [], max_hz: 1 }); // this page draws no values
      const viewer = message.role === "viewer";
      if (!sender.on) element("start").hidden = viewer;
      if (!sender.on) showWords(viewer ? VIEWER_TEXT : FIRST_WORDS, viewer);
    }
    sender.onMessage(message);
  },
  onState: (state, wait_s, refusal) => {
    showConnection(state, wait_s, refusal);
    if (state !== "live") sender.onDisconnect();
    if (refusal) showWords(refusalText(refusal), true);
  },
  onTokenNeeded: (wrong) => prompt.ask(wrong),
});

const sender = new CameraSender({
  connection,
  video: element("video"),
  onState: (state, text) => {
    element("camera-state").textContent = STATE[state];
    element("camera-state").dataset.state = COLOUR[state] ?? "waiting";
    showWords(text, state === "failed");
    element("start").hidden = sender.on;
    element("stop").hidden = !sender.on;
  },
  onFigures: ({ perSecond, roundTrip_ms, refused }) => {
    element("sent").textContent = perSecond.toFixed(1);
    element("round-trip").textContent = roundTrip_ms === null ? "–" : roundTrip_ms.toFixed(0);
    element("refused").textContent = refused;
  },
});
const prompt = new TokenPrompt((token) => connection.useToken(token));

element("retry").addEventListener("click", () => connection.retryNow());
element("start").addEventListener("click", () => sender.start());
element("stop").addEventListener("click", () => sender.stop());
connection.open();

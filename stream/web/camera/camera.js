// The camera page: a person presses the button, pictures go to the server, its replies come back.

import { Client } from "../client/client.js";
import { CameraSender } from "../shared/camera-sender.js";
import { refusalText, showConnection, VIEWER_TEXT } from "../shared/connection-status.js";
import { element } from "../shared/dom.js";
import { showRecordingNotice } from "../shared/recording-notice.js";
import { decimal, text } from "../shared/texts.js";
import { TokenPrompt } from "../shared/token.js";

const COLOUR = { sending: "ok", failed: "gone", waiting: "source" };

const STORAGE_KEY = "mtclar.camera-token"; // of this tab: a reload needs it again

/** The token of a phone's link, #token=..., which is taken out of the address; null without one. */
function linkedToken() {
  const linked = new URLSearchParams(location.hash.slice(1)).get("token");
  if (linked) {
    sessionStorage.setItem(STORAGE_KEY, linked);
    history.replaceState(null, "", location.pathname);
  }
  return linked ?? sessionStorage.getItem(STORAGE_KEY);
}

const shownWords = () => element("camera-words").textContent;
const FIRST_WORDS = shownWords();
let serversWords = null; // why the server refuses this page

function showWords(words, bad) {
  element("camera-words").textContent = words;
  element("camera-words").dataset.kind = bad ? "bad" : "";
}

function showServersWords(words) {
  serversWords = words;
  showWords(words, true);
}

const connection = new Client(undefined, {
  keepTrying: true,
  onMessage: (message) => {
    if (message.type === "recording") showRecordingNotice(message);
    if (message.type === "hello") {
      const viewer = message.role === "viewer";
      if (!sender.on) element("start").hidden = viewer;
      element("to-dashboard").hidden = message.role === "camera"; // it may see nothing there
      if (viewer && !sender.on) showServersWords(VIEWER_TEXT);
      else if (shownWords() === serversWords) showWords(FIRST_WORDS, false); // why a camera failed stays
    }
    sender.onMessage(message);
  },
  onState: (state, wait_s, refusal) => {
    showConnection(state, wait_s, refusal);
    if (state !== "live") {
      sender.onDisconnect();
      showRecordingNotice(null);
    }
    if (refusal) showServersWords(refusalText(refusal));
  },
  onTokenNeeded: (wrong) => prompt.ask(wrong),
});

const sender = new CameraSender({
  connection,
  video: element("video"),
  onState: (state, words) => {
    element("camera-state").textContent = text(`camera.state.${state}`);
    element("camera-state").dataset.state = COLOUR[state] ?? "waiting";
    showWords(words, state === "failed");
    element("start").hidden = sender.on;
    element("stop").hidden = !sender.on;
    element("facts").hidden = !sender.on;
  },
  onFigures: ({ perSecond, roundTrip_ms, refused, size }) => {
    element("size").textContent = size;
    element("sent").textContent = decimal(perSecond, 1);
    element("round-trip").textContent = roundTrip_ms === null ? "–" : decimal(roundTrip_ms, 0);
    element("refused").textContent = refused;
  },
});
const prompt = new TokenPrompt((token) => connection.useToken(token));

element("retry").addEventListener("click", () => connection.retryNow());
element("start").addEventListener("click", () => sender.start());
element("stop").addEventListener("click", () => sender.stop());
connection.subscribe({ streams: [] }); // this page draws no values
const invited = linkedToken();
if (invited) connection.useToken(invited);
else connection.open();
element("start").disabled = false; // it does something from now on

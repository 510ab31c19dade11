// The dashboard's order of events: a message comes, the history grows, the next animation frame draws it.

import { readTheme, Sheet } from "./canvas.js";
import { drawCircumplex } from "./circumplex.js";
import { Connection } from "./connection.js";
import { History } from "./history.js";
import { Meter } from "./meter.js";
import { showPages } from "./pages.js";
import { FaceList, showConnection, showHello, showNumbers, showReading, showState, TokenPrompt } from "./readout.js";
import { drawStrip } from "./strips.js";
import { facesState, seconds, sourceState } from "./words.js";

const SILENCE_S = 3; // connected, but nothing comes: worth saying
const CALM_INTERVAL_MS = 250; // between drawings, for people who asked for less motion
const TEXT_INTERVAL_MS = 100; // digits that change faster cannot be read

const history = new History();
const meter = new Meter();
const supportFrames = new Map(); // subject -> size of their support set
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let theme = readTheme();
let session = null;
let connectionState = "connecting";
let sourceStatus = null; // the source's last status, when it is not live
let farewell = null; // what the server said when it went
let chosen = null; // the face that a person picked
let latestSeq = -1;

// --- drawing: only when something new came -----------------------------------------------------------------------

let asked = false;
let drawnAt_ms = 0;

function invalidate() {
  if (asked) return;
  asked = true;
  const wait_ms = calm.matches ? drawnAt_ms + CALM_INTERVAL_MS - performance.now() : 0;
  if (wait_ms > 0) setTimeout(() => requestAnimationFrame(draw), wait_ms);
  else requestAnimationFrame(draw);
}

const sheets = {
  plane: new Sheet(document.getElementById("circumplex"), invalidate),
  valence: new Sheet(document.getElementById("valence-strip"), invalidate),
  arousal: new Sheet(document.getElementById("arousal-strip"), invalidate),
};

function draw(now_ms) {
  asked = false;
  drawnAt_ms = now_ms;
  drawCircumplex(sheets.plane, history, theme, focus()?.key);
  drawStrip(sheets.valence, history, theme, "valence");
  drawStrip(sheets.arousal, history, theme, "arousal");
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  theme = readTheme();
  invalidate();
});

// --- texts: at a pace that can be read ---------------------------------------------------------------------------

let textTimer = null;

function refreshTexts() {
  textTimer ??= setTimeout(() => {
    textTimer = null;
    const current = connectionState === "live" && !sourceStatus && meter.silence_s() <= SILENCE_S;
    showReading(focus(), latestSeq, current);
    faceList.show(history.present, focus()?.key, supportFrames, current);
    showState(currentState());
  }, TEXT_INTERVAL_MS);
}

/** The face whose values are the large ones: the person's choice while it is there, else the first. */
function focus() {
  const picked = history.faces.get(chosen);
  return picked?.present ? picked : history.present[0];
}

function currentState() {
  if (connectionState === "denied") return { state: "denied", text: "The server wants a token" };
  if (connectionState !== "live") {
    if (farewell) return { state: "gone", text: farewell };
    return connectionState === "waiting"
      ? { state: "gone", text: "The server cannot be reached" }
      : { state: "waiting", text: "Waiting for the server" };
  }
  if (sourceStatus) return sourceState(sourceStatus);
  const silence_s = meter.silence_s();
  if (latestSeq < 0) return { state: "waiting", text: "Waiting for the first picture" };
  if (silence_s > SILENCE_S) return { state: "source", text: `Nothing came for ${seconds(Math.floor(silence_s))}` };
  return facesState(history.present.map((face) => face.latest));
}

const faceList = new FaceList((key) => {
  chosen = key;
  refreshTexts();
  invalidate();
});

setInterval(() => {
  showNumbers(meter.read());
  refreshTexts();
}, 500);

// --- messages ----------------------------------------------------------------------------------------------------

const receive = {
  hello(message) {
    if (message.session !== session) {
      history.clear();
      meter.clear();
      latestSeq = -1;
      session = message.session;
    }
    farewell = null;
    sourceStatus = null;
    supportFrames.clear();
    for (const stream of message.streams) {
      for (const { subject, frames } of stream.subjects) supportFrames.set(subject, frames);
    }
    showHello(message);
    showPages(message.pages);
  },
  affect(message) {
    meter.count(message);
    latestSeq = message.seq;
    history.addAffect(message);
    if (message.truth) document.getElementById("legend-script").hidden = false;
    refreshTexts();
    invalidate();
  },
  status(message) {
    sourceStatus = message.state === "live" ? null : message;
    refreshTexts();
  },
  error(message) {
    console.warn(`mtclar-stream: ${message.code}: ${message.message}`);
  },
  bye(message) {
    farewell = `The server has closed: ${message.reason || message.code}`;
    refreshTexts();
  },
};

const connection = new Connection({
  onMessage: (message) => receive[message.type]?.(message),
  onState: (state, wait_s) => {
    connectionState = state;
    showConnection(state, wait_s);
    refreshTexts();
  },
  onTokenNeeded: (wrong) => prompt.ask(wrong),
});
const prompt = new TokenPrompt((token) => connection.useToken(token));

document.getElementById("retry").addEventListener("click", () => connection.retryNow());
connection.open();

// The dashboard's order of events: a message comes, the history grows, the next animation frame draws what is in view.

import { showConnection } from "../shared/connection-status.js";
import { Connection } from "../shared/connection.js";
import { element } from "../shared/dom.js";
import { TokenPrompt } from "../shared/token.js";
import { readTheme, Sheet } from "./canvas.js";
import { drawCircumplex } from "./circumplex.js";
import { connectControls, showControls } from "./controls.js";
import { save, toCsv, toPicture } from "./export.js";
import { FaceList } from "./faces.js";
import { History } from "./history.js";
import { Meter } from "./meter.js";
import { notice } from "./notices.js";
import { showPages } from "./pages.js";
import { showHello, showMoment, showNumbers, showReading, showState, showWhy } from "./readout.js";
import { barOrder, connectBars, drawSimilarity, frontFrame } from "./similarity.js";
import { StreamChooser } from "./streams.js";
import { Strips } from "./strips.js";
import { View } from "./view.js";
import { absenceState, momentText, SILENCE_S, spanText, streamsState, streamState } from "./words.js";

const CALM_INTERVAL_MS = 250; // between drawings, for people who asked for less motion
const TEXT_INTERVAL_MS = 100; // digits that change faster cannot be read
const FIELDS = ["faults", "raw", "sd", "in_support", "drift"];

const history = new History();
const view = new View(history, () => {
  showControls(view);
  refreshTexts();
  invalidate();
});
const meter = new Meter();
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let theme = readTheme();
let hello = null; // what the server said first
const supports = new Map(); // "stream/subject" -> {frames, labels, order, since, before} of a support set
let connectionState = "connecting";
const statuses = new Map(); // stream -> its source's last status, where that is not live
let farewell = null; // what the server said when it went
let chosen = null; // key of the face that a person picked
let picked = null; // the support frame that a person picked
let latestSeq = -1;

// --- what is looked at -------------------------------------------------------------------------------------------

/** The face whose values are the large ones: the person's choice while it is there, else the first. */
function focusIn(look) {
  const there = look.faces.filter((face) => look.described(face));
  return there.find((face) => face.key === chosen) ?? there[0];
}

/** Notes the support sets of a stream, which stand behind its messages from number `since` on. */
function noteSupports(stream, subjects, since) {
  for (const { subject, frames, labels = [] } of subjects) {
    const key = `${stream}/${subject}`;
    const before = since > 0 && supports.has(key) ? { ...supports.get(key), before: undefined } : undefined;
    supports.set(key, { frames, labels, order: barOrder(labels), since, before });
  }
}

/** The support set behind a face of a message, which may be older than the last change. */
function supportBehind({ stream, seq }, { subject }) {
  const support = supports.get(`${stream}/${subject}`);
  return support && seq < support.since ? support.before : support;
}

/** The support frames of a face and its similarity to each; null where that is unknown. */
function similarityOf(look, face) {
  const { similarity, support } = (face && look.described(face)) ?? {};
  if (!similarity?.length || support?.labels.length !== similarity.length) return null;
  return { ...support, similarity, picked };
}

// --- drawing: only when something new is to be seen --------------------------------------------------------------

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
  plane: new Sheet(element("circumplex"), invalidate),
  valence: new Sheet(element("valence-strip"), invalidate),
  arousal: new Sheet(element("arousal-strip"), invalidate),
  similarity: new Sheet(element("similarity"), invalidate),
};

const strips = new Strips(sheets.valence, sheets.arousal);

function draw(now_ms) {
  asked = false;
  drawnAt_ms = now_ms;
  const look = view.look();
  const focus = focusIn(look);
  const support = similarityOf(look, focus);
  drawCircumplex(sheets.plane, look, theme, focus, support);
  strips.draw(look, theme, focus);
  if (element("why").open) drawSimilarity(sheets.similarity, support, theme, theme.slots[focus?.slot]);
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
    showTexts();
  }, TEXT_INTERVAL_MS);
}

function showTexts() {
  const look = view.look();
  const focus = focusIn(look);
  const described = focus && look.described(focus);
  const support = similarityOf(look, focus);
  const streams = hello ? hello.streams.map(streamNow) : [];
  const shown = streams.filter(({ stream }) => view.stream === null || stream === view.stream);
  const current = !look.live || (connectionState === "live" && shown.some(({ flows }) => flows));
  showState(stateOf(look, shown));
  const others = look.faces.some((face) => face !== focus && look.described(face));
  showReading(described, others ? focus : null, latestSeq, current);
  showMoment(look, focus?.name, described);
  showWhy(described, focus?.name, support, support && frontFrame(support));
  chooser.show(streams);
  const lanes = shown.map((stream) => ({ ...stream, faces: facesIn(look, stream.stream) }));
  faceList.show(lanes, focus, current);
}

function facesIn(look, stream) {
  const faces = look.faces.filter((face) => face.stream === stream);
  return faces.map((face) => ({ face, described: look.described(face) })).filter(({ described }) => described);
}

/** How a stream is at present: {stream, label, people, fps, state, flows}. */
function streamNow({ stream, label, subjects }) {
  const silence_s = meter.silence_s(stream);
  const status = statuses.get(stream);
  const present = history.presentIn(stream);
  const doubtful = subjects.length > 1 || (subjects.length === 1 && present.length > 1); // who could be who
  return {
    stream,
    label: label || stream,
    people: doubtful ? subjects.map(({ subject }) => subject) : null,
    fps: meter.read(stream).fps,
    state: streamState(status, silence_s, present.map((face) => face.latest)),
    flows: !status && silence_s <= SILENCE_S,
  };
}

/** The sentence above the circumplex: {state, text}. */
function stateOf(look, streams) {
  if (!look.live) return { state: "paused", text: `Paused, showing ${momentText(look.newest - look.at)}` };
  if (connectionState !== "live") return absenceState(connectionState, farewell);
  if (streams.length === 1) return streams[0].state;
  return streamsState(streams.filter(({ flows }) => flows).length, streams.length, history.presentIn(null).length);
}

setInterval(() => {
  showNumbers(meter.read(view.stream));
  refreshTexts();
}, 500);

// --- what a person does ------------------------------------------------------------------------------------------

const chooser = new StreamChooser((stream) => view.choose(stream));
const faceList = new FaceList(element("faces"), {
  chosen(face) {
    chosen = face.key;
    pick(null);
  },
  assigned: (face, subject) => connection.send({ type: "assign", stream: face.stream, face: face.id, subject }),
});

function pick(frame) {
  picked = frame;
  refreshTexts();
  invalidate();
}

connectControls(view, [element("valence-strip"), element("arousal-strip")]);

connectBars(
  element("similarity"),
  () => {
    const look = view.look();
    return similarityOf(look, focusIn(look));
  },
  pick,
);

/** The similarities are the largest part of a message: subscribed to only while their bars are open. */
function askForFields() {
  connection.subscribe(element("why").open ? [...FIELDS, "similarity"] : FIELDS);
  invalidate();
}
element("why").addEventListener("toggle", askForFields);

const unix = (t) => t - (hello?.clock.monotonic ?? 0) + (hello?.clock.unix ?? 0);
const momentOf = (look) => new Date(1000 * unix(look.to)).toISOString().slice(0, 19);
const fileName = (look, ending) => `mtclar_${momentOf(look).replaceAll(":", "-")}.${ending}`;

element("export-csv").addEventListener("click", () => {
  const look = view.look();
  save(new Blob([toCsv(look, unix)], { type: "text/csv" }), fileName(look, "csv"));
});

element("export-png").addEventListener("click", () => {
  const look = view.look();
  const focus = focusIn(look);
  const shown = (hello?.streams ?? []).filter(({ stream }) => view.stream === null || stream === view.stream);
  const picture = toPicture({
    look,
    theme,
    focus,
    support: element("why").open ? similarityOf(look, focus) : null,
    title: ["mtclar-stream", ...shown.map(({ label, stream }) => label || stream)].join(" · "),
    note: `${spanText(view.span_s)} until ${momentOf(look).replace("T", " ")} UTC`,
  });
  picture.toBlob((blob) => save(blob, fileName(look, "png")));
});

// --- messages ----------------------------------------------------------------------------------------------------

const receive = {
  hello(message) {
    if (message.session !== hello?.session) {
      history.clear();
      meter.clear();
      latestSeq = -1;
    }
    hello = message;
    farewell = null;
    statuses.clear();
    supports.clear();
    for (const { stream, subjects } of message.streams) noteSupports(stream, subjects, 0);
    view.choose(chooser.announce(message.streams));
    showHello(message);
    showPages(message.pages);
  },
  clock({ unix, monotonic }) {
    hello.clock = { unix, monotonic };
  },
  subjects({ stream, seq, subjects }) {
    const known = hello.streams.find((one) => one.stream === stream);
    if (known) known.subjects = subjects;
    noteSupports(stream, subjects, seq);
    pick(null); // its number is that of another frame now
  },
  affect(message) {
    for (const face of message.faces) face.support = supportBehind(message, face);
    meter.count(message);
    latestSeq = message.seq;
    history.addAffect(message);
    if (message.truth) element("legend-script").hidden = false;
    if (view.paused) return;
    refreshTexts();
    invalidate();
  },
  status(message) {
    if (message.state === "live") statuses.delete(message.stream);
    else statuses.set(message.stream, message);
    refreshTexts();
  },
  error({ code, message }) {
    notice(`error ${code}`, `The server says: ${message} (${code})`);
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

element("retry").addEventListener("click", () => connection.retryNow());
askForFields();
showControls(view);
connection.open();

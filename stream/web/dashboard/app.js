// The dashboard: each message adds to the history, and the next animation frame draws the part in view.

import { Client } from "../client/client.js";
import { BrowserCamera } from "../shared/browser-camera.js";
import { refusalText, showConnection } from "../shared/connection-status.js";
import { element } from "../shared/dom.js";
import { text } from "../shared/texts.js";
import { forgetToken, openWithToken, TokenPrompt } from "../shared/token.js";
import { PageSurface, readTheme } from "./charts/canvas.js";
import { drawCircumplex } from "./charts/circumplex.js";
import { connectBars, drawSimilarity, frontFrame } from "./charts/similarity.js";
import { Strips } from "./charts/strips.js";
import { connectControls, showControls } from "./controls.js";
import { Backlog } from "./data/backlog.js";
import { History } from "./data/history.js";
import { Meter } from "./data/meter.js";
import { SupportSets } from "./data/support-sets.js";
import { View } from "./data/view.js";
import { connectExports } from "./export.js";
import { notice } from "./notices.js";
import { showPages } from "./pages.js";
import { FaceList } from "./panels/faces.js";
import { eventMark, MarkButton } from "./panels/marks.js";
import { PicturePanel } from "./panels/picture.js";
import { RecordButton } from "./panels/record-button.js";
import { showStatistics } from "./panels/statistics.js";
import { StreamChooser } from "./panels/streams.js";
import { ThresholdList } from "./panels/thresholds.js";
import { WallSwitch } from "./panels/wall-switch.js";
import { showHello, showMoment, showNumbers, showPurpose, showReading, showState, showWhy } from "./readout.js";
import { disconnectedState, momentText, SILENCE_S, spanText, streamsState, streamState } from "./words.js";

const REDUCED_MOTION_INTERVAL_MS = 250; // between drawings, for people who asked for less motion
const TEXT_INTERVAL_MS = 100; // digits that change faster cannot be read
const FIELDS = ["faults", "caveats", "raw", "sd", "in_support", "drift", "box", "pose", "nearest_similarity", "absolute"];

const history = new History();
const view = new View(history, () => {
  showControls(view);
  refreshTexts();
  requestDraw();
});
const meter = new Meter();
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
let theme = readTheme();
let hello = null; // the server's first message
const supports = new SupportSets();
let connectionState = "connecting";
let greeted = false; // by a `hello` on this connection
const statuses = new Map(); // stream -> its source's last status, where that is not live
let byeText = null; // the server's reason for closing
let selectedFace = null; // key of the face that a person selected
let selectedFrame = null; // index of the support frame that a person selected
let latestSeq = -1;

// --- the face and its support set -----------------------------------------------------------------------------------

/** The face whose values are large: the selected one while it is present, else the first. */
function focusedFace(viewport) {
  const present = viewport.faces.filter((face) => viewport.described(face));
  return present.find((face) => face.key === selectedFace) ?? present[0];
}

/** The support frames of a face and its similarity to each; null where that is unknown. */
function similarityOf(viewport, face) {
  const { similarity, support } = (face && viewport.described(face)) ?? {};
  if (!similarity?.length || support?.labels.length !== similarity.length) return null;
  return { ...support, similarity, selected: selectedFrame };
}

// --- drawing, only after a change -----------------------------------------------------------------------------------

let drawRequested = false;
let drawnAt_ms = 0;

function requestDraw() {
  if (drawRequested) return;
  drawRequested = true;
  const wait_ms = reducedMotion.matches ? drawnAt_ms + REDUCED_MOTION_INTERVAL_MS - performance.now() : 0;
  if (wait_ms > 0) setTimeout(() => requestAnimationFrame(draw), wait_ms);
  else requestAnimationFrame(draw);
}

const surfaces = {
  plane: new PageSurface(element("circumplex"), requestDraw),
  valence: new PageSurface(element("valence-strip"), requestDraw),
  arousal: new PageSurface(element("arousal-strip"), requestDraw),
  similarity: new PageSurface(element("similarity"), requestDraw),
};

const strips = new Strips(surfaces.valence, surfaces.arousal);

function draw(now_ms) {
  drawRequested = false;
  drawnAt_ms = now_ms;
  const viewport = view.viewport();
  const focus = focusedFace(viewport);
  const support = similarityOf(viewport, focus);
  if (wall.shown) {
    wall.draw(viewport, theme, now_ms);
    if (viewport.live) return;
  }
  drawCircumplex(surfaces.plane, viewport, theme, focus, support);
  strips.draw(viewport, theme, focus);
  if (element("why").open) drawSimilarity(surfaces.similarity, support, theme, theme.slots[focus?.slot]);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  theme = readTheme();
  requestDraw();
});

// --- texts, at a pace that can be read ------------------------------------------------------------------------------

let textTimer = null;

function refreshTexts() {
  textTimer ??= setTimeout(() => {
    textTimer = null;
    showTexts();
  }, TEXT_INTERVAL_MS);
}

function showTexts() {
  const viewport = view.viewport();
  const focus = focusedFace(viewport);
  const described = focus && viewport.described(focus);
  const support = similarityOf(viewport, focus);
  const streams = hello ? hello.streams.map(streamNow) : [];
  const shown = streams.filter(({ stream }) => view.stream === null || stream === view.stream);
  const current = !viewport.live || (connectionState === "live" && shown.some(({ live }) => live));
  showState(stateOf(viewport, shown));
  const others = viewport.faces.some((face) => face !== focus && viewport.described(face));
  showReading(described, others ? focus : null, latestSeq, current);
  showMoment(viewport, focus?.name, described);
  showStatistics(viewport, focus);
  picture.follow();
  showWhy(described, focus?.name, support, support && frontFrame(support));
  chooser.show(streams);
  const groups = shown.map((stream) => ({ ...stream, faces: facesIn(viewport, stream.stream) }));
  faceList.show(groups, focus, current);
  const several = groups.length > 1 || groups.some(({ faces }) => faces.length > 1);
  element("wall-button").hidden = !several && !wall.shown;
  if (wall.shown) wall.show(groups, current);
}

function facesIn(viewport, stream) {
  const faces = viewport.faces.filter((face) => face.stream === stream);
  return faces.map((face) => ({ face, described: viewport.described(face) })).filter(({ described }) => described);
}

/** The present state of a stream: {stream, label, calibrated, people, fps, state, live}. */
function streamNow({ stream, label, subjects }) {
  const silence_s = playback?.playing === false ? 0 : meter.silence_s(stream);
  const status = statuses.get(stream);
  const present = history.presentIn(stream);
  const ambiguous = subjects.length > 1 || (subjects.length === 1 && present.length > 1); // which face is which subject
  const mayAssign = hello.role !== "viewer";
  return {
    stream,
    label: label || stream,
    calibrated: subjects.length > 0,
    people: ambiguous && mayAssign ? subjects.map(({ subject }) => subject) : null,
    ...meter.read(stream),
    state: streamState(status, silence_s, present.map((face) => face.latest)),
    live: !status && silence_s <= SILENCE_S,
  };
}

/** The sentence above the circumplex: {state, text}. */
function stateOf(viewport, streams) {
  if (!viewport.live) return { state: "paused", text: text("state.paused", { moment: momentText(viewport.newest - viewport.at) }) };
  if (connectionState !== "live") return disconnectedState(connectionState, byeText);
  if (playback?.playing === false) return { state: "paused", text: text("player.paused") };
  if (streams.length === 1) return streams[0].state;
  return streamsState(streams.filter(({ live }) => live).length, streams.length, history.presentIn(null).length);
}

setInterval(() => {
  showNumbers(meter.read(view.stream));
  refreshTexts();
}, 500);

// --- what a person does ---------------------------------------------------------------------------------------------

const chooser = new StreamChooser((stream) => view.choose(stream));
const faceList = new FaceList(element("faces"), {
  onSelect(face) {
    selectedFace = face.key;
    selectFrame(null);
  },
  onAssign: (face, subject) => connection.send({ type: "assign", stream: face.stream, face: face.id, subject }),
});

const markButton = new MarkButton((label) => connection.send({ type: "mark", label, stream: view.stream }));
const thresholds = new ThresholdList((list) => connection.send({ type: "thresholds", thresholds: list }));
const picture = new PicturePanel({
  ask: (stream) => connection.send({ type: "preview", stream }),
  current: () => view.stream ?? history.faces.get(selectedFace)?.stream ?? hello?.streams[0]?.stream ?? null,
  faces: (stream) => history.presentIn(stream),
  colour: (slot) => theme.slots[slot],
});
const recordButton = new RecordButton((request) => connection.send({ type: "record", ...request }));

let recording = null; // the last message of a server that can record
let playback = null; // the last message of a server that plays a recording
let player = null; // its panel, loaded then

function selectFrame(frame) {
  selectedFrame = frame;
  refreshTexts();
  requestDraw();
}

// --- the wall: a tile for each face -----------------------------------------------------------------------------------

const wall = new WallSwitch({
  onResize: requestDraw,
  onSwitch() {
    refreshTexts();
    requestDraw();
  },
  onSelect({ stream, key }) {
    if (key) selectedFace = key;
    if (chooser.select(stream)) view.choose(stream);
    selectFrame(null);
  },
});

element("fit").addEventListener("click", () => {
  strips.fitted = !strips.fitted;
  element("fit").setAttribute("aria-pressed", String(strips.fitted));
  requestDraw();
});

connectControls(view, [element("valence-strip"), element("arousal-strip")]);

connectBars(
  element("similarity"),
  () => {
    const viewport = view.viewport();
    return similarityOf(viewport, focusedFace(viewport));
  },
  selectFrame,
);

/** The similarities are the largest part of a message: subscribed to only while their bars are open. */
function subscribeToFields() {
  connection.subscribe({ fields: element("why").open ? [...FIELDS, "similarity"] : FIELDS });
  requestDraw();
}
element("why").addEventListener("toggle", subscribeToFields);

connectExports(() => {
  const viewport = view.viewport();
  const focus = focusedFace(viewport);
  const streams = (hello?.streams ?? []).filter(({ stream }) => view.stream === null || stream === view.stream);
  const support = element("why").open ? similarityOf(viewport, focus) : null;
  return { viewport, theme, focus, support, streams, clock: hello?.clock };
});

// --- messages -------------------------------------------------------------------------------------------------------

const receive = {
  hello(message) {
    if (message.role === "viewer") forgetToken(); // a reload asks for another one
    if (message.session !== hello?.session) {
      history.clear();
      meter.clear();
      backlog.clear();
      latestSeq = -1;
      strips.thresholds = [];
      thresholds.clear();
      if (greeted) view.resume(); // a jump in a recording; another server leaves a paused view as it is
      playback = null; // comes again where a recording is played
      recordButton.show(recording);
    }
    if (message.streams.length === 0) element("player").hidden = true;
    greeted = true;
    hello = message;
    byeText = null;
    statuses.clear();
    supports.clear();
    for (const { stream, subjects } of message.streams) supports.store(stream, subjects, 0);
    view.choose(chooser.setStreams(message.streams));
    showHello(message);
    showPurpose(message.streams);
    markButton.onHello(message);
    thresholds.onHello(message);
    picture.onHello(message);
    showPages(message.pages);
    recordButton.onHello(message);
  },
  clock({ unix, monotonic }) {
    hello.clock = { unix, monotonic };
  },
  subjects({ stream, seq, subjects }) {
    const known = hello.streams.find((one) => one.stream === stream);
    if (known) known.subjects = subjects;
    supports.store(stream, subjects, seq);
    selectFrame(null); // its index is that of another frame now
  },
  subscribed() {
    backlog.onSubscribed();
  },
  affect(message) {
    meter.count(message);
    backlog.onAffect(message);
    if (view.paused) return;
    refreshTexts();
    requestDraw();
  },
  mark({ t, label, stream }) {
    history.addMark({ t, label, stream });
    requestDraw();
  },
  thresholds(message) {
    strips.thresholds = message.thresholds;
    thresholds.show(message.thresholds);
    requestDraw();
  },
  event(message) {
    thresholds.onEvent(message);
    history.addMark(eventMark(message));
    requestDraw();
  },
  status(message) {
    if (message.state === "live") statuses.delete(message.stream);
    else statuses.set(message.stream, message);
    refreshTexts();
  },
  recording(message) {
    recording = message;
    recordButton.show(playback ? null : recording);
  },
  async playback(message) {
    playback = message;
    recordButton.show(null); // what is played is a recording already
    player ??= import("./panels/player.js").then(({ Player }) => new Player((request) => connection.send({ type: "play", ...request })));
    (await player).show(message, hello.role === "operator");
    refreshTexts();
  },
  error({ code, message }) {
    notice(`error ${code}`, text("dashboard.server-error", { message, code }));
  },
  bye(message) {
    byeText = text("dashboard.server-closed", { reason: message.reason || message.code });
    refreshTexts();
  },
};

function addAffect(message) {
  for (const face of message.faces) face.support = supports.of(message, face);
  latestSeq = message.seq;
  history.addAffect(message);
  if (message.truth) element("legend-script").hidden = false;
}

const backlog = new Backlog({
  request: () => connection.history(),
  onAffect: addAffect,
  onMark: (mark) => history.addMark(mark),
  onEvent: (event) => receive.event(event),
  onAdded() {
    refreshTexts();
    requestDraw();
  },
});

const connection = new Client(undefined, {
  keepTrying: true,
  onMessage: (message) => {
    camera.onMessage(message);
    receive[message.type]?.(message);
  },
  onState: (state, wait_s, refusal) => {
    connectionState = state;
    if (refusal) byeText = refusalText(refusal);
    showConnection(state, wait_s, refusal);
    if (state !== "live") {
      recording = null;
      recordButton.show(null);
      greeted = false;
      backlog.onDisconnect();
      camera.onDisconnect();
    }
    refreshTexts();
  },
  onBytes: (bytes) => picture.show(bytes),
  onTokenNeeded: (wrong) => prompt.ask(wrong),
});
const camera = new BrowserCamera(connection, element("camera"));
const prompt = new TokenPrompt((token) => connection.useToken(token));

element("retry").addEventListener("click", () => connection.retryNow());
subscribeToFields();
showControls(view);
openWithToken(connection);

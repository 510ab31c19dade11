// The calibration page: shows the server's state, and sends what the user does.

import { Client } from "../client/client.js";
import { CameraSender } from "../shared/camera-sender.js";
import { cameraRemembered, rememberCamera } from "../shared/browser-camera.js";
import { refusalText, showConnection, VIEWER_TEXT } from "../shared/connection-status.js";
import { element, setText } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { text } from "../shared/texts.js";
import { TokenPrompt } from "../shared/token.js";
import { AffectGrid } from "./affect-grid.js";
import { ContinuousRating } from "./continuous-rating.js";
import { FacePreview } from "./face-preview.js";
import { LabelList } from "./label-list.js";
import { SubjectPicker } from "./subject-picker.js";

const SILENCE_MS = 3000;
const NOTICE_MS = 8000;

let state = null; // the latest calibrate.state
let capture = null; // of the latest calibrate.look
let chosen = null; // number of the label to move
let test = null; // { numbers, index }: labels to test
let prompted = null; // title of the region that the mark was set to
let lastImage_ms = 0;
let notice = null; // { text, until_ms }: the latest error
let redone = null; // number of a label that was redone during the test, and is tested next

const send = (kind, content = {}) => {
  if (state || kind === "join") connection.send({ type: `calibrate.${kind}`, ...content }); // before a state the person is unknown
};

// --- what the user does -------------------------------------------------------------------------------------------

const grid = new AffectGrid(element("grid"), {
  onMove: () => {
    rating.onMove();
    showMark();
  },
  onTake: () => submit(),
  onChoose: (number) => choose(number),
});
const rating = new ContinuousRating(
  { replay: element("replay"), play: element("play"), position: element("position"), text: element("position-text"), finish: element("finish") },
  grid,
  send,
);
const labels = new LabelList(element("labels"), {
  onChoose: (number) => choose(number),
  onRedo: (number) => {
    redone = test ? number : null;
    send("redo", { number });
  },
  onDelete: (number) => {
    if (chosen === number) chosen = null;
    send("delete", { number });
  },
});
const preview = new FacePreview(element("picture"));
const picker = new SubjectPicker({ line: element("subject-line"), words: element("subject-words"), select: element("subject-select") }, () => {
  state = capture = chosen = test = prompted = redone = null;
  if (sender.on) sender.stop();
  preview.clear();
  send("join", picker.choice);
});

function choose(number) {
  chosen = chosen === number ? null : number;
  const sample = state?.samples.find((one) => one.number === chosen);
  if (sample) {
    test = null;
    grid.setMark(sample.valence, sample.arousal);
    element("grid").focus();
  }
  show();
}

/** The main button: captures a label at the mark, moves the chosen label there, or tests the next label. */
function submit() {
  if (capture || !state) return;
  if (test) {
    send("check", { number: test.numbers[test.index] });
  } else if (chosen !== null) {
    send("relabel", { number: chosen, valence: grid.valence, arousal: grid.arousal });
    chosen = null;
  } else if (state.replay) {
    rating.toggle();
  } else {
    send("take", { valence: grid.valence, arousal: grid.arousal });
  }
}

element("take").addEventListener("click", submit);
element("cancel").addEventListener("click", () => {
  if (capture) send("cancel");
  else chosen = test = null;
  show();
});
element("skip").addEventListener("click", () => send("skip"));
element("undo").addEventListener("click", () => send("undo"));
element("clear").addEventListener("click", () => send("clear"));
element("save").addEventListener("click", () => {
  if (!state?.warning) return send("save");
  setText(element("poor-text"), `Values may be no better than without a calibration: ${state.warning}. Redo or delete the labels with long arrows.`);
  element("poor").returnValue = "back";
  element("poor").showModal();
});
element("poor").addEventListener("close", () => {
  if (element("poor").returnValue === "save") send("save", { accept_poor: true });
});
element("check").addEventListener("click", () => {
  chosen = null;
  test = state?.to_check.length ? { numbers: state.to_check, index: 0 } : null;
  show();
  element("take").focus();
});
element("retry").addEventListener("click", () => connection.retryNow());
element("take-over").addEventListener("click", () => send("join", { ...picker.choice, take_over: true }));

// --- what the page shows ------------------------------------------------------------------------------------------

const position = (number) => state.samples.findIndex((sample) => sample.number === number) + 1;

function show() {
  if (!state) return;
  const { samples, ask, enough, error } = state;
  if (test && !samples.some((sample) => sample.number === test.numbers[test.index])) test = null;
  if (chosen !== null && !position(chosen)) chosen = null;
  if (test || chosen !== null) prompted = null; // the mark goes back to the prompted region
  setText(element("subject"), state.subject);
  setText(element("kept"), state.keep_crops ? "Face crops are kept in the support set." : "Only numbers are kept, no images.");

  const { still, replay } = state;
  document.body.dataset.mode = test ? "check" : replay?.lag ? "rated" : "label";
  const recording = Boolean(still ?? replay);
  document.body.dataset.still = recording;
  preview.mirrored = !recording;
  rating.show(replay ?? null);
  if (recording) {
    setText(element("who"), "Tell everyone in this recording");
    setText(element("what"), "that they are being analysed.");
  }
  element("check").hidden = recording;
  if (replay) setText(element("count-words"), "Frames in the support set");
  if (replay && chosen === null) {
    const { step, title, text } = rating.words();
    setText(element("step"), step);
    setText(element("where-title"), title);
    setText(element("ask"), text);
  } else if (still && chosen === null) {
    setText(element("step"), `${still.labelled} of ${still.of} frames labelled`);
    setText(element("where-title"), still.time === null ? "Every frame is labelled" : `Rate the face at ${still.time.toFixed(2)} s`);
    setText(element("ask"), still.time === null ? "Check the labels with a large error, then save." : "Choose its point on the grid, and press the button or Enter.");
  } else if (test) {
    const sample = samples.find((one) => one.number === test.numbers[test.index]);
    setText(element("step"), `Test ${test.index + 1} of ${test.numbers.length}`);
    setText(element("where-title"), `Show the ${sample.region} face again`);
    setText(element("ask"), `Show the face of label ${position(sample.number)}, look at the camera, press the button, and hold it.`);
    grid.setMark(sample.valence, sample.arousal);
  } else if (chosen !== null) {
    setText(element("step"), "Move a label");
    setText(element("where-title"), `Where does label ${position(chosen)} belong?`);
    setText(element("ask"), "Choose its point on the grid.");
  } else if (ask) {
    setText(element("step"), `Next: ${ask.title}`);
    setText(element("where-title"), ask.words);
    setText(element("ask"), "Show this face, adjust the mark to match it, press Capture, and look at the camera.");
    if (prompted !== ask.title) {
      prompted = ask.title;
      grid.setMark(ask.valence, ask.arousal);
    }
  } else {
    setText(element("step"), "Label");
    setText(element("where-title"), "Label your expression");
    setText(element("ask"), "Every region has a label. More labels of frequent expressions still help.");
  }
  grid.show(recording ? { ...state, ask: null } : state, chosen);
  labels.show(samples, chosen);
  showMark();

  element("enough").dataset.enough = enough.enough;
  setText(element("enough"), enough.enough ? `Enough: ${enough.why}. ${recording ? "Save now." : "Test the calibration, then save."}` : `Continue: ${enough.why}.`);
  setText(element("count"), String(samples.length));
  setText(element("error"), error ? error.calibrated.toFixed(2) : "–");
  setText(element("absolute"), error ? error.absolute.toFixed(2) : "–");
  setText(element("check-error"), state.check_error === null ? "–" : state.check_error.toFixed(2));
  element("undo").disabled = !state.can_undo;
  for (const id of ["clear", "check", "save"]) element(id).disabled = samples.length === 0;
  element("saved").hidden = state.saved === null;
  setText(element("saved"), state.saved === null ? "" : `Saved: ${state.saved}`);
  showNotice();
}

/** In the studio this page belongs to its home, not to a dashboard. */
function showHome() {
  const link = document.querySelector(".to-dashboard");
  link.href = "studio";
  setText(link, text("page.studio"));
}

/** What to do before there is a state. */
function showStart(step, title, text) {
  setText(element("subject"), "");
  setText(element("step"), step);
  setText(element("where-title"), title);
  setText(element("ask"), text);
  for (const id of ["undo", "clear", "check", "save"]) element(id).disabled = true;
  labels.show([], null);
  showMark();
}

/** Another page calibrates this person. */
function showTaken(text) {
  state = capture = chosen = test = prompted = null;
  preview.clear();
  if (sender.on) sender.stop();
  element("take-over").hidden = false;
  showStart("In use", "Another page calibrates", "Press Calibrate here to take over; the labels stay.");
  notice = { text: `In use: ${text}. Press Calibrate here to take over; the labels stay.`, until_ms: Infinity };
  showNotice();
}

function showMark() {
  setText(element("place"), `Valence ${signed(grid.valence)}, arousal ${signed(grid.arousal)}`);
  const button = element("take");
  setText(button, test ? "Test" : chosen !== null ? "Move label" : state?.still ? "Save rating" : "Capture");
  button.hidden = Boolean(state?.replay) && chosen === null; // playback follows the mark
  button.disabled = !state || capture !== null || (state.still?.time === null && chosen === null);
  element("cancel").hidden = capture === null && test === null && chosen === null;
  setText(element("cancel"), capture ? "Stop" : test ? "End test" : "Cancel");
  element("skip").hidden = Boolean(state?.replay) || !element("cancel").hidden || !(state?.still ? state.still.time !== null : state?.ask);
}

function showFrameCheck(check) {
  const before = capture;
  capture = check.capture;
  lastImage_ms = performance.now();
  const advice = element("advice");
  advice.dataset.kind = check.usable ? "ok" : "bad";
  if (state?.replay) {
    rating.onImage(check);
    if (chosen === null) setText(element("step"), rating.words().step);
    showMark();
  }
  setText(advice, state?.still || state?.replay ? "" : check.usable ? "Good image" : check.advice.join(". "));
  element("camera-line").hidden = !sender.on; // another page may send the images
  const cue = element("cue");
  cue.hidden = capture === null;
  if (capture) setText(cue, capture.phase === "countdown" ? "Look at the camera" : `Hold: ${capture.taken} of ${capture.of}`);
  if ((before === null) !== (capture === null)) showMark();
}

function showNotice() {
  const failed = notice && performance.now() < notice.until_ms ? notice.text : null;
  const text = failed ?? state?.notice ?? "";
  const node = element("notice");
  node.hidden = text === "";
  node.dataset.kind = failed ? "bad" : "";
  setText(node, text);
}

setInterval(() => {
  if (!state?.still && !state?.replay && performance.now() - lastImage_ms > SILENCE_MS) {
    element("advice").dataset.kind = "waiting";
    setText(element("advice"), state?.camera === "browser" && !sender.on ? "Start the camera below" : "No images from the camera");
    element("camera-line").hidden = state?.camera !== "browser";
    capture = null;
    element("cue").hidden = true;
    preview.clear();
    showMark();
  }
  showNotice();
}, 500);

// --- messages -----------------------------------------------------------------------------------------------------

/** Moves to the next label of the test; tests a label again that was redone. */
function advanceTest(before, now) {
  if (!test || !before) return;
  const number = redone ?? test.numbers[test.index];
  const check = (one) => one?.samples.find((sample) => sample.number === number)?.check ?? null;
  if (redone !== null && check(before) !== null && check(now) === null) {
    send("check", { number });
    return;
  }
  if (check(now) === null || JSON.stringify(check(before)) === JSON.stringify(check(now))) return;
  if (redone !== null) redone = null;
  else test = test.index + 1 < test.numbers.length ? { ...test, index: test.index + 1 } : null;
}

const receive = {
  hello({ pages = [] }) {
    if (pages.includes("studio")) showHome();
    picker.setChoices([]);
    state = capture = null; // this may be another server, with other people and streams
    lastImage_ms = performance.now();
    showMark();
    send("join", picker.choice);
  },
  "calibrate.choices"({ choices }) {
    picker.setChoices(choices);
  },
  "calibrate.state"(message) {
    if (picker.undecided) {
      state = null;
      showStart("Start", "Who are you?", "Choose your name above the image. Your labels go into your own support set.");
      return;
    }
    const before = state;
    state = message;
    if (!element("take-over").hidden) notice = null;
    element("take-over").hidden = true;
    capture = null;
    picker.setCurrent(message);
    sender.target = message.stream;
    if (message.camera === "browser" && cameraRemembered() && !sender.on) sender.start();
    advanceTest(before, message);
    show();
  },
  "calibrate.look"(message) {
    preview.setFace(message);
    showFrameCheck(message);
  },
  error(message) {
    if (message.code === "unknown_stream" && !state && picker.forget()) send("join");
    else if (message.code === "page_taken") return showTaken(message.message);
    else if (message.code === "not_allowed") notice = { text: VIEWER_TEXT, until_ms: Infinity };
    else if (message.code === "unknown_type") notice = { text: "This server does not calibrate: start it with `calibrate page`, or `run`.", until_ms: Infinity };
    else if (!["bad_frame", "frame_too_large", "stream_taken", "token_required", "bad_token"].includes(message.code)) {
      notice = { text: message.message, until_ms: performance.now() + NOTICE_MS };
    }
    capture = null;
    showNotice();
    showMark();
  },
  bye(message) {
    if (state?.saved) return;
    notice = { text: `The server has closed the connection: ${message.reason || message.code}`, until_ms: performance.now() + NOTICE_MS };
    showNotice();
  },
};

const connection = new Client(undefined, {
  keepTrying: true,
  onMessage: (message) => {
    sender.onMessage(message);
    receive[message.type]?.(message);
  },
  onBytes: (bytes) => preview.showImage(bytes),
  onState: (connected, wait_s, refusal) => {
    showConnection(connected, wait_s, refusal);
    if (refusal) notice = { text: refusalText(refusal), until_ms: performance.now() + NOTICE_MS };
    showNotice();
    if (connected !== "live") sender.onDisconnect();
  },
  onTokenNeeded: (wrong) => prompt.ask(wrong),
});
const sender = new CameraSender({
  connection,
  video: element("video"),
  onState: (sending, text) => {
    element("camera-start").hidden = sender.on;
    setText(element("camera-words"), text);
    element("camera-words").dataset.kind = sending === "failed" ? "bad" : "";
  },
});
const prompt = new TokenPrompt((token) => connection.useToken(token));
element("camera-start").addEventListener("click", () => {
  rememberCamera(true);
  sender.start();
});
connection.subscribe({ streams: [] }); // this page shows no values
connection.open();

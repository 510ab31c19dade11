// The calibration page's order of events: the server says how it stands, the page shows it, the person acts, the server answers.

import { CameraSender } from "../shared/camera-sender.js";
import { showConnection } from "../shared/connection-status.js";
import { Connection } from "../shared/connection.js";
import { element, say } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { TokenPrompt } from "../shared/token.js";
import { ContinuousRating } from "./continuous.js";
import { AffectGrid } from "./grid.js";
import { LabelList } from "./labels.js";
import { PictureView } from "./picture.js";
import { Seat } from "./seat.js";

const SILENCE_MS = 3000;
const NOTICE_MS = 8000;

let state = null; // the server's last calibrate.state
let capture = null; // of its last look
let chosen = null; // the label that the next place on the grid is for
let checking = null; // { numbers, at }: the validation step
let asked = null; // title of the region that the mark was put on
let lookedAt_ms = 0;
let notice = null; // { text, until_ms }: what went wrong last
let redone = null; // a label that was taken anew in the validation step, and is checked next

const act = (kind, content = {}) => {
  if (state || kind === "join") connection.send({ type: `calibrate.${kind}`, ...content }); // before that: for whom?
};

// --- what a person does -------------------------------------------------------------------------------------------

const grid = new AffectGrid(element("grid"), {
  onMove: () => {
    rating.touched();
    showPlace();
  },
  onTake: () => go(),
  onChoose: (number) => choose(number),
});
const rating = new ContinuousRating(
  { replay: element("replay"), play: element("play"), position: element("position"), text: element("position-text"), finish: element("finish") },
  grid,
  act,
);
const labels = new LabelList(element("labels"), {
  onChoose: (number) => choose(number),
  onRedo: (number) => {
    redone = checking ? number : null;
    act("redo", { number });
  },
  onDelete: (number) => {
    if (chosen === number) chosen = null;
    act("delete", { number });
  },
});
const picture = new PictureView(element("picture"));
const seat = new Seat({ line: element("seat-line"), words: element("seat-words"), select: element("seat") }, () => {
  state = capture = chosen = checking = asked = redone = null;
  if (sender.on) sender.stop();
  picture.clear();
  act("join", seat.wish);
});

function choose(number) {
  chosen = chosen === number ? null : number;
  const sample = state?.samples.find((one) => one.number === chosen);
  if (sample) {
    checking = null;
    grid.put(sample.valence, sample.arousal);
    element("grid").focus();
  }
  show();
}

/** The large button: takes pictures for the place of the mark, moves the chosen label there, or checks the next one. */
function go() {
  if (capture || !state) return;
  if (checking) {
    act("check", { number: checking.numbers[checking.at] });
  } else if (chosen !== null) {
    act("relabel", { number: chosen, valence: grid.valence, arousal: grid.arousal });
    chosen = null;
  } else if (state.replay) {
    rating.toggle();
  } else {
    act("take", { valence: grid.valence, arousal: grid.arousal });
  }
}

element("take").addEventListener("click", go);
element("cancel").addEventListener("click", () => {
  if (capture) act("cancel");
  else chosen = checking = null;
  show();
});
element("skip").addEventListener("click", () => act("skip"));
element("undo").addEventListener("click", () => act("undo"));
element("clear").addEventListener("click", () => act("clear"));
element("save").addEventListener("click", () => act("save"));
element("check").addEventListener("click", () => {
  chosen = null;
  checking = state?.to_check.length ? { numbers: state.to_check, at: 0 } : null;
  show();
  element("take").focus();
});
element("retry").addEventListener("click", () => connection.retryNow());

// --- what the page shows ------------------------------------------------------------------------------------------

const place = (number) => state.samples.findIndex((sample) => sample.number === number) + 1;

function show() {
  if (!state) return;
  const { samples, ask, enough, error } = state;
  if (checking && !samples.some((sample) => sample.number === checking.numbers[checking.at])) checking = null;
  if (chosen !== null && !place(chosen)) chosen = null;
  if (checking || chosen !== null) asked = null; // the mark goes back to the region that is asked for
  say(element("subject"), state.subject);
  say(element("kept"), state.keep_crops ? "Cut-outs of your face are kept in the support set." : "Only numbers are kept, no pictures.");

  const { still, replay } = state;
  document.body.dataset.mode = checking ? "check" : replay?.lag ? "rated" : "label";
  const recording = Boolean(still ?? replay);
  document.body.dataset.still = recording;
  picture.mirrored = !recording;
  rating.show(replay ?? null);
  if (recording) {
    say(element("who"), "Who is in this recording is being analysed:");
    say(element("what"), "tell them.");
    say(element("skip"), "Skip it");
  }
  element("check").hidden = recording;
  if (replay) say(element("count-words"), "Frames in the support set");
  if (replay && chosen === null) {
    const { step, title, text } = rating.words();
    say(element("step"), step);
    say(element("where-title"), title);
    say(element("ask"), text);
  } else if (still && chosen === null) {
    say(element("step"), `${still.labelled} of ${still.of} pictures have a label`);
    say(element("where-title"), still.time === null ? "Every picture has a label" : `Where is this face, at ${still.time.toFixed(2)} s?`);
    say(element("ask"), still.time === null ? "Look at those that are far off, then save." : "Point at its place on the grid, and press the button or Enter.");
  } else if (checking) {
    const sample = samples.find((one) => one.number === checking.numbers[checking.at]);
    say(element("step"), `Check ${checking.at + 1} of ${checking.numbers.length}`);
    say(element("where-title"), `Show “${sample.region}” once more`);
    say(element("ask"), `The face that you labelled with ${place(sample.number)}: look at the camera, press the button, hold it.`);
    grid.put(sample.valence, sample.arousal);
  } else if (chosen !== null) {
    say(element("step"), "Relabel");
    say(element("where-title"), `Where does label ${place(chosen)} belong?`);
    say(element("ask"), "Point at its place on the grid.");
  } else if (ask) {
    say(element("step"), `Next: ${ask.title}`);
    say(element("where-title"), ask.words);
    say(element("ask"), "Show it, move the mark to where you really are, press the button, and look at the camera.");
    if (asked !== ask.title) {
      asked = ask.title;
      grid.put(ask.valence, ask.arousal);
    }
  } else {
    say(element("step"), "Label");
    say(element("where-title"), "Where are you?");
    say(element("ask"), "Every region has a label. More of what you show most often still helps.");
  }
  grid.show(recording ? { ...state, ask: null } : state, chosen);
  labels.show(samples, chosen);
  showPlace();

  element("enough").dataset.enough = enough.enough;
  say(element("enough"), enough.enough ? `Enough: ${enough.why}. ${recording ? "Save it." : "Check it, then save."}` : `Not enough yet: ${enough.why}.`);
  say(element("count"), String(samples.length));
  say(element("error"), error ? error.calibrated.toFixed(2) : "–");
  say(element("absolute"), error ? error.absolute.toFixed(2) : "–");
  say(element("check-error"), state.check_error === null ? "–" : state.check_error.toFixed(2));
  element("undo").disabled = !state.can_undo;
  for (const id of ["clear", "check", "save"]) element(id).disabled = samples.length === 0;
  element("saved").hidden = state.saved === null;
  say(element("saved"), state.saved === null ? "" : `Saved: ${state.saved}`);
  showNotice();
}

/** Several people, and nobody has said who sits here: nothing can be done for any of them yet. */
function showWho() {
  say(element("subject"), "");
  say(element("step"), "First");
  say(element("where-title"), "Who are you?");
  say(element("ask"), "Choose yourself above the picture. Your labels go into your own support set.");
  for (const id of ["undo", "clear", "check", "save"]) element(id).disabled = true;
  labels.show([], null);
  showPlace();
}

function showPlace() {
  say(element("place"), `Valence ${signed(grid.valence)}, arousal ${signed(grid.arousal)}`);
  const button = element("take");
  say(button, checking ? "Check this one" : chosen !== null ? "It belongs here" : state?.still ? "It is here" : "I am here");
  button.hidden = Boolean(state?.replay) && chosen === null; // nothing is taken: the mark is followed
  button.disabled = !state || capture !== null || (state.still?.time === null && chosen === null);
  element("cancel").hidden = capture === null && checking === null && chosen === null;
  say(element("cancel"), capture ? "Stop" : "Leave it");
  element("skip").hidden = Boolean(state?.replay) || !element("cancel").hidden || !(state?.still ? state.still.time !== null : state?.ask);
}

function showLook(look) {
  const before = capture;
  capture = look.capture;
  lookedAt_ms = performance.now();
  const advice = element("advice");
  advice.dataset.kind = look.usable ? "ok" : "bad";
  if (state?.replay) {
    rating.look(look);
    if (chosen === null) say(element("step"), rating.words().step);
    showPlace();
  }
  say(advice, state?.still || state?.replay ? "" : look.usable ? "Good picture" : look.advice.join(". "));
  element("camera-line").hidden = !sender.on; // another page may be the camera
  const cue = element("cue");
  cue.hidden = capture === null;
  if (capture) say(cue, capture.phase === "countdown" ? "Look at the camera" : `Hold it: ${capture.taken} of ${capture.of}`);
  if ((before === null) !== (capture === null)) showPlace();
}

function showNotice() {
  const failed = notice && performance.now() < notice.until_ms ? notice.text : null;
  const text = failed ?? state?.notice ?? "";
  const node = element("notice");
  node.hidden = text === "";
  node.dataset.kind = failed ? "bad" : "";
  say(node, text);
}

setInterval(() => {
  if (!state?.still && !state?.replay && performance.now() - lookedAt_ms > SILENCE_MS) {
    element("advice").dataset.kind = "waiting";
    say(element("advice"), state?.camera === "browser" && !sender.on ? "Start the camera below" : "No picture comes from the camera");
    element("camera-line").hidden = state?.camera !== "browser";
    capture = null;
    element("cue").hidden = true;
    picture.clear();
    showPlace();
  }
  showNotice();
}, 500);

// --- messages -----------------------------------------------------------------------------------------------------

/** A checked label makes room for the next one; one that was taken anew in between is checked again. */
function stepOn(before, now) {
  if (!checking || !before) return;
  const number = redone ?? checking.numbers[checking.at];
  const check = (one) => one?.samples.find((sample) => sample.number === number)?.check ?? null;
  if (redone !== null && check(before) !== null && check(now) === null) {
    act("check", { number });
    return;
  }
  if (check(now) === null || JSON.stringify(check(before)) === JSON.stringify(check(now))) return;
  if (redone !== null) redone = null;
  else checking = checking.at + 1 < checking.numbers.length ? { ...checking, at: checking.at + 1 } : null;
}

const receive = {
  hello() {
    seat.offer([]);
    state = capture = null; // of a server before this one, perhaps: it may have other people and streams
    lookedAt_ms = performance.now();
    showPlace();
    connection.send({ type: "subscribe", streams: [] }); // this page draws no values
    act("join", seat.wish);
  },
  "calibrate.choices"({ choices }) {
    seat.offer(choices);
  },
  "calibrate.state"(message) {
    if (seat.undecided) {
      state = null;
      showWho();
      return;
    }
    const before = state;
    state = message;
    capture = null;
    seat.show(message);
    sender.target = message.stream;
    stepOn(before, message);
    show();
  },
  "calibrate.look"(message) {
    picture.expect(message);
    showLook(message);
  },
  error(message) {
    if (message.code === "unknown_stream" && !state && seat.forget()) act("join");
    else if (message.code === "unknown_type") notice = { text: "This server does not calibrate: start it with `calibrate page`, or `run`.", until_ms: Infinity };
    else if (!["bad_frame", "frame_too_large", "stream_taken", "token_required", "bad_token"].includes(message.code)) {
      notice = { text: message.message, until_ms: performance.now() + NOTICE_MS };
    }
    capture = null;
    showNotice();
    showPlace();
  },
  bye(message) {
    if (state?.saved) return;
    notice = { text: `The server has closed: ${message.reason || message.code}`, until_ms: performance.now() + NOTICE_MS };
    showNotice();
  },
};

const connection = new Connection({
  onMessage: (message) => {
    sender.hear(message);
    receive[message.type]?.(message);
  },
  onBytes: (bytes) => picture.show(bytes),
  onState: (connected, wait_s) => {
    showConnection(connected, wait_s);
    if (connected !== "live") sender.lost();
  },
  onTokenNeeded: (wrong) => prompt.ask(wrong),
});
const sender = new CameraSender({
  connection,
  video: element("video"),
  onState: (sending, text) => {
    element("camera-start").hidden = sender.on;
    say(element("camera-words"), text);
    element("camera-words").dataset.kind = sending === "failed" ? "bad" : "";
  },
});
const prompt = new TokenPrompt((token) => connection.useToken(token));
element("camera-start").addEventListener("click", () => sender.start());
connection.open();

// The calibration page: shows the server's state, and sends what the user does.

import { cameraRemembered, rememberCamera } from "../shared/browser-camera.js";
import { CameraSender } from "../shared/camera-sender.js";
import { element, setText } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { decimal, optionalText, text as words } from "../shared/texts.js";
import { AffectGrid } from "./affect-grid.js";
import { CaptureCue } from "./capture-cue.js";
import { FacePreview } from "./face-preview.js";
import { FinishedScreen } from "./finished.js";
import { LabelList } from "./label-list.js";
import { adviceText, regionText, stoppingText, warningText } from "./sentences.js";
import { SessionPage } from "./session.js";
import { SubjectPicker } from "./subject-picker.js";

const SILENCE_MS = 3000;

let state = null; // the latest calibrate.state
let lastCheck = null; // the latest calibrate.look
let capture = null; // of it
let chosen = null; // number of the label to move
let test = null; // { numbers, index }: labels to test
let prompted = null; // title of the region that the mark was set to
let lastImage_ms = 0;
let redone = null; // number of a label that was redone during the test, and is tested next

const send = (kind, content) => page.send(kind, content);

// --- what the user does -------------------------------------------------------------------------------------------

const grid = new AffectGrid(element("grid"), {
  onMove: () => showMark(),
  onTake: () => submit(),
  onChoose: (number) => choose(number),
});
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
const cue = new CaptureCue(element("cue"), element("cue-sound"));
const finished = new FinishedScreen({
  onCompare: (name) => send("compare", { name }),
  onMore: () => element("grid").focus(),
  onDone: () => page.end(),
});
const picker = new SubjectPicker({ line: element("subject-line"), words: element("subject-words"), select: element("subject-select") }, () => {
  forget();
  if (sender.on) sender.stop();
  preview.clear();
  page.choice = picker.choice;
  send("join", picker.choice);
});

function forget() {
  state = capture = chosen = test = prompted = redone = null;
  page.joined = false;
  finished.hide();
}

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
for (const kind of ["skip", "undo", "clear", "load"]) element(kind).addEventListener("click", () => send(kind));
element("recalibrate").addEventListener("change", () => {
  chosen = test = null;
  send("recalibrate", { region: element("recalibrate").value });
  element("grid").focus();
});
element("save").addEventListener("click", () => {
  if (!state?.warning) return send("save");
  setText(element("poor-text"), words("calibrate.poor.words", { warning: warningText(state) }));
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

// --- what the page shows ------------------------------------------------------------------------------------------

const position = (number) => state.samples.findIndex((sample) => sample.number === number) + 1;

/** The words above the grid, and the region of the example face. */
function task() {
  const { samples, ask, replacing } = state;
  if (test) {
    const sample = samples.find((one) => one.number === test.numbers[test.index]);
    return {
      step: words("calibrate.test.step", { n: test.index + 1, of: test.numbers.length }),
      title: words("calibrate.test.title", { region: regionText(sample.region) }),
      text: words("calibrate.test.words", { place: position(sample.number) }),
      region: sample.region,
      mark: sample,
    };
  }
  if (chosen !== null) {
    const title = words("calibrate.move.title", { place: position(chosen) });
    return { step: words("calibrate.move.step"), title, text: words("calibrate.move.words"), region: null };
  }
  const region = regionText(ask.title);
  return {
    step: words(replacing ? "calibrate.again" : "calibrate.next", { region }),
    title: optionalText(`prompt.${ask.title}`) ?? ask.words,
    text: words(replacing ? "calibrate.again.words" : "calibrate.next.words"),
    region: ask.title,
  };
}

function show() {
  if (!state) return;
  const { samples, ask, enough, error } = state;
  if (test && !samples.some((sample) => sample.number === test.numbers[test.index])) test = null;
  if (chosen !== null && !position(chosen)) chosen = null;
  if (test || chosen !== null) prompted = null; // the mark goes back to the prompted region
  document.body.dataset.mode = test ? "check" : "label";
  setText(element("subject"), state.subject);
  setText(element("kept"), words(state.keep_crops ? "calibrate.kept.crops" : "calibrate.kept.numbers"));

  const { step, title, text, region, mark } = task();
  setText(element("step"), step);
  setText(element("where-title"), title);
  setText(element("ask"), text);
  showExample(region);
  if (mark) grid.setMark(mark.valence, mark.arousal);
  const prompt = `${ask.title} ${state.replacing}`;
  if (!test && chosen === null && prompted !== prompt) {
    prompted = prompt;
    grid.setMark(ask.valence, ask.arousal);
  }
  grid.show(state, chosen);
  labels.show(samples, chosen);
  showMark();
  showRegions();

  element("enough").dataset.enough = enough.enough;
  setText(element("enough"), words(enough.enough ? "calibrate.enough" : "calibrate.continue", { why: stoppingText(enough) }));
  element("warning").hidden = !state.warning;
  setText(element("warning"), state.warning ? words("calibrate.warning", { warning: warningText(state) }) : "");
  setText(element("count"), String(samples.length));
  setText(element("error"), error ? decimal(error.calibrated, 2) : "–");
  setText(element("absolute"), error ? decimal(error.absolute, 2) : "–");
  setText(element("check-error"), state.check_error === null ? "–" : decimal(state.check_error, 2));
  element("undo").disabled = !state.can_undo;
  element("load").hidden = samples.length > 0 || !state.stored.some((one) => one.present);
  for (const id of ["clear", "check", "save"]) element(id).disabled = samples.length === 0;
  finished.show(state);
}

/** The rendered face of a region; hidden for null. */
function showExample(region) {
  const image = element("example");
  image.hidden = region === null;
  if (region === null || image.dataset.region === region) return;
  image.dataset.region = region;
  image.src = `calibrate/faces/${region.replace(", ", "-")}.webp`;
  image.alt = words("calibrate.example", { region: regionText(region) });
}

function showRegions() {
  const select = element("recalibrate");
  const covered = state.regions.filter((region) => region.covered).map((region) => region.title);
  element("recalibrate-line").hidden = covered.length === 0;
  if ([...select.options].slice(1).map((option) => option.value).join("\n") !== covered.join("\n")) {
    select.replaceChildren(new Option(words("calibrate.recalibrate.region"), ""), ...covered.map((title) => new Option(regionText(title), title)));
  }
  select.value = state.replacing ?? "";
}

/** In the studio this page belongs to its home, not to a dashboard. */
function showHome() {
  const link = document.querySelector(".to-dashboard");
  link.href = "studio";
  setText(link, words("page.studio"));
  element("start").href = "live";
}

/** What to do before there is a state. */
function showStart(step, title, text) {
  setText(element("subject"), "");
  setText(element("step"), step);
  setText(element("where-title"), title);
  setText(element("ask"), text);
  showExample(null);
  element("recalibrate-line").hidden = element("load").hidden = true;
  for (const id of ["undo", "clear", "check", "save"]) element(id).disabled = true;
  labels.show([], null);
  showMark();
}

function showMark() {
  setText(element("place"), words("session.place", { valence: signed(grid.valence), arousal: signed(grid.arousal) }));
  const button = element("take");
  setText(button, words(test ? "calibrate.test" : chosen !== null ? "calibrate.move" : "calibrate.take"));
  button.disabled = !state || capture !== null;
  element("cancel").hidden = capture === null && test === null && chosen === null;
  setText(element("cancel"), words(capture ? "session.stop" : test ? "calibrate.test.end" : "session.cancel"));
  element("skip").hidden = !element("cancel").hidden || !state?.ask;
}

function showFrameCheck(check) {
  const before = capture;
  lastCheck = check;
  capture = check.capture;
  lastImage_ms = performance.now();
  const advice = element("advice");
  advice.dataset.kind = check.usable ? "ok" : "bad";
  setText(advice, check.usable ? words("calibrate.image.good") : adviceText(check));
  element("camera-line").hidden = !sender.on; // another page may send the images
  cue.show(capture);
  if ((before === null) !== (capture === null)) showMark();
}

setInterval(() => {
  if (performance.now() - lastImage_ms > SILENCE_MS) {
    element("advice").dataset.kind = "waiting";
    setText(element("advice"), words(state?.camera === "browser" && !sender.on ? "calibrate.image.start" : "calibrate.image.none"));
    element("camera-line").hidden = state?.camera !== "browser";
    capture = null;
    cue.clear();
    preview.clear();
    showMark();
  }
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

const page = new SessionPage({
  onBytes: (bytes) => preview.showImage(bytes),
  onMessage: (message) => sender.onMessage(message),
  onDisconnect: () => sender.onDisconnect(),
  onHello({ pages = [] }) {
    if (pages.includes("studio")) showHome();
    picker.setChoices([]);
    state = capture = null; // this may be another server, with other people and streams
    lastImage_ms = performance.now();
    page.choice = picker.choice;
    showMark();
  },
  onTaken() {
    forget();
    preview.clear();
    if (sender.on) sender.stop();
    showStart(words("calibrate.taken.step"), words("calibrate.taken.title"), words("calibrate.taken.words"));
  },
  takenText: (address) => words("session.taken.calibrate", { address }),
  errorText({ code, message }) {
    // The last image says why in the language of the page.
    return code === "no_usable_frame" && !lastCheck?.usable ? `${words("session.error.no_usable_frame")} ${adviceText(lastCheck)}` : undefined;
  },
  onEnded: () => finished.end(),
  onError(message) {
    capture = null;
    cue.clear();
    showMark();
    if (message.code !== "unknown_stream" || state || !picker.forget()) return false;
    page.choice = picker.choice;
    send("join");
    return true;
  },
  receive: {
    "calibrate.choices"({ choices }) {
      picker.setChoices(choices);
    },
    "calibrate.state"(message) {
      if (message.still || message.replay) return location.replace(`rate${location.hash}`); // a recording has a page of its own
      if (picker.undecided) {
        state = null;
        showStart(words("calibrate.who.step"), words("calibrate.who.title"), words("calibrate.who.words"));
        return;
      }
      const before = state;
      state = message;
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
    "calibrate.comparison"(message) {
      finished.compared(message);
    },
  },
});
const sender = new CameraSender({
  connection: page.connection,
  video: element("video"),
  onState: (sending, text) => {
    element("camera-start").hidden = sender.on;
    setText(element("camera-words"), text);
    element("camera-words").dataset.kind = sending === "failed" ? "bad" : "";
  },
});
element("camera-start").addEventListener("click", () => {
  rememberCamera(true);
  sender.start();
});
page.choice = picker.choice;
page.open();

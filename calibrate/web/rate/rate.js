// The rating page: shows a frame or plays the recording, and sends the rater's answers. Blind unless the rater asks.

import { FacePreview } from "../calibrate/face-preview.js";
import { LabelList } from "../calibrate/label-list.js";
import { warningText } from "../calibrate/sentences.js";
import { SessionPage } from "../calibrate/session.js";
import { linkedChoice } from "../calibrate/subject-picker.js";
import { element, make, setText } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { decimal, optionalText, text as words } from "../shared/texts.js";
import { RatingInput } from "./rating-input.js";
import { RecordingSound } from "./sound.js";
import { Transport } from "./transport.js";

const linked = new URLSearchParams(location.hash.slice(1)); // by the studio's home
let state = null; // the latest calibrate.state
let chosen = null; // number of the label to move
let shown = null; // what the mark stands for: the time of a frame, or the number of a label
let inStudio = false; // which opens the recording for another rater, and has no command line
let dismissed = null; // the saved file whose screen was left

const send = (kind, content) => page.send(kind, content);
const errors = () => element("unblind").checked;

// --- what the rater does ------------------------------------------------------------------------------------------

const input = new RatingInput({
  onMove: () => {
    transport.onMove();
    showMark();
  },
  onTake: () => submit(),
  onChoose: (number) => choose(number),
});
const labels = new LabelList(element("labels"), {
  onChoose: (number) => choose(number),
  onDelete: (number) => {
    if (chosen === number) chosen = null;
    send("delete", { number });
  },
});
const preview = new FacePreview(element("picture"));
preview.mirrored = false;

/** Shows the frame of a label, to be rated again. */
function choose(number) {
  chosen = chosen === number ? null : number;
  const sample = state?.samples.find((one) => one.number === chosen);
  if (sample) send("show", { time: sample.time });
  else show();
  input.focus();
}

function submit() {
  if (!state) return;
  if (!input.placed) return setText(element("place"), words("rate.move-first"));
  const answer = { valence: input.valence, arousal: input.arousal, category: input.category, note: element("note").value.trim() };
  if (chosen !== null) {
    send("relabel", { number: chosen, ...answer });
    chosen = null;
    if (state.still) send("skip"); // on to the next frame
  } else if (state.replay) {
    return transport.toggle();
  } else if (state.still.time !== null) {
    send("take", answer);
  }
}

function addNote() {
  send("note", { time: transport.time_s, text: element("note").value.trim() });
  element("note").value = "";
}

element("take").addEventListener("click", submit);
element("cancel").addEventListener("click", () => {
  chosen = null;
  if (state?.still) send("skip");
  show();
});
element("done").addEventListener("click", () => page.end());
for (const kind of ["skip", "undo", "clear"]) element(kind).addEventListener("click", () => send(kind));
element("unblind").addEventListener("change", () => show());
element("note-add").addEventListener("click", addNote);
element("note").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  if (state?.replay && chosen === null) addNote();
  else submit();
});
element("save").addEventListener("click", () => {
  if (!state?.warning) return send("save");
  setText(element("poor-text"), words("rate.poor.words", { warning: warningText(state) }));
  element("poor").returnValue = "back";
  element("poor").showModal();
});
element("poor").addEventListener("close", () => {
  if (element("poor").returnValue === "save") send("save", { accept_poor: true });
});
element("more").addEventListener("click", () => {
  dismissed = state?.saved ?? null;
  showFinished();
  input.focus();
});

element("other-rater").addEventListener("submit", (event) => {
  event.preventDefault();
  const rater = element("other-rater-name").value.trim();
  element("other-rater-start").disabled = true; // the recording is read again first
  page.connection.send({ type: "studio.rate", file: linked.get("file"), how: linked.get("how"), participant: state.subject, rater });
});

const KEYS = {
  ",": () => transport.step(-1),
  ".": () => transport.step(1),
  " ": () => transport.toggle(),
  s: () => transport.faster(-1),
  f: () => transport.faster(1),
  l: () => transport.loop(),
  m: () => sound.toggle(),
  n: () => element("note").focus(),
};
document.addEventListener("keydown", (event) => {
  const busy = event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=text], input[type=password], select, dialog");
  if (!state || busy || !KEYS[event.key] || (event.key === " " && event.target.closest("button, input, summary"))) return;
  event.preventDefault();
  KEYS[event.key]();
});

// --- what the page shows ------------------------------------------------------------------------------------------

const position = (number) => state.samples.findIndex((sample) => sample.number === number) + 1;

/** The words above the inputs. */
function task() {
  const { still, replay } = state;
  if (chosen !== null) {
    const title = words("rate.again.title", { place: position(chosen) });
    return { step: words("rate.again.step"), title, text: words("rate.again.words") };
  }
  if (replay) return transport.words();
  const step = words("rate.frames.step", { n: still.labelled, of: still.of });
  if (still.time === null) return { step, title: words("rate.frames.done"), text: words("rate.frames.done.words") };
  const title = words(still.number === null ? "rate.frame.title" : "rate.frame.title.again", { time: decimal(still.time, 2) });
  return { step, title, text: words("rate.frame.words") };
}

/** A new frame has no answer; a frame that was rated shows the rater's own. */
function showAnswer() {
  const number = chosen ?? state.still?.number ?? null;
  const now = number !== null ? `label ${number}` : state.still ? `frame ${state.still.time}` : "playback";
  if (shown === now) return;
  const focused = shown !== null;
  shown = now;
  const sample = state.samples.find((one) => one.number === number);
  element("note").value = sample?.note ?? "";
  if (sample) input.set(sample);
  else if (state.still) input.clear();
  if (!focused || document.activeElement === document.body || element("take").contains(document.activeElement)) input.focus();
}

function show() {
  if (!state) return;
  const { samples, error, still, replay } = state;
  if (chosen !== null && !position(chosen)) chosen = null;
  setText(element("subject"), state.rater ? words("rate.subject.by", { subject: state.subject, rater: state.rater }) : state.subject);
  setText(element("kept"), state.keep_crops ? words("calibrate.kept.crops") : "");
  transport.show(replay ?? null);
  sound.show(replay ? state.sound : null);
  showAnswer();
  const { step, title, text } = task();
  setText(element("step"), step);
  setText(element("where-title"), title);
  setText(element("ask"), text);
  setText(element("back"), words(still ? "rate.still.back" : "rate.frame.back"));
  setText(element("forward"), words(still ? "rate.still.forward" : "rate.frame.forward"));
  input.grid.show({ ...state, regions: [], ask: null, samples: errors() ? samples : [] }, chosen, errors());
  labels.show(samples, chosen, errors());
  showNotes(replay?.notes ?? []);
  showMark();
  setText(element("count-words"), words(replay ? "rate.support-frames" : "rate.ratings"));
  setText(element("count"), String(samples.length));
  element("errors").hidden = !errors();
  const shownError = (axis) => (error ? decimal(error[axis], 2) : "–");
  setText(element("errors"), words("rate.errors", { error: shownError("calibrated"), absolute: shownError("absolute") }));
  element("undo").disabled = !state.can_undo;
  element("clear").disabled = samples.length === 0 && !(replay?.rated > 0);
  element("save").disabled = samples.length === 0;
  showFinished();
}

function answerText({ valence, arousal, category }) {
  const values = { valence: signed(valence), arousal: signed(arousal) };
  if (!category) return words("session.place", values);
  return words("rate.place.word", { ...values, word: optionalText(`emotion.${category}`) ?? category });
}

function showMark() {
  const { placed } = input;
  setText(element("place"), placed ? answerText(input) : words("rate.none"));
  const button = element("take");
  setText(button, words(chosen !== null ? "rate.change" : "rate.take"));
  button.hidden = Boolean(state?.replay) && chosen === null; // playback follows the mark
  button.disabled = !state || !placed || (state.still?.time === null && chosen === null);
  element("cancel").hidden = chosen === null;
  element("skip").hidden = chosen !== null || !state?.still || state.still.time === null;
  element("note-add").hidden = !state?.replay || chosen !== null;
}

function showNotes(notes) {
  const list = element("notes");
  if (list.dataset.shown === JSON.stringify(notes)) return;
  list.dataset.shown = JSON.stringify(notes);
  list.replaceChildren();
  for (const { time, text } of notes) {
    const row = make("li", "", list);
    setText(make("span", "", row), words("rate.note.line", { time: decimal(time, 2), text }));
    const button = make("button", "", row);
    button.type = "button";
    button.setAttribute("aria-label", words("rate.note.delete", { time: decimal(time, 2) }));
    setText(button, words("label.delete"));
    button.addEventListener("click", () => send("note", { time, text: "" }));
  }
  if (notes.length) element("ratings").open = true;
}

function showFinished() {
  const { saved, agreement, replay, samples } = state;
  if (saved === null) dismissed = null;
  const open = saved !== null && dismissed !== saved;
  const opening = open && element("finished").hidden;
  element("finished").hidden = !open;
  document.body.dataset.finished = String(open);
  if (!open) return;
  const file = saved.replace(/\.mtclar$/, ".labels.csv");
  const labels = words("labels.count", { n: replay?.labels || samples.length });
  setText(element("finished-text"), words(state.rater ? "rate.finished.labels.by" : "rate.finished.labels", { labels, rater: state.rater }));
  setText(element("saved"), words("rate.finished.files", { labels: file, support: saved }));
  element("done").hidden = !state.ends;
  element("agreement").hidden = !agreement;
  if (agreement) showAgreement(agreement);
  setText(element("next-step"), nextText());
  element("other-rater").hidden = !inStudio || !state.rater || !linked.has("file");
  if (opening) element("finished-title").focus();
}

/** What to do with the saved ratings. */
function nextText() {
  const { agreement, rater, saved, subject } = state;
  if (inStudio) return agreement ? words("rate.next.studio.mean") : rater ? words("rate.next.studio.rater") : words("rate.next.studio", { subject });
  return agreement ? words("rate.next.raters") : rater ? words("rate.next.rater") : words("rate.next.label", { support: saved });
}

function showAgreement({ raters, moments, valence, arousal }) {
  setText(element("agreement-text"), words("rate.agreement", { raters: raters.join(", "), moments: words("rate.moments", { n: moments }) }));
  const body = element("agreement-rows");
  body.replaceChildren();
  for (const [axis, found] of [[words("axis.valence"), valence], [words("axis.arousal"), arousal]]) {
    const row = make("tr", "", body);
    const head = make("th", "", row);
    head.scope = "row";
    setText(head, axis);
    for (const figure of [found.ccc, found.icc, found.icc_mean]) setText(make("td", "", row), figure === null ? "–" : decimal(figure, 2));
  }
}

// --- messages -----------------------------------------------------------------------------------------------------

const page = new SessionPage({
  onBytes: (bytes) => preview.showImage(bytes),
  onDisconnect: () => sound.stop(),
  onHello({ pages = [] }) {
    inStudio = pages.includes("studio");
    element("home").hidden = !inStudio;
    state = chosen = null;
  },
  onEnded() {
    for (const id of ["more", "done"]) element(id).hidden = true;
    setText(element("next-step"), words("session.ended"));
  },
  takenText: (address) => words("session.taken.rate", { address }),
  onTaken() {
    state = chosen = null;
    preview.clear();
    setText(element("where-title"), words("rate.taken"));
  },
  onError() {
    element("other-rater-start").disabled = false;
    return false;
  },
  receive: {
    "studio.rating"({ participant, stream, file, how }) {
      location.hash = String(new URLSearchParams({ subject: participant, stream, file, how }));
      location.reload();
    },
    "calibrate.state"(message) {
      if (!message.still && !message.replay) return location.replace(`calibrate${location.hash}`); // a camera has a page of its own
      state = message;
      show();
    },
    "calibrate.look"(message) {
      preview.setFace({ ...message, outline: [] }); // a rater sees the face, and no drawing on it
      transport.onImage(message);
      if (state?.replay && chosen === null) setText(element("step"), transport.words().step);
    },
  },
});
const sound = new RecordingSound((path) => page.fetch(path));
const transport = new Transport(input, sound, send);
page.choice = linkedChoice() ?? {};
page.open();

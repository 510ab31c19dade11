// The studio's home: shows `studio.state` of the server, and sends what a person chooses.

import { Client } from "../client/client.js";
import { BrowserCamera } from "../shared/browser-camera.js";
import { refusalText, showConnection } from "../shared/connection-status.js";
import { element, setText } from "../shared/dom.js";
import { showRecordingNotice } from "../shared/recording-notice.js";
import { text } from "../shared/texts.js";
import { openWithToken, TokenPrompt } from "../shared/token.js";
import { Files } from "./files.js";
import { Participants } from "./participants.js";
import { Sessions } from "./sessions.js";
import { Source } from "./source.js";

const NOTICE_MS = 12000;
const OF_THE_CAMERA = ["unknown_stream", "stream_taken", "bad_frame", "frame_too_large"];

let state = null; // the last studio.state
let noticeTimer = null;

const send = (kind, content = {}) => connection.send({ type: `studio.${kind}`, ...content });

function showNotice(words) {
  clearTimeout(noticeTimer);
  element("notice").hidden = !words;
  setText(element("notice"), words);
  if (words) noticeTimer = setTimeout(() => showNotice(""), NOTICE_MS);
}

/** Asks before something is deleted. */
function ask(title, words, onYes) {
  const dialog = element("ask");
  setText(element("ask-title"), title);
  setText(element("ask-text"), words);
  dialog.returnValue = "back";
  dialog.onclose = () => {
    if (dialog.returnValue === "delete") onYes();
  };
  dialog.showModal();
}

/** The part of the address after #: `participants/anna`, `sessions/NAME`. */
const linked = () => decodeURIComponent(location.hash.slice(1)).split("/");

/** Marks and shows the row that the address names; a reload and the back button come here too. */
function showLinked() {
  const [section, ...name] = linked();
  for (const row of document.querySelectorAll(".rows li")) {
    row.dataset.linked = row.dataset.link === `${section}/${name.join("/")}`;
    if (row.dataset.linked === "true") row.scrollIntoView({ block: "nearest" });
  }
  files.chooseLinked(section === "files" ? name.join("/") : null);
}

function show() {
  element("home").hidden = state === null;
  if (!state) return;
  source.show(state);
  participants.show(state);
  sessions.show(state);
  files.show(state);
  setText(element("folder"), text("studio.folder", { folder: state.folder }));
  showLinked();
}

let awaited = null; // tells whether what a person has asked to watch is what is tracked now

/** Asks for something to watch, and goes to the live page once it is there: an earlier page change could lose the message. */
function watch(kind, content, isThere) {
  awaited = isThere;
  send(kind, content);
}

/** Opens the calibration page of a participant. */
const openCalibration = (name) => location.assign(`calibrate#${new URLSearchParams({ subject: name })}`);

const receive = {
  hello({ role }) {
    if (role === "viewer") {
      state = null;
      show();
      location.replace("live"); // a viewer may only watch
      return;
    }
    send("join");
  },
  "studio.state"(message) {
    state = message;
    show();
    if (state.now && awaited?.(state.now)) location.assign("live");
  },
  "studio.folder": (message) => files.showFolder(message),
  "studio.download"({ path, name }) {
    const link = document.createElement("a");
    Object.assign(link, { href: path, download: name });
    link.click();
  },
  "studio.phone_link": (message) => source.showPhone(message),
  "studio.rating"({ participant, stream, file, how }) {
    location.assign(`rate#${new URLSearchParams({ subject: participant, stream, file, how })}`);
  },
  recording: (message) => showRecordingNotice(message),
  error({ code, message }) {
    if (!OF_THE_CAMERA.includes(code)) showNotice(message); // the camera's panel says those
  },
};

const connection = new Client(undefined, {
  keepTrying: true,
  onMessage: (message) => {
    camera.onMessage(message);
    receive[message.type]?.(message);
  },
  onState: (connected, wait_s, refusal) => {
    showConnection(connected, wait_s, refusal);
    if (refusal) showNotice(refusalText(refusal));
    if (connected !== "live") {
      camera.onDisconnect();
      showRecordingNotice(null);
    }
  },
  onTokenNeeded: (wrong) => prompt.ask(wrong),
});
const prompt = new TokenPrompt((token) => connection.useToken(token));
const camera = new BrowserCamera(connection, element("camera"));
const source = new Source(send, () => camera.begin());
const participants = new Participants({ send, ask, onCalibrate: openCalibration });
const sessions = new Sessions({ send, ask, watch });
const files = new Files(send, watch);

element("retry").addEventListener("click", () => connection.retryNow());
globalThis.addEventListener("hashchange", showLinked);
connection.subscribe({ streams: [] }); // this page shows no values
openWithToken(connection);

// The page's texts: numbers, states and the list of faces. Remote strings go in by textContent alone.

import { connectionText, faceState, signed } from "./words.js";

const element = (id) => document.getElementById(id);

/** Sets a text only when it changed: an aria-live region must not repeat itself. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function make(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  parent.append(node);
  return node;
}

export function showConnection(state, wait_s) {
  document.body.dataset.connection = state;
  const pill = element("connection");
  pill.dataset.state = state;
  // The seconds count down beside the live region, which would read each of them aloud.
  pill.setAttribute("aria-live", state === "waiting" ? "off" : "polite");
  say(element("connection-text"), connectionText(state, wait_s));
  element("retry").hidden = state !== "waiting";
}

/** The sentence above the circumplex. */
export function showState({ state, text }) {
  element("state").dataset.state = state;
  say(element("state"), text);
}

export function showHello(hello) {
  say(element("stream"), hello.streams.map((stream) => stream.label || stream.stream).join(", "));
  say(element("model"), hello.model ? `${hello.model.id} (${hello.model.sha256.slice(0, 8)})` : "none");
  say(element("backend"), hello.model?.backend ?? "–");
  say(element("protocol"), hello.protocol);
  say(element("session"), hello.session.slice(0, 8));
  // With `all` the reader runs ahead, and a frame waits in a queue that is meant to be full.
  const queued = hello.streams.some((stream) => stream.freshness === "all");
  say(element("latency-unit"), queued ? "ms with the queue" : "ms");
  element("legend-script").hidden = !hello.streams.some((stream) => stream.truth);
}

export function showNumbers({ fps, latency_ms, dropped, missed }) {
  say(element("fps"), fps === null ? "–" : fps.toFixed(1));
  say(element("latency"), latency_ms === null ? "–" : latency_ms.toFixed(1));
  say(element("dropped"), dropped === null ? "–" : String(dropped));
  say(element("missed"), String(missed));
}

/** The two large values: of the face in focus, or none. `current` is false when nothing new comes: no value is measured then. */
export function showReading(face, seq, current) {
  const latest = face?.present ? face.latest : null;
  for (const [name, axis] of [["valence", 0], ["arousal", 1]]) {
    const value = latest?.[name] ?? null;
    const output = element(name);
    output.dataset.value = value ?? "";
    output.dataset.seq = seq;
    output.parentElement.dataset.measured = current && latest?.state === "ok";
    say(output, signed(value));
    say(element(`${name}-sd`), latest?.sd ? `± ${latest.sd[axis].toFixed(2)}` : "");
  }
}

/** The list of faces, which is the legend too: a button each, that brings the face to the front. */
export class FaceList {
  constructor(chosen) {
    this.chosen = chosen;
    this.rows = new Map(); // face key -> its nodes
  }

  show(faces, focus, supportFrames, current) {
    for (const [key, row] of this.rows) {
      if (faces.some((face) => face.key === key)) continue;
      row.item.remove();
      this.rows.delete(key);
    }
    for (const face of faces) {
      if (!this.rows.has(face.key)) this.rows.set(face.key, this.#newRow(face));
      fill(this.rows.get(face.key), face, face.key === focus, supportFrames, current);
    }
  }

  #newRow(face) {
    const item = make("li", "", element("faces"));
    const button = make("button", "face", item);
    button.type = "button";
    button.dataset.face = face.id;
    button.addEventListener("click", () => this.chosen(face.key));
    make("span", "swatch", button).setAttribute("aria-hidden", "true");
    const title = make("span", "face-title", button);
    const name = make("span", "face-name", title);
    const badge = make("span", "badge", title);
    const values = make("span", "face-values", button);
    make("span", "", values).textContent = "valence";
    const valence = make("b", "", values);
    make("span", "", values).textContent = "arousal";
    const arousal = make("b", "", values);
    const note = make("span", "face-note", button);
    return { item, button, name, badge, valence, arousal, note };
  }
}

function fill(row, face, inFocus, supportFrames, current) {
  const { latest } = face;
  row.button.dataset.slot = face.slot;
  row.button.dataset.state = current ? latest.state : "stale";
  row.button.setAttribute("aria-pressed", String(inFocus));
  say(row.name, face.name);
  row.badge.dataset.calibrated = latest.calibrated;
  const frames = supportFrames.get(latest.subject);
  say(row.badge, latest.calibrated ? `calibrated${frames ? ` on ${frames} frames` : ""}` : "not calibrated");
  row.valence.dataset.value = latest.valence ?? "";
  row.arousal.dataset.value = latest.arousal ?? "";
  say(row.valence, signed(latest.valence));
  say(row.arousal, signed(latest.arousal));
  say(row.note, current ? faceState(latest).text : "Last known value");
}

/** Asks for the server's token until it is given; `give` gets it. */
export class TokenPrompt {
  constructor(give) {
    this.dialog = element("token-dialog");
    element("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = element("token").value;
      element("token").value = "";
      this.dialog.close();
      give(token);
    });
  }

  ask(wrong) {
    const message = element("token-message");
    message.dataset.wrong = wrong;
    say(message, wrong ? "That was not this server's token." : "It was printed or chosen where the server was started.");
    if (!this.dialog.open) this.dialog.showModal();
  }
}

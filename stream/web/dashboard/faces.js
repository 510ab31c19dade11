// The list of faces, which is the legend too: a lane for each stream, in it a button for each face.

import { make, say } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { faceState } from "./words.js";

export class FaceList {
  /** `chosen(face)` is called when a person picks one, `assigned(face, subject)` when they say who it is. */
  constructor(list, { chosen, assigned }) {
    this.list = list;
    this.chosen = chosen;
    this.assigned = assigned;
    this.lanes = new Map(); // stream -> its nodes
    this.rows = new Map(); // face key -> its nodes
  }

  /**
   * Shows lanes of {stream, label, state, people, faces: [{face, described}]}. `people` are the names that may be
   * given to a face by hand, null where there is nothing to mistake.
   */
  show(lanes, focus, current) {
    this.#drop(this.lanes, new Set(lanes.map((lane) => lane.stream)));
    this.#drop(this.rows, new Set(lanes.flatMap((lane) => lane.faces.map(({ face }) => face.key))));
    for (const lane of lanes) {
      if (!this.lanes.has(lane.stream)) this.lanes.set(lane.stream, this.#newLane());
      const nodes = this.lanes.get(lane.stream);
      nodes.head.hidden = lanes.length < 2;
      nodes.item.dataset.stream = lane.stream;
      say(nodes.name, lane.label);
      nodes.state.dataset.state = lane.state.state;
      say(nodes.state, lane.state.text);
      for (const { face, described } of lane.faces) {
        if (!this.rows.has(face.key)) this.rows.set(face.key, this.#newRow(face, nodes.faces));
        const row = this.rows.get(face.key);
        fill(row, face, described, face.key === focus?.key, current);
        offer(row, described.subject, lane.people);
      }
    }
  }

  #drop(kept, wanted) {
    for (const [key, { item }] of kept) {
      if (wanted.has(key)) continue;
      item.remove();
      kept.delete(key);
    }
  }

  #newLane() {
    const item = make("li", "lane", this.list);
    const head = make("p", "lane-head", item);
    const name = make("b", "lane-name", head);
    const state = make("span", "state", head);
    return { item, head, name, state, faces: make("ul", "lane-faces", item) };
  }

  #newRow(face, list) {
    const item = make("li", "face-row", list);
    const button = make("button", "face", item);
    button.type = "button";
    button.dataset.face = face.id;
    button.addEventListener("click", () => this.chosen(face));
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
    const who = make("label", "who", item);
    make("span", "", who).textContent = "This is";
    const choice = make("select", "", who);
    choice.addEventListener("change", () => this.assigned(face, choice.value || null));
    return { item, button, name, badge, valence, arousal, note, who, choice };
  }
}

function fill(row, face, described, inFocus, current) {
  const frames = described.support?.frames;
  row.button.dataset.slot = face.slot;
  row.button.dataset.state = current ? described.state : "stale";
  row.button.setAttribute("aria-pressed", String(inFocus));
  say(row.name, face.name);
  row.badge.dataset.calibrated = described.calibrated;
  say(row.badge, described.calibrated ? `calibrated${frames ? ` on ${frames} frames` : ""}` : "not calibrated");
  row.valence.dataset.value = described.valence ?? "";
  row.arousal.dataset.value = described.arousal ?? "";
  say(row.valence, signed(described.valence));
  say(row.arousal, signed(described.arousal));
  say(row.note, current ? faceState(described).text : "Last known value");
}

/** The choice of who a face is; it is left alone while a person has it open. */
function offer({ who, choice }, subject, people) {
  who.hidden = people === null;
  if (people === null || document.activeElement === choice) return;
  const names = ["", ...people];
  if (choice.options.length !== names.length || names.some((name, i) => choice.options[i].value !== name)) {
    choice.replaceChildren(...names.map((name) => new Option(name || "somebody else", name)));
  }
  choice.value = subject ?? "";
}

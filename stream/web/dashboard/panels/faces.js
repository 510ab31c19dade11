// The list of faces, which is also the legend: a group for each stream with a button for each face.

import { make, setText } from "../../shared/dom.js";
import { signed } from "../../shared/format.js";
import { text } from "../../shared/texts.js";
import { faceState } from "../words.js";

export class FaceList {
  /** Calls onSelect(face) when a person chooses one, onAssign(face, subject) when they name its subject. */
  constructor(list, { onSelect, onAssign }) {
    this.list = list;
    this.onSelect = onSelect;
    this.onAssign = onAssign;
    this.groups = new Map(); // stream -> its nodes
    this.rows = new Map(); // face key -> its nodes
  }

  /**
   * Shows groups of {stream, label, state, people, faces: [{face, described}]}. `people` are the names that may be
   * given to a face by hand, null where there is nothing to mistake.
   */
  show(groups, focus, current) {
    this.#drop(this.groups, new Set(groups.map((group) => group.stream)));
    this.#drop(this.rows, new Set(groups.flatMap((group) => group.faces.map(({ face }) => face.key))));
    for (const group of groups) {
      if (!this.groups.has(group.stream)) this.groups.set(group.stream, this.#newGroup());
      const nodes = this.groups.get(group.stream);
      nodes.head.hidden = groups.length < 2;
      nodes.item.dataset.stream = group.stream;
      setText(nodes.name, group.label);
      nodes.state.dataset.state = group.state.state;
      setText(nodes.state, group.state.text);
      for (const { face, described } of group.faces) {
        if (!this.rows.has(face.key)) this.rows.set(face.key, this.#newRow(face, nodes.faces));
        const row = this.rows.get(face.key);
        update(row, face, described, face.key === focus?.key, current);
        updateSubjects(row, described.subject, group.people);
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

  #newGroup() {
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
    button.addEventListener("click", () => this.onSelect(face));
    make("span", "swatch", button).setAttribute("aria-hidden", "true");
    const title = make("span", "face-title", button);
    const name = make("span", "face-name", title);
    const badge = make("span", "badge", title);
    const values = make("span", "face-values", button);
    make("span", "", values).textContent = text("face.valence");
    const valence = make("b", "", values);
    make("span", "", values).textContent = text("face.arousal");
    const arousal = make("b", "", values);
    const note = make("span", "face-note", button);
    const who = make("label", "who", item);
    make("span", "", who).textContent = text("face.this-is");
    const choice = make("select", "", who);
    choice.addEventListener("change", () => this.onAssign(face, choice.value || null));
    return { item, button, name, badge, valence, arousal, note, who, choice };
  }
}

function update(row, face, described, inFocus, current) {
  const frames = described.support?.frames;
  row.button.dataset.slot = face.slot;
  row.button.dataset.state = current ? described.state : "stale";
  row.button.setAttribute("aria-pressed", String(inFocus));
  setText(row.name, face.name);
  row.badge.dataset.calibrated = described.calibrated;
  const calibrated = frames ? text("face.calibrated.on", { n: frames }) : text("face.calibrated");
  setText(row.badge, described.calibrated ? calibrated : text("face.uncalibrated"));
  row.valence.dataset.value = described.valence ?? "";
  row.arousal.dataset.value = described.arousal ?? "";
  setText(row.valence, signed(described.valence));
  setText(row.arousal, signed(described.arousal));
  const { state, text: words } = current ? faceState(described) : { state: "stale", text: text("face.last") };
  row.note.dataset.state = state;
  setText(row.note, words);
}

/** The choice of the face's subject; unchanged while a person has it open. */
function updateSubjects({ who, choice }, subject, people) {
  who.hidden = people === null;
  if (people === null || document.activeElement === choice) return;
  const names = ["", ...people];
  if (choice.options.length !== names.length || names.some((name, i) => choice.options[i].value !== name)) {
    choice.replaceChildren(...names.map((name) => new Option(name || text("face.nobody"), name)));
  }
  choice.value = subject ?? "";
}

// What is tracked, and the cameras, recordings and the demo to choose from.

import { rememberCamera } from "../shared/browser-camera.js";
import { element, make, setText } from "../shared/dom.js";
import { text } from "../shared/texts.js";
import { List } from "./rows.js";

export class Source {
  #state = null;

  /** Calls onCamera() when this browser's camera was chosen, with the click that the browser asks for. */
  constructor(send, onCamera) {
    this.send = send;
    this.onCamera = onCamera;
    this.cameras = new List(element("cameras"), (list, cameras) => this.#draw(list, cameras));
    this.who = new List(element("who"), (node, names) => drawWho(node, names));
    element("end").addEventListener("click", () => {
      rememberCamera(false);
      send("stop");
    });
    element("address-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const address = element("address").value.trim();
      if (address) this.#start(address);
    });
  }

  show(state) {
    this.#state = state;
    const { now, problem } = state;
    const words = element("now-words");
    words.dataset.kind = now || !problem ? "" : "bad";
    setText(words, now ? this.#nowText(now) : problem || text("studio.nothing"));
    setText(element("now-state"), now ? text(now.opening ? "studio.opening" : "studio.running") : "");
    element("now-state").dataset.state = now?.opening ? "source" : "ok";
    element("now-actions").hidden = !now;
    element("sources").hidden = Boolean(now);
    this.cameras.show(state.cameras);
    const names = state.participants.filter(({ problem: broken, encrypted }) => !broken && !encrypted).map(({ name }) => name);
    this.who.show(names);
    element("who").hidden = names.length === 0;
  }

  /** Shows the link for a phone, and waits for its pictures. */
  showPhone({ url, image, secure }) {
    this.#start("browser");
    element("phone-code").src = image;
    setText(element("phone-url"), url);
    setText(element("phone-words"), text(secure ? "studio.phone.scan" : "studio.phone.insecure"));
    element("phone").showModal();
  }

  #nowText({ kind, label, participants }) {
    const what = kind === "browser" ? text("studio.this-camera") : kind === "demo" ? text("studio.demo") : label;
    return participants.length ? text("studio.with", { what, who: participants.join(", ") }) : what;
  }

  #start(source) {
    const participants = [...document.querySelectorAll("#who input:checked")].map(({ value }) => value);
    this.send("start", { source, participants });
  }

  #draw(list, cameras) {
    choice(list, text("studio.this-camera"), text("studio.this-camera.words"), text("studio.use-camera"), true, () => {
      this.#start("browser");
      this.onCamera();
    });
    for (const { source, name, usable } of cameras) {
      const words = usable ? text("studio.server-camera.words", { source }) : text("studio.server-camera.locked");
      choice(list, name, words, text("studio.use-camera"), false, () => this.#start(source), !usable);
    }
    choice(list, text("studio.phone"), text("studio.phone.words"), text("studio.phone.link"), false, () => {
      this.send("phone", { origin: location.origin });
    });
    choice(list, text("studio.demo"), text("studio.demo.words"), text("studio.play"), false, () => this.#start("demo"));
  }
}

function choice(list, name, words, action, main, onClick, disabled = false) {
  const item = make("li", "", list);
  setText(make("strong", "", item), name);
  setText(make("p", "", item), words);
  const button = make("button", main ? "main-action" : "", item);
  Object.assign(button, { type: "button", disabled });
  setText(button, action);
  button.setAttribute("aria-label", `${action}: ${name}`);
  button.addEventListener("click", onClick);
}

function drawWho(node, names) {
  setText(make("legend", "", node), text("studio.who"));
  for (const name of names) {
    const label = make("label", "", node);
    const box = make("input", "", label);
    Object.assign(box, { type: "checkbox", value: name });
    label.append(name);
  }
}

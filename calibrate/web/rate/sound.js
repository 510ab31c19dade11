// The sound of the recording, which follows the pictures that the server plays.

import { element, setText } from "../shared/dom.js";
import { text } from "../shared/texts.js";

const STORAGE_KEY = "mtclar-rating-sound";
const TOLERANCE_S = 0.15; // between picture and sound; more is corrected

export class RecordingSound {
  #audio = null;
  #path = null;
  #wanted = localStorage.getItem(STORAGE_KEY) !== "off";

  /** `load(path)` fetches a page of the server. */
  constructor(load) {
    this.load = load;
    element("sound").addEventListener("click", () => this.toggle());
    this.#showButton();
  }

  /** Takes `sound` of the state, the path on this server; null for a silent recording. */
  async show(path) {
    element("sound").hidden = path === null;
    if (path === null || path === this.#path) return;
    this.#path = path;
    const answer = await this.load(path);
    if (!answer.ok) {
      element("sound").hidden = true;
      return;
    }
    this.#audio = new Audio(URL.createObjectURL(await answer.blob()));
    this.#audio.preservesPitch = true;
    this.#audio.muted = !this.#wanted;
  }

  toggle() {
    this.#wanted = !this.#wanted;
    localStorage.setItem(STORAGE_KEY, this.#wanted ? "on" : "off");
    if (this.#audio) this.#audio.muted = !this.#wanted;
    this.#showButton();
  }

  /** The picture of a second is shown while the recording plays. */
  follow(time, speed) {
    const audio = this.#audio;
    if (!audio || Number.isNaN(audio.duration)) return;
    audio.playbackRate = speed;
    if (Math.abs(audio.currentTime - time) > TOLERANCE_S * Math.max(1, speed)) audio.currentTime = time;
    if (audio.paused && time < audio.duration) audio.play().catch(() => {}); // a browser that wants a gesture first
  }

  stop() {
    this.#audio?.pause();
  }

  #showButton() {
    element("sound").setAttribute("aria-pressed", String(this.#wanted));
    setText(element("sound"), text(this.#wanted ? "session.sound.on" : "session.sound.off"));
  }
}

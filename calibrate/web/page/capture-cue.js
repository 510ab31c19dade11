// The cue over the picture while a label is captured: a countdown, then the frames taken; and its sounds.

import { setText } from "../shared/dom.js";
import { text } from "../shared/texts.js";

const STORAGE_KEY = "mtclar-cue-sound";
const COUNTDOWN_S = 0.5; // as mtclar.calibrate.core.guided_session
const TONES_HZ = { countdown: 440, hold: 660, done: 880 };
const TONE_S = 0.12;

/** Off with reduced motion, unless the person has switched it on. */
function wanted() {
  const chosen = localStorage.getItem(STORAGE_KEY);
  return chosen === null ? !matchMedia("(prefers-reduced-motion: reduce)").matches : chosen === "on";
}

export class CaptureCue {
  #context = null;

  /** `cue`: over the picture; `button`: switches the sound. */
  constructor(cue, button) {
    this.cue = cue;
    this.button = button;
    this.sound = wanted();
    this.phase = null;
    button.addEventListener("click", () => {
      this.sound = !this.sound;
      localStorage.setItem(STORAGE_KEY, this.sound ? "on" : "off");
      this.#showButton();
      if (this.sound) this.#play("done");
    });
    this.#showButton();
  }

  /** Takes `capture` of a calibrate.look; null when nothing is captured. */
  show(capture) {
    const phase = capture?.phase ?? null;
    if (phase !== this.phase) {
      if (phase) this.#play(phase);
      else if (this.phase === "hold") this.#play("done");
      this.phase = phase;
    }
    this.cue.hidden = capture === null;
    if (!capture) return;
    const counting = phase === "countdown";
    const share = counting ? 1 - capture.left_s / COUNTDOWN_S : capture.taken / capture.of;
    this.cue.dataset.phase = phase;
    this.cue.style.setProperty("--share", Math.min(1, Math.max(0, share)).toFixed(2));
    setText(this.cue, counting ? text("calibrate.cue.look") : text("calibrate.cue.hold", { taken: capture.taken, of: capture.of }));
  }

  /** Ends without a sound. */
  clear() {
    this.phase = null;
    this.cue.hidden = true;
  }

  #showButton() {
    this.button.setAttribute("aria-pressed", String(this.sound));
    setText(this.button, text(this.sound ? "session.sound.on" : "session.sound.off"));
  }

  #play(name) {
    if (!this.sound || !globalThis.AudioContext) return;
    this.#context ??= new AudioContext();
    const { currentTime } = this.#context;
    const tone = this.#context.createOscillator();
    const volume = this.#context.createGain();
    tone.frequency.value = TONES_HZ[name];
    volume.gain.setValueAtTime(0.12, currentTime);
    volume.gain.exponentialRampToValueAtTime(0.001, currentTime + TONE_S);
    tone.connect(volume).connect(this.#context.destination);
    tone.start(currentTime);
    tone.stop(currentTime + TONE_S);
  }
}

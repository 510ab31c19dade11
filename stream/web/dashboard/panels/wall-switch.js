// The button of the wall, which is loaded when it is first shown.

import { element } from "../../shared/dom.js";

export class WallSwitch {
  #wall = null;
  #on;

  /** Calls onSwitch() when the wall is shown or hidden, onSelect({stream, key}) when a tile was chosen, and onResize(). */
  constructor({ onSwitch, onSelect, onResize }) {
    this.#on = { onSwitch, onSelect, onResize };
    element("wall-button").addEventListener("click", () => this.#switch(!this.shown));
  }

  get shown() {
    return !element("wall").hidden;
  }

  draw(viewport, theme, now_ms) {
    this.#wall?.draw(viewport, theme, now_ms);
  }

  show(groups, current) {
    this.#wall?.show(groups, current);
  }

  async #switch(shown) {
    element("wall").hidden = !shown;
    element("wall-button").setAttribute("aria-pressed", String(shown));
    document.body.toggleAttribute("data-wall", shown);
    if (shown && !this.#wall) {
      const { Wall } = await import("./wall.js");
      this.#wall = new Wall({ onSelect: (tile) => this.#select(tile), onResize: this.#on.onResize });
    }
    this.#on.onSwitch();
  }

  #select(tile) {
    this.#switch(false);
    element("wall-button").focus();
    this.#on.onSelect(tile);
  }
}

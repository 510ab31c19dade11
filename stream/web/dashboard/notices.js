// Sentences that a person should read and can put away: what the server warns of.

import { element, make, say } from "../shared/dom.js";

const shown = new Map(); // key -> where its words stand

/** Shows a sentence; a later one with the same key takes its place. */
export function notice(key, text) {
  if (!shown.has(key)) {
    const item = make("li", "notice", element("notices"));
    const words = make("span", "", item);
    const close = make("button", "quiet", item);
    close.type = "button";
    close.textContent = "Dismiss";
    close.addEventListener("click", () => {
      item.remove();
      shown.delete(key);
    });
    shown.set(key, words);
  }
  say(shown.get(key), text);
}

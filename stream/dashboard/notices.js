// Sentences that a person should read and can put away: what the server warns of.

import { element, make, say } from "./dom.js";

const shown = new Map(); // key -> its nodes, null where a person put it away

/** Shows a sentence; a later one with the same key takes its place, unless it was put away. */
export function notice(key, text) {
  if (!shown.has(key)) {
    const item = make("li", "notice", element("notices"));
    const words = make("span", "", item);
    const close = make("button", "quiet", item);
    close.type = "button";
    close.textContent = "Dismiss";
    close.addEventListener("click", () => {
      item.remove();
      shown.set(key, null);
    });
    shown.set(key, { item, words });
  }
  const nodes = shown.get(key);
  if (nodes) say(nodes.words, text);
}

/** Its reason is over: the next time it is said again. */
export function withdraw(key) {
  shown.get(key)?.item.remove();
  shown.delete(key);
}

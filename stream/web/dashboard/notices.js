// Dismissible messages: the server's warnings.

import { element, make, setText } from "../shared/dom.js";
import { text } from "../shared/texts.js";

const shown = new Map(); // key -> node of its text

/** Shows a message; it replaces one with the same key. */
export function notice(key, words) {
  if (!shown.has(key)) {
    const item = make("li", "notice", element("notices"));
    const node = make("span", "", item);
    const close = make("button", "quiet", item);
    close.type = "button";
    close.textContent = text("dashboard.dismiss");
    close.addEventListener("click", () => {
      item.remove();
      shown.delete(key);
    });
    shown.set(key, node);
  }
  setText(shown.get(key), words);
}

// Rows of a list: what it is about, and its buttons.

import { make, setText } from "../shared/dom.js";
import { language, text } from "../shared/texts.js";

/** A row with a linked name, lines of {words, kind}, and tools of {words, onClick, kind}. */
export function row(list, { link, name, lines = [], tools = [] }) {
  const item = make("li", "", list);
  item.dataset.link = link ?? "";
  const about = make("div", "about", item);
  const title = make(link ? "a" : "strong", "", about);
  if (link) title.href = `#${link.split("/").map(encodeURIComponent).join("/")}`;
  setText(title, name);
  for (const { words, kind = "" } of lines.filter(Boolean)) {
    const line = make("small", "", about);
    line.dataset.kind = kind;
    setText(line, words);
  }
  const buttons = make("div", "tools", item);
  for (const tool of tools.filter(Boolean)) buttons.append(tool instanceof Node ? tool : button(tool, name));
  return item;
}

function button({ words, onClick, kind = "", disabled = false }, about) {
  const node = document.createElement("button");
  Object.assign(node, { type: "button", className: `small ${kind}`.trim(), disabled });
  setText(node, words);
  node.setAttribute("aria-label", `${words}: ${about}`);
  node.addEventListener("click", onClick);
  return node;
}

/** Says that a list is empty. */
export function empty(list, words) {
  setText(make("li", "empty", list), words);
}

/** Draws a list again only when what it shows has changed: the focus stays where it is. */
export class List {
  #shown = null;

  constructor(node, draw) {
    Object.assign(this, { node, draw });
  }

  show(content) {
    const now = JSON.stringify(content);
    if (now === this.#shown) return;
    this.#shown = now;
    const focused = this.node.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    this.node.replaceChildren();
    this.draw(this.node, content);
    if (focused) [...this.node.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
  }
}

const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const DAY_MS = 86_400_000;

export const dateText = (iso) => (iso ? dates.format(new Date(iso)) : "");

/** How long ago: "today", "3 days ago". */
export function ageText(iso) {
  const days = Math.floor((Date.now() - new Date(iso)) / DAY_MS);
  return days <= 0 ? text("studio.today") : text("studio.days-ago", { n: days });
}

export function lengthText(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

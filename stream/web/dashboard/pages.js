// Links in the header to this server's other pages, as `hello` names them.

import { element } from "../shared/dom.js";
import { optionalText } from "../shared/texts.js";

export function showPages(pages = []) {
  const slot = element("actions");
  for (const link of slot.querySelectorAll(".page-link")) link.remove();
  for (const page of pages) {
    const name = optionalText(`page.${page}`);
    if (!name) continue; // of a later version
    const link = document.createElement("a");
    link.className = "page-link";
    link.href = page;
    link.textContent = name;
    slot.append(link);
  }
}

// Links in the header to this server's other pages, as `hello` names them.

import { element } from "../shared/dom.js";

const NAMES = { camera: "Camera", calibrate: "Calibrate" };

export function showPages(pages = []) {
  const slot = element("actions");
  for (const link of slot.querySelectorAll(".page-link")) link.remove();
  for (const page of pages) {
    if (!NAMES[page]) continue; // of a later version
    const link = document.createElement("a");
    link.className = "page-link";
    link.href = page;
    link.textContent = NAMES[page];
    slot.append(link);
  }
}

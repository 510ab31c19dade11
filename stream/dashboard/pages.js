// Links in the header to what this server offers besides the dashboard, as `hello` names it.

const NAMES = { camera: "Camera", calibrate: "Calibrate" };

export function showPages(pages = []) {
  let slot = document.getElementById("actions");
  if (!slot) {
    slot = document.createElement("div");
    slot.className = "top-actions";
    slot.id = "actions";
    document.getElementById("retry").before(slot);
  }
  for (const link of slot.querySelectorAll("a.page-link")) link.remove();
  for (const page of pages) {
    if (!NAMES[page]) continue; // of a later version
    const link = document.createElement("a");
    link.className = "page-link";
    link.href = page;
    link.textContent = NAMES[page];
    slot.append(link);
  }
}

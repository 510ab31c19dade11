// Moving through time: the toolbar's buttons, and pointers, wheel and keys on the strip charts.

import { element, setText } from "../shared/dom.js";
import { text } from "../shared/texts.js";
import { plotArea } from "./charts/strips.js";
import { spanText } from "./words.js";

const DRAG_PX = 4; // less is a click
const WHEEL_ZOOM = 0.002; // per pixel that a wheel scrolls

/** Connects them with `view`; `strips` are the charts' canvases. */
export function connectControls(view, strips) {
  element("pause").addEventListener("click", () => (view.paused ? view.resume() : view.pause()));
  element("zoom-in").addEventListener("click", () => view.zoomStep(-1));
  element("zoom-out").addEventListener("click", () => view.zoomStep(1));
  for (const strip of strips) {
    connectPointers(view, strip);
    strip.addEventListener("wheel", (event) => onWheel(view, strip, event), { passive: false });
    strip.addEventListener("keydown", (event) => onKey(view, event));
  }
}

export function showControls(view) {
  document.body.toggleAttribute("data-paused", view.paused);
  setText(element("pause-text"), text(view.paused ? "time.live" : "time.pause"));
  setText(element("span"), spanText(view.span_s));
  for (const [id, can] of [["zoom-in", view.canZoomIn], ["zoom-out", view.canZoomOut]]) {
    element(id).setAttribute("aria-disabled", String(!can)); // not `disabled`: that would take the focus away
  }
}

/** The time under a pointer. */
function timeAt(view, strip, clientX) {
  const { left, width } = plotArea(strip.clientWidth);
  const share = (clientX - strip.getBoundingClientRect().left - left) / width;
  const { from, to } = view.viewport();
  return from + Math.min(Math.max(share, 0), 1) * (to - from);
}

/** A click or tap moves the cursor, a drag the window, two fingers zoom. */
function connectPointers(view, strip) {
  const down = new Map(); // pointer id -> {x, startX}
  let dragged = false;
  strip.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    if (down.size === 0) dragged = false;
    down.set(event.pointerId, { x: event.clientX, startX: event.clientX });
    strip.setPointerCapture(event.pointerId);
  });
  strip.addEventListener("pointermove", (event) => {
    const pointer = down.get(event.pointerId);
    if (!pointer) return;
    dragged ||= down.size > 1 || Math.abs(event.clientX - pointer.startX) > DRAG_PX;
    if (!dragged) return;
    const before = [...down.values()].map(({ x }) => x);
    const moved_px = event.clientX - pointer.x;
    pointer.x = event.clientX;
    if (down.size === 1) {
      view.pan((-moved_px * view.span_s) / plotArea(strip.clientWidth).width);
    } else {
      const after = [...down.values()].map(({ x }) => x);
      const [wide, wider] = [before, after].map(([a, b]) => Math.max(Math.abs(a - b), 10));
      view.zoom(wide / wider, timeAt(view, strip, (after[0] + after[1]) / 2));
    }
  });
  strip.addEventListener("pointerup", (event) => {
    if (down.delete(event.pointerId) && !dragged) view.moveTo(timeAt(view, strip, event.clientX));
  });
  strip.addEventListener("pointercancel", (event) => down.delete(event.pointerId));
}

/** Zooms with Ctrl (or two fingers on a touchpad), moves sideways, and otherwise leaves the page to scroll. */
function onWheel(view, strip, event) {
  if (event.ctrlKey || event.metaKey) view.zoom(Math.exp(event.deltaY * WHEEL_ZOOM), timeAt(view, strip, event.clientX));
  else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    view.pan((event.deltaX * view.span_s) / plotArea(strip.clientWidth).width);
  } else return;
  event.preventDefault();
}

function onKey(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const second = event.shiftKey ? 1 : 0;
  const keys = {
    ArrowLeft: () => (second ? view.moveTo(view.viewport().at - second) : view.step(-1)),
    ArrowRight: () => (second ? view.moveTo(view.viewport().at + second) : view.step(1)),
    PageUp: () => view.pan(-view.span_s / 2),
    PageDown: () => view.pan(view.span_s / 2),
    Home: () => view.moveTo(-Infinity),
    End: () => view.moveTo(Infinity),
    "+": () => view.zoomStep(-1),
    "=": () => view.zoomStep(-1),
    "-": () => view.zoomStep(1),
    " ": () => (view.paused ? view.resume() : view.pause()),
    Escape: () => view.resume(),
  };
  if (!keys[event.key]) return;
  keys[event.key]();
  event.preventDefault();
}

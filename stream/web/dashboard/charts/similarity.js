// "Why this value?": a bar for each support frame, its height the face's similarity to it, ordered by the frame's label.

import { decimal, text } from "../../shared/texts.js";

const TOP = 6;
const LEFT = 56; // room for the names of the label rows
const RIGHT = 2;
const LABEL_PX = 32; // a bar this wide has room for its label

/** The order of the bars: by the valence of their labels, then by arousal. */
export function barOrder(labels) {
  return [...labels.keys()].sort((i, j) => labels[i][0] - labels[j][0] || labels[i][1] - labels[j][1]);
}

/** Index of the selected support frame, by default the one with the highest bar. */
export function frontFrame({ similarity, selected }) {
  if (selected !== null && selected < similarity.length) return selected;
  return similarity.reduce((best, share, i) => (share > similarity[best] ? i : best), 0);
}

/**
 * Selects a bar by click or arrow keys: calls onSelect(index of its support frame), or null for the highest bar again.
 * `current()` returns the support frames that the bars show, or null.
 */
export function connectBars(canvas, current, onSelect) {
  canvas.addEventListener("click", (event) => {
    const support = current();
    if (!support) return;
    const frame = frameAt(event.offsetX, canvas.clientWidth, support.order);
    onSelect(frame === support.selected ? null : frame);
  });
  canvas.addEventListener("keydown", (event) => {
    const support = current();
    if (!support) return;
    const place = support.order.indexOf(frontFrame(support));
    const last = support.order.length - 1;
    const to = { ArrowLeft: Math.max(place - 1, 0), ArrowRight: Math.min(place + 1, last), Home: 0, End: last }[event.key];
    if (to === undefined && event.key !== "Escape") return;
    onSelect(to === undefined ? null : support.order[to]);
    event.preventDefault();
  });
}

/** The bar under x pixels, as the index of its support frame. */
function frameAt(x, width, order) {
  const place = Math.floor(((x - LEFT) / (width - LEFT - RIGHT)) * order.length);
  return order[Math.min(Math.max(place, 0), order.length - 1)];
}

/** Draws the bars of `support`, {labels, similarity, selected, order}, in the face's colour; nothing for null. */
export function drawSimilarity(surface, support, theme, colour) {
  const context = surface.clear();
  if (!support) return;
  const { labels, similarity, order } = support;
  const pitch = (surface.width - LEFT - RIGHT) / order.length;
  const labelled = pitch >= LABEL_PX;
  const ground = Math.round(surface.height - (labelled ? 29 : 16));
  const front = frontFrame(support);
  const gap = Math.min(6, 0.25 * pitch);
  context.font = `10.5px ${theme.font}`;
  context.textBaseline = "alphabetic";
  drawLevels(context, surface, theme, ground);
  context.fillStyle = colour;
  order.forEach((i, place) => {
    const left = LEFT + place * pitch;
    const height = (ground - TOP) * similarity[i];
    context.globalAlpha = i === front ? 1 : 0.5;
    context.fillRect(left + gap / 2, ground - height, pitch - gap, height);
  });
  context.globalAlpha = 1;
  if (labelled) {
    context.fillStyle = theme.muted;
    context.textAlign = "right";
    context.fillText(text("face.valence"), LEFT - 6, ground + 13);
    context.fillText(text("face.arousal"), LEFT - 6, ground + 26);
    context.textAlign = "center";
    order.forEach((i, place) => {
      context.fillStyle = i === front ? theme.ink : theme.muted;
      const middle = LEFT + (place + 0.5) * pitch;
      context.fillText(short(labels[i][0]), middle, ground + 13);
      context.fillText(short(labels[i][1]), middle, ground + 26);
    });
  } else {
    context.fillStyle = theme.muted;
    context.textAlign = "left";
    context.fillText(text("why.low-labels"), LEFT, surface.height - 3);
    context.textAlign = "right";
    context.fillText(text("why.high-labels"), surface.width - RIGHT, surface.height - 3);
  }
  if (support.selected !== null) {
    const left = LEFT + order.indexOf(front) * pitch;
    context.strokeStyle = theme.ink;
    context.strokeRect(left + 0.5, TOP - 1.5, pitch - 1, ground - TOP + 2);
  }
}

function drawLevels(context, surface, theme, ground) {
  context.textAlign = "right";
  context.fillStyle = theme.muted;
  context.lineWidth = 1;
  for (const [share, words, colour] of [[1, "100 %", theme.line], [0.5, "50 %", theme.line], [0, "", theme.muted]]) {
    const y = Math.round(ground - share * (ground - TOP)) + 0.5;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(LEFT, y);
    context.lineTo(surface.width - RIGHT, y);
    context.stroke();
    context.fillText(words, LEFT - 6, y + 4);
  }
}

const short = (number) => (Math.abs(number) < 0.05 ? "0" : `${number > 0 ? "+" : "−"}${decimal(Math.abs(number), 1)}`);

// Exports: the samples in view as CSV, with the columns of `run --csv`, and the charts as PNG.

import { Surface } from "./charts/canvas.js";
import { drawCircumplex } from "./charts/circumplex.js";
import { drawSimilarity } from "./charts/similarity.js";
import { Strips } from "./charts/strips.js";
import { signed, textCell } from "../shared/format.js";

const COLUMNS = [
  "stream", "frame", "time", "track", "subject", "state", "valence", "arousal", "valence_sd", "arousal_sd",
  "raw_valence", "raw_arousal", "in_support", "calibrated", "similarity", "unix_time",
];
const PICTURE = { width: 1280, height: 720, ratio: 2, margin: 24, plane: 470 };

/** The samples in view, in order of time. `unix(t)` maps a capture time to seconds since 1970. */
export function toCsv(viewport, unix) {
  const rows = [];
  for (const face of viewport.faces) {
    for (let i = face.from(viewport.from); i < face.samples.length && face.samples[i].t <= viewport.to; i += 1) {
      rows.push({ face, sample: face.samples[i] });
    }
  }
  rows.sort((one, other) => one.sample.t - other.sample.t);
  const lines = rows.map(({ face, sample }) => [
    face.stream, sample.frame, sample.pts, face.id, sample.subject, sample.state, sample.v, sample.a, sample.sv, sample.sa,
    sample.raw?.[0], sample.raw?.[1], sample.inSupport, sample.calibrated,
    sample.similarity && Array.from(sample.similarity, (byte) => (byte / 255).toFixed(2)).join(" "),
    unix(sample.t).toFixed(3),
  ]);
  return [COLUMNS, ...lines].map((cells) => cells.map(cell).join(",")).join("\r\n") + "\r\n";
}

function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? textCell(value) : String(Number(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The charts on one canvas, under a title. `support` may be null. */
export function toPicture({ viewport, theme, focus, support, title, note }) {
  const { width, height, ratio, margin, plane } = PICTURE;
  const sheet = new Surface().resize(width, height, ratio);
  const { context } = sheet;
  context.fillStyle = theme.card;
  context.fillRect(0, 0, width, height);
  const write = (text, x, y, font, colour) => {
    context.font = `${font} ${theme.font}`;
    context.fillStyle = colour;
    context.fillText(text, x, y);
    return context.measureText(text).width;
  };
  write(title, margin, 38, "600 19px", theme.ink);
  context.textAlign = "right";
  write(note, width - margin, 38, "13px", theme.muted);
  context.textAlign = "left";
  let x = margin;
  for (const face of viewport.faces) {
    const sample = viewport.sampleOf(face);
    if (!sample) continue;
    const values = `valence ${signed(sample.v)}, arousal ${signed(sample.a)}`;
    x += write(`${face.name}  `, x, 66, "600 14px", theme.slots[face.slot]);
    x += write(values, x, 66, "14px", theme.ink) + margin;
  }
  const place = (surface, left, top) => context.drawImage(surface.canvas, left, top, surface.width, surface.height);
  const top = 84;
  const right = margin + plane + margin;
  const bars_px = support ? 130 : 0;
  const strip_px = (height - top - margin - 2 * 22 - (support ? bars_px + 40 : 0)) / 2;
  const circle = new Surface().resize(plane, plane, ratio);
  drawCircumplex(circle, viewport, theme, focus, support);
  place(circle, margin, top + (height - top - margin - plane) / 2);
  const strips = [0, 1].map(() => new Surface().resize(width - margin - right, strip_px, ratio));
  new Strips(...strips).draw(viewport, theme, focus);
  ["Valence", "Arousal"].forEach((name, i) => {
    const y = top + i * (strip_px + 22);
    write(name, right, y + 12, "600 14px", theme.ink);
    place(strips[i], right, y + 18);
  });
  if (support) {
    const y = height - margin - bars_px;
    write(`Similarity of ${focus.name} to each calibration frame, above its valence and arousal`, right, y - 8, "600 14px", theme.ink);
    const bars = new Surface().resize(width - margin - right, bars_px, ratio);
    drawSimilarity(bars, support, theme, theme.slots[focus.slot]);
    place(bars, right, y);
  }
  return sheet.canvas;
}

/** Hands a file to the browser's downloads. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

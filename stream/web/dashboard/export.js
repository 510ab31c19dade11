// Exports: the samples in view as CSV, with the columns of `run --csv`, and the charts as PNG.

import { Surface } from "./charts/canvas.js";
import { drawCircumplex } from "./charts/circumplex.js";
import { drawSimilarity } from "./charts/similarity.js";
import { Strips } from "./charts/strips.js";
import { element } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { textCell } from "../shared/text-cell.js";
import { text } from "../shared/texts.js";
import { spanText } from "./words.js";

const COLUMNS = [ // those of mtclar.stream.table.columns, compared by a test; empty where the page does not know a value
  "t_unix", "time", "frame", "participant", "session", "stream", "track", "subject", "state", "faults", "caveats",
  "drift",
  "valence", "arousal", "valence_sd", "arousal_sd", "raw_valence", "raw_arousal", "absolute_valence", "absolute_arousal",
  "in_support", "calibrated", "nearest_similarity", "label_valence", "label_arousal", "x", "y", "width", "height",
  "yaw", "pitch", "roll", "latency_ms", "mark",
];
const PICTURE = { width: 1280, height: 720, ratio: 2, margin: 24, plane: 470 };

/** Connects the two buttons. `current()` returns {viewport, theme, focus, support, streams, clock}. */
export function connectExports(current) {
  const onClick = (id, make) => element(id).addEventListener("click", () => {
    const { clock, ...shown } = current();
    const unix = (t) => t - (clock?.monotonic ?? 0) + (clock?.unix ?? 0);
    const moment = new Date(1000 * unix(shown.viewport.to)).toISOString().slice(0, 19);
    make(shown, unix, moment, (ending) => `mtclar_${moment.replaceAll(":", "-")}.${ending}`);
  });
  onClick("export-csv", ({ viewport }, unix, _, name) => {
    save(new Blob([toCsv(viewport, unix)], { type: "text/csv" }), name("csv"));
  });
  onClick("export-png", ({ streams, ...shown }, _, moment, name) => {
    const title = ["mtclar-stream", ...streams.map(({ label, stream }) => label || stream)].join(" · ");
    const note = text("export.note", { span: spanText(shown.viewport.span_s), moment: moment.replace("T", " ") });
    toPicture({ ...shown, title, note }).toBlob((blob) => save(blob, name("png")));
  });
}

/** The samples in view, in order of time. `unix(t)` maps a capture time to seconds since 1970. */
function toCsv(viewport, unix) {
  const rows = [];
  for (const face of viewport.faces) {
    for (let i = face.from(viewport.from); i < face.samples.length && face.samples[i].t <= viewport.to; i += 1) {
      rows.push({ face, sample: face.samples[i] });
    }
  }
  rows.sort((one, other) => one.sample.t - other.sample.t);
  const marks = marksOf(rows, viewport);
  const lines = rows.map((row) => {
    const values = { ...cellsOf(row.face, row.sample, unix(row.sample.t)), mark: marks.get(row) };
    return COLUMNS.map((name) => cell(values[name]));
  });
  return [COLUMNS, ...lines].map((cells) => cells.join(",")).join("\r\n") + "\r\n";
}

/** The marks of a row: those since the frame before it, in the first row of a frame of each stream, as `run --csv`. */
function marksOf(rows, { marks, from }) {
  const before = new Map(); // stream -> time of its last frame
  const found = new Map();
  for (const row of rows) {
    const { face: { stream }, sample: { t } } = row;
    const since = before.get(stream) ?? from;
    if (t === since) continue;
    before.set(stream, t);
    const labels = marks.filter((mark) => [null, stream].includes(mark.stream) && mark.t > since && mark.t <= t);
    if (labels.length) found.set(row, labels.map(({ label, exported }) => textCell(exported ?? label)).join("; "));
  }
  return found;
}

/** The cells of one row by column. */
function cellsOf(face, sample, t_unix) {
  const [x, y, width, height] = (sample.box ?? []).map((pixels) => pixels.toFixed(1));
  const [yaw, pitch, roll] = (sample.pose ?? []).map((degrees) => degrees.toFixed(1));
  return {
    t_unix: t_unix.toFixed(4),
    time: sample.pts?.toFixed(4),
    frame: sample.frame,
    stream: textCell(face.stream),
    track: face.id,
    subject: sample.subject && textCell(sample.subject),
    state: sample.state,
    faults: sample.faults?.map(textCell).join("; "),
    caveats: sample.caveats?.map(textCell).join("; "),
    drift: sample.drift?.map(textCell).join("; "),
    valence: number(sample.v),
    arousal: number(sample.a),
    valence_sd: number(sample.sv),
    arousal_sd: number(sample.sa),
    raw_valence: number(sample.raw?.[0]),
    raw_arousal: number(sample.raw?.[1]),
    absolute_valence: number(sample.absolute?.[0]),
    absolute_arousal: number(sample.absolute?.[1]),
    in_support: flag(sample.inSupport),
    calibrated: flag(sample.calibrated),
    nearest_similarity: number(sample.nearest),
    ...{ x, y, width, height, yaw, pitch, roll },
    latency_ms: sample.latency_ms?.toFixed(1),
  };
}

const number = (value) => value?.toFixed(4).replace(/^-(0\.0*)$/, "$1");
const flag = (value) => (typeof value === "boolean" ? Number(value) : null);

function cell(value) {
  const content = String(value ?? "");
  return /[",\r\n]/.test(content) ? `"${content.replaceAll('"', '""')}"` : content;
}

/** The charts on one canvas, under a title. `support` may be null. */
function toPicture({ viewport, theme, focus, support, title, note }) {
  const { width, height, ratio, margin, plane } = PICTURE;
  const sheet = new Surface().resize(width, height, ratio);
  const { context } = sheet;
  context.fillStyle = theme.card;
  context.fillRect(0, 0, width, height);
  const write = (words, x, y, font, colour) => {
    context.font = `${font} ${theme.font}`;
    context.fillStyle = colour;
    context.fillText(words, x, y);
    return context.measureText(words).width;
  };
  write(title, margin, 38, "600 19px", theme.ink);
  context.textAlign = "right";
  write(note, width - margin, 38, "13px", theme.muted);
  context.textAlign = "left";
  let x = margin;
  for (const face of viewport.faces) {
    const sample = viewport.sampleOf(face);
    if (!sample) continue;
    const values = text("export.values", { valence: signed(sample.v), arousal: signed(sample.a) });
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
  [text("axis.valence"), text("axis.arousal")].forEach((name, i) => {
    const y = top + i * (strip_px + 22);
    write(name, right, y + 12, "600 14px", theme.ink);
    place(strips[i], right, y + 18);
  });
  if (support) {
    const y = height - margin - bars_px;
    write(text("export.similarity", { name: focus.name }), right, y - 8, "600 14px", theme.ink);
    const bars = new Surface().resize(width - margin - right, bars_px, ratio);
    drawSimilarity(bars, support, theme, theme.slots[focus.slot]);
    place(bars, right, y);
  }
  return sheet.canvas;
}

/** Hands a file to the browser's downloads. */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

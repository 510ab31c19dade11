// The strip charts of valence and arousal over the seconds in view: estimate, sd band, raw values as dots, script, cursor.

import { signed } from "../../shared/format.js";
import { decimal, text } from "../../shared/texts.js";
import { statisticsOf } from "../panels/statistics.js";
import { fitting, haloText } from "./canvas.js";
import { Scroll } from "./scroll.js";

const LEFT = 34;
const BOTTOM = 18;
const TOP = 6;
const RIGHT = 10;
const STEPS_S = [0.5, 1, 2, 5, 10, 30, 60]; // between the marks of the time axis
const MARK_PX = 72; // the least that lies between two of them
const SLICE_PX = 3;
const DASH_PX = 7;
const DOTS_A_PX = 1.5; // closer together, dots are no dots any more
const WHOLE = { low: -1, high: 1 };
const LABEL_ROWS = 3; // of marks
const LABEL_PX = 13;
const FIT_STEP = 0.25; // of the ends of a fitted axis
const AXES = [
  { name: "v", of: "valence", spread: "sv", raw: 0 },
  { name: "a", of: "arousal", spread: "sa", raw: 1 },
];

/** Where the plot lies in a strip `width` wide; a pointer's position gives its moment. */
export const plotArea = (width) => ({ left: LEFT, width: Math.max(width - LEFT - RIGHT, 1) });

/** The two charts on their surfaces. */
export class Strips {
  #surfaces;
  #scrolls = [new Scroll(), new Scroll()];
  #drawn = new Map(); // track -> the time until which it was drawn
  thresholds = []; // lines of the charts
  fitted = false; // whether the vertical axes fit the values in view

  constructor(valence, arousal) {
    this.#surfaces = [valence, arousal];
  }

  /** Draws what `viewport` shows of all faces; values before smoothing only of `focus`: more of them are a cloud. */
  draw(viewport, theme, focus) {
    const { width } = plotArea(this.#surfaces[0].width);
    const series = viewport.faces.map((face) => lineOf(face, theme.slots[face.slot], viewport, width, face === focus));
    const scripts = viewport.scripts.map(({ track }) => lineOf(track, theme.script, viewport, width, false));
    const tracks = [...series, ...scripts];
    const key = tracks.map(({ track, ...line }) => [track.key, Object.values(line)].join()).join(" ");
    // The mean of the last slice was not complete, and a line led to it from the slice before.
    const margin_s = (3 * SLICE_PX * viewport.span_s) / width;
    const change = { dirty: this.#dirty(tracks, viewport.to) - margin_s, key: viewport.live ? `${key} ${theme.card} ${viewport.span_s}` : null };
    this.#surfaces.forEach((surface, i) => {
      const axis = AXES[i];
      const range = this.fitted ? rangeOf(viewport, axis) : WHOLE;
      const thresholds = this.thresholds.filter((threshold) => threshold.axis === axis.of);
      drawStrip(surface, this.#scrolls[i], viewport, theme, axis, { series, scripts, thresholds, range, focus, ...change });
    });
  }

  /** The time from which on something is new since the last drawing. */
  #dirty(tracks, to) {
    let dirty = to;
    for (const { track } of tracks) {
      const before = this.#drawn.get(track);
      const last = track.last?.t;
      if (last === before || last === undefined) continue;
      dirty = Math.min(dirty, before < last ? before : -Infinity);
    }
    this.#drawn = new Map(tracks.map(({ track }) => [track, track.last?.t]));
    return dirty;
  }
}

/** Around the values in view, in steps that do not change with every frame. */
function rangeOf(viewport, { name }) {
  const found = viewport.faces.map((face) => statisticsOf(face, name, viewport)).filter(Boolean);
  if (found.length === 0) return WHOLE;
  const low = Math.max(-1, Math.floor((Math.min(...found.map(({ min }) => min)) - 0.05) / FIT_STEP) * FIT_STEP);
  const high = Math.min(1, Math.ceil((Math.max(...found.map(({ max }) => max)) + 0.05) / FIT_STEP) * FIT_STEP);
  return { low, high };
}

/**
 * How a track is drawn: `slice_s`, how long the slices are whose means are drawn, 0 where samples lie far enough apart to
 * be drawn themselves; `dash_s`, from dash to dash, where the line is broken; `dots`, whether raw values are drawn.
 */
function lineOf(track, colour, viewport, width, focused) {
  const count = track.from(viewport.to) - track.from(viewport.from);
  const pixel_s = viewport.span_s / width;
  const slice_s = count * SLICE_PX <= width ? 0 : SLICE_PX * pixel_s;
  // Half a dash holds a point at least; in powers of two, so that it does not change with every sample that comes.
  const apart_s = slice_s || 2 ** Math.ceil(Math.log2(viewport.span_s / Math.max(count, 1)));
  const dash_s = Math.max(DASH_PX * pixel_s, 2 * apart_s);
  return { track, colour, slice_s, dash_s, dots: focused && count <= DOTS_A_PX * width };
}

/** From time `from` on, and one sample earlier, so that lines come in from the edge. */
function samplesOf({ track, slice_s }, from, to) {
  const whole = slice_s ? (Math.floor(from / slice_s) - 1) * slice_s : from;
  const start = Math.max(track.from(whole) - (slice_s ? 0 : 1), track.first);
  const samples = track.samples.slice(start, Math.min(track.from(to) + 1, track.samples.length));
  return slice_s ? thinned(samples, slice_s) : samples;
}

/**
 * Means over slices of time: a line of more points looks the same and takes twice the time. The slices lie at fixed
 * times, so that the line does not shimmer while it moves.
 */
function thinned(samples, slice_s) {
  const means = [];
  let sum = null;
  for (const sample of samples) {
    const slice = Math.floor(sample.t / slice_s);
    if (sum === null || slice !== sum.slice || sample.gap || sample.seen !== sum.seen) {
      if (sum) means.push(mean(sum));
      sum = { slice, seen: sample.seen, gap: sample.gap, n: 0, t: 0, v: 0, a: 0, sv: 0, sa: 0 };
    }
    sum.n += 1;
    sum.t += sample.t;
    sum.v += sample.v;
    sum.a += sample.a;
    sum.sv += sample.sv;
    sum.sa += sample.sa;
  }
  if (sum) means.push(mean(sum));
  return means;
}

function mean({ seen, gap, n, t, v, a, sv, sa }) {
  return { seen, gap, t: t / n, v: v / n, a: a / n, sv: sv / n, sa: sa / n };
}

function drawStrip(surface, scroll, viewport, theme, axis, { series, scripts, thresholds, range, focus, key, dirty }) {
  const plot = plotArea(surface.width);
  const height = surface.height - TOP - BOTTOM;
  const y = (number) => TOP + (height * (range.high - number)) / (range.high - range.low);
  const context = surface.clear(`${theme.card} ${range.low} ${range.high}`, (background) => drawLevels(background, y, theme, plot, range));
  if (height <= 0) return;
  const lines = scroll.draw({
    width: plot.width,
    height: surface.height,
    ratio: surface.ratio,
    key: key && `${key} ${range.low} ${range.high} ${surface.width} ${surface.height} ${surface.ratio}`,
    to: viewport.to,
    span_s: viewport.span_s,
    dirty,
    paint: (onto, x, from) => {
      onto.beginPath();
      onto.rect(0, TOP - 3, plot.width, height + 6); // what lies beyond a fitted axis
      onto.clip();
      drawLines(onto, { x, y }, axis, from, viewport, series, scripts);
    },
  });
  context.drawImage(lines, plot.left, 0, plot.width, surface.height);
  const x = (t) => plot.left + (plot.width * (t - viewport.from)) / viewport.span_s;
  drawTimes(context, surface, x, theme, plot, viewport);
  for (const threshold of thresholds) drawThreshold(context, y(threshold.value), threshold, theme, plot, height);
  drawMarks(context, x, axis, focus, viewport, theme, plot, height);
  if (!viewport.live) drawCursor(context, x(viewport.at), theme, height);
  for (const face of viewport.faces) {
    const sample = viewport.sampleOf(face);
    const t = viewport.live ? sample?.t : viewport.at;
    if (sample && t >= viewport.from) drawHead(context, x(t), y(sample[axis.name]), sample.seen, theme.slots[face.slot], theme);
  }
}

function drawLines(context, scale, axis, from, viewport, series, scripts) {
  const drawn = series.map((one) => ({ ...one, samples: samplesOf(one, from, viewport.to) }));
  for (const { colour, samples, dots, track } of drawn) {
    context.fillStyle = colour;
    drawBand(context, scale, samples, axis);
    if (dots) drawRaw(context, scale, samplesOf({ track, slice_s: 0 }, from, viewport.to), axis);
  }
  for (const script of scripts) {
    context.strokeStyle = script.colour;
    drawLine(context, scale, samplesOf(script, from, viewport.to), axis, dashed(script.dash_s), 1.4, 0.85);
  }
  for (const { colour, samples, dash_s } of drawn) {
    const dash = dashed(dash_s);
    context.strokeStyle = colour;
    drawLine(context, scale, samples, axis, (sample) => sample.seen || dash(sample), 2.2, 1);
  }
}

/** Dashes at fixed times: those of the canvas begin where a path does, and that is elsewhere in every drawing. */
const dashed = (dash_s) => (sample) => sample.t % dash_s < dash_s / 2;

/** A dashed line, and ticks on the side that counts. */
function drawThreshold(context, y, { side }, theme, plot, height) {
  if (y < TOP || y > TOP + height) return;
  context.strokeStyle = theme.warn;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = plot.left; x < plot.left + plot.width; x += 12) {
    context.moveTo(x, Math.round(y) + 0.5);
    context.lineTo(Math.min(x + 7, plot.left + plot.width), Math.round(y) + 0.5);
  }
  for (let x = plot.left + 3; x < plot.left + plot.width; x += 48) {
    context.moveTo(x + 0.5, y);
    context.lineTo(x + 0.5, y + (side === "above" ? -4 : 4));
  }
  context.stroke();
}

/** A line for each mark in view and each event of the face in focus, with its label in the first row that has room for it. */
function drawMarks(context, xOf, { of }, focus, viewport, theme, plot, height) {
  const marks = viewport.marks.filter(({ t, axis, face }) => t >= viewport.from && t <= viewport.to && [undefined, of].includes(axis) && [undefined, focus?.key].includes(face));
  context.font = `10.5px ${theme.font}`;
  context.textBaseline = "top";
  context.textAlign = "left";
  context.lineWidth = 1;
  const right = plot.left + plot.width;
  const rows = Array(Math.max(1, Math.min(LABEL_ROWS, Math.floor(height / 2 / LABEL_PX)))).fill(plot.left); // where each is free
  for (const { t, label, active } of marks) {
    const x = Math.round(xOf(t)) + 0.5;
    const colour = active === undefined ? theme.ink : theme.warn;
    context.strokeStyle = colour;
    context.globalAlpha = active === false ? 0.45 : 0.8;
    context.beginPath();
    context.moveTo(x, TOP);
    context.lineTo(x, TOP + height);
    context.stroke();
    if (active === false) continue;
    const words = fitting(context, label, plot.width);
    const width = context.measureText(words).width;
    const left = Math.min(x + 3, right - width); // near the right edge it begins before its line
    const row = rows.findIndex((free) => free <= left);
    if (row < 0) continue; // more labels would hide the curve
    rows[row] = left + width + 6;
    context.globalAlpha = 1;
    context.fillStyle = colour;
    haloText(context, theme, words, left, TOP + 1 + row * LABEL_PX);
  }
  context.globalAlpha = 1;
}

function drawLevels(context, yOf, theme, plot, { low, high }) {
  context.font = `11px ${theme.font}`;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.lineWidth = 1;
  context.strokeStyle = theme.line;
  context.fillStyle = theme.muted;
  for (let level = -1; level <= 1; level += 0.25) {
    if (level < low || level > high || (high - low === 2 && level % 0.5 !== 0)) continue;
    const words = [-1, 0, 1, low, high].includes(level) ? levelText(level) : "";
    const y = Math.round(yOf(level)) + 0.5;
    context.globalAlpha = words ? 1 : 0.55;
    context.beginPath();
    context.moveTo(plot.left, y);
    context.lineTo(plot.left + plot.width, y);
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(words, plot.left - 8, y);
  }
}

const levelText = (level) => (Number.isInteger(level) ? `${level < 0 ? "−" : level > 0 ? "+" : ""}${Math.abs(level)}` : signed(level));

function drawTimes(context, surface, xOf, theme, plot, viewport) {
  const perMark_s = (viewport.span_s * MARK_PX) / plot.width;
  const step_s = STEPS_S.find((step) => step >= perMark_s) ?? STEPS_S.at(-1);
  context.font = `11px ${theme.font}`;
  context.textBaseline = "alphabetic";
  context.fillStyle = theme.muted;
  const nearest = Math.ceil((viewport.newest - viewport.to) / step_s - 1e-9);
  for (let mark = nearest; viewport.newest - mark * step_s >= viewport.from - 1e-9; mark += 1) {
    const x = xOf(viewport.newest - mark * step_s);
    const fromRight = plot.left + plot.width - x;
    context.textAlign = fromRight < 24 ? "right" : x - plot.left < 24 ? "left" : "center";
    context.fillText(mark ? ago(mark * step_s) : text(viewport.live ? "time.now" : "time.paused"), x, surface.height - 3);
  }
}

const whole = (s) => (Number.isInteger(s) ? s : decimal(s, 1));
const ago = (s) => (s < 60 ? text("time.ago.seconds", { n: whole(s) }) : text("time.ago.minutes", { n: s / 60 }));

function drawBand(context, scale, samples, { name, spread }) {
  context.globalAlpha = 0.18;
  let start = 0;
  while (start < samples.length) {
    let end = start + 1;
    while (end < samples.length && !samples[end].gap) end += 1;
    context.beginPath();
    for (let i = start; i < end; i += 1) {
      context.lineTo(scale.x(samples[i].t), scale.y(samples[i][name] + samples[i][spread]));
    }
    for (let i = end - 1; i >= start; i -= 1) {
      context.lineTo(scale.x(samples[i].t), scale.y(samples[i][name] - samples[i][spread]));
    }
    context.fill();
    start = end;
  }
  context.globalAlpha = 1;
}

function drawRaw(context, scale, samples, { raw }) {
  context.globalAlpha = 0.38;
  for (const sample of samples) {
    if (sample.raw) context.fillRect(scale.x(sample.t) - 0.8, scale.y(sample.raw[raw]) - 0.8, 1.6, 1.6);
  }
  context.globalAlpha = 1;
}

function drawLine(context, scale, samples, { name }, wanted, width, strength) {
  context.lineWidth = width;
  context.lineJoin = "bevel";
  context.lineCap = "butt";
  context.globalAlpha = strength;
  context.beginPath();
  let penDown = false;
  for (let i = 1; i < samples.length; i += 1) {
    const draws = !samples[i].gap && wanted(samples[i]);
    if (draws && !penDown) context.moveTo(scale.x(samples[i - 1].t), scale.y(samples[i - 1][name]));
    if (draws) context.lineTo(scale.x(samples[i].t), scale.y(samples[i][name]));
    penDown = draws;
  }
  context.stroke();
  context.globalAlpha = 1;
}

function drawCursor(context, x, theme, height) {
  context.strokeStyle = theme.ink;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(Math.round(x) + 0.5, TOP - 4);
  context.lineTo(Math.round(x) + 0.5, TOP + height + 4);
  context.stroke();
}

function drawHead(context, x, y, seen, colour, theme) {
  context.beginPath();
  context.arc(x, y, 4, 0, 2 * Math.PI);
  context.fillStyle = seen ? colour : theme.card;
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.fill();
  context.stroke();
}

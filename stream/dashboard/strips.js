// The strip charts of valence and arousal over the seconds in view: estimate, sd band, raw values as dots, script, cursor.

const LEFT = 34;
const BOTTOM = 18;
const TOP = 6;
const RIGHT = 10;
const STEPS_S = [0.5, 1, 2, 5, 10, 30, 60]; // between the marks of the time axis
const MARK_PX = 72; // the least that lies between two of them
const SLICE_PX = 3;
const DOTS_A_PX = 1.5; // closer together, dots are no dots any more
const AXES = [
  { name: "v", spread: "sv", raw: 0 },
  { name: "a", spread: "sa", raw: 1 },
];

/** Where the plot lies in a strip `width` wide: what a pointer needs to find its moment. */
export const plotArea = (width) => ({ left: LEFT, width: Math.max(width - LEFT - RIGHT, 1) });

/** Draws what `look` shows of all faces on the two surfaces; values before smoothing only of `focus`: more are a cloud. */
export function drawStrips(valence, arousal, look, theme, focus) {
  const { width } = plotArea(valence.width);
  const series = look.faces.map((face) => {
    const samples = samplesIn(face, look);
    const dotted = face === focus && samples.length <= DOTS_A_PX * width;
    return { face, dots: dotted ? samples : [], samples: thinned(samples, look, width) };
  });
  const scripts = look.scripts.map(({ track }) => thinned(samplesIn(track, look), look, width));
  [valence, arousal].forEach((surface, i) => drawStrip(surface, look, theme, AXES[i], series, scripts));
}

/** Those in view, and one on either side, so that lines come in from the edges. */
function samplesIn(track, look) {
  const start = Math.max(track.from(look.from) - 1, track.first);
  return track.samples.slice(start, Math.min(track.from(look.to) + 1, track.samples.length));
}

/**
 * Where samples lie closer than SLICE_PX, their means over slices of time: a line of more points looks the same and takes
 * twice the time. The slices lie at fixed times, so that the line does not shimmer while it moves.
 */
function thinned(samples, look, width) {
  if (samples.length * SLICE_PX <= width) return samples;
  const slice_s = ((look.to - look.from) * SLICE_PX) / width;
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

function drawStrip(surface, look, theme, axis, series, scripts) {
  const plot = plotArea(surface.width);
  const height = surface.height - TOP - BOTTOM;
  const scale = {
    x: (t) => plot.left + (plot.width * (t - look.from)) / (look.to - look.from),
    y: (number) => TOP + (height * (1 - number)) / 2,
  };
  const context = surface.blank(theme, (behind) => drawLevels(behind, scale, theme, plot));
  if (height <= 0) return;
  drawTimes(context, surface, scale, theme, plot, look);
  context.save();
  context.beginPath();
  context.rect(plot.left, TOP - 4, plot.width + RIGHT, height + 8);
  context.clip();
  for (const { face, samples, dots } of series) {
    context.fillStyle = theme.slots[face.slot];
    drawBand(context, scale, samples, axis);
    drawRaw(context, scale, dots, axis);
  }
  context.strokeStyle = theme.script;
  context.setLineDash([6, 4]);
  for (const samples of scripts) drawLine(context, scale, samples, axis, () => true, 1.4, 0.75);
  for (const { face, samples } of series) {
    context.strokeStyle = theme.slots[face.slot];
    context.setLineDash([]);
    drawLine(context, scale, samples, axis, (sample) => sample.seen, 2.2, 1);
    if (samples.every((sample) => sample.seen)) continue;
    context.setLineDash([2, 5]);
    drawLine(context, scale, samples, axis, (sample) => !sample.seen, 2.2, 0.9);
  }
  context.setLineDash([]);
  if (!look.live) drawCursor(context, scale, theme, look.at, height);
  for (const face of look.faces) {
    const sample = look.sampleOf(face);
    if (sample) drawHead(context, scale, look.live ? sample.t : look.at, sample, theme.slots[face.slot], axis, theme);
  }
  context.restore();
}

function drawLevels(context, scale, theme, plot) {
  context.font = `11px ${theme.font}`;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.lineWidth = 1;
  context.strokeStyle = theme.line;
  context.fillStyle = theme.muted;
  for (const [level, text] of [[1, "+1"], [0.5, ""], [0, "0"], [-0.5, ""], [-1, "−1"]]) {
    const y = Math.round(scale.y(level)) + 0.5;
    context.globalAlpha = text ? 1 : 0.55;
    context.beginPath();
    context.moveTo(plot.left, y);
    context.lineTo(plot.left + plot.width, y);
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(text, plot.left - 8, y);
  }
}

function drawTimes(context, surface, scale, theme, plot, look) {
  const perMark_s = ((look.to - look.from) * MARK_PX) / plot.width;
  const step_s = STEPS_S.find((step) => step >= perMark_s) ?? STEPS_S.at(-1);
  context.font = `11px ${theme.font}`;
  context.textBaseline = "alphabetic";
  context.fillStyle = theme.muted;
  const nearest = Math.ceil((look.newest - look.to) / step_s - 1e-9);
  for (let mark = nearest; look.newest - mark * step_s >= look.from - 1e-9; mark += 1) {
    const x = scale.x(look.newest - mark * step_s);
    const fromRight = plot.left + plot.width - x;
    context.textAlign = fromRight < 24 ? "right" : x - plot.left < 24 ? "left" : "center";
    context.fillText(mark ? ago(mark * step_s) : look.live ? "now" : "paused", x, surface.height - 3);
  }
}

const ago = (s) => (s < 60 ? `−${s} s` : `−${s / 60} min`);

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

function drawCursor(context, scale, theme, at, height) {
  const x = Math.round(scale.x(at)) + 0.5;
  context.strokeStyle = theme.ink;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x, TOP - 4);
  context.lineTo(x, TOP + height + 4);
  context.stroke();
}

function drawHead(context, scale, t, sample, colour, { name }, theme) {
  context.beginPath();
  context.arc(scale.x(t), scale.y(sample[name]), 4, 0, 2 * Math.PI);
  context.fillStyle = sample.seen ? colour : theme.card;
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.fill();
  context.stroke();
}

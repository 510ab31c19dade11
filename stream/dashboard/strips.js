// A strip chart of one value over the last half minute: estimate, its sd band, raw values as dots, the script where it is known.

import { WINDOW_S } from "./history.js";

const LEFT = 34;
const BOTTOM = 18;
const TOP = 6;
const RIGHT = 10;
const SAMPLE = { valence: ["v", "sv", 0], arousal: ["a", "sa", 1] };

/** Draws `value` ("valence" or "arousal") of all faces of `history` on `sheet`. */
export function drawStrip(sheet, history, theme, value) {
  const context = sheet.blank();
  const [name, spread, raw] = SAMPLE[value];
  const width = sheet.width - LEFT - RIGHT;
  const height = sheet.height - TOP - BOTTOM;
  if (width <= 0 || height <= 0) return;
  const scale = {
    x: (t) => LEFT + width * (1 - (history.now - t) / WINDOW_S),
    y: (number) => TOP + (height * (1 - number)) / 2,
  };
  drawGrid(context, sheet, scale, theme, width);
  context.save();
  context.beginPath();
  context.rect(LEFT, TOP - 4, width + RIGHT, height + 8);
  context.clip();
  const faces = [...history.faces.values()];
  for (const face of faces) {
    context.fillStyle = theme.slots[face.slot];
    drawBand(context, scale, face, name, spread);
    drawRaw(context, scale, face, raw);
  }
  context.strokeStyle = theme.script;
  context.setLineDash([6, 4]);
  for (const script of history.scripts.values()) drawLine(context, scale, script, name, () => true, 1.4, 0.75);
  for (const face of faces) {
    context.strokeStyle = theme.slots[face.slot];
    context.setLineDash([]);
    drawLine(context, scale, face, name, (sample) => sample.seen, 2.2, 1);
    context.setLineDash([2, 5]);
    drawLine(context, scale, face, name, (sample) => !sample.seen, 2.2, 0.9);
  }
  context.setLineDash([]);
  for (const face of faces) if (face.present && face.last) drawHead(context, scale, face, name, theme);
  context.restore();
}

function drawGrid(context, sheet, scale, theme, width) {
  context.font = `11px ${theme.font}`;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.lineWidth = 1;
  for (const [level, text] of [[1, "+1"], [0.5, ""], [0, "0"], [-0.5, ""], [-1, "−1"]]) {
    const y = Math.round(scale.y(level)) + 0.5;
    context.strokeStyle = theme.line;
    context.globalAlpha = text ? 1 : 0.55;
    context.beginPath();
    context.moveTo(LEFT, y);
    context.lineTo(LEFT + width, y);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = theme.faint;
    context.fillText(text, LEFT - 8, y);
  }
  context.textBaseline = "alphabetic";
  for (let ago_s = 0; ago_s <= WINDOW_S; ago_s += 10) {
    context.textAlign = ago_s === 0 ? "right" : ago_s === WINDOW_S ? "left" : "center";
    context.fillText(ago_s ? `−${ago_s} s` : "now", LEFT + width * (1 - ago_s / WINDOW_S), sheet.height - 3);
  }
}

function drawBand(context, scale, face, name, spread) {
  const { samples } = face;
  context.globalAlpha = 0.18;
  let start = face.first;
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

function drawRaw(context, scale, face, axis) {
  context.globalAlpha = 0.38;
  for (let i = face.first; i < face.samples.length; i += 1) {
    const { t, raw } = face.samples[i];
    if (raw) context.fillRect(scale.x(t) - 0.8, scale.y(raw[axis]) - 0.8, 1.6, 1.6);
  }
  context.globalAlpha = 1;
}

function drawLine(context, scale, track, name, wanted, width, strength) {
  const { samples } = track;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.globalAlpha = strength;
  context.beginPath();
  let penDown = false;
  for (let i = Math.max(track.first, 1); i < samples.length; i += 1) {
    const draws = !samples[i].gap && wanted(samples[i]);
    if (draws && !penDown) context.moveTo(scale.x(samples[i - 1].t), scale.y(samples[i - 1][name]));
    if (draws) context.lineTo(scale.x(samples[i].t), scale.y(samples[i][name]));
    penDown = draws;
  }
  context.stroke();
  context.globalAlpha = 1;
}

function drawHead(context, scale, face, name, theme) {
  context.beginPath();
  context.arc(scale.x(face.last.t), scale.y(face.last[name]), 4, 0, 2 * Math.PI);
  context.fillStyle = face.last.seen ? theme.slots[face.slot] : theme.card;
  context.strokeStyle = theme.slots[face.slot];
  context.lineWidth = 2;
  context.fill();
  context.stroke();
}

// The affect circumplex (Russell 1980): valence to the right, arousal upwards; each face a point, its trail and its sd.

import { AXES, EMOTIONS } from "../../shared/affect-words.js";
import { text } from "../../shared/texts.js";
import { fitting, haloText } from "./canvas.js";

const TRAIL_S = 5;
const TRAIL_PIECES = 12; // each of one strength: a stroke for every sample would take half the time of a drawing
const FADE_PX = 6; // from here on, a word fades
const NAME_PX = 16; // between a point and its name
const NAME_LENGTH_PX = 140;
const RING = 0.9; // radius of valence or arousal 1, as a share of half the sheet

/**
 * Draws the faces of `viewport`. `focus` is the face in front; `support` its support frames with similarities,
 * {labels, similarity, selected}, or null.
 */
export function drawCircumplex(surface, viewport, theme, focus, support) {
  const circle = { x: surface.width / 2, y: surface.height / 2, r: (RING * Math.min(surface.width, surface.height)) / 2 };
  const context = surface.clear(theme, (background) => drawCircle(background, circle, theme));
  const faces = viewport.faces.toSorted((a, b) => (a === focus) - (b === focus));
  const points = faces.map((face) => ({ face, sample: viewport.sampleOf(face) })).filter(({ sample }) => sample);
  if (support) drawSupport(context, circle, support, theme, theme.slots[focus.slot]);
  for (const { track } of viewport.scripts) drawTrail(context, circle, track, viewport.at, theme.script, 1.2, 0.5);
  for (const face of faces) drawTrail(context, circle, face, viewport.at, theme.slots[face.slot], 3, 0.75);
  for (const { face, sample } of points) drawSpread(context, circle, sample, theme.slots[face.slot]);
  const taken = axisWords(circle).map(({ word, x, y, turned }) => boxOfAxisWord(context, theme, circle, word, x, y, turned)); // boxes of what is drawn
  const isFree = (box) => box.left >= 0 && box.right <= surface.width && box.top >= 0 && box.bottom <= surface.height && !touches(box, taken);
  for (const { stream, track } of viewport.scripts) {
    const script = track.at(viewport.at);
    if (script) taken.push(...drawScript(context, circle, script, theme, points.find(({ face }) => face.stream === stream)?.sample, isFree));
  }
  for (const { face, sample } of points) drawPoint(context, circle, sample, theme.slots[face.slot], theme);
  if (points.length > 1) taken.push(...drawNames(context, circle, points, theme, isFree));
  if (support) taken.push(...support.labels.map((label) => boxAround(toPixels(circle, ...label), 6)));
  taken.push(...points.map(({ sample }) => boxAround(toPixels(circle, sample.v, sample.a), 10)));
  drawEmotions(context, circle, taken, theme);
}

const toPixels = (circle, v, a) => [circle.x + circle.r * v, circle.y - circle.r * a];

function drawCircle(context, circle, theme) {
  const { x, y, r } = circle;
  context.save();
  context.beginPath();
  context.arc(x, y, r, 0, 2 * Math.PI);
  context.clip();
  const corners = [[1, -1, theme.tints.joy], [-1, -1, theme.tints.anger], [-1, 1, theme.tints.sadness], [1, 1, theme.tints.calm]];
  for (const [right, down, colour] of corners) {
    const tint = context.createRadialGradient(x + 0.7 * right * r, y + 0.7 * down * r, 0, x + 0.7 * right * r, y + 0.7 * down * r, 1.15 * r);
    tint.addColorStop(0, colour);
    tint.addColorStop(1, `${colour}00`); // the same colour, clear: "transparent" is black and greys the middle
    context.globalAlpha = theme.tintStrength;
    context.fillStyle = tint;
    context.fillRect(x - r, y - r, 2 * r, 2 * r);
  }
  context.restore();

  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  for (const share of [0.5, 1]) {
    context.beginPath();
    context.arc(x, y, share * r, 0, 2 * Math.PI);
    context.stroke();
  }
  context.beginPath();
  context.moveTo(x - r, y);
  context.lineTo(x + r, y);
  context.moveTo(x, y - r);
  context.lineTo(x, y + r);
  context.stroke();

  const size = wordSize(circle);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = theme.muted;
  context.font = `600 ${size}px ${theme.font}`;
  for (const { word, x: left, y: top, turned } of axisWords(circle)) {
    context.save();
    context.translate(left, top);
    context.rotate((turned * Math.PI) / 2);
    context.fillText(word, 0, 0);
    context.restore();
  }
}

/** The words at the ends of the axes, and where their middles are; `turned`: 1 or -1 for those that run down or up. */
function axisWords(circle) {
  const { x, y, r } = circle;
  const out = r + 0.9 * wordSize(circle);
  return [
    { word: AXES.arousal[1], x, y: y - out, turned: 0 },
    { word: AXES.arousal[0], x, y: y + out, turned: 0 },
    { word: AXES.valence[1], x: x + out, y, turned: 1 },
    { word: AXES.valence[0], x: x - out, y, turned: -1 },
  ];
}

function boxOfAxisWord(context, theme, circle, word, x, y, turned) {
  const size = wordSize(circle);
  context.font = `600 ${size}px ${theme.font}`;
  const half = context.measureText(word).width / 2;
  const [across, down] = turned ? [0.6 * size, half] : [half, 0.6 * size];
  return { left: x - across, right: x + across, top: y - down, bottom: y + down };
}

const wordSize = ({ r }) => Math.max(11, Math.min(17, r / 16));

const boxAround = ([x, y], radius) => ({ left: x - radius, right: x + radius, top: y - radius, bottom: y + radius });

/** How many pixels lie between two boxes; 0 where they touch. */
function apart(one, other) {
  const across = Math.max(one.left - other.right, other.left - one.right, 0);
  const down = Math.max(one.top - other.bottom, other.top - one.bottom, 0);
  return Math.hypot(across, down);
}

const touches = (box, others) => others.some((other) => apart(box, other) === 0);

/** The words of the emotions; one fades where a ring, a point or a name comes near, so that none is written over another. */
function drawEmotions(context, circle, taken, theme) {
  const size = wordSize(circle);
  context.font = `${size}px ${theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = theme.muted;
  for (const [word, degrees] of EMOTIONS) {
    const angle = (degrees * Math.PI) / 180;
    const [x, y] = [circle.x + 0.84 * circle.r * Math.cos(angle), circle.y - 0.86 * circle.r * Math.sin(angle)];
    const half = context.measureText(word).width / 2;
    const box = { left: x - half, right: x + half, top: y - size / 2, bottom: y + size / 2 };
    const nearest = Math.min(FADE_PX, ...taken.map((other) => apart(box, other)));
    if (nearest === 0) continue;
    context.globalAlpha = nearest / FADE_PX;
    context.fillText(word, x, y);
  }
  context.globalAlpha = 1;
}

/** The labels of the support frames as rings, filled by similarity. */
function drawSupport(context, circle, { labels, similarity, selected }, theme, colour) {
  context.lineWidth = 1.2;
  labels.forEach(([v, a], i) => {
    const [x, y] = toPixels(circle, v, a);
    context.beginPath();
    context.arc(x, y, i === selected ? 7 : 4.5, 0, 2 * Math.PI);
    context.globalAlpha = 0.8 * similarity[i];
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = i === selected ? 1 : 0.7;
    context.strokeStyle = i === selected ? theme.ink : colour;
    context.stroke();
  });
  context.globalAlpha = 1;
}

function drawTrail(context, circle, track, at, colour, width, strength) {
  const { samples } = track;
  const end = track.from(at + 1e-9);
  context.strokeStyle = colour;
  context.lineCap = "butt"; // round ends overlap, and half-transparent overlaps look like beads
  context.lineJoin = "round";
  let i = Math.max(track.from(at - TRAIL_S), track.first + 1);
  for (let piece = 0; piece < TRAIL_PIECES && i < end; piece += 1) {
    const until = at - TRAIL_S * (1 - (piece + 1) / TRAIL_PIECES);
    const fresh = (piece + 1) / TRAIL_PIECES;
    context.globalAlpha = strength * fresh * fresh;
    context.lineWidth = width * (0.4 + 0.6 * fresh);
    context.beginPath();
    context.moveTo(...toPixels(circle, samples[i - 1].v, samples[i - 1].a));
    for (; i < end && samples[i].t <= until + 1e-9; i += 1) {
      const point = toPixels(circle, samples[i].v, samples[i].a);
      if (samples[i].gap) context.moveTo(...point);
      else context.lineTo(...point);
    }
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawSpread(context, circle, sample, colour) {
  const [x, y] = toPixels(circle, sample.v, sample.a);
  context.beginPath();
  context.ellipse(x, y, circle.r * sample.sv, circle.r * sample.sa, 0, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.globalAlpha = sample.seen ? 0.15 : 0.07;
  context.fill();
  context.globalAlpha = sample.seen ? 0.6 : 0.4;
  context.stroke();
  context.globalAlpha = 1;
}

/** A cross, with its name on the first side that is free, away from the estimate before others. Returns their boxes. */
function drawScript(context, circle, sample, theme, estimate, isFree) {
  const [x, y] = toPixels(circle, sample.v, sample.a);
  const arm = 6.5;
  context.lineCap = "round";
  for (const [colour, width] of [[theme.card, 5], [theme.script, 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x - arm, y - arm);
    context.lineTo(x + arm, y + arm);
    context.moveTo(x - arm, y + arm);
    context.lineTo(x + arm, y - arm);
    context.stroke();
  }
  context.font = `12px ${theme.font}`;
  context.fillStyle = theme.script;
  const cross = boxAround([x, y], arm);
  const sides = estimate && estimate.v > sample.v ? ["left", "right", "below", "above"] : ["right", "left", "below", "above"];
  const box = drawBeside(context, theme, text("plane.script"), [x, y], sides, isFree);
  return box ? [cross, box] : [cross];
}

/** Words beside a point, on the first of these sides whose box is free. Returns the box; undefined: there is none. */
function drawBeside(context, theme, words, position, sides, isFree) {
  const width = context.measureText(words).width;
  const box = sides.map((side) => boxBeside(side, position, width)).find(isFree);
  if (!box) return undefined;
  context.textAlign = "left";
  context.textBaseline = "middle";
  haloText(context, theme, words, box.left, (box.top + box.bottom) / 2);
  return box;
}

function drawPoint(context, circle, sample, colour, theme) {
  const [x, y] = toPixels(circle, sample.v, sample.a);
  context.beginPath();
  context.arc(x, y, 8, 0, 2 * Math.PI);
  context.globalAlpha = sample.seen ? 1 : 0.75;
  context.fillStyle = sample.seen ? colour : theme.card;
  context.fill();
  context.lineWidth = 2.5;
  context.strokeStyle = sample.seen ? theme.card : colour;
  context.stroke();
  context.globalAlpha = 1;
}

/**
 * Each name beside its point, on the first side where it hides no point and no other word; without such a side it is left
 * out, since the list of faces has it. Returns the boxes of the names.
 */
function drawNames(context, circle, points, theme, isFree) {
  context.font = `600 12.5px ${theme.font}`;
  const positions = points.map(({ sample }) => toPixels(circle, sample.v, sample.a));
  const spots = positions.map((position) => boxAround(position, 8));
  const severalStreams = new Set(points.map(({ face }) => face.stream)).size > 1; // each has a first face
  const names = [];
  for (let i = points.length - 1; i >= 0; i -= 1) { // the face in front is the last one
    const { face, sample } = points[i];
    const sides = sample.v > 0.6 ? ["left", "below", "above", "right"] : ["right", "left", "below", "above"];
    const isFreeHere = (box) => isFree(box) && !touches(box, names) && !touches(box, spots.toSpliced(i, 1));
    context.fillStyle = theme.slots[face.slot];
    const name = severalStreams ? `${face.stream}: ${face.name}` : face.name;
    const box = drawBeside(context, theme, fitting(context, name, NAME_LENGTH_PX), positions[i], sides, isFreeHere);
    if (box) names.push(box);
  }
  return names;
}

/** The box of a word so wide on one side of a point. */
function boxBeside(side, [x, y], width) {
  const left = { right: x + NAME_PX - 3, left: x - NAME_PX + 3 - width, above: x - width / 2, below: x - width / 2 }[side];
  const middle = { right: y, left: y, above: y - NAME_PX - 4, below: y + NAME_PX + 4 }[side];
  return { left, right: left + width, top: middle - 8, bottom: middle + 8 };
}

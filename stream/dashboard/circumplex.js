// The affect circumplex (Russell 1980): valence to the right, arousal upwards, each face a point with its trail and its sd.

const TRAIL_S = 5;
const RING = 0.88; // radius of valence or arousal 1, as a share of half the sheet
const WORDS = [ // angle in degrees, counted from pleasant towards activated
  ["happy", 21], ["excited", 51], ["alert", 77], ["alarmed", 104], ["angry", 133], ["upset", 159],
  ["sad", 201], ["gloomy", 226], ["bored", 252], ["sleepy", 282], ["calm", 309], ["content", 338],
];

/** Draws the faces of `history` on `sheet`; `focus` is the key of the face whose name stands in front. */
export function drawCircumplex(sheet, history, theme, focus) {
  const context = sheet.blank();
  const place = { x: sheet.width / 2, y: sheet.height / 2, r: (RING * Math.min(sheet.width, sheet.height)) / 2 };
  drawPlane(context, place, theme);
  for (const script of history.scripts.values()) {
    drawTrail(context, place, script, history.now, theme.script, 1.2, 0.5);
  }
  const faces = [...history.faces.values()].sort((a, b) => (a.key === focus) - (b.key === focus));
  for (const face of faces) drawTrail(context, place, face, history.now, theme.slots[face.slot], 3, 0.75);
  for (const face of faces) if (face.present && face.last) drawSpread(context, place, face.last, theme.slots[face.slot]);
  for (const [stream, script] of history.scripts) {
    const estimate = faces.find((face) => face.stream === stream && face.present)?.last;
    if (script.last?.t >= history.now - 0.5) drawScript(context, place, script.last, theme, estimate);
  }
  const named = faces.filter((face) => face.present).length > 1;
  for (const face of faces) if (face.present && face.last) drawPoint(context, place, face, theme, named);
}

const spot = (place, v, a) => [place.x + place.r * v, place.y - place.r * a];

function drawPlane(context, place, theme) {
  const { x, y, r } = place;
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

  const size = Math.max(11, Math.min(13.5, r / 15));
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = theme.faint;
  context.font = `${size}px ${theme.font}`;
  for (const [word, degrees] of WORDS) {
    const angle = (degrees * Math.PI) / 180;
    context.fillText(word, x + 0.84 * r * Math.cos(angle), y - 0.86 * r * Math.sin(angle));
  }
  context.fillStyle = theme.muted;
  context.font = `600 ${size}px ${theme.font}`;
  context.fillText("activated", x, y - r - 0.9 * size);
  context.fillText("deactivated", x, y + r + 0.9 * size);
  for (const [word, side] of [["pleasant", 1], ["unpleasant", -1]]) {
    context.save();
    context.translate(x + side * (r + 0.9 * size), y);
    context.rotate((side * Math.PI) / 2);
    context.fillText(word, 0, 0);
    context.restore();
  }
}

function drawTrail(context, place, track, now, colour, width, strength) {
  const { samples } = track;
  context.strokeStyle = colour;
  context.lineCap = "butt"; // round ends overlap, and half-transparent overlaps look like beads
  for (let i = Math.max(track.from(now - TRAIL_S), 1); i < samples.length; i += 1) {
    if (samples[i].gap) continue;
    const fresh = 1 - (now - samples[i].t) / TRAIL_S;
    context.globalAlpha = strength * fresh * fresh;
    context.lineWidth = width * (0.4 + 0.6 * fresh);
    context.beginPath();
    context.moveTo(...spot(place, samples[i - 1].v, samples[i - 1].a));
    context.lineTo(...spot(place, samples[i].v, samples[i].a));
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawSpread(context, place, sample, colour) {
  const [x, y] = spot(place, sample.v, sample.a);
  context.beginPath();
  context.ellipse(x, y, place.r * sample.sv, place.r * sample.sa, 0, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.globalAlpha = sample.seen ? 0.12 : 0.06;
  context.fill();
  context.globalAlpha = sample.seen ? 0.45 : 0.3;
  context.stroke();
  context.globalAlpha = 1;
}

/** A cross; its name stands on the side away from the estimate. */
function drawScript(context, place, sample, theme, estimate) {
  const [x, y] = spot(place, sample.v, sample.a);
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
  const side = estimate && estimate.v > sample.v ? -1 : 1;
  context.textAlign = side > 0 ? "left" : "right";
  context.fillStyle = theme.script;
  label(context, theme, "script", x + 13 * side, y);
}

function drawPoint(context, place, face, theme, named) {
  const { last } = face;
  const [x, y] = spot(place, last.v, last.a);
  const colour = theme.slots[face.slot];
  context.beginPath();
  context.arc(x, y, 8, 0, 2 * Math.PI);
  context.globalAlpha = last.seen ? 1 : 0.75;
  context.fillStyle = last.seen ? colour : theme.card;
  context.fill();
  context.lineWidth = 2.5;
  context.strokeStyle = last.seen ? theme.card : colour;
  context.stroke();
  context.globalAlpha = 1;
  if (!named) return;
  context.font = `600 12.5px ${theme.font}`;
  context.textAlign = "left";
  context.fillStyle = colour;
  label(context, theme, face.name, x + 13, y);
}

/** Text with a halo, so that it can be read on trails. */
function label(context, theme, text, x, y) {
  context.textBaseline = "middle";
  context.strokeStyle = theme.card;
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.globalAlpha = 0.8;
  context.strokeText(text, x, y);
  context.globalAlpha = 1;
  context.fillText(text, x, y);
}

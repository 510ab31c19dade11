// The words of the affect circumplex (Russell 1980), the same on every chart and page.

import { text } from "./texts.js";

const ends = (axis) => ["low", "high"].map((end) => text(`axis.${axis}.${end}`));

/** Of the axes, from -1 to +1. */
export const AXES = { valence: ends("valence"), arousal: ends("arousal") };

/** Emotions: [word, angle in degrees from pleasant towards activated, name in every language]. */
export const EMOTIONS = [
  ["happy", 21], ["excited", 51], ["alert", 77], ["alarmed", 104], ["angry", 133], ["upset", 159],
  ["sad", 201], ["gloomy", 226], ["bored", 252], ["sleepy", 282], ["calm", 309], ["content", 338],
].map(([name, degrees]) => [text(`emotion.${name}`), degrees, name]);

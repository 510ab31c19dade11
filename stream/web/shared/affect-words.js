// The words of the affect circumplex (Russell 1980), the same on every chart and page.

/** Of the axes, from -1 to +1. */
export const AXES = { valence: ["unpleasant", "pleasant"], arousal: ["deactivated", "activated"] };

/** Emotions and their angles in degrees, from pleasant towards activated. */
export const EMOTIONS = [
  ["happy", 21], ["excited", 51], ["alert", 77], ["alarmed", 104], ["angry", 133], ["upset", 159],
  ["sad", 201], ["gloomy", 226], ["bored", 252], ["sleepy", 282], ["calm", 309], ["content", 338],
];

// Numbers as text, in the language of the page.

import { decimal } from "./texts.js";

/** Two decimals with sign and a true minus; an en dash for nothing. */
export function signed(number) {
  if (number === null || number === undefined) return "–";
  const text = decimal(Math.abs(number), 2);
  return Math.abs(number) < 0.005 ? text : `${number > 0 ? "+" : "−"}${text}`;
}

// Numbers as text, and text from elsewhere as a cell of a table.

import { decimal } from "./texts.js";

/** Two decimals with sign and a true minus; an en dash for nothing. */
export function signed(number) {
  if (number === null || number === undefined) return "–";
  const text = decimal(Math.abs(number), 2);
  return Math.abs(number) < 0.005 ? text : `${number > 0 ? "+" : "−"}${text}`;
}

const MAX_TEXT = 200; // as engine/text.py
const FORMULA_STARTS = "=+-@−";

/** A text that no spreadsheet evaluates or splits, as `cell` of engine/text.py. */
export function textCell(text) {
  const characters = [...text.replaceAll(/[\p{C}\p{Z}]/gu, " ").replaceAll(";", ",")];
  const line = characters.length > MAX_TEXT ? `${characters.slice(0, MAX_TEXT - 1).join("")}…` : characters.join("");
  const start = (line.match(/[^ ]/u)?.[0] ?? "").normalize("NFKC")[0];
  return FORMULA_STARTS.includes(start ?? " ") ? `'${line}` : line;
}

// Text from elsewhere as a cell of a table.

const MAX_TEXT = 200; // as engine/text.py
const FORMULA_STARTS = "=+-@−";

/** A text that no spreadsheet evaluates or splits, as `cell` of engine/text.py. */
export function textCell(text) {
  const characters = [...text.replaceAll(/[\p{C}\p{Z}]/gu, " ").replaceAll(";", ",")];
  const line = characters.length > MAX_TEXT ? `${characters.slice(0, MAX_TEXT - 1).join("")}…` : characters.join("");
  const start = (line.match(/[^ ]/u)?.[0] ?? "").normalize("NFKC")[0];
  return FORMULA_STARTS.includes(start ?? " ") ? `'${line}` : line;
}

// Numbers as text.

export const seconds = (number) => `${number} s`;
export const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

/** Two decimals with sign and a true minus; an en dash for nothing. */
export function signed(number) {
  if (number === null || number === undefined) return "–";
  const text = Math.abs(number).toFixed(2);
  return Number(text) === 0 ? "0.00" : `${number > 0 ? "+" : "−"}${text}`;
}

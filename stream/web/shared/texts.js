// The words of the pages: one table for each language (texts/en.json). Importing this module fills the page's nodes:
//   data-text="key"                 the text of a node
//   data-label, data-hint, data-placeholder="key"   its aria-label, title and placeholder
//   <select data-languages>         the choice of the language, which is remembered

const CHOICE = "mtclar.language"; // in localStorage: what a person chose

/** The tables that the server has: {code: name of the language in itself}. */
const languages = await load("texts/languages.json");

/** The code of this page's language: the chosen one, else the browser's, else English. */
export const language = [chosen(), ...navigator.languages.map((tag) => tag.split("-")[0])].find((code) => code in languages) ?? "en";

const table = await load(`texts/${language}.json`);
const plurals = new Intl.PluralRules(language);
const point = new Intl.NumberFormat(language).format(0.5)[1]; // of decimal numbers

/**
 * The text of a key, with {name} replaced by values.name. Where the table has {"one": ..., "other": ...}, the number
 * values.n chooses.
 */
export function text(key, values = {}) {
  const found = optionalText(key, values);
  if (found === undefined) throw new Error(`no text for ${key}`);
  return found;
}

/** The same, or undefined where the table has no such key: for words of the server, which may be of a later version. */
export function optionalText(key, values = {}) {
  const entry = Object.hasOwn(table, key) ? table[key] : undefined;
  const wording = typeof entry === "object" ? (entry[plurals.select(values.n)] ?? entry.other) : entry;
  return wording?.replaceAll(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A number with so many decimals, with the language's decimal point. */
export const decimal = (number, digits) => number.toFixed(digits).replace(".", point);

function chosen() {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null; // storage is switched off
  }
}

function choose(code) {
  try {
    localStorage.setItem(CHOICE, code);
  } catch {
    return; // the choice could not be kept: the page stays as it is
  }
  location.reload();
}

async function load(path) {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

const PLACES = [
  ["text", (node, value) => (node.textContent = value)],
  ["label", (node, value) => node.setAttribute("aria-label", value)],
  ["hint", (node, value) => (node.title = value)],
  ["placeholder", (node, value) => (node.placeholder = value)],
];

document.documentElement.lang = language;
for (const [name, set] of PLACES) {
  for (const node of document.querySelectorAll(`[data-${name}]`)) set(node, text(node.dataset[name]));
}
for (const select of document.querySelectorAll("select[data-languages]")) {
  select.replaceChildren(...Object.entries(languages).map(([code, name]) => new Option(name, code, false, code === language)));
  select.setAttribute("aria-label", text("language.choose"));
  select.addEventListener("change", () => choose(select.value));
}

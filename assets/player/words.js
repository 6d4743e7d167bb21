// Every sentence that a visitor reads, by key, in the visitor's language.

import { WORDS } from "./settings.js";

let language = "en";

export const currentLanguage = () => language;

/**
 * @param {string} code
 */
export function setLanguage(code) {
  language = code;
}

/**
 * @param {string} key
 */
export const hasPhrase = (key) => key in WORDS.en;

/**
 * The sentence of a key, with what stands in braces filled in; text of models goes in as it is.
 *
 * @param {string} key
 * @param {Record<string, any>} [values]
 * @returns {string}
 */
export function phrase(key, values = {}) {
  const sentence = WORDS[language][key] ?? WORDS.en[key];
  return sentence.replace(/\{(\w+)\}/g, (/** @type {string} */ braces, /** @type {string} */ name) =>
    name in values ? messageText(values[name]) : braces,
  );
}

/**
 * What the server says: a sentence as it is, { phrase, values }, or several of these.
 *
 * @param {any} message
 * @returns {string}
 */
export function messageText(message) {
  if (Array.isArray(message)) return message.map(messageText).join(" ");
  return message !== null && typeof message === "object" ? phrase(message.phrase, message.values) : String(message);
}

// A figure of figures.py, whose labels are English, with its labels in the visitor's language.
const FIGURE_KEYS = new Map(
  Object.entries(WORDS.en)
    .filter(([key]) => key.startsWith("figures."))
    .map(([key, sentence]) => [sentence, key]),
);

/**
 * @param {any} figure
 */
export function translateFigure(figure) {
  /** @type {(name: string, value: any) => boolean} */
  const isLabel = (name, value) => /^(text|name|hovertemplate)$/.test(name) && FIGURE_KEYS.has(value);
  return JSON.parse(JSON.stringify(figure), (name, value) =>
    isLabel(name, value) ? phrase(FIGURE_KEYS.get(value)) : value,
  );
}

// The text of tokens: whole characters from parts of them, and words for people.

import { phrase } from "../words.js";

// Display text of every position.  Tokens that are only part of a character are joined with their neighbours: each
// whole character, with what combines with it, stands in the slot of its first byte; a lone part shows as "◌".
export const UTF8 = new TextDecoder("utf-8", { fatal: true });
const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * @param {(string | Uint8Array)[]} pieces
 * @returns {string[]}
 */
export function joinTokenTexts(pieces) {
  const out = pieces.map((piece) => (typeof piece === "string" ? piece : ""));
  for (let start = 0; start < pieces.length; start++) {
    if (!(pieces[start] instanceof Uint8Array)) continue;
    let end = start;
    const bytes = [];
    const owner = [];
    for (; end < pieces.length && pieces[end] instanceof Uint8Array; end++)
      for (const byte of /** @type {Uint8Array} */ (pieces[end])) {
        bytes.push(byte);
        owner.push(end);
      }
    const letters = [];
    for (let b = 0; b < bytes.length; ) {
      const lead = bytes[b];
      const size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
      let text = null;
      try {
        if (size) text = UTF8.decode(Uint8Array.from(bytes.slice(b, b + size)));
      } catch {
        /* not whole */
      }
      letters.push({ text: text || "◌", at: owner[b] });
      b += text ? size : 1;
    }
    let at = 0;
    let used = 0;
    for (const { segment } of GRAPHEMES.segment(letters.map((l) => l.text).join(""))) {
      out[letters[at].at] += segment;
      for (used += segment.length; at < letters.length && used >= letters[at].text.length; at++)
        used -= letters[at].text.length;
    }
    start = end;
  }
  return out;
}

/**
 * @param {Names} run
 * @param {number} id
 * @returns {string | Uint8Array}
 */
export function tokenText(run, id) {
  return id < 0 ? "" : (run.pieces.get(id) ?? "");
}

/**
 * A token as a word for people: control tokens and half characters have no text to show.  In a sentence the space that
 * many tokens begin with would stand between quotation mark and word.
 *
 * @param {Names} run
 * @param {number} id
 * @param {{ inSentence?: boolean }} [options]
 */
export function wordOf(run, id, { inSentence = false } = {}) {
  const text = tokenText(run, id);
  if (text instanceof Uint8Array)
    return phrase("token.byte", { bytes: Array.from(text, (b) => b.toString(16).padStart(2, "0")).join(" ") });
  if (run.header.model.stop.includes(id)) return phrase("token.end");
  if (id === run.header.model.mask) return phrase("token.mask");
  const shown = text.replace(/\n/g, "↵");
  return text === ""
    ? phrase("token.unnamed", { id })
    : phrase("token.quoted", { text: (inSentence && shown.trim()) || shown });
}

// The canvas as cells to work on: a token id or typed text, and whether it is locked.

import { firstStopAt, stateAfter } from "./state.js";
import { joinTokenTexts, tokenText } from "./text.js";

/**
 * What stands in a run's canvas after `at` steps, as cells.  With `whole` false it ends with the end of text.
 *
 * @param {Run} run
 * @param {number} at
 * @param {boolean} whole
 * @returns {Cell[]}
 */
export function cellsOf(run, at, whole) {
  const now = stateAfter(run, at);
  const end = whole ? Infinity : firstStopAt(run, at);
  const place = at === 0 ? run.first.place : run.steps[at - 1].place;
  return place
    .filter((i) => run.rank[i] <= end || run.fixed[i])
    .map((i) => ({ token: now.ids[i], locked: Boolean(run.fixed[i]), track: i }));
}

/**
 * Which items of two lists belong to no longest common subsequence.
 *
 * @param {string[]} a
 * @param {string[]} b
 */
export function differing(a, b) {
  const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
  const only = [new Set(a.keys()), new Set(b.keys())];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      only[0].delete(i++);
      only[1].delete(j++);
    } else if (best[i + 1][j] >= best[i][j + 1]) i++;
    else j++;
  }
  return only;
}

/**
 * The words of a finished or growing run, without masks and what lies after the end of text.
 *
 * @param {Run} run
 * @returns {string[]}
 */
export function wordsOf(run) {
  const at = run.steps.length;
  const stop = new Set(run.header.model.stop);
  const mask = run.header.model.mask;
  const ids = cellsOf(run, at, false)
    .map(({ token }) => Number(token))
    .filter((id) => id !== mask && !stop.has(id));
  return joinTokenTexts(ids.map((id) => tokenText(run, id)))
    .join("")
    .trim()
    .split(/\s+/)
    .filter(Boolean);
}

/**
 * What the server takes: pairs of a token or typed text, and whether it is fixed.
 *
 * @param {Cell[]} cells
 */
export const sent = (cells) => cells.map(({ token, locked }) => [token, locked]);

// The edits: cells and the set of selected indices in, cells out.
/** @type {Record<string, (cells: Cell[], chosen: Set<number>, mask: any, value?: any) => Cell[]>} */
export const EDITS = {
  lock: (cells, chosen, mask) =>
    cells.map((cell, i) => (chosen.has(i) && cell.token !== mask ? { ...cell, locked: true } : cell)),
  unlock: (cells, chosen) => cells.map((cell, i) => (chosen.has(i) ? { ...cell, locked: false } : cell)),
  blank: (cells, chosen, mask) =>
    cells.map((cell, i) => (chosen.has(i) && !cell.locked ? { token: mask, locked: false } : cell)),
  // the typed words stand where the first selected cell stood; locked cells stay
  replace: (cells, chosen, _mask, words) => {
    const free = [...chosen].filter((i) => !cells[i].locked).sort((a, b) => a - b);
    return cells.flatMap((cell, i) =>
      i === free[0]
        ? words.map((/** @type {string} */ token) => ({ token, locked: false }))
        : free.includes(i)
          ? []
          : [cell],
    );
  },
  insert: (cells, chosen, mask, count) => {
    const at = Math.max(...chosen) + 1;
    return [
      ...cells.slice(0, at),
      ...Array.from({ length: count }, () => ({ token: mask, locked: false })),
      ...cells.slice(at),
    ];
  },
};

/**
 * Typed text cut into words that can be selected one by one; all but the first keep the space before them.
 *
 * @param {string} text
 * @param {boolean} spaced
 */
export function typedWords(text, spaced) {
  const words = text.trim().match(/\S+/g) || [];
  return words.map((word, n) => (n || (spaced && !/^[.,;:!?]/.test(word)) ? ` ${word}` : word));
}

// A run on a Sudoku: its last 81 positions are the cells.  The only rule of Sudoku in here is which cells contradict
// each other.

import { stateAfter } from "./state.js";
import { tokenText } from "./text.js";

/**
 * The cells, in reading order, that hold the same digit as another one in their row, column or box.
 *
 * @param {number[]} digits
 * @returns {Set<number>}
 */
export function contradictions(digits) {
  const wrong = new Set();
  for (let i = 0; i < 81; i++)
    for (let j = i + 1; j < 81; j++) {
      const row = Math.floor(i / 9) === Math.floor(j / 9);
      const column = i % 9 === j % 9;
      const box = Math.floor(i / 27) === Math.floor(j / 27) && Math.floor((i % 9) / 3) === Math.floor((j % 9) / 3);
      if (digits[i] && digits[i] === digits[j] && (row || column || box)) wrong.add(i).add(j);
    }
  return wrong;
}

/**
 * What stands in a cell after `at` steps: its digit (0 for none), how it came there, and what the model believed last.
 *
 * @param {Run} run
 * @param {number} at
 * @param {number} cell
 */
export function cellAt(run, at, cell) {
  const i = run.order.length - 81 + cell;
  const state = stateAfter(run, at);
  const id = state.ids[i];
  const digit = Number(tokenText(run, id)) || 0;
  const step = at > 0 ? run.steps[at - 1] : null;
  const row = step ? step.row[i] : -1;
  const k = run.header.top_k;
  const believed = [];
  if (row >= 0)
    for (let n = 0; n < k; n++) {
      const guess = Number(tokenText(run, step.topIds[row * k + n]));
      if (guess) believed.push([guess, step.topProbs[row * k + n]]);
    }
  return {
    track: i,
    digit: id === run.header.model.mask ? 0 : digit,
    fixed: Boolean(run.fixed[i]),
    commit: state.commit[i],
    sure: state.sure[i],
    again: Boolean(state.again[i]),
    believed,
    now: Boolean(step && step.write.some(([j]) => j === i)),
    back: Boolean(step && step.blank.some(([j]) => j === i)),
  };
}

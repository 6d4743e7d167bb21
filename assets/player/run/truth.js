// What a run that takes noise away from a text brings back of it.

import { phrase } from "../words.js";
import { stateAfter } from "./state.js";

/** @typedef {{ clean: number[], noisy: number[], hit: number[] }} Truth */

/**
 * The run's text beside the true one, where it begins with the noisy one; null if it is another run.
 *
 * `equal` and `hits` count the positions under noise: those that are true again, and all; `harmed` those that noise had
 * spared and that are no longer true.
 *
 * @param {Run | null} run
 * @param {number} at
 * @param {Truth} truth
 * @returns {{ ids: number[], equal: number, hits: number, harmed: number } | null}
 */
export function besideTruth(run, at, { clean, noisy, hit }) {
  const canvas = run?.header?.canvas;
  if (!canvas || canvas.length !== noisy.length || canvas.some((id, i) => id !== noisy[i])) return null;
  const ids = [...stateAfter(run, at).ids];
  const under = new Set(hit);
  const equal = hit.filter((i) => ids[i] === clean[i]).length;
  const harmed = clean.filter((id, i) => !under.has(i) && ids[i] !== id).length;
  return { ids, equal, hits: hit.length, harmed };
}

/**
 * What came back, in a sentence or two.
 *
 * @param {{ equal: number, hits: number, harmed: number }} counts
 * @returns {string}
 */
export function tellRestored({ equal, hits, harmed }) {
  const share = Math.round((100 * equal) / hits);
  const sentences = [phrase("verdict.restored", { equal, hits, share })];
  if (harmed) sentences.push(phrase("verdict.harmed", { harmed }));
  return sentences.join(" ");
}

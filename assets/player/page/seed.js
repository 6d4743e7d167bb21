// The seed of the next run: another one at each press, unless the visitor wants the one that stands there.

let last = null; // what stood there after the last press

/**
 * @param {boolean} die whether each run gets a new seed
 * @param {string} seed what stands there
 * @param {string} start what stood there when the page was opened
 * @returns {[string, boolean]} the seed, and the die, which rests once a seed was typed
 */
export function roll(die, seed, start) {
  const typed = String(seed) !== (last ?? start);
  last = die && !typed ? String(Math.floor(Math.random() * 1e6)) : String(seed);
  return [last, die && !typed];
}

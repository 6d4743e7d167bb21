// Words that stand fixed in a text before it is written, as the page's settings name them: "12:dragon 30:rain" are words
// by their positions after the prompt.

/** @typedef {{ position: number, word: string }} Pin */

const PIN = /^(\d{1,6}):(\S+)$/;

/** @type {(pins: Pin[]) => Pin[]} */
const inOrder = (pins) => pins.toSorted((one, other) => one.position - other.position);

/**
 * The pins of a text, in order; what is none is left out.
 *
 * @param {string} text
 * @returns {Pin[]}
 */
export function readPins(text) {
  const hits = text.split(/\s+/).map((part) => PIN.exec(part));
  return inOrder(
    hits.filter((hit) => hit !== null).map(([, position, word]) => ({ position: Number(position), word })),
  );
}

/**
 * @param {Pin[]} pins
 * @returns {string}
 */
export const writePins = (pins) => pins.map(({ position, word }) => `${position}:${word}`).join(" ");

/**
 * The first position without a pin from the wanted one on, in the direction `towards`, 1 or -1; else the first in the
 * other direction.  -1 if all positions, 0 to `length` - 1, have one.
 *
 * @param {Pin[]} pins
 * @param {number} wanted
 * @param {number} length
 * @param {number} [towards]
 * @returns {number}
 */
function freePosition(pins, wanted, length, towards = 1) {
  const taken = new Set(pins.map(({ position }) => position));
  const start = Math.max(0, Math.min(length - 1, wanted));
  for (const by of [towards, -towards])
    for (let position = start; position >= 0 && position < length; position += by)
      if (!taken.has(position)) return position;
  return -1;
}

/**
 * The position in the middle of the longest stretch without a pin.
 *
 * @param {Pin[]} pins
 * @param {number} length
 * @returns {number}
 */
function middleOfWidestGap(pins, length) {
  const ends = [-1, ...inOrder(pins).map(({ position }) => position), length];
  const gaps = ends.slice(1).map((end, k) => end - ends[k]);
  const widest = gaps.indexOf(Math.max(...gaps));
  return ends[widest] + Math.ceil(gaps[widest] / 2);
}

/**
 * The pins with those of `typed` among them: "30:rain" or, for a place of the page's choice, "rain"; any number of them.
 * `at` is the place for a word without a position.
 *
 * @param {Pin[]} pins
 * @param {string} typed
 * @param {number} length
 * @param {number} [at]
 * @returns {Pin[]}
 */
export function withPins(pins, typed, length, at) {
  let all = pins;
  for (const part of typed.split(/\s+/).filter(Boolean)) {
    const hit = PIN.exec(part);
    const wanted = hit ? Number(hit[1]) : (at ?? middleOfWidestGap(all, length));
    const position = freePosition(all, wanted, length);
    if (position >= 0) all = inOrder([...all, { position, word: hit ? hit[2] : part }]);
  }
  return all;
}

/**
 * The pins with one of them elsewhere; it goes on over those in its way.
 *
 * @param {Pin[]} pins
 * @param {Pin} pin
 * @param {number} wanted
 * @param {number} length
 * @returns {Pin[]}
 */
export function movePin(pins, pin, wanted, length) {
  const others = pins.filter((one) => one !== pin);
  const position = freePosition(others, wanted, length, Math.sign(wanted - pin.position) || 1);
  return position < 0 ? pins : inOrder([...others, { ...pin, position }]);
}

/**
 * Where boxes of these widths begin that want to be centred at `centres`, which ascend: side by side in their order, none
 * over another, from 0 to `room` as far as they fit.
 *
 * @param {number[]} centres
 * @param {number[]} widths
 * @param {number} room
 * @returns {number[]}
 */
export function sideBySide(centres, widths, room) {
  const starts = centres.map((centre, k) => centre - widths[k] / 2);
  let edge = room;
  for (let k = starts.length - 1; k >= 0; k--) {
    starts[k] = Math.min(starts[k], edge - widths[k]);
    edge = starts[k];
  }
  edge = 0;
  for (let k = 0; k < starts.length; k++) {
    starts[k] = Math.max(starts[k], edge);
    edge = starts[k] + widths[k];
  }
  return starts;
}

// A small picture of a run, as `thumbnail` of dlm_core/gallery.py writes it: a string a position, a character a step.

const GRADES = 25; // from "a" to "z", even in the square root

/**
 * @param {string[]} rows
 * @returns {Heatmap}
 */
export function readThumbnail(rows) {
  /** @type {(value: (character: string) => number) => Float64Array[]} */
  const cells = (value) => rows.map((row) => Float64Array.from([...row], value));
  /** @type {(first: string) => (character: string) => number} */
  const grade = (first) => (character) => {
    const place = character.charCodeAt(0) - first.charCodeAt(0);
    return place >= 0 && place <= GRADES ? (place / GRADES) ** 2 : NaN;
  };
  return {
    measured: cells(grade("a")),
    held: cells(grade("A")),
    written: cells((character) => (character === "*" ? 1 : NaN)),
    shape: [rows.length, Math.max(0, ...rows.map((row) => row.length))],
    merged: [1, 1],
    opening: 0,
  };
}

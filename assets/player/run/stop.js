// How near a run is to where its policy stops early: the two numbers that it compares, recorded in every step.

/** What is compared, what it is compared with, and whether it has to rise there; see Prophet and EntropyBound. */
const STOPS = /** @type {const} */ ([
  ["gap", "exit", true],
  ["mean_entropy", "confidence_threshold", false],
]);

/**
 * The measure by its name, its value, the limit at which the run may stop, and how near it is, from 0 to 1; null where the
 * policy of this step compares nothing.
 *
 * @param {Record<string, number>} info what a step recorded beside its tokens
 * @returns {{ measure: string, value: number, limit: number, near: number } | null}
 */
export function nearStop(info) {
  for (const [measure, against, rises] of STOPS) {
    const value = info[measure];
    const limit = info[against];
    if (value === undefined || limit === undefined) continue;
    const [part, whole] = rises ? [value, limit] : [limit, value];
    return { measure, value, limit, near: part >= whole ? 1 : Math.max(0, part / whole) };
  }
  return null;
}

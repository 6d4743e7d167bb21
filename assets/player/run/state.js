// A run as it grows line by line, and what stands in its canvas after any step.
//
// Positions may come and go (a policy that splices), so everything is kept by track: the number of a position in the
// order in which positions first appeared.  `run.order` lists the tracks as they stand in the text, `place` those of
// one canvas.  Without splices track and position are the same number.

import { parseLine, readPieces, typeOf, unpack } from "./decode.js";

/**
 * @returns {Run}
 */
export function emptyRun() {
  return {
    header: null,
    pieces: new Map(),
    steps: [],
    totals: null,
    lines: [],
    order: [],
    rank: [],
    fixed: null,
    first: null,
  };
}

/**
 * @param {Run} run
 * @param {string} line
 */
export function addLine(run, line) {
  addRecord(run, parseLine(line), line);
}

/**
 * @param {Run} run
 * @param {any} record
 * @param {string} line
 */
export function addRecord(run, record, line) {
  run.lines.push(line);
  readPieces(run.pieces, record.pieces || {});
  const type = typeOf(record);
  if (type === "run") openRun(run, record);
  else if (type === "end") run.totals = record;
  else addStep(run, record);
}

/**
 * @param {Run} run
 * @param {Header} header
 */
function openRun(run, header) {
  const length = header.canvas.length;
  run.header = header;
  run.order = Array.from({ length }, (_, i) => i);
  run.rank = run.order.slice();
  run.fixed = new Array(length).fill(0);
  for (const [lo, hi] of header.fixed) run.fixed.fill(1, lo, hi);
  run.first = {
    place: run.order.slice(),
    ids: Int32Array.from(header.canvas),
    commit: new Int32Array(length).fill(-1),
    sure: new Float32Array(length).fill(NaN),
    again: new Uint8Array(length),
    masks: 0,
    tokens: 0,
  };
  run.first.masks = masksIn(run, run.first);
}

/**
 * Masks that may still be written.
 *
 * @param {Run} run
 * @param {Pick<RunState, "place" | "ids">} more
 */
function masksIn(run, { place, ids }) {
  let masks = 0;
  for (const i of place) if (ids[i] === run.header.model.mask && !run.fixed[i]) masks++;
  return masks;
}

/**
 * @param {Run} run
 * @param {number} steps
 * @returns {RunState}
 */
export function stateAfter(run, steps) {
  return steps === 0 ? run.first : run.steps[steps - 1];
}

/**
 * A track's id is -1 while it is not in the canvas.
 *
 * @param {Run} run
 * @param {number} at
 * @param {number} i
 */
export function isPresent(run, at, i) {
  return stateAfter(run, at).ids[i] >= 0;
}

/**
 * Opens room in every array for the tracks that a splice adds, and says which tracks then stand in the text.
 *
 * @param {Run} run
 * @param {number[]} place
 * @param {Pair[]} pairs
 */
export function splice(run, place, pairs) {
  const counts = new Map(pairs);
  /** @type {number[]} */
  const next = [];
  place.forEach((track, position) => {
    const count = counts.get(position) ?? 1;
    if (count) next.push(track);
    for (let n = 1; n < count; n++) {
      const fresh = run.order.length;
      run.order.splice(run.order.indexOf(next[next.length - 1]) + 1, 0, fresh);
      run.fixed.push(0);
      next.push(fresh);
    }
  });
  run.order.forEach((track, position) => {
    run.rank[track] = position;
  });
  return next;
}

/**
 * @param {Run} run
 * @param {StepRecord} record
 */
function addStep(run, record) {
  const before = stateAfter(run, run.steps.length);
  const mask = run.header.model.mask;
  /** @type {(pair: Pair) => Pair} */
  const here = ([position, id]) => [before.place[position], id];
  const place = record.splice ? splice(run, before.place, record.splice) : before.place;
  const tracks = run.order.length;
  const beliefs = unpack(run.header, record, before.place, tracks);
  /** @type {(array: any, value: number) => any} */
  const longer = (array, value) =>
    array.length === tracks
      ? array.slice()
      : array.constructor.from({ length: tracks }, (/** @type {unknown} */ _, /** @type {number} */ i) =>
          i < array.length ? array[i] : value,
        );
  /** @type {Step} */
  const step = {
    index: record.step,
    window: record.window,
    forwards: record.forwards ?? NaN,
    seconds: record.seconds ?? NaN,
    info: record.info || {},
    others: record.others || [],
    write: (record.write || []).map(here),
    blank: (record.blank || []).map(here),
    splice: (record.splice || []).map(here),
    queried: before.place,
    place,
    ...beliefs,
    ids: longer(before.ids, -1),
    commit: longer(before.commit, -1),
    sure: longer(before.sure, NaN),
    again: longer(before.again, 0),
    masks: 0,
    tokens: 0,
    mean: NaN,
  };
  for (const i of place) if (step.ids[i] < 0) step.ids[i] = mask;
  for (const [i, count] of step.splice) step.ids[i] = count ? mask : -1;
  for (const [i, id] of step.write) {
    step.again[i] = before.ids[i] !== mask && before.ids[i] !== id ? 1 : 0;
    step.ids[i] = id;
    step.commit[i] = record.step;
    step.sure[i] = beliefs.row[i] < 0 ? NaN : beliefs.confidence[beliefs.row[i]];
  }
  for (const [i, id] of step.blank) {
    step.ids[i] = id;
    step.commit[i] = -1;
    step.sure[i] = NaN;
    step.again[i] = 0;
  }
  step.masks = masksIn(run, step);
  step.tokens = place.filter((i) => step.commit[i] >= 0).length; // what was taken back or rewritten counts once
  const measured = step.write.map(([i]) => step.sure[i]).filter((confidence) => !Number.isNaN(confidence));
  step.mean = measured.reduce((a, b) => a + b, 0) / measured.length; // NaN where no confidence was measured
  run.steps.push(step);
}

/**
 * What a position is at a playhead: its state, its token and the numbers that go with it.
 *
 * @param {Run} run
 * @param {number} at
 * @param {number} i
 * @param {number} firstStop
 * @returns {TokenView}
 */
export function tokenAt(run, at, i, firstStop) {
  const now = stateAfter(run, at);
  const step = at > 0 ? run.steps[at - 1] : null;
  const mask = run.header.model.mask;
  const id = now.ids[i];
  if (run.fixed[i]) return { state: "fixed", id, shown: id, commit: -1, confidence: NaN };
  if (id === mask) {
    const k = step ? step.row[i] : -1;
    const blanked = step && step.blank.some(([j]) => j === i);
    if (blanked) return { state: "remasked", id, shown: stateAfter(run, at - 1).ids[i], commit: -1, confidence: NaN };
    // nothing will be written after the end
    if (k < 0 && run.rank[i] > firstStop) return { state: "tail", id, shown: id, commit: -1, confidence: NaN };
    if (k < 0 || step.predicted[k] < 0) return { state: "masked", id, shown: -1, commit: -1, confidence: NaN };
    return { state: "draft", id, shown: step.predicted[k], commit: -1, confidence: step.confidence[k] };
  }
  if (now.commit[i] < 0)
    return { state: mask === null ? "noise" : "committed", id, shown: id, commit: -1, confidence: NaN };
  const state = run.rank[i] >= firstStop ? "tail" : now.again[i] ? "revised" : "committed";
  return { state, id, shown: id, commit: now.commit[i], confidence: now.sure[i] };
}

const OF_DRAFTS = new Set(["drafted", "accepted", "replaced"]);

/**
 * What the step before the playhead did with a draft at track i, by the reason that was recorded: "drafted" while the
 * word waits for its check, "accepted", or "replaced" where the word was rejected and another one written; "" elsewhere.
 *
 * @param {Run} run
 * @param {number} at
 * @param {number} i
 */
export function draftAt(run, at, i) {
  const step = run.steps[at - 1];
  const k = step ? step.row[i] : -1;
  const reason = k < 0 ? "" : run.header.reasons?.[step.reason[k]];
  return OF_DRAFTS.has(reason) ? reason : "";
}

/** @type {TokenView} */
export const ABSENT = { state: "absent", id: -1, shown: -1, commit: -1, confidence: NaN };

/**
 * Where in `run.order` the text ends: at a stop token, or at tokens that in their order say so.
 *
 * @param {Run} run
 * @param {number} at
 */
export function firstStopAt(run, at) {
  const { stop, ending = [] } = run.header.model;
  const ids = stateAfter(run, at).ids;
  const stops = new Set(stop);
  const here = run.order.filter((i) => ids[i] >= 0);
  /** @type {(id: number, place: number) => boolean} */
  const says = (id, place) => place < here.length && !run.fixed[here[place]] && ids[here[place]] === id;
  const end = here.findIndex(
    (i, place) =>
      !run.fixed[i] && (stops.has(ids[i]) || (ending.length && ending.every((id, n) => says(id, place + n)))),
  );
  return end < 0 ? Infinity : run.rank[here[end]];
}

/**
 * @param {Step} step
 * @param {number} i
 */
export function inWindow(step, i) {
  const position = step.queried.indexOf(i);
  return position >= step.window[0] && position < step.window[1];
}

/**
 * The step whose beliefs about position i are the latest after `at` steps; -1 if there are none.
 *
 * @param {Run} run
 * @param {number} at
 * @param {number} i
 */
export function lastMeasured(run, at, i) {
  for (let s = at - 1; s >= 0; s--) if (run.steps[s].row[i] >= 0) return s;
  return -1;
}

// Why a position is what it is, in one sentence; and what other rules would have written.

import { hasPhrase, phrase } from "../words.js";
import { firstStopAt, isPresent, stateAfter } from "./state.js";
import { wordOf } from "./text.js";

/**
 * @param {number} x
 * @param {number} of
 */
export const parts = (x, of) => (Math.floor(x * of + 0.5) / of).toString();

/**
 * Two decimals; four for what is small, or would read like a different number that stands beside it.
 *
 * @param {number} x
 * @param {Record<string, number>} [beside]
 */
function decimals(x, beside = {}) {
  const alike = Object.values(beside).some((other) => other !== x && parts(other, 100) === parts(x, 100));
  return parts(x, Math.abs(x) >= 0.1 && !alike ? 100 : 10000);
}

/**
 * One sentence: why position i is what it is after `at` steps.  What became of it is read off the run; why, and every
 * number, is what the rule itself recorded.
 *
 * @param {Run} run
 * @param {number} at
 * @param {number} i
 * @returns {string}
 */
export function explain(run, at, i) {
  const step = run.steps[at - 1];
  if (run.fixed[i]) return phrase("why.fixed");
  if (!step) return phrase("why.nothing");
  if (!step.queried.includes(i)) return isPresent(run, at, i) ? phrase("why.opened") : phrase("why.absent");
  const k = step.row[i];
  const { commit, sure } = stateAfter(run, at);
  if (k >= 0)
    return phrase("why.whole", {
      verdict: outcomePhrase(run, at, i),
      reason: reasonPhrase(run, step, k),
      runner: runnerUp(run, step, k),
    });
  if ([...step.write, ...step.blank].some(([j]) => j === i)) return outcomePhrase(run, at, i);
  if (commit[i] < 0) return phrase("why.unmeasured");
  return Number.isNaN(sure[i])
    ? phrase("why.kept_since", { step: commit[i] + 1 })
    : phrase("why.kept_since_sure", { step: commit[i] + 1, confidence: decimals(sure[i]) });
}

/**
 * What happens in the step before the playhead, in two sentences: how much, and the boldest of it with its reason: a
 * word that is taken back, else one that is rewritten, else the surest that is written.  Of a draft that was checked the
 * word that replaces another comes first: for what was drafted after it, it is the reason.
 *
 * @param {Run} run
 * @param {number} at
 * @returns {string}
 */
export function narrate(run, at) {
  const step = run.steps[at - 1];
  if (!step) return phrase("caption.start", { masks: stateAfter(run, 0).masks });
  const before = stateAfter(run, at - 1);
  const back = step.blank.map(([i]) => i);
  const again = step.write.map(([i]) => i).filter((i) => step.again[i]);
  /** @type {(i: number) => number} */
  const sureness = (i) => (step.row[i] < 0 ? -1 : step.confidence[step.row[i]]);
  const written = step.write.map(([i]) => i).sort((a, b) => sureness(b) - sureness(a));
  const key = countsPhrase(run, step);
  const counts = phrase(key, {
    step: at,
    written: written.length,
    back: back.length,
    masks: step.masks,
    ...step.info,
  });
  const bold =
    key === "caption.step_verified" ? (again[0] ?? written[0] ?? back[0]) : (back[0] ?? again[0] ?? written[0]);
  if (bold === undefined || step.row[bold] < 0) return counts;
  const isBack = back.includes(bold);
  const name = wordOf(run, isBack ? before.ids[bold] : step.ids[bold], { inSentence: true });
  const what = isBack ? "caption.back" : again.includes(bold) ? "caption.again" : "caption.written";
  return `${counts} ${phrase(what, { word: name, reason: reasonPhrase(run, step, step.row[bold]) })}`;
}

/**
 * The sentence that counts a step: a draft and its check have their own, by the reasons that were recorded.
 *
 * @param {Run} run
 * @param {Step} step
 */
function countsPhrase(run, step) {
  const names = new Set([...step.reason].map((code) => run.header.reasons?.[code]));
  if (names.has("drafted")) return "caption.step_drafted";
  if (names.has("accepted") || names.has("replaced")) return "caption.step_verified";
  return step.blank.length ? "caption.step_back" : "caption.step";
}

/**
 * How a run ended: whether by itself, after how many of the steps it might take, how much of it stands, and whether
 * its forwards were exact, which nobody knows of another program's sampler.
 *
 * @param {Run} run
 * @returns {string}
 */
export function verdict(run) {
  const { cache, sampler } = run.header;
  const steps = run.steps.length;
  const last = stateAfter(run, steps);
  const free = last.place.filter((i) => !run.fixed[i]).length;
  const share = free ? Math.floor(((free - last.masks) / free) * 100) : 100;
  return [
    phrase(`verdict.${run.totals.end}`, { steps, share }),
    phrase(firstStopAt(run, steps) < Infinity ? "verdict.ended" : "verdict.filled"),
    sampler ? phrase("verdict.recorded", { sampler }) : phrase(cache ? "verdict.approximate" : "verdict.exact"),
  ].join(" ");
}

/**
 * @param {Run} run
 * @param {number} at
 * @param {number} i
 */
function outcomePhrase(run, at, i) {
  const step = run.steps[at - 1];
  const now = stateAfter(run, at);
  const stood = stateAfter(run, at - 1).ids[i];
  const mask = run.header.model.mask;
  /** @type {(pairs: Pair[]) => Pair | undefined} */
  const among = (pairs) => pairs.find(([j]) => j === i);
  const spliced = among(step.splice);
  if (spliced) return spliced[1] ? phrase("why.room", { count: spliced[1] }) : phrase("why.closed");
  if (among(step.blank))
    return mask === null ? phrase("why.renoised") : phrase("why.blanked", { word: wordOf(run, stood) });
  if (among(step.write))
    return stood === mask || stood === now.ids[i] || now.again[i] === 0
      ? phrase("why.written")
      : phrase("why.rewritten", { word: wordOf(run, stood) });
  if (now.ids[i] === mask) return phrase("why.mask");
  if (now.commit[i] < 0) return mask === null ? phrase("why.noise") : phrase("why.given");
  return phrase("why.kept", { step: now.commit[i] + 1 });
}

/**
 * The phrase of the reason that was recorded for a row, with the rule's numbers and the row's own.
 *
 * @param {Run} run
 * @param {Step} step
 * @param {number} k
 */
function reasonPhrase(run, step, k) {
  const name = run.header.reasons?.[step.reason[k]];
  const key = `reasons.${name}`;
  const noun = `scores.${step.ranking.replace("-", "")}`;
  const mine = step.score[k];
  if (name === undefined) return phrase("why.unrecorded");
  if (!hasPhrase(key)) return phrase("why.unknown", { reason: name });
  /** @type {Record<string, number | string>} */
  const numbers = Object.fromEntries(Object.entries(step.info).map(([name, value]) => [name, decimals(value)]));
  if (Number.isNaN(mine)) return phrase(key, numbers);
  const ahead = step.score.filter((other) => other > mine).length;
  const level = step.score.filter((other) => other === mine).length;
  numbers.value = decimals(step.ranking.startsWith("-") ? -mine : mine, step.info);
  numbers.rank = level === 1 ? ahead + 1 : `${ahead + 1}–${ahead + level}`; // what is recorded alike shares ranks
  numbers.all = step.score.filter((other) => !Number.isNaN(other)).length;
  return phrase(key, { ...numbers, score: phrase(hasPhrase(noun) ? noun : "scores.other", numbers) });
}

/**
 * @param {Run} run
 * @param {Step} step
 * @param {number} k
 */
function runnerUp(run, step, k) {
  const size = run.header.top_k;
  for (let r = 0; r < size; r++) {
    const id = step.topIds[k * size + r];
    if (id >= 0 && id !== step.predicted[k])
      return phrase("why.runner_up", {
        word: wordOf(run, step.predicted[k]),
        other: wordOf(run, id),
        probability: decimals(step.topProbs[k * size + r]),
      });
  }
  return "";
}

/**
 * What other rules would have written in this step, of which the run file says how many, and by what they rank; []
 * where it says nothing.  The best are meant, of equal ones the leftmost.
 *
 * @param {Run} run
 * @param {number} at
 * @returns {{ rule: string, writes: Set<number> }[]}
 */
export function otherRules(run, at) {
  const step = run.steps[at - 1];
  const before = stateAfter(run, at - 1);
  const [lo, hi] = step.window;
  const rows = step.queried.slice(lo, hi).filter((i) => step.row[i] >= 0 && before.ids[i] === run.header.model.mask);
  /** @type {Record<string, (i: number) => number>} */
  const score = {
    confidence: (i) => step.confidence[step.row[i]],
    "-entropy": (i) => -step.entropy[step.row[i]],
    "-position": () => 0,
  };
  const rules = Object.entries(run.header.others || {}).map(([rule, ranking], n) => ({
    key: `inspector.rule_${rule}`,
    by: score[ranking],
    count: step.others[n],
  }));
  return rules
    .filter(({ key, by, count }) => hasPhrase(key) && by && count)
    .map(({ key, by, count }) => ({
      rule: phrase(key, { count }),
      writes: new Set(
        rows
          .slice()
          .sort((a, b) => by(b) - by(a))
          .slice(0, count),
      ),
    }));
}

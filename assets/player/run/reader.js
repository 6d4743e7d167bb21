// A run file's bytes as a run.  The rules are those of dlm_core/trace.py, and a test holds both readers to one list of
// files: what the page opens, the command line opens, and what one refuses the other refuses at the same line.  LIMITS
// are trace.py's own.

import { LIMITS, RUN_LINES } from "../settings.js";
import { phrase } from "../words.js";
import { bytesOf, isRounded, MISSING_BYTE, parseLine, TEXTS_AND_NUMBERS, textOrBytes, typeOf } from "./decode.js";
import { Inflater, tooLarge } from "./gzip.js";
import { addRecord, emptyRun, stateAfter } from "./state.js";

/** @type {[number[], string][]} */
const MARKS = [
  // byte order marks
  [[0xef, 0xbb, 0xbf], "utf-8"],
  [[0xff, 0xfe], "utf-16le"],
  [[0xfe, 0xff], "utf-16be"],
];

/**
 * The lines of a file, each as a function that decodes it: in UTF-8 an error has a line.
 *
 * @param {Uint8Array} file
 * @returns {(() => string)[]}
 */
function linesOf(file) {
  if (file.length > LIMITS.bytes) throw tooLarge();
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? new Inflater(file).text() : file;
  const marked = MARKS.find(([mark]) => mark.every((byte, n) => bytes[n] === byte));
  const mark = marked ? marked[0] : [];
  const encoding = marked ? marked[1] : "utf-8";
  const lines = [];
  const text = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  if (encoding !== "utf-8") {
    try {
      // what is cut off in the middle of a character ends before it
      return text
        .decode(bytes.subarray(mark.length), { stream: true })
        .split("\n")
        .map((line) => () => line);
    } catch {
      throw new Error(phrase("runs.encoding", { encoding: encoding.toUpperCase() }));
    }
  }
  for (let at = mark.length; at <= bytes.length; ) {
    const found = bytes.indexOf(10, at);
    const end = found < 0 ? bytes.length : found;
    const part = bytes.subarray(at, end);
    lines.push(() => text.decode(part));
    at = end + 1;
  }
  return lines;
}

/**
 * Throws where a value has what JSON or a run file has not: infinite numbers, whole ones beyond 64 bits, half
 * characters.
 *
 * @param {unknown} value
 * @param {number} [depth]
 */
function sound(value, depth = 0) {
  if (depth > 500) throw new Error();
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error();
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) throw new Error();
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) for (const key of Object.keys(value)) sound(key);
  for (const part of Object.values(value)) sound(part, depth + 1);
}

/** @type {(digits: string) => boolean} */
const fits64 = (digits) => BigInt.asIntN(64, BigInt(digits)) === BigInt(digits);

/**
 * A line as an object; throws where it is none.
 *
 * @param {string} line
 * @returns {any}
 */
function recordOf(line) {
  const record = parseLine(line);
  if (/\d{19}/.test(line) && !line.match(TEXTS_AND_NUMBERS).every((token) => !isRounded(token) || fits64(token)))
    throw new Error();
  if (record === null || typeof record !== "object" || Array.isArray(record)) throw new Error();
  sound(record);
  return record;
}

// What a line may hold.  `must` throws; readRun names the line.

/** @type {(...rules: any[]) => void} */
const must = (...rules) => {
  if (!rules.every(Boolean)) throw new Error();
};
/** @type {(value: any, lo?: number, hi?: number) => boolean} */
const isWhole = (value, lo = -Infinity, hi = Infinity) => Number.isInteger(value) && value >= lo && value < hi;
/** @type {(value: any) => boolean} */
const isText = (value) => typeof value === "string";
/** @type {(value: any) => boolean} */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
/** @type {(text: string, most: number) => boolean} */
const isShort = (text, most) => text.length <= most || [...text].length <= most;
/** @type {(value: any) => boolean} */
const isPairs = (value) =>
  Array.isArray(value) &&
  value.length <= LIMITS.length &&
  value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((n) => isWhole(n)));
/** @type {(value: any) => boolean} */
const isBase64 = (value) => isText(value) && value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);
/** @type {(value: any, count: number) => boolean} */
const isBitsOf = (value, count) => isBase64(value) && bytesOf(value).length === Math.ceil(count / 8);
/** @type {(record: any, name: string) => boolean} */
const has = (record, name) => Object.hasOwn(record, name);

/** @type {(value: any) => boolean} */
const isLong = (value) => isWhole(value) || (isText(value) && isRounded(value));

/**
 * @param {any} about
 */
function checkPieces({ pieces = {} }) {
  must(isObject(pieces));
  for (const [token, text] of Object.entries(pieces)) {
    must(/^\s*[+-]?\d+\s*$/.test(token));
    if (isText(text)) must(isShort(text, LIMITS.piece));
    else must(isText(text.hex), /^(?:\s*[0-9a-f]{2})*\s*$/i.test(text.hex), textOrBytes(text).length <= LIMITS.piece);
  }
}

/**
 * @param {Message[]} messages
 */
function checkConversation(messages) {
  must(
    Array.isArray(messages),
    messages.length <= LIMITS.messages,
    messages.every((one) => isObject(one) && isText(one.role) && isText(one.content)),
  );
  must(messages.reduce((sum, { content }) => sum + [...content].length, 0) <= LIMITS.characters);
  const turns = messages.slice(messages.length && messages[0].role === "system" ? 1 : 0);
  must(
    turns.length % 2 === 0,
    turns.every(({ role }, n) => role === (n % 2 ? "assistant" : "user")),
  );
}

/**
 * @param {Header} header
 */
function checkHeader(header) {
  const {
    canvas,
    model,
    fixed,
    windows,
    top_k,
    policy,
    prompt,
    seed,
    cache,
    conversation,
    reasons,
    others = {},
    sampler = "",
  } = header;
  must(isObject(model), isText(model.name), isWhole(model.vocab_size), Array.isArray(model.stop), has(model, "mask"));
  const { vocab_size, stop, ending = [], revision = null, mask, columns = 1 } = model;
  must(
    stop.every((id) => isWhole(id)),
    Array.isArray(ending) && ending.every((id) => isWhole(id)),
    revision === null || isText(revision),
    mask === null || isWhole(mask),
    isWhole(columns, 1, LIMITS.columns + 1),
  );
  must(
    Array.isArray(canvas),
    isWhole(canvas.length, 1, LIMITS.length + 1),
    canvas.every((id) => isWhole(id, 0, vocab_size)),
  );
  must(
    isPairs(fixed),
    isPairs(windows),
    [...fixed, ...windows].every(([lo, hi]) => 0 <= lo && lo < hi && hi <= canvas.length),
  );
  must(
    isWhole(top_k, 1, 101),
    isText(prompt),
    isText(sampler),
    isObject(policy),
    isText(policy.name),
    seed === null || isLong(seed),
    cache === undefined || (isObject(cache) && isText(cache.kind)),
  );
  must(header.unmask === 1 || (Array.isArray(reasons) && reasons.every(isText)), isObject(others));
  if (conversation !== undefined) checkConversation(conversation);
}

/**
 * @param {Run} run
 * @param {StepRecord} record
 */
function checkStep(run, record) {
  const { vocab_size, mask } = run.header.model;
  const {
    write = [],
    blank = [],
    splice = [],
    window,
    info = {},
    measured,
    beliefs,
    score = [""],
    others = [],
  } = record;
  const before = stateAfter(run, run.steps.length).place.length;
  must(
    record.step === run.steps.length,
    isPairs([window]),
    0 <= window[0] && window[0] <= window[1] && window[1] <= before,
  );
  must(
    record.forwards === null || isWhole(record.forwards, 1),
    record.seconds === null || (Number.isFinite(record.seconds) && record.seconds >= 0),
    isObject(info),
    Object.values(info).every(Number.isFinite),
  );
  must(
    isPairs(write),
    isPairs(blank),
    isPairs(splice),
    [...write, ...blank].every(([at, id]) => isWhole(at, 0, before) && isWhole(id, 0, vocab_size)),
  );
  must(
    !splice.length || mask !== null,
    splice.every(([at, count]) => isWhole(at, 0, before) && isWhole(count, 0, LIMITS.length + 1)),
  );
  const counts = new Map(splice);
  must([...counts.values()].reduce((sum, count) => sum + count - 1, before) <= LIMITS.length);
  run.beliefs = (run.beliefs || 0) + before * run.header.top_k;
  must(run.beliefs <= LIMITS.beliefs, isBitsOf(measured, before), isBase64(beliefs));
  must(Array.isArray(score), Array.isArray(others) && others.every((count) => isWhole(count)));
  if (score.length === 1 && score[0] !== "")
    must(["confidence", "-entropy"].includes(score[0]), isBitsOf(record.ranked, before));
  else
    must(
      score.length === 3
        ? isText(score[0]) && score.slice(1).every(Number.isFinite) && score[1] <= score[2]
        : score[0] === "" && score.length === 1,
    );
}

/**
 * The beliefs of the newest step, once they are unpacked.
 *
 * @param {Run} run
 * @param {StepRecord} record
 */
function checkBeliefs(run, record) {
  const step = run.steps[run.steps.length - 1];
  const { vocab_size } = run.header.model;
  must(step.reason.every((code) => code === MISSING_BYTE || code < run.header.reasons.length));
  must(
    bytesOf(record.beliefs).length === step.packed,
    [step.predicted, step.topIds].every((ids) => ids.every((id) => id < vocab_size)),
  );
}

/**
 * @param {any} about
 */
function checkTotals({ end, message = "", text = "" }) {
  must(["finished", "stopped", "error"].includes(end), isText(message), isText(text));
}

/**
 * Takes in a record of a run file, or throws.
 *
 * @param {Run} run
 * @param {any} record
 * @param {string} line
 * @param {number} number
 */
function takeRecord(run, record, line, number) {
  must(!run.totals);
  const type = typeOf(record);
  if (!RUN_LINES.includes(type)) {
    const shown = String(JSON.stringify(type)).slice(0, 40);
    throw new Error(phrase("runs.type", { line: number, type: shown, known: RUN_LINES.join(", ") }));
  }
  if (!run.header) {
    if (type !== "run") throw new Error(phrase("runs.schema"));
    if (record.unmask !== 1 && record.unmask !== LIMITS.schema) throw new Error(phrase("runs.schema"));
    checkHeader(record);
  } else if (type === "end") checkTotals(record);
  else {
    must(type === "step");
    checkStep(run, record);
  }
  checkPieces(record);
  addRecord(run, record, line);
  if (run.steps.length && !run.totals) checkBeliefs(run, record);
}

/**
 * A run file's bytes as a run; an Error of one phrase says what is wrong.  What was cut off opens up to its last whole
 * line: one without an end is whole if it is JSON.
 *
 * @param {Uint8Array} bytes
 * @returns {Run}
 */
export function readRun(bytes) {
  const lines = linesOf(bytes);
  const run = emptyRun();
  lines.forEach((decoded, n) => {
    const first = !run.header;
    let line = "";
    let record = null;
    try {
      line = decoded().replace(/^[ \t\r]+|[ \t\r]+$/g, "");
      if (!line) return;
      record = recordOf(line);
    } catch {
      if (n === lines.length - 1 && !run.totals) return;
      throw new Error(first ? phrase("runs.not_json") : phrase("runs.damaged", { line: n + 1 }));
    }
    try {
      takeRecord(run, record, line, n + 1);
    } catch (error) {
      // what is not a sentence of ours is the browser stumbling over a record of another shape
      const reason = error.constructor === Error ? error.message : "";
      throw new Error(reason || (first ? phrase("runs.header") : phrase("runs.damaged", { line: n + 1 })));
    }
  });
  if (!run.header) throw new Error(phrase("runs.no_line"));
  return run;
}

// A run file's bytes as a run.  The rules are those of dlm_core/trace.py, and a test holds both readers to one list of
// files: what the page opens, the command line opens, and what one refuses the other refuses at the same line.  LIMITS
// are trace.py's own.
"use strict";

// ---------------------------------------------------------------------------------------------------------------------
// gzip.  The browser's DecompressionStream knows one member, refuses what follows it, and drops what came before a file
// breaks off, so members are inflated here (RFC 1951 and 1952).

const BROKEN_OFF = Symbol(); // thrown where the data ends in the middle of a member
const LENGTHS = [[3, 0], [4, 0], [5, 0], [6, 0], [7, 0], [8, 0], [9, 0], [10, 0], [11, 1], [13, 1], [15, 1], [17, 1], [19, 2], [23, 2], [27, 2],
  [31, 2], [35, 3], [43, 3], [51, 3], [59, 3], [67, 4], [83, 4], [99, 4], [115, 4], [131, 5], [163, 5], [195, 5], [227, 5], [258, 0]];
const DISTANCES = Array.from({ length: 30 }, (_, n) => (n < 4 ? [n + 1, 0] : [1 + (2 + (n & 1)) * 2 ** ((n >> 1) - 1), (n >> 1) - 1]));
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes, from, to) {
  let crc = -1;
  for (let at = from; at < to; at++) crc = (crc >>> 8) ^ CRC[(crc ^ bytes[at]) & 255];
  return ~crc >>> 0;
}

// A Huffman code by the lengths of its symbols' codes, as a table from the next bits to 16 times a symbol plus its length.
function huffman(lengths, mayBeIncomplete) {
  const count = new Uint16Array(17), next = new Uint16Array(17);
  for (const size of lengths) if (size) count[size]++;
  let room = 1, most = 0;
  for (let size = 1; size < 16; size++) {
    room = 2 * room - count[size];
    if (room < 0) throw new Error(phrase("runs.compression"));
    if (count[size]) most = size;
    next[size + 1] = (next[size] + count[size]) << 1;
  }
  if (room > 0 && !(mayBeIncomplete && most < 2)) throw new Error(phrase("runs.compression"));
  const table = new Uint16Array(1 << most);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const size = lengths[symbol];
    if (!size) continue;
    let code = next[size]++, first = 0;
    for (let bit = 0; bit < size; bit++, code >>= 1) first = (first << 1) | (code & 1);
    for (let at = first; at < table.length; at += 1 << size) table[at] = (symbol << 4) | size;
  }
  return { table, most };
}

class Inflater {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.out = new Uint8Array(Math.min(LIMITS.bytes, Math.max(1 << 16, 4 * bytes.length)));
    this.size = 0;
    this.hold = 0; // bits that are read and not used yet, and how many
    this.held = 0;
  }

  // Everything, up to where it breaks off.
  text() {
    try {
      while (this.bytes[this.at] === 0x1f && this.bytes[this.at + 1] === 0x8b) this.member();
    } catch (error) {
      if (error !== BROKEN_OFF) throw error;
    }
    return this.out.subarray(0, this.size);
  }

  damaged() {
    return new Error(phrase("runs.compression"));
  }

  byte() {
    if (this.at >= this.bytes.length) throw BROKEN_OFF;
    return this.bytes[this.at++];
  }

  word(count) {
    let value = 0;
    for (let n = 0; n < count; n++) value += this.byte() * 2 ** (8 * n);
    return value;
  }

  member() {
    const begin = this.at, from = this.size;
    this.at += 2;
    const method = this.byte(), flags = this.byte();
    if (method !== 8 || flags & 0xe0) throw this.damaged();
    this.word(6); // when, how, where
    if (flags & 4) for (let left = this.word(2); left > 0; left--) this.byte();
    for (const named of [8, 16]) if (flags & named) while (this.byte()); // a name, a comment
    if (flags & 2) {
      const sum = crc32(this.bytes, begin, this.at) & 0xffff;
      if (this.word(2) !== sum) throw this.damaged();
    }
    while (!this.block(from));
    this.at -= this.held >> 3; // whole bytes that were read ahead
    this.hold = this.held = 0;
    if (this.word(4) !== crc32(this.out, from, this.size) || this.word(4) !== (this.size - from) % 2 ** 32) throw this.damaged();
  }

  bits(count) {
    while (this.held < count) {
      this.hold |= this.byte() << this.held;
      this.held += 8;
    }
    const value = this.hold & ((1 << count) - 1);
    this.hold >>>= count;
    this.held -= count;
    return value;
  }

  symbol({ table, most }) {
    while (this.held < most && this.at < this.bytes.length) {
      this.hold |= this.bytes[this.at++] << this.held;
      this.held += 8;
    }
    const entry = table[this.hold & (table.length - 1)], size = entry & 15;
    if (this.held < (size || most)) throw BROKEN_OFF;
    if (!size) throw this.damaged();
    this.hold >>>= size;
    this.held -= size;
    return entry >> 4;
  }

  room(more) {
    if (this.size + more > LIMITS.bytes) throw tooLarge();
    if (this.size + more <= this.out.length) return;
    const wider = new Uint8Array(Math.min(LIMITS.bytes, 2 * this.out.length));
    wider.set(this.out);
    this.out = wider;
  }

  // One block of a member whose text begins at `from`; returns whether it was the last.
  block(from) {
    const last = this.bits(1), kind = this.bits(2);
    if (kind === 0) this.stored();
    else if (kind === 1) this.coded(from, huffman(Array.from({ length: 288 }, (_, n) => (n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8))), huffman(new Array(32).fill(5)));
    else if (kind === 2) this.coded(from, ...this.codes());
    else throw this.damaged();
    return last;
  }

  stored() {
    this.at -= this.held >> 3;
    this.hold = this.held = 0;
    const count = this.word(2);
    if (this.word(2) !== (count ^ 0xffff)) throw this.damaged();
    const part = this.bytes.subarray(this.at, this.at + count);
    this.room(part.length);
    this.out.set(part, this.size);
    this.size += part.length;
    this.at += part.length;
    if (part.length < count) throw BROKEN_OFF;
  }

  // The two codes of a block, themselves coded.
  codes() {
    const literals = this.bits(5) + 257, distances = this.bits(5) + 1, sizes = new Uint8Array(19), lengths = [];
    const count = this.bits(4) + 4;
    if (literals > 286 || distances > 30) throw this.damaged();
    for (const at of CODE_ORDER.slice(0, count)) sizes[at] = this.bits(3);
    const code = huffman(sizes);
    while (lengths.length < literals + distances) {
      const symbol = this.symbol(code);
      if (symbol < 16) { lengths.push(symbol); continue; }
      if (symbol === 16 && !lengths.length) throw this.damaged();
      const again = symbol === 16 ? lengths[lengths.length - 1] : 0, times = symbol === 16 ? 3 + this.bits(2) : symbol === 17 ? 3 + this.bits(3) : 11 + this.bits(7);
      for (let n = 0; n < times; n++) lengths.push(again);
    }
    if (lengths.length > literals + distances || !lengths[256]) throw this.damaged();
    return [huffman(lengths.slice(0, literals), true), huffman(lengths.slice(literals), true)];
  }

  coded(from, literals, distances) {
    for (;;) {
      const symbol = this.symbol(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.room(1);
        this.out[this.size++] = symbol;
        continue;
      }
      const [length, more] = LENGTHS[symbol - 257] || [], count = length + this.bits(more || 0);
      if (!length) throw this.damaged();
      const [near, further] = DISTANCES[this.symbol(distances)] || [], back = near + this.bits(further || 0);
      if (!near || back > this.size - from) throw this.damaged();
      this.room(count);
      for (let n = 0; n < count; n++, this.size++) this.out[this.size] = this.out[this.size - back];
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Lines

const tooLarge = () => new Error(phrase("runs.too_large", { most: LIMITS.bytes / 2 ** 20 }));
const MARKS = [[[0xef, 0xbb, 0xbf], "utf-8"], [[0xff, 0xfe], "utf-16le"], [[0xfe, 0xff], "utf-16be"]]; // byte order marks

// The lines of a file, each as a function that decodes it: in UTF-8 an error has a line.
function linesOf(file) {
  if (file.length > LIMITS.bytes) throw tooLarge();
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? new Inflater(file).text() : file;
  const [mark, encoding] = MARKS.find(([mark]) => mark.every((byte, n) => bytes[n] === byte)) || [[], "utf-8"], lines = [];
  const text = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  if (encoding !== "utf-8") {
    try { // what is cut off in the middle of a character ends before it
      return text.decode(bytes.subarray(mark.length), { stream: true }).split("\n").map((line) => () => line);
    } catch {
      throw new Error(phrase("runs.encoding", { encoding: encoding.toUpperCase() }));
    }
  }
  for (let at = mark.length; at <= bytes.length; ) {
    const found = bytes.indexOf(10, at), end = found < 0 ? bytes.length : found, part = bytes.subarray(at, end);
    lines.push(() => text.decode(part));
    at = end + 1;
  }
  return lines;
}

// Throws where a value has what JSON or a run file has not: infinite numbers, whole ones beyond 64 bits, half characters.
function sound(value, depth = 0) {
  if (depth > 500) throw new Error();
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error();
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) throw new Error();
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) for (const key of Object.keys(value)) sound(key);
  for (const part of Object.values(value)) sound(part, depth + 1);
}

const fits64 = (digits) => BigInt.asIntN(64, BigInt(digits)) === BigInt(digits);

// A line as an object; throws where it is none.
function recordOf(line) {
  const record = parseLine(line);
  if (/\d{19}/.test(line) && !line.match(TEXTS_AND_NUMBERS).every((token) => !isRounded(token) || fits64(token))) throw new Error();
  if (record === null || typeof record !== "object" || Array.isArray(record)) throw new Error();
  sound(record);
  return record;
}

// ---------------------------------------------------------------------------------------------------------------------
// What a line may hold.  `must` throws; readRun names the line.

const must = (...rules) => { if (!rules.every(Boolean)) throw new Error(); };
const isWhole = (value, lo = -Infinity, hi = Infinity) => Number.isInteger(value) && value >= lo && value < hi;
const isText = (value) => typeof value === "string";
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isShort = (text, most) => text.length <= most || [...text].length <= most;
const isPairs = (value) => Array.isArray(value) && value.length <= LIMITS.length && value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((n) => isWhole(n)));
const isBase64 = (value) => isText(value) && value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);
const isBitsOf = (value, count) => isBase64(value) && bytesOf(value).length === Math.ceil(count / 8);
const has = (record, name) => Object.hasOwn(record, name);

// parseLine makes a text of the digits of a whole number that a JavaScript number would round.
const isLong = (value) => isWhole(value) || (isText(value) && isRounded(value));

function checkPieces({ pieces = {} }) {
  must(isObject(pieces));
  for (const [token, text] of Object.entries(pieces)) {
    must(/^\s*[+-]?\d+\s*$/.test(token));
    if (isText(text)) must(isShort(text, LIMITS.piece));
    else must(isText(text.hex), /^(?:\s*[0-9a-f]{2})*\s*$/i.test(text.hex), piece(text).length <= LIMITS.piece);
  }
}

function checkConversation(messages) {
  must(Array.isArray(messages), messages.length <= LIMITS.messages, messages.every((one) => isObject(one) && isText(one.role) && isText(one.content)));
  must(messages.reduce((sum, { content }) => sum + [...content].length, 0) <= LIMITS.letters);
  const turns = messages.slice(messages.length && messages[0].role === "system" ? 1 : 0);
  must(turns.length % 2 === 0, turns.every(({ role }, n) => role === (n % 2 ? "assistant" : "user")));
}

function checkHeader(header) {
  const { canvas, model, fixed, windows, top_k, policy, prompt, seed, cache, conversation, reasons, others = {} } = header;
  must(isObject(model), isText(model.name), isWhole(model.vocab_size), Array.isArray(model.stop), has(model, "mask"));
  const { vocab_size, stop, ending = [], revision = null, mask } = model;
  must(stop.every((id) => isWhole(id)), Array.isArray(ending) && ending.every((id) => isWhole(id)), revision === null || isText(revision), mask === null || isWhole(mask));
  must(Array.isArray(canvas), isWhole(canvas.length, 1, LIMITS.length + 1), canvas.every((id) => isWhole(id, 0, vocab_size)));
  must(isPairs(fixed), isPairs(windows), [...fixed, ...windows].every(([lo, hi]) => 0 <= lo && lo < hi && hi <= canvas.length));
  must(isWhole(top_k, 1, 101), isText(prompt), isObject(policy), isText(policy.name), isLong(seed), cache === undefined || (isObject(cache) && isText(cache.kind)));
  must(header.unmask === 1 || (Array.isArray(reasons) && reasons.every(isText)), isObject(others));
  if (conversation !== undefined) checkConversation(conversation);
}

function checkStep(run, record) {
  const { vocab_size, mask } = run.header.model, { write = [], blank = [], splice = [], window, info = {}, measured, beliefs, score = [""], others = [] } = record;
  const before = stateAfter(run, run.steps.length).place.length;
  must(record.step === run.steps.length, isPairs([window]), 0 <= window[0] && window[0] <= window[1] && window[1] <= before);
  must(isWhole(record.forwards, 1), Number.isFinite(record.seconds) && record.seconds >= 0, isObject(info), Object.values(info).every(Number.isFinite));
  must(isPairs(write), isPairs(blank), isPairs(splice), [...write, ...blank].every(([at, id]) => isWhole(at, 0, before) && isWhole(id, 0, vocab_size)));
  must(!splice.length || mask !== null, splice.every(([at, count]) => isWhole(at, 0, before) && isWhole(count, 0, LIMITS.length + 1)));
  const counts = new Map(splice);
  must([...counts.values()].reduce((sum, count) => sum + count - 1, before) <= LIMITS.length);
  run.beliefs = (run.beliefs || 0) + before * run.header.top_k;
  must(run.beliefs <= LIMITS.beliefs, isBitsOf(measured, before), isBase64(beliefs));
  must(Array.isArray(score), Array.isArray(others) && others.every((count) => isWhole(count)));
  if (score.length === 1 && score[0] !== "") must(["confidence", "-entropy"].includes(score[0]), isBitsOf(record.ranked, before));
  else must(score.length === 3 ? isText(score[0]) && score.slice(1).every(Number.isFinite) && score[1] <= score[2] : score[0] === "" && score.length === 1);
}

// The beliefs of the newest step, once they are unpacked.
function checkBeliefs(run, record) {
  const step = run.steps[run.steps.length - 1], { vocab_size } = run.header.model;
  must(step.reason.every((code) => code === NONE8 || code < run.header.reasons.length));
  must(bytesOf(record.beliefs).length === step.packed, [step.predicted, step.topIds].every((ids) => ids.every((id) => id < vocab_size)));
}

function checkTotals({ end, message = "", text = "" }) {
  must(["finished", "stopped", "error"].includes(end), isText(message), isText(text));
}

// Takes in a record of a run file, or throws.
function takeRecord(run, record, line) {
  must(!run.totals);
  if (!run.header) {
    if (record.unmask !== 1 && record.unmask !== LIMITS.schema) throw new Error(phrase("runs.schema"));
    checkHeader(record);
  } else if (has(record, "end")) checkTotals(record);
  else checkStep(run, record);
  checkPieces(record);
  addRecord(run, record, line);
  if (run.steps.length && !run.totals) checkBeliefs(run, record);
}

// A run file's bytes as a run; an Error of one phrase says what is wrong.  What was cut off opens up to its last whole
// line: one without an end is whole if it is JSON.
function readRun(bytes) {
  const lines = linesOf(bytes), run = emptyRun();
  lines.forEach((decoded, n) => {
    const first = !run.header;
    let line = "", record = null;
    try {
      line = decoded().replace(/^[ \t\r]+|[ \t\r]+$/g, "");
      if (!line) return;
      record = recordOf(line);
    } catch {
      if (n === lines.length - 1 && !run.totals) return;
      throw new Error(first ? phrase("runs.not_json") : phrase("runs.damaged", { line: n + 1 }));
    }
    try {
      takeRecord(run, record, line);
    } catch (error) {
      // what is not a sentence of ours is the browser stumbling over a record of another shape
      const reason = error.message && error.constructor === Error ? error.message : phrase("runs.header");
      throw new Error(first ? reason : phrase("runs.damaged", { line: n + 1 }));
    }
  });
  if (!run.header) throw new Error(phrase("runs.no_line"));
  return run;
}

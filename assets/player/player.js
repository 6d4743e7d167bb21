// The player: run-file lines in, a run on screen.  It keeps the run, plays it on its own clock, and never asks the
// server to move.  Model and visitor text reaches the document through textContent or a canvas, and in no other way.
// Part 1 is pure and unit-tested (run, spelling, why); part 2 draws; `mountPlayer` at the end is the only entry.  Sentences
// come from words.js.
"use strict";

// ---------------------------------------------------------------------------------------------------------------------
// 1. A run
//
// Positions may come and go (a policy that splices), so everything is kept by track: the number of a position in the
// order in which positions first appeared.  `run.order` lists the tracks as they stand in the text, `place` those of one
// canvas.  Without splices track and position are the same number.

const NONE8 = 255, NONE16 = 65535, NONE32 = 4294967295;

function emptyRun() {
  return { header: null, pieces: new Map(), steps: [], totals: null, lines: [], order: [], rank: [], fixed: null, first: null };
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

// The beliefs of a step as typed arrays over its measured positions, and the row of each track in them, -1 for none; the
// layout is in docs/run-file.md.
function unpack(header, record, place, tracks) {
  const length = place.length, k = header.top_k, wide = header.model.vocab_size >= NONE16;
  const bits = bytesOf(record.measured), row = new Int32Array(tracks).fill(-1);
  let n = 0;
  for (let i = 0; i < length; i++) if (bits[i >> 3] >> (i & 7) & 1) row[place[i]] = n++;
  const data = bytesOf(record.beliefs).buffer;
  let at = 0;
  const take = (Kind, count) => {
    const size = count * Kind.BYTES_PER_ELEMENT, part = new Kind(data.slice(at, at + size));
    at += size;
    return part;
  };
  const Id = wide ? Uint32Array : Uint16Array, none = wide ? NONE32 : NONE16;
  const ids = (codes) => Int32Array.from(codes, (code) => (code === none ? -1 : code));
  const scaled = (codes, scale, missing, Kind = Float64Array) => Kind.from(codes, (code) => (code === missing ? NaN : code / scale));
  const predicted = ids(take(Id, n));
  const confidence = scaled(take(Uint16Array, n), 65534, NONE16);
  const entropy = scaled(take(Uint16Array, n), 1000, NONE16);
  const topIds = ids(take(Id, n * k));
  const topProbs = scaled(take(Uint8Array, n * k), 254, NONE8, Float32Array).map((root) => root * root);
  const reason = header.unmask > 1 ? take(Uint8Array, n) : new Uint8Array(n).fill(NONE8); // schema 1 recorded none
  const [ranking, least, most] = record.score || [""], ranked = bytesOf(record.ranked || "");
  let score = new Float64Array(n).fill(NaN);
  if (most !== undefined) score = Float64Array.from(take(Uint16Array, n), (code) => (code === NONE16 ? NaN : least + (code / 65534) * (most - least)));
  else if (ranking) for (let i = 0; i < length; i++) if (ranked[i >> 3] >> (i & 7) & 1) score[row[place[i]]] = ranking === "confidence" ? confidence[row[place[i]]] : -entropy[row[place[i]]];
  return { row, measured: n, predicted, confidence, entropy, topIds, topProbs, reason, ranking, score, packed: at };
}

// The text of tokens by id; bytes where a token is only part of a character.
function readPieces(pieces, texts) {
  for (const [id, text] of Object.entries(texts)) {
    pieces.set(Number(id), piece(text));
  }
}

const piece = (text) => (typeof text === "string" ? text : Uint8Array.from(text.hex.match(/[0-9a-f]{2}/gi) || [], (h) => parseInt(h, 16)));

// A line as an object.  Whole numbers that a JavaScript number would round, such as a seed of 63 bits, are texts of their
// digits, so that they leave the page as they came.
const TEXTS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const isRounded = (token) => /^-?[1-9]\d{15,}$/.test(token) && !Number.isSafeInteger(Number(token));

function parseLine(line) {
  if (!/\d{16}/.test(line)) return JSON.parse(line);
  return JSON.parse(line.replace(TEXTS_AND_NUMBERS, (token) => (isRounded(token) ? `"${token}"` : token)));
}

function addLine(run, line) {
  addRecord(run, parseLine(line), line);
}

function addRecord(run, record, line) {
  run.lines.push(line);
  readPieces(run.pieces, record.pieces || {});
  if (!run.header) openRun(run, record);
  else if ("end" in record) run.totals = record;
  else addStep(run, record);
}

function openRun(run, header) {
  const length = header.canvas.length;
  run.header = header;
  run.order = Array.from({ length }, (_, i) => i);
  run.rank = run.order.slice();
  run.fixed = new Array(length).fill(0);
  for (const [lo, hi] of header.fixed) run.fixed.fill(1, lo, hi);
  run.first = {
    place: run.order.slice(), ids: Int32Array.from(header.canvas), commit: new Int32Array(length).fill(-1),
    sure: new Float32Array(length).fill(NaN), again: new Uint8Array(length), tokens: 0,
  };
  run.first.masks = masksIn(run, run.first);
}

// Masks that may still be written.
function masksIn(run, { place, ids }) {
  let masks = 0;
  for (const i of place) if (ids[i] === run.header.model.mask && !run.fixed[i]) masks++;
  return masks;
}

function stateAfter(run, steps) {
  return steps === 0 ? run.first : run.steps[steps - 1];
}

// A track's id is -1 while it is not in the canvas.
function present(run, at, i) {
  return stateAfter(run, at).ids[i] >= 0;
}

// Opens room in every array for the tracks that a splice adds, and says which tracks then stand in the text.
function splice(run, place, pairs) {
  const counts = new Map(pairs), next = [];
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
  run.order.forEach((track, position) => { run.rank[track] = position; });
  return next;
}

function addStep(run, record) {
  const before = stateAfter(run, run.steps.length), mask = run.header.model.mask, here = ([position, id]) => [before.place[position], id];
  const place = record.splice ? splice(run, before.place, record.splice) : before.place, tracks = run.order.length;
  const beliefs = unpack(run.header, record, before.place, tracks);
  const longer = (array, value) => (array.length === tracks ? array.slice() : array.constructor.from({ length: tracks }, (_, i) => (i < array.length ? array[i] : value)));
  const step = {
    index: record.step, window: record.window, forwards: record.forwards, seconds: record.seconds, info: record.info || {}, others: record.others || [],
    write: (record.write || []).map(here), blank: (record.blank || []).map(here), splice: (record.splice || []).map(here), asked: before.place, place, ...beliefs,
    ids: longer(before.ids, -1), commit: longer(before.commit, -1), sure: longer(before.sure, NaN), again: longer(before.again, 0),
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
  step.tokens = before.tokens + step.write.length; // written so far
  const told = step.write.map(([i]) => step.sure[i]).filter((sure) => !Number.isNaN(sure));
  step.mean = told.reduce((a, b) => a + b, 0) / told.length; // NaN where no confidence was measured
  run.steps.push(step);
}

// The arrays of figures.heatmap_data; cells that are empty are NaN.
const MOST_CELLS = [256, 512];

function heatmapData(run, measure, most = MOST_CELLS) {
  const shape = [run.order.length, run.steps.length], merged = shape.map((count, axis) => Math.max(1, Math.ceil(count / most[axis])));
  const [height, width] = shape.map((count, axis) => Math.ceil(count / merged[axis])), cells = height * width;
  const [sums, counts] = [Float64Array, Uint16Array].map((Kind) => ({ measured: new Kind(cells), held: new Kind(cells), written: new Kind(cells) }));
  const last = new Float64Array(shape[0]).fill(NaN), row = run.rank.map((place) => Math.floor(place / merged[0]) * width);
  const add = (name, cell, value) => { sums[name][cell] += value; counts[name][cell]++; };
  run.steps.forEach((step, s) => {
    const column = Math.floor(s / merged[1]), told = new Float64Array(step.ids.length).fill(NaN);
    if (measure === "commit") for (const [i] of step.write) told[i] = s;
    else for (const i of step.asked) if (step.row[i] >= 0) told[i] = step[measure][step.row[i]];
    for (let i = 0; i < told.length; i++) {
      if (told[i] === told[i]) add("measured", row[i] + column, told[i]); // not NaN
      else if (last[i] === last[i]) add("held", row[i] + column, last[i]);
    }
    for (const [i] of step.write) {
      add("written", row[i] + column, 1);
      last[i] = told[i];
    }
    for (const [i] of [...step.blank, ...step.splice]) last[i] = NaN;
  });
  const mean = (name) => Array.from({ length: height }, (_, r) => Float64Array.from({ length: width }, (_, c) => {
    const cell = r * width + c, more = counts.measured[cell] >= counts.held[cell];
    return name === (more ? "held" : "measured") ? NaN : sums[name][cell] / counts[name][cell];
  }));
  return { measured: mean("measured"), held: mean("held"), written: mean("written"), shape, merged, opening: [...run.fixed, 0].indexOf(0) };
}

// What a position is at a playhead: its state, its token and the numbers that go with it.
function tokenAt(run, at, i, firstStop) {
  const now = stateAfter(run, at), step = at > 0 ? run.steps[at - 1] : null, mask = run.header.model.mask, id = now.ids[i];
  if (run.fixed[i]) return { state: "fixed", id, shown: id, commit: -1, confidence: NaN };
  if (id === mask) {
    const k = step ? step.row[i] : -1, blanked = step && step.blank.some(([j]) => j === i);
    if (blanked) return { state: "remasked", id, shown: stateAfter(run, at - 1).ids[i], commit: -1, confidence: NaN };
    if (k < 0 && run.rank[i] > firstStop) return { state: "tail", id, shown: id, commit: -1, confidence: NaN }; // nothing will be written here
    if (k < 0 || step.predicted[k] < 0) return { state: "masked", id, shown: -1, commit: -1, confidence: NaN };
    return { state: "draft", id, shown: step.predicted[k], commit: -1, confidence: step.confidence[k] };
  }
  if (now.commit[i] < 0) return { state: mask === null ? "noise" : "committed", id, shown: id, commit: -1, confidence: NaN };
  const state = run.rank[i] >= firstStop ? "tail" : now.again[i] ? "revised" : "committed";
  return { state, id, shown: id, commit: now.commit[i], confidence: now.sure[i] };
}

const ABSENT = { state: "absent", id: -1, shown: -1, commit: -1, confidence: NaN };

// Where in `run.order` the text ends: at a stop token, or at tokens that in their order say so.
function firstStopAt(run, at) {
  const { stop, ending = [] } = run.header.model, ids = stateAfter(run, at).ids, stops = new Set(stop), here = run.order.filter((i) => ids[i] >= 0);
  const says = (id, place) => place < here.length && !run.fixed[here[place]] && ids[here[place]] === id;
  const end = here.findIndex((i, place) => !run.fixed[i] && (stops.has(ids[i]) || (ending.length && ending.every((id, n) => says(id, place + n)))));
  return end < 0 ? Infinity : run.rank[here[end]];
}

// Display text of every position.  Tokens that are only part of a character are joined with their neighbours: each
// whole character, with what combines with it, stands in the slot of its first byte; a lone part shows as "◌".
const UTF8 = new TextDecoder("utf-8", { fatal: true }), GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function spell(pieces) {
  const out = pieces.map((piece) => (typeof piece === "string" ? piece : ""));
  for (let start = 0; start < pieces.length; start++) {
    if (!(pieces[start] instanceof Uint8Array)) continue;
    let end = start;
    const bytes = [], owner = [];
    for (; end < pieces.length && pieces[end] instanceof Uint8Array; end++) for (const byte of pieces[end]) { bytes.push(byte); owner.push(end); }
    const letters = [];
    for (let b = 0; b < bytes.length; ) {
      const lead = bytes[b], size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
      let text = null;
      try { if (size) text = UTF8.decode(Uint8Array.from(bytes.slice(b, b + size))); } catch { /* not whole */ }
      letters.push({ text: text || "◌", at: owner[b] });
      b += text ? size : 1;
    }
    let at = 0, used = 0;
    for (const { segment } of GRAPHEMES.segment(letters.map((l) => l.text).join(""))) {
      out[letters[at].at] += segment;
      for (used += segment.length; at < letters.length && used >= letters[at].text.length; at++) used -= letters[at].text.length;
    }
    start = end;
  }
  return out;
}

const parts = (x, of) => (Math.floor(x * of + 0.5) / of).toString();

// Two decimals; four for what is small, or would read like a different number that stands beside it.
function decimals(x, beside = {}) {
  const alike = Object.values(beside).some((other) => other !== x && parts(other, 100) === parts(x, 100));
  return parts(x, Math.abs(x) >= 0.1 && !alike ? 100 : 10000);
}

// One sentence: why position i is what it is after `at` steps.  What became of it is read off the run; why, and every
// number, is what the rule itself recorded.
function why(run, at, i) {
  const step = run.steps[at - 1];
  if (run.fixed[i]) return phrase("why.fixed");
  if (!step) return phrase("why.nothing");
  if (!step.asked.includes(i)) return present(run, at, i) ? phrase("why.opened") : phrase("why.absent");
  const k = step.row[i], { commit, sure } = stateAfter(run, at);
  if (k >= 0) return phrase("why.whole", { verdict: verdict(run, at, i), reason: reason(run, step, k), runner: runnerUp(run, step, k) });
  if ([...step.write, ...step.blank].some(([j]) => j === i)) return verdict(run, at, i);
  if (commit[i] < 0) return phrase("why.unmeasured");
  return Number.isNaN(sure[i]) ? phrase("why.kept_since", { step: commit[i] + 1 }) : phrase("why.kept_since_sure", { step: commit[i] + 1, confidence: decimals(sure[i]) });
}

function verdict(run, at, i) {
  const step = run.steps[at - 1], now = stateAfter(run, at), stood = stateAfter(run, at - 1).ids[i], mask = run.header.model.mask;
  const among = (pairs) => pairs.find(([j]) => j === i), spliced = among(step.splice);
  if (spliced) return spliced[1] ? phrase("why.room", { count: spliced[1] }) : phrase("why.closed");
  if (among(step.blank)) return mask === null ? phrase("why.renoised") : phrase("why.blanked", { word: wordOf(run, stood) });
  if (among(step.write)) return stood === mask || stood === now.ids[i] || now.again[i] === 0 ? phrase("why.written") : phrase("why.rewritten", { word: wordOf(run, stood) });
  if (now.ids[i] === mask) return phrase("why.mask");
  if (now.commit[i] < 0) return mask === null ? phrase("why.noise") : phrase("why.given");
  return phrase("why.kept", { step: now.commit[i] + 1 });
}

// The phrase of the reason that was recorded for a row, with the rule's numbers and the row's own.
function reason(run, step, k) {
  const name = run.header.reasons?.[step.reason[k]], key = `reasons.${name}`, noun = `scores.${step.ranking.replace("-", "")}`, mine = step.score[k];
  if (name === undefined) return phrase("why.unrecorded");
  if (!(key in WORDS.en)) return phrase("why.unknown", { reason: name });
  const numbers = Object.fromEntries(Object.entries(step.info).map(([name, value]) => [name, decimals(value)]));
  if (Number.isNaN(mine)) return phrase(key, numbers);
  const ahead = step.score.filter((other) => other > mine).length, level = step.score.filter((other) => other === mine).length;
  numbers.value = decimals(step.ranking.startsWith("-") ? -mine : mine, step.info);
  numbers.rank = level === 1 ? ahead + 1 : `${ahead + 1}–${ahead + level}`; // what is recorded alike shares ranks
  numbers.all = step.score.filter((other) => !Number.isNaN(other)).length;
  return phrase(key, { ...numbers, score: phrase(noun in WORDS.en ? noun : "scores.other", numbers) });
}

function runnerUp(run, step, k) {
  const size = run.header.top_k;
  for (let r = 0; r < size; r++) {
    const id = step.topIds[k * size + r];
    if (id >= 0 && id !== step.predicted[k]) return phrase("why.runner_up", { word: wordOf(run, step.predicted[k]), other: wordOf(run, id), probability: decimals(step.topProbs[k * size + r]) });
  }
  return "";
}

// What other rules would have written in this step, of which the run file says how many, and by what they rank; [] where
// it says nothing.  The best are meant, of equal ones the leftmost.
function others(run, at) {
  const step = run.steps[at - 1], before = stateAfter(run, at - 1), [lo, hi] = step.window;
  const rows = step.asked.slice(lo, hi).filter((i) => step.row[i] >= 0 && before.ids[i] === run.header.model.mask);
  const score = { confidence: (i) => step.confidence[step.row[i]], "-entropy": (i) => -step.entropy[step.row[i]], "-position": () => 0 };
  const told = Object.entries(run.header.others || {}).map(([rule, ranking], n) => ({ key: `inspector.rule_${rule}`, by: score[ranking], count: step.others[n] }));
  return told.filter(({ key, by, count }) => key in WORDS.en && by && count).map(({ key, by, count }) => ({
    rule: phrase(key, { count }), writes: new Set(rows.slice().sort((a, b) => by(b) - by(a)).slice(0, count)),
  }));
}

function inWindow(step, i) {
  const position = step.asked.indexOf(i);
  return position >= step.window[0] && position < step.window[1];
}

// The step whose beliefs about position i are the latest after `at` steps; -1 if there are none.
function lastMeasured(run, at, i) {
  for (let s = at - 1; s >= 0; s--) if (run.steps[s].row[i] >= 0) return s;
  return -1;
}

function pieceOf(run, id) {
  return id < 0 ? "" : run.pieces.get(id) ?? "";
}

// A token as a word for people: control tokens and half characters have no text to show.
function wordOf(run, id) {
  const text = pieceOf(run, id);
  if (text instanceof Uint8Array) return phrase("token.byte", { bytes: Array.from(text, (b) => b.toString(16).padStart(2, "0")).join(" ") });
  if (run.header.model.stop.includes(id)) return phrase("token.end");
  if (id === run.header.model.mask) return phrase("token.mask");
  return text === "" ? phrase("token.unnamed", { id }) : phrase("token.quoted", { text: text.replace(/\n/g, "↵") });
}

// The class of a confidence on the six-step ramp, which is even in its square root.
function grade(confidence) {
  return `c${Math.min(5, Math.floor(Math.sqrt(confidence) * 6))}`;
}

// The place in line, and how long the turns ahead should take if any was measured lately.
function waitingWords({ waiting, seconds }) {
  const whole = Math.max(1, Math.round(seconds));
  if (seconds === undefined) return phrase("player.waiting", { waiting });
  if (seconds >= 90) return phrase("player.waiting_minutes", { waiting, minutes: Math.round(seconds / 60) });
  return whole === 1 ? phrase("player.waiting_second", { waiting }) : phrase("player.waiting_seconds", { waiting, seconds: whole });
}

// The stream the page receives: an envelope line, then run-file lines, with notices about waiting in between.
function readEnvelope(value) {
  const end = value.indexOf("\n");
  return end < 0 ? null : { line: value.slice(0, end), record: JSON.parse(value.slice(0, end)), end: end + 1 };
}

// The whole lines of a growing value from `read` on, null if there are none.  They are copies: a slice would keep the
// value alive as it was then, and so every length it ever had.
function newLines(value, read) {
  const end = value.lastIndexOf("\n");
  return end < read ? null : UTF8.decode(new TextEncoder().encode(value.slice(read, end))).split("\n").filter(Boolean);
}

// ---------------------------------------------------------------------------------------------------------------------
// 2. On screen

// Plotly, loaded once for the whole page; null says that it is already there.
function loadPlotly(url) {
  window.unmaskPlotly ??= new Promise((ready) => {
    if (!url || window.Plotly) return ready(window.Plotly);
    const script = document.createElement("script");
    script.src = served(url);
    script.onload = () => ready(window.Plotly);
    document.head.append(script);
  });
  return window.unmaskPlotly;
}

// A stream that may be cut off: by a connection that is lost, or a page that is left.  Where nothing comes for long the page
// asks `alive` whether anybody is still there; lines that had come when it was left are there again when it is back, once.
// `awaits` says whether more should come, `kept` which lines to keep, if any; `lose`, `find` and `recover` are told.
function lifeline(root, alive, { name, awaits, kept, lose, find, recover }) {
  const place = `${CUT}-${name}`;
  let heard = 0, lost = false;

  async function listen() {
    if (!root.isConnected) return;
    if (awaits() && !lost && performance.now() - heard > SILENCE) await alive().catch(() => { lost = true; lose(); });
    setTimeout(listen, SILENCE);
  }

  function leave() {
    const lines = kept();
    try {
      if (lines) sessionStorage.setItem(place, lines.join("\n"));
      else sessionStorage.removeItem(place);
    } catch { /* a browser that keeps nothing still plays */ }
  }

  return {
    // a line came, so somebody is there after all
    hear() {
      heard = performance.now();
      if (!lost) return;
      lost = false;
      find();
    },
    begin() {
      if (!alive) return; // a page without a server
      let lines = null;
      try { lines = sessionStorage.getItem(place); sessionStorage.removeItem(place); } catch { /* nothing was kept */ }
      if (lines) recover(lines.split("\n"));
      addEventListener("pagehide", leave);
      listen();
    },
  };
}

const theme = () => (document.body.classList.contains("dark") ? "dark" : "light");

// A likely token with its probability as a bar and a number.
function alternative(word, probability, chosen) {
  const line = document.createElement("div"), name = document.createElement("bdi"), room = document.createElement("span");
  const bar = document.createElement("span"), number = document.createElement("span");
  line.className = `alternative${chosen ? " chosen" : ""}`;
  name.textContent = word;
  bar.className = "bar";
  bar.style.width = `${Math.max(1, probability * 100)}%`;
  number.textContent = probability.toFixed(2);
  room.append(bar);
  line.append(name, room, number);
  return line;
}

function text(tag, content, className) {
  const element = document.createElement(tag);
  element.textContent = content;
  if (className) element.className = className;
  return element;
}

const STEPS_A_SECOND = 10, DRAW_EVERY = 350, MASK_WIDTH = 36, DRAFT_LIMIT = 72;
const SILENCE = 3000, CUT = "unmask-cut"; // milliseconds without a line; where a run that is cut off outlives its page

// The text of a run in a container: one slot a position, drawn by what changed.
function tokenCanvas(container) {
  const ruler = document.createElement("canvas").getContext("2d"), ruled = new Map();
  let slots = [], widths = [], run = null, newest = { steps: -1 };
  // Complex and right-to-left script must stay one inline run to be shaped and ordered; everything else has a slot.
  const FLOWS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u0900-\u0dff\u200d]/;

  function lay(next) {
    run = next;
    newest = { steps: -1 };
    container.replaceChildren();
    slots = [];
    widths = [];
    ruler.font = getComputedStyle(container).font;
    room();
  }

  // A slot for every track, in the order of the text.
  function room() {
    if (slots.length === run.order.length) return;
    run.order.forEach((i, place) => {
      if (slots[i]) return;
      const element = document.createElement("span");
      element.className = "t";
      element.dataset.pos = i;
      container.insertBefore(element, container.children[place] || null);
      slots[i] = { element, shown: {} };
      widths[i] = 0;
    });
  }

  function widthOf(text) {
    if (!ruled.has(text)) ruled.set(text, Math.ceil(ruler.measureText(text).width) + 4);
    return ruled.get(text);
  }

  // What the newest step says of the slots: their last text, whether it is known, and who lies silent behind the end.
  function learn() {
    const steps = run.steps.length, mask = run.header.model.mask, { ids } = stateAfter(run, steps), end = firstStopAt(run, steps);
    const known = run.order.map((i) => ids[i] >= 0 && ids[i] !== mask), final = spell(run.order.map((i, place) => (known[place] ? pieceOf(run, ids[i]) : "")));
    const silent = run.order.map((i, place) => place >= end && present(run, steps, i) && tokenAt(run, steps, i, end).state === "tail");
    newest = { steps, known, final, silent };
  }

  // Draws the canvas after `at` steps and returns how many positions lie silent behind the end of text.  While the run
  // is `growing` slots only widen; once all is known each has the width of its last token, so playback never reflows.
  function draw(at, growing, lit) {
    const end = firstStopAt(run, at);
    room();
    if (newest.steps !== run.steps.length) learn();
    const views = run.order.map((i) => (present(run, at, i) ? tokenAt(run, at, i, end) : ABSENT));
    const texts = spell(views.map((view) => {
      const piece = pieceOf(run, view.shown);
      return view.state === "tail" ? "·" : view.state === "draft" && piece instanceof Uint8Array ? "◌" : piece;
    }));
    const wrote = new Set(at > 0 ? run.steps[at - 1].write.map(([i]) => i) : []);
    let tail = 0;
    run.order.forEach((i, place) => {
      const view = views[place], { state } = view, text = texts[place], known = newest.known[place];
      if (state === "tail") tail++;
      const own = state === "fixed", flow = FLOWS.test(text) || (own && !text);
      if (!growing && newest.silent[place]) widths[i] = 6;
      else if (known && !growing) widths[i] = widthOf(newest.final[place]);
      else widths[i] = Math.max(widths[i], known ? widthOf(newest.final[place]) : Math.max(MASK_WIDTH, Math.min(DRAFT_LIMIT, widthOf(text))));
      const shade = (state === "committed" || state === "revised") && !Number.isNaN(view.confidence) ? grade(view.confidence) : "";
      const width = flow || own ? "" : `${widths[i]}px`;
      // what is wider than its slot, a draft or a token that was rewritten since, is drawn smaller
      const fit = width && text ? widths[i] / widthOf(text) : 1;
      show(slots[i], {
        hidden: state === "absent", state, text: text.replace(/\n/g, "↵"), width, size: fit < 1 ? `${Math.max(0.1, fit)}em` : "",
        look: `t ${shade}${wrote.has(i) ? " now" : ""}${lit(i) ? " lit" : ""}${flow ? " flow" : ""}`,
        id: view.id, commit: view.commit < 0 ? "" : view.commit, sure: Number.isNaN(view.confidence) ? "" : view.confidence.toFixed(4),
      });
    });
    return tail;
  }

  const SET = {
    hidden: (element, value) => { element.hidden = value; },
    state: (element, value) => { element.dataset.state = value; },
    text: (element, value) => { element.textContent = value; },
    width: (element, value) => { element.style.width = value; },
    size: (element, value) => { element.style.fontSize = value; },
    look: (element, value) => { element.className = value; },
    id: (element, value) => { element.dataset.tokenId = value; },
    commit: (element, value) => { element.dataset.commitStep = value; },
    sure: (element, value) => { element.dataset.confidence = value; },
  };

  // Touches only what differs: from one step to the next most of most slots stays as it is.
  function show(slot, wanted) {
    for (const name in wanted) {
      if (slot.shown[name] === wanted[name]) continue;
      slot.shown[name] = wanted[name];
      SET[name](slot.element, wanted[name]);
    }
  }

  return { lay, draw };
}

function mountPlayer(host, options) {
  putWords(host);
  const root = host.querySelector(".player"), part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const config = options.config, figures = labelled(config.figures), still = matchMedia("(prefers-reduced-motion: reduce)");
  const canvas = tokenCanvas(part("tokens"));
  let run = emptyRun(), envelope = null, read = 0, mode = "recorded", following = false;
  let at = 0, clock = 0, playing = false, speed = 1, measure = "confidence", hovered = -1, selected = -1;
  let own = false; // whether the run is made for this page
  let dirty = true, plotDirty = true, plotAt = 0, plotCost = 0, drawing = false, sheet = null, spoken = 0, laid = false, pending = false;

  // the paints of the bars by theme: asking the document for them in every frame would cost a layout
  const paints = {};
  const paint = () => (paints[theme()] ??= ["r0", "r1", "r2", "r3", "r4", "r5", "line"].map((name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim()));

  // -- the run arrives --

  function ingest() {
    const value = typeof options.value() === "string" ? options.value() : "";
    const opened = value ? readEnvelope(value) : null;
    if (!opened) return;
    if (opened.line !== envelope) {
      envelope = opened.line;
      read = opened.end;
      if (opened.record.message) return say(told(opened.record.message), opened.record.player === "error" ? "error" : null);
      pending = true; // what is on screen stays, in its mode, until the first line of the new run
    }
    const lines = newLines(value, read);
    if (!lines) return;
    read = value.lastIndexOf("\n") + 1;
    for (const line of lines) take(line, opened.record);
    dirty = plotDirty = true;
  }

  function take(line, sent) {
    link.hear();
    if (line.startsWith('{"waiting"')) return say(waitingWords(JSON.parse(line)), null);
    if (pending) start(sent);
    addLine(run, line);
    if (!laid) {
      canvas.lay(run);
      laid = true;
    }
    if (run.lines.length === 1 && options.begun) document.dispatchEvent(new CustomEvent(options.begun, { detail: { run, live: mode === "live" } }));
    if (run.totals) {
      if (mode === "live") {
        mode = run.totals.end;
        keepRun(run).catch(() => {}); // a browser that keeps nothing still plays
      }
      if (run.totals.message) say(run.totals.message, null);
      following = false;
    }
  }

  // a run that is already in the page, such as a pane of a comparison
  function open(lines) {
    const awaited = pending; // a run of the visitor's own may still be in line
    start({ player: "recorded" });
    for (const line of lines) take(line, {});
    pending = awaited;
    dirty = plotDirty = true;
  }

  function start(sent) {
    run = emptyRun();
    pending = laid = false;
    at = clock = plotAt = plotCost = 0; // the figures of another run must not stay on screen
    hovered = selected = -1;
    mode = sent.player;
    own = mode === "live";
    following = false;
    playing = !(still.matches && mode === "recorded");
    say(told(sent.notice || ""), null);
    if (!playing) clock = Infinity;
  }

  // -- a run that is cut off --

  const unfinished = () => own && run.header !== null && !run.totals;
  const link = lifeline(root, options.alive, {
    name: host.id,
    awaits: () => unfinished() || pending,
    kept: () => (unfinished() ? run.lines : null),
    lose() {
      following = false;
      say(phrase("player.lost"), unfinished() ? "stopped" : null);
    },
    find: () => say("", unfinished() ? "live" : null),
    recover(lines) {
      start({ player: "stopped" });
      for (const line of lines) take(line, {});
      keepRun(run).catch(() => {});
      say(phrase("player.cut"), null);
      go(run.steps.length);
      plotDirty = true;
    },
  });

  function say(text, newMode) {
    const message = part("message");
    message.textContent = text;
    message.hidden = !text;
    if (newMode) { mode = newMode; dirty = true; }
  }

  // -- status, bars, inspector --

  function drawStatus() {
    const now = at > 0 ? run.steps[at - 1] : null;
    const { masks, tokens } = stateAfter(run, at);
    part("mode").textContent = modeWords();
    part("step").textContent = `${at} / ${total()}`;
    part("masks").textContent = masks;
    part("rate").textContent = now ? (tokens / now.forwards).toFixed(1) : "0";
    part("seconds").textContent = now ? now.seconds.toFixed(2) : "0.00";
    const policy = run.header.policy;
    part("source").textContent = [run.header.model.name, policy.name, policy.temperature === undefined ? "" : `T ${policy.temperature}`, phrase("player.seed", { seed: run.header.seed })].filter(Boolean).join(" · ");
    for (const target of [root, host]) Object.assign(target.dataset, { mode, playing: String(playing), step: String(at), steps: String(run.steps.length) });
    const scrubber = root.querySelector("[data-role=scrubber]");
    scrubber.max = total();
    scrubber.value = at;
    scrubber.setAttribute("aria-valuetext", phrase("player.scrubbed", { at, steps: run.steps.length, masks }));
    root.querySelector("[data-action=live]").disabled = at >= run.steps.length && (following || mode !== "live");
    const second = Math.floor(performance.now() / 1000);
    if (second !== spoken) { spoken = second; part("summary").textContent = phrase("player.summary", { mode: modeWords(), at, steps: run.steps.length, masks }); }
  }

  const modeWords = () => phrase(`player.modes.${mode}`);

  // how many steps the run has, or while it lasts, how many its policy means to take
  const total = () => Math.max(run.steps.length, mode === "live" ? run.header.policy.steps || 0 : 0);

  function drawBars() {
    const canvas = part("bars"), scale = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return; // not on screen
    if (canvas.width !== Math.round(width * scale)) { canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale); }
    const pen = canvas.getContext("2d"), steps = Math.max(1, total()), most = Math.max(1, ...run.steps.map((s) => s.write.length));
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const ramp = paint(), line = ramp[6];
    pen.fillStyle = line;
    pen.fillRect(0, height - 3, width, 1);
    run.steps.forEach((step, s) => {
      const x = (s / steps) * width, w = width / steps;
      const h = step.write.length ? 6 + (height - 14) * (step.write.length / most) : 0;
      pen.globalAlpha = s < at ? 1 : 0.32;
      pen.fillStyle = Number.isNaN(step.mean) ? line : ramp[Number(grade(step.mean)[1])];
      pen.fillRect(x + (w > 3 ? 0.75 : 0), height - 4 - h, Math.max(0.7, w - (w > 3 ? 1.5 : 0)), h);
    });
    pen.globalAlpha = 1;
  }

  function alternatives(step, i) {
    const k = step.row[i], size = run.header.top_k, list = [];
    for (let r = 0; r < size; r++) if (step.topIds[k * size + r] >= 0) list.push([step.topIds[k * size + r], step.topProbs[k * size + r]]);
    const chosen = step.predicted[k];
    if (chosen >= 0 && !list.some(([id]) => id === chosen)) list.push([chosen, step.confidence[k]]);
    return list.map(([id, p]) => {
      const line = alternative(wordOf(run, id), id === chosen ? step.confidence[k] : p, id === chosen);
      line.dataset.id = id;
      return line;
    });
  }

  // Draws the inspector anew, and leaves the focus where it was.
  function drawInspector() {
    const held = part("inspector").contains(document.activeElement) && document.activeElement.dataset.force;
    fillInspector();
    if (held) part("inspector").querySelector(`[data-force="${held}"]`)?.focus();
  }

  function fillInspector() {
    const box = part("inspector"), i = hovered >= 0 ? hovered : selected;
    if (i < 0 || i >= run.order.length) {
      box.replaceChildren(text("h2", phrase("inspector.title")), text("p", phrase("inspector.empty"), "empty"));
      return;
    }
    const head = text("h2", phrase("inspector.position", { position: run.rank[i] }));
    head.append(" ", text("small", phrase("inspector.after", { step: at })));
    const s = lastMeasured(run, at, i), nodes = [head];
    if (s >= 0) {
      if (s < at - 1) nodes.push(text("p", phrase("inspector.earlier", { step: s + 1 }), "empty"));
      nodes.push(...alternatives(run.steps[s], i).map((line) => (mayBranch(i) ? forcing(line, i, s) : line)));
    }
    const reasons = [why(run, at, i)];
    if (s >= 0 && s === at - 1) reasons.push(phrase("inspector.entropy", { value: run.steps[s].entropy[run.steps[s].row[i]].toFixed(2) }));
    nodes.push(text("p", reasons.join(" "), "why"));
    const rules = s >= 0 && s === at - 1 ? others(run, at) : [];
    if (rules.length && stateAfter(run, s).ids[i] === run.header.model.mask && inWindow(run.steps[s], i)) nodes.push(text("h3", phrase("inspector.others")), ...rules.map((other) => otherRule(other, i)));
    if (s >= 0) nodes.push(text("h3", phrase("inspector.confidence_so_far")), sparkline(i));
    box.replaceChildren(...nodes);
  }

  // Only where a page listens, and where the position may be written.
  const mayBranch = (i) => options.branch && run.header.model.mask !== null && !run.fixed[i];

  // An alternative as a button that continues the run from before step `s`, with this token in its place.
  function forcing(line, i, s) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `${line.className} force`;
    button.title = phrase("inspector.force");
    Object.assign(button.dataset, { force: line.dataset.id, track: i, step: s });
    button.append(...line.childNodes);
    return button;
  }

  function otherRule({ rule, writes }, i) {
    const line = text("div", "", `other${writes.has(i) ? " writes" : ""}`);
    line.append(text("span", rule), text("span", writes.has(i) ? phrase("inspector.would_write") : phrase("inspector.would_wait")), text("span", phrase("inspector.in_all", { count: writes.size })));
    return line;
  }

  function sparkline(i) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), total = Math.max(2, run.steps.length);
    svg.setAttribute("viewBox", "0 0 280 64");
    svg.setAttribute("preserveAspectRatio", "none");
    let path = "", pen = false;
    for (let s = 0; s < at; s++) {
      const k = run.steps[s].row[i] ?? -1;
      if (k < 0) { pen = false; continue; }
      path += `${pen ? "L" : "M"}${((s / (total - 1)) * 278 + 1).toFixed(1)} ${(60 - run.steps[s].confidence[k] * 56).toFixed(1)}`;
      if (!pen) path += "h.1";
      pen = true;
    }
    for (const [d, stroke] of [["M0 60H280", "var(--line)"], [path || "M0 0", "var(--accent)"]]) {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      for (const [name, value] of Object.entries({ d, stroke, fill: "none", "stroke-width": 2, "vector-effect": "non-scaling-stroke", "stroke-linecap": "round" })) line.setAttribute(name, value);
      svg.append(line);
    }
    return svg;
  }

  // -- Plotly: the figures of figures.py, filled with this run --

  function drawPlots(now) {
    if (!sheet || !plotDirty || drawing || !run.header || !part("heatmap").clientWidth) return;
    if (now - plotAt < Math.max(mode === "live" ? DRAW_EVERY : 60, plotCost * 10)) return;
    plotDirty = false;
    drawing = true;
    const began = performance.now(), steps = Math.max(total(), 1), length = run.order.length;
    const figure = structuredClone(figures[theme()][measure]), heat = heatmapData(run, measure), [down, across] = heat.merged;
    figure.data.forEach((trace) => {
      Object.assign(trace, { z: trace.name === "written" && measure === "commit" ? [] : heat[trace.name], x0: (across + 1) / 2, dx: across, y0: (down - 1) / 2, dy: down });
      if (trace.name !== "written" && measure === "commit") trace.zmax = Math.max(1, steps - 1);
    });
    for (const [{ title }, count] of [[figure.layout.xaxis, across], [figure.layout.yaxis, down]]) if (count > 1) title.text = phrase("figures.merged", { title: title.text, count });
    figure.layout.xaxis.range = [0.5, steps + 0.5];
    figure.layout.yaxis.range = [length - 0.5, heat.opening - 0.5];
    figure.layout.xaxis.dtick = steps <= 10 ? 1 : null; // as figures.py does
    figure.layout.yaxis.dtick = length - heat.opening <= 10 ? 1 : null;
    const progress = structuredClone(figures[theme()].progress);
    progress.data[0].y = run.steps.map((step, s) => step.write.length / Math.max(1, step.forwards - (s ? run.steps[s - 1].forwards : 0)));
    progress.data[1].y = run.steps.map((step) => step.masks);
    progress.layout.xaxis.range = figure.layout.xaxis.range;
    progress.layout.xaxis.dtick = figure.layout.xaxis.dtick;
    const settings = { displayModeBar: false, responsive: false };
    figure.layout.datarevision = progress.layout.datarevision = `${envelope} ${run.steps.length} ${measure}`;
    Promise.all([
      sheet.react(part("heatmap"), figure.data, figure.layout, settings),
      sheet.react(part("progress"), progress.data, progress.layout, settings),
    ]).then(() => {
      drawing = false;
      Object.assign(part("heatmap").dataset, { steps: heat.shape[1], merged: heat.merged.join(" ") });
      part("merged").textContent = down * across > 1 ? phrase("heatmap.merged", { down, across }) : "";
      plotAt = performance.now();
      plotCost = plotAt - began;
      part("scale").textContent = phrase(`heatmap.scale_${measure}`, { most: config.maxEntropy });
      drawPlayhead();
    });
  }

  function axes() {
    const layout = part("heatmap")._fullLayout;
    return layout && layout.xaxis && run.header ? { x: layout.xaxis, y: layout.yaxis } : null;
  }

  function drawPlayhead() {
    const axis = axes(), line = part("playhead"), band = part("row"), i = hovered >= 0 ? hovered : selected;
    line.hidden = !axis || at === 0;
    band.hidden = !axis || i < 0;
    if (!axis) return;
    Object.assign(line.style, { left: `${axis.x._offset + Math.min(axis.x._length, axis.x.l2p(at + 0.5)) - 1}px`, top: `${axis.y._offset}px`, height: `${axis.y._length}px` });
    if (i < 0) return;
    const top = axis.y.l2p(run.rank[i] - 0.5), bottom = axis.y.l2p(run.rank[i] + 0.5);
    Object.assign(band.style, { left: `${axis.x._offset}px`, width: `${axis.x._length}px`, top: `${axis.y._offset + Math.min(top, bottom)}px`, height: `${Math.max(2, Math.abs(bottom - top))}px` });
  }

  function cellUnder(event) {
    const axis = axes();
    if (!axis) return null;
    const box = part("heatmap").getBoundingClientRect();
    const s = Math.round(axis.x.p2l(event.clientX - box.left - axis.x._offset)) - 1, place = Math.round(axis.y.p2l(event.clientY - box.top - axis.y._offset));
    return s < 0 || s >= run.steps.length || place < 0 || place >= run.order.length ? null : { s, i: run.order[place] };
  }

  function drawTip(cell, event) {
    const tip = part("tip");
    tip.hidden = !cell;
    if (!cell) return;
    const { s, i } = cell, step = run.steps[s], k = step.row[i] ?? -1, after = step.ids[i] ?? -1, nodes = [];
    const shown = k >= 0 ? step.predicted[k] : after;
    nodes.push(text("b", wordOf(run, shown)), text("div", phrase("heatmap.cell", { position: run.rank[i], step: s + 1 })));
    if (k >= 0) nodes.push(text("div", phrase("heatmap.measured", { confidence: step.confidence[k].toFixed(3), entropy: step.entropy[k].toFixed(2) })), ...alternatives(step, i));
    else nodes.push(text("div", unasked(step, i, after)));
    tip.replaceChildren(...nodes);
    const frame = tip.parentElement.getBoundingClientRect(), x = event.clientX - frame.left, y = event.clientY - frame.top;
    tip.style.left = `${x + 250 > frame.width ? Math.max(0, x - 246) : x + 16}px`;
    tip.style.top = `${Math.max(0, Math.min(y + 12, frame.height - tip.offsetHeight - 4))}px`;
  }

  // Why a cell has no belief to show.
  function unasked(step, i, after) {
    if (run.fixed[i]) return phrase("heatmap.fixed");
    if (after < 0) return phrase("heatmap.absent");
    if (step.commit[i] < 0) return phrase("heatmap.unmeasured");
    const written = { step: step.commit[i] + 1, confidence: step.sure[i].toFixed(3) };
    return Number.isNaN(step.sure[i]) ? phrase("heatmap.written", written) : phrase("heatmap.written_sure", written);
  }

  // -- controls --

  function go(step, keepPlaying) {
    at = Math.max(0, Math.min(run.steps.length, step));
    clock = at;
    if (!keepPlaying) { playing = false; following = false; }
    dirty = true;
  }

  function play() {
    if (at >= run.steps.length && mode !== "live") go(0, true);
    playing = true;
    clock = at;
    dirty = true;
  }

  const actions = {
    play, pause: () => { playing = following = false; dirty = true; },
    "step-back": () => go(at - 1), "step-forward": () => go(at + 1), restart: () => go(0, playing),
    live: () => { go(run.steps.length, true); following = playing = mode === "live"; dirty = true; },
    resume: () => branch({ run, at }), edit: () => branch({ run, at, edit: true }),
    ...mountKeep(root, options, () => ({ run, sheet, speed })),
  };

  function branch(detail) {
    document.dispatchEvent(new CustomEvent(options.branch, { detail }));
  }

  function focus(i) {
    if (i === hovered) return;
    hovered = i;
    dirty = true;
  }

  function choose(i) {
    selected = selected === i ? -1 : i;
    dirty = true;
  }

  // From one position to the next, beginning with the first that is not fixed; Tab then leads to its likeliest tokens.
  part("tokens").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || !run.header || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const here = run.order.filter((i) => present(run, at, i)), place = here.indexOf(selected);
    selected = here[place < 0 ? Math.max(0, here.findIndex((i) => !run.fixed[i])) : Math.max(0, Math.min(here.length - 1, place + by))];
    hovered = -1;
    dirty = true;
    spoken = Math.floor(performance.now() / 1000);
    part("summary").textContent = phrase("player.chosen", { position: run.rank[selected], word: wordOf(run, tokenAt(run, at, selected, firstStopAt(run, at)).shown) });
  });

  // while a run plays the inspector is drawn anew between press and release, so the press counts
  let pressed = null;
  root.addEventListener("pointerdown", (event) => { pressed = event.target.closest("[data-force]"); });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button"), token = event.target.closest("[data-pos]");
    const force = event.target.closest("[data-force]") || (part("inspector").contains(event.target) && pressed);
    if (force) return branch({ run, at: Number(force.dataset.step), forced: { track: Number(force.dataset.track), id: Number(force.dataset.force) } });
    if (token) return choose(Number(token.dataset.pos));
    if (!button || !run.header) return;
    if (button.dataset.action) actions[button.dataset.action]();
    if (button.dataset.measure) {
      measure = button.dataset.measure;
      for (const other of root.querySelectorAll("[data-measure]")) other.setAttribute("aria-pressed", String(other === button));
      plotDirty = true;
    }
  });
  root.addEventListener("pointerover", (event) => {
    const token = event.target.closest("[data-pos]");
    if (token) focus(Number(token.dataset.pos));
  });
  part("tokens").addEventListener("pointerleave", () => focus(-1));
  part("heatmap").addEventListener("pointermove", (event) => {
    const cell = cellUnder(event);
    focus(cell ? cell.i : -1);
    drawTip(cell, event);
  });
  part("heatmap").addEventListener("pointerleave", () => { focus(-1); drawTip(null); });
  part("heatmap").addEventListener("click", (event) => {
    const cell = cellUnder(event);
    if (!cell) return;
    go(cell.s + 1);
    selected = cell.i;
  });
  root.querySelector("[data-role=scrubber]").addEventListener("input", (event) => go(Number(event.target.value)));
  root.querySelector("[data-role=speed]").addEventListener("change", (event) => { speed = Number(event.target.value); });
  root.addEventListener("keydown", (event) => {
    if (/^(SELECT|INPUT)$/.test(event.target.tagName) && event.key !== " ") return;
    if (/^(BUTTON|SUMMARY)$/.test(event.target.tagName) && (event.key === " " || event.key === "Enter")) return;
    const key = { " ": () => (playing ? actions.pause() : play()), ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1), Home: () => go(0), End: () => go(run.steps.length), l: actions.live, L: actions.live }[event.key];
    if (!key || !run.header || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    key();
  });
  new MutationObserver(() => { dirty = plotDirty = true; }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  new ResizeObserver(() => {
    if (sheet && axes()) Promise.all(["heatmap", "progress"].map((name) => sheet.Plots.resize(part(name)))).then(drawPlayhead);
    dirty = true;
  }).observe(root);

  // -- the clock --

  let last = performance.now();
  function tick(now) {
    if (!root.isConnected) return;
    const passed = Math.max(0, Math.min(0.25, (now - last) / 1000)); // the first frame may be stamped before its request
    last = now;
    if (run.header) {
      if (following) clock = run.steps.length;
      else if (playing) clock = Math.min(run.steps.length, clock + passed * speed * STEPS_A_SECOND);
      else clock = Math.min(clock, run.steps.length);
      if (playing && clock >= run.steps.length && run.totals) { playing = following = false; dirty = true; }
      const shown = playing || clock !== at ? Math.floor(clock) : at;
      if (shown !== at) { at = shown; dirty = true; }
      if (dirty) {
        dirty = false;
        const tail = canvas.draw(at, mode === "live", (i) => i === hovered || i === selected);
        part("tail").textContent = tail ? (tail === 1 ? phrase("player.tail_one") : phrase("player.tail", { count: tail })) : "";
        drawStatus();
        drawBars();
        drawInspector();
        drawPlayhead();
      }
      drawPlots(now);
    }
    requestAnimationFrame(tick);
  }

  for (const button of root.querySelectorAll("[data-branch]")) button.hidden = !options.branch;
  if (options.shown) document.addEventListener(options.shown, ({ detail }) => { if (root.isConnected) Object.assign(detail, { run, at, live: mode === "live" && !run.totals }); });
  options.watch(ingest);
  if (options.opened) document.addEventListener(options.opened, (event) => open(event.detail));
  ingest();
  link.begin();
  loadPlotly(config.plotly).then((found) => { sheet = found; plotDirty = true; });
  requestAnimationFrame(tick);
}

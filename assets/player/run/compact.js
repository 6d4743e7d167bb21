// A run small enough for a link: a run file in which nothing was measured but the confidence of the tokens it wrote.  Why
// a position opened is left out, as its rank among all others would be; whoever opens it reads that it was not recorded.

import { bytesOf, parseLine, typeOf } from "./decode.js";
import { readRun } from "./reader.js";
import { stateAfter } from "./state.js";

const RUN_MARK = "#run=";
const MOST_LETTERS = 10_000; // of a link that is still pasted in one piece

/** @param {Uint8Array} bytes */
const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

/**
 * What is put behind a link to let a run play there before any model is loaded; nothing where the run is too large, or its
 * header has whole numbers that a JavaScript number would round.
 *
 * @param {Run} run
 * @param {(text: string) => Promise<Uint8Array>} gzip
 * @returns {Promise<string>}
 */
export async function runFragment(run, gzip) {
  if (/\d{16}/.test(run.lines[0])) return "";
  const packed = await gzip(`${compactLines(run).join("\n")}\n`);
  const letters = base64(packed).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  return letters.length > MOST_LETTERS ? "" : RUN_MARK + letters;
}

/**
 * The run behind a link; null where there is none.  An Error of one phrase says what is wrong with it.
 *
 * @param {string} fragment
 * @returns {Run | null}
 */
export function linkedRun(fragment) {
  if (!fragment.startsWith(RUN_MARK)) return null;
  const letters = fragment.slice(RUN_MARK.length).replace(/-/g, "+").replace(/_/g, "/");
  return readRun(/^[A-Za-z0-9+/]*$/.test(letters) && letters.length % 4 !== 1 ? bytesOf(letters) : new Uint8Array());
}

/**
 * The run as lines of a run file.
 *
 * @param {Run} run
 * @returns {string[]}
 */
export function compactLines(run) {
  /** @type {Record<string, PieceRecord>} */
  const texts = {};
  const known = new Set();
  const lines = run.lines.map((line) => parseLine(line));
  for (const { pieces } of lines) Object.assign(texts, pieces);
  /** @type {(ids: number[]) => Record<string, PieceRecord>} */
  const pieces = (ids) => {
    const fresh = ids.filter((id) => !known.has(id) && texts[id] !== undefined);
    for (const id of fresh) known.add(id);
    return Object.fromEntries(fresh.map((id) => [id, texts[id]]));
  };
  return lines.map((record, n) => {
    if (n === 0) return JSON.stringify({ ...bare(record), pieces: pieces(record.canvas) });
    if (typeOf(record) !== "step") return JSON.stringify(record);
    const { ranked, score, others, info, ...rest } = record;
    /** @type {Pair[]} */
    const write = record.write || [];
    const beliefs = about(
      run,
      n - 1,
      write.map(([position]) => position),
    );
    return JSON.stringify({ ...rest, ...beliefs.packed, pieces: pieces(beliefs.ids) });
  });
}

/**
 * The header without what the link's reader is not shown.
 *
 * @type {(header: any) => any}
 */
const bare = ({ versions, reasons, others, ...header }) => ({ ...header, top_k: 1, reasons: [] });

/**
 * What step `n` believed at some positions of the canvas before it, packed as docs/run-file.md has it; and the ids there.
 *
 * @param {Run} run
 * @param {number} n
 * @param {number[]} positions
 */
function about(run, n, positions) {
  const step = run.steps[n];
  const { place } = stateAfter(run, n);
  const { model } = run.header;
  const asked = positions.filter((position) => step.row[place[position]] >= 0).sort((a, b) => a - b);
  const rows = asked.map((position) => step.row[place[position]]);
  const bits = new Uint8Array(Math.ceil(place.length / 8));
  for (const position of asked) bits[position >> 3] |= 1 << (position & 7);
  const Id = model.vocab_size >= 65535 ? Uint32Array : Uint16Array;
  /** @type {(confidence: number) => number} */
  const code = (confidence) => (Number.isNaN(confidence) ? -1 : Math.round(confidence * 65534));
  const predicted = rows.map((row) => step.predicted[row]);
  const nothing = rows.map(() => -1);
  const columns = [
    Id.from(predicted),
    Uint16Array.from(rows.map((row) => code(step.confidence[row]))),
    Uint16Array.from(nothing),
    Id.from(nothing),
    Uint8Array.from(nothing),
    Uint8Array.from(nothing),
  ];
  const bytes = Uint8Array.from(columns.flatMap((column) => [...new Uint8Array(column.buffer)]));
  const written = step.write.map(([, id]) => id);
  return {
    ids: [...new Set([...written, ...predicted])],
    packed: { measured: base64(bits), beliefs: base64(bytes) },
  };
}

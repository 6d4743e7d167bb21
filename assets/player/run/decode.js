// A line of a run file as data: beliefs, the text of tokens, whole numbers that a JavaScript number would round.

export const MISSING_BYTE = 255;
const MISSING_16 = 65535;
const MISSING_32 = 4294967295;

/**
 * @param {string} base64
 */
export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/**
 * The beliefs of a step as typed arrays over its measured positions, and the row of each track in them, -1 for none;
 * the layout is in docs/run-file.md.
 *
 * @param {Header} header
 * @param {StepRecord} record
 * @param {number[]} place
 * @param {number} tracks
 * @returns {Beliefs}
 */
export function unpack(header, record, place, tracks) {
  const length = place.length;
  const k = header.top_k;
  const wide = header.model.vocab_size >= MISSING_16;
  const bits = bytesOf(record.measured);
  const row = new Int32Array(tracks).fill(-1);
  let n = 0;
  for (let i = 0; i < length; i++) if ((bits[i >> 3] >> (i & 7)) & 1) row[place[i]] = n++;
  const data = bytesOf(record.beliefs).buffer;
  let at = 0;
  /** @type {(Kind: any, count: number) => any} */
  const take = (Kind, count) => {
    const size = count * Kind.BYTES_PER_ELEMENT;
    const part = new Kind(data.slice(at, at + size));
    at += size;
    return part;
  };
  const Id = wide ? Uint32Array : Uint16Array;
  const none = wide ? MISSING_32 : MISSING_16;
  /** @type {(codes: ArrayLike<number>) => Int32Array} */
  const ids = (codes) => Int32Array.from(codes, (code) => (code === none ? -1 : code));
  /** @type {(codes: ArrayLike<number>, scale: number, missing: number) => Float64Array} */
  const scaled = (codes, scale, missing) => Float64Array.from(codes, (code) => (code === missing ? NaN : code / scale));
  const predicted = ids(take(Id, n));
  const confidence = scaled(take(Uint16Array, n), 65534, MISSING_16);
  const entropy = scaled(take(Uint16Array, n), 1000, MISSING_16);
  const topIds = ids(take(Id, n * k));
  const topProbs = Float32Array.from(scaled(take(Uint8Array, n * k), 254, MISSING_BYTE), (root) => root * root);
  // schema 1 recorded no reasons
  const reason = header.unmask > 1 ? take(Uint8Array, n) : new Uint8Array(n).fill(MISSING_BYTE);
  const [ranking, least, most] = record.score || [""];
  const ranked = bytesOf(record.ranked || "");
  let score = new Float64Array(n).fill(NaN);
  if (most !== undefined)
    score = Float64Array.from(take(Uint16Array, n), (code) =>
      code === MISSING_16 ? NaN : least + (code / 65534) * (most - least),
    );
  else if (ranking)
    for (let i = 0; i < length; i++)
      if ((ranked[i >> 3] >> (i & 7)) & 1)
        score[row[place[i]]] = ranking === "confidence" ? confidence[row[place[i]]] : -entropy[row[place[i]]];
  return { row, measured: n, predicted, confidence, entropy, topIds, topProbs, reason, ranking, score, packed: at };
}

/**
 * The text of tokens by id; bytes where a token is only part of a character.
 *
 * @param {Run["pieces"]} pieces
 * @param {Record<string, PieceRecord>} texts
 */
export function readPieces(pieces, texts) {
  for (const [id, text] of Object.entries(texts)) {
    pieces.set(Number(id), textOrBytes(text));
  }
}

/**
 * @param {PieceRecord} text
 * @returns {string | Uint8Array}
 */
export const textOrBytes = (text) =>
  typeof text === "string" ? text : Uint8Array.from(text.hex.match(/[0-9a-f]{2}/gi) || [], (h) => parseInt(h, 16));

// A line as an object.  Whole numbers that a JavaScript number would round, such as a seed of 63 bits, are texts of
// their digits, so that they leave the page as they came.
export const TEXTS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/**
 * @param {string} token
 */
export const isRounded = (token) => /^-?[1-9]\d{15,}$/.test(token) && !Number.isSafeInteger(Number(token));

/**
 * @param {string} line
 * @returns {any}
 */
export function parseLine(line) {
  if (!/\d{16}/.test(line)) return JSON.parse(line);
  return JSON.parse(line.replace(TEXTS_AND_NUMBERS, (token) => (isRounded(token) ? `"${token}"` : token)));
}

/**
 * The type of a line, which docs/run-file.md lists.  Lines of run files had none at first: what such a line contains
 * says which it is.
 *
 * @param {any} record
 * @returns {string}
 */
export function typeOf(record) {
  if (Object.hasOwn(record, "type")) return record.type;
  if (Object.hasOwn(record, "unmask")) return "run";
  return Object.hasOwn(record, "end") ? "end" : "step";
}

// gzip.  The browser's DecompressionStream knows one member, refuses what follows it, and drops what came before a file
// breaks off, so members are inflated here (RFC 1951 and 1952).

import { LIMITS } from "../settings.js";
import { phrase } from "../words.js";

const BROKEN_OFF = Symbol(); // thrown where the data ends in the middle of a member
const LENGTHS = [
  [3, 0],
  [4, 0],
  [5, 0],
  [6, 0],
  [7, 0],
  [8, 0],
  [9, 0],
  [10, 0],
  [11, 1],
  [13, 1],
  [15, 1],
  [17, 1],
  [19, 2],
  [23, 2],
  [27, 2],
  [31, 2],
  [35, 3],
  [43, 3],
  [51, 3],
  [59, 3],
  [67, 4],
  [83, 4],
  [99, 4],
  [115, 4],
  [131, 5],
  [163, 5],
  [195, 5],
  [227, 5],
  [258, 0],
];
const DISTANCES = Array.from({ length: 30 }, (_, n) =>
  n < 4 ? [n + 1, 0] : [1 + (2 + (n & 1)) * 2 ** ((n >> 1) - 1), (n >> 1) - 1],
);
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

export const tooLarge = () => new Error(phrase("runs.too_large", { most: LIMITS.bytes / 2 ** 20 }));

/**
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {number} to
 */
function crc32(bytes, from, to) {
  let crc = -1;
  for (let at = from; at < to; at++) crc = (crc >>> 8) ^ CRC[(crc ^ bytes[at]) & 255];
  return ~crc >>> 0;
}

/**
 * A Huffman code by the lengths of its symbols' codes, as a table from the next bits to 16 times a symbol plus its
 * length.
 *
 * @param {number[] | Uint8Array} lengths
 * @param {boolean} [mayBeIncomplete]
 */
function huffman(lengths, mayBeIncomplete) {
  const count = new Uint16Array(17);
  const next = new Uint16Array(17);
  for (const size of lengths) if (size) count[size]++;
  let room = 1;
  let most = 0;
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
    let code = next[size]++;
    let first = 0;
    for (let bit = 0; bit < size; bit++, code >>= 1) first = (first << 1) | (code & 1);
    for (let at = first; at < table.length; at += 1 << size) table[at] = (symbol << 4) | size;
  }
  return { table, most };
}

export class Inflater {
  /**
   * @param {Uint8Array} bytes
   */
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

  /**
   * @param {number} count
   */
  word(count) {
    let value = 0;
    for (let n = 0; n < count; n++) value += this.byte() * 2 ** (8 * n);
    return value;
  }

  member() {
    const begin = this.at;
    const from = this.size;
    this.at += 2;
    const method = this.byte();
    const flags = this.byte();
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
    if (this.word(4) !== crc32(this.out, from, this.size) || this.word(4) !== (this.size - from) % 2 ** 32)
      throw this.damaged();
  }

  /**
   * @param {number} count
   */
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

  /**
   * @param {{ table: Uint16Array, most: number }} code
   */
  symbol({ table, most }) {
    while (this.held < most && this.at < this.bytes.length) {
      this.hold |= this.bytes[this.at++] << this.held;
      this.held += 8;
    }
    const entry = table[this.hold & (table.length - 1)];
    const size = entry & 15;
    if (this.held < (size || most)) throw BROKEN_OFF;
    if (!size) throw this.damaged();
    this.hold >>>= size;
    this.held -= size;
    return entry >> 4;
  }

  /**
   * @param {number} more
   */
  room(more) {
    if (this.size + more > LIMITS.bytes) throw tooLarge();
    if (this.size + more <= this.out.length) return;
    const wider = new Uint8Array(Math.min(LIMITS.bytes, 2 * this.out.length));
    wider.set(this.out);
    this.out = wider;
  }

  /**
   * One block of a member whose text begins at `from`; returns whether it was the last.
   *
   * @param {number} from
   */
  block(from) {
    const last = this.bits(1);
    const kind = this.bits(2);
    if (kind === 0) this.stored();
    else if (kind === 1)
      this.coded(
        from,
        huffman(Array.from({ length: 288 }, (_, n) => (n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8))),
        huffman(new Array(32).fill(5)),
      );
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

  /**
   * The two codes of a block, themselves coded.
   *
   * @returns {[{ table: Uint16Array, most: number }, { table: Uint16Array, most: number }]}
   */
  codes() {
    const literals = this.bits(5) + 257;
    const distances = this.bits(5) + 1;
    const sizes = new Uint8Array(19);
    const lengths = [];
    const count = this.bits(4) + 4;
    if (literals > 286 || distances > 30) throw this.damaged();
    for (const at of CODE_ORDER.slice(0, count)) sizes[at] = this.bits(3);
    const code = huffman(sizes);
    while (lengths.length < literals + distances) {
      const symbol = this.symbol(code);
      if (symbol < 16) {
        lengths.push(symbol);
        continue;
      }
      if (symbol === 16 && !lengths.length) throw this.damaged();
      /** @type {number} */
      const again = symbol === 16 ? lengths[lengths.length - 1] : 0;
      const times = symbol === 16 ? 3 + this.bits(2) : symbol === 17 ? 3 + this.bits(3) : 11 + this.bits(7);
      for (let n = 0; n < times; n++) lengths.push(again);
    }
    if (lengths.length > literals + distances || !lengths[256]) throw this.damaged();
    return [huffman(lengths.slice(0, literals), true), huffman(lengths.slice(literals), true)];
  }

  /**
   * @param {number} from
   * @param {{ table: Uint16Array, most: number }} literals
   * @param {{ table: Uint16Array, most: number }} distances
   */
  coded(from, literals, distances) {
    for (;;) {
      const symbol = this.symbol(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.room(1);
        this.out[this.size++] = symbol;
        continue;
      }
      const [length, more] = LENGTHS[symbol - 257] || [];
      const count = length + this.bits(more || 0);
      if (!length) throw this.damaged();
      const [near, further] = DISTANCES[this.symbol(distances)] || [];
      const back = near + this.bits(further || 0);
      if (!near || back > this.size - from) throw this.damaged();
      this.room(count);
      for (let n = 0; n < count; n++, this.size++) this.out[this.size] = this.out[this.size - back];
    }
  }
}

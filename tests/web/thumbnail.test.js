import assert from "node:assert/strict";
import { test } from "node:test";
import { readThumbnail } from "../../assets/player/run/thumbnail.js";

test("a thumbnail's characters are grades of what was measured, what was held, and what was written", () => {
  const { measured, held, written, shape } = readThumbnail(["azk*F", "....."]);
  const rounded = ([...values]) => values.map((value) => Math.round(value * 100) / 100);
  assert.deepEqual(rounded(measured[0]), [0, 1, 0.16, NaN, NaN]);
  assert.deepEqual(rounded(held[0]), [NaN, NaN, NaN, NaN, 0.04]);
  assert.deepEqual([...written[0]], [NaN, NaN, NaN, 1, NaN]);
  assert.deepEqual([...measured[1], ...held[1], ...written[1]], Array(15).fill(NaN));
  assert.deepEqual(shape, [2, 5]);
});

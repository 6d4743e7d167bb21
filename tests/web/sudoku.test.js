import assert from "node:assert/strict";
import { test } from "node:test";
import { contradictions } from "../../assets/player/run/sudoku.js";

const board = (digits) => Array.from({ length: 81 }, (_, cell) => digits[cell] || 0);

test("a digit contradicts another one in its row, its column or its box", () => {
  for (const other of [8, 72, 20]) assert.deepEqual([...contradictions(board({ 0: 5, [other]: 5 }))], [0, other]);
});

test("other digits, empty cells and cells elsewhere contradict nothing", () => {
  assert.equal(contradictions(board({ 0: 5, 8: 4, 30: 5 })).size, 0);
  assert.equal(contradictions(board({})).size, 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { differing, EDITS, typedWords } from "../../assets/player/run/cells.js";

const CELLS = [
  { token: "a", locked: false },
  { token: "B", locked: true },
  { token: "_", locked: false },
  { token: "d", locked: false },
];

for (const [edit, chosen, value, after] of [
  ["lock", [0, 2], undefined, "a* B* _ d"],
  ["unlock", [1, 2], undefined, "a B _ d"],
  ["blank", [0, 1], undefined, "_ B* _ d"],
  ["replace", [0, 1, 3], ["x", "y"], "x y B* _"],
  ["replace", [1], ["x"], "a B* _ d"],
  ["insert", [0, 1], 2, "a B* _ _ _ d"],
]) {
  test(`an edit changes what is selected and never what is locked: ${edit} ${chosen}`, () => {
    const cells = EDITS[edit](CELLS, new Set(chosen), "_", value);
    assert.equal(cells.map(({ token, locked }) => token + (locked ? "*" : "")).join(" "), after);
  });
}

test("words that differ are those outside the longest common subsequence", () => {
  const only = differing(["the", "dog", "ran", "home"], ["the", "cat", "ran"]);
  assert.deepEqual(
    only.map((side) => [...side]),
    [[1, 3], [1]],
  );
});

test("typed words keep the space before them, but for the first and for punctuation", () => {
  assert.deepEqual(typedWords("  two words ", false), ["two", " words"]);
  assert.deepEqual(typedWords("two words", true), [" two", " words"]);
  assert.deepEqual(typedWords(", then", true), [",", " then"]);
  assert.deepEqual(typedWords("   ", true), []);
});

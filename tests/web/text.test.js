import assert from "node:assert/strict";
import { test } from "node:test";
import { joinTokenTexts, tokenText, wordOf } from "../../assets/player/run/text.js";

const bytes = (...values) => Uint8Array.from(values);
const family = [...new TextEncoder().encode("👩‍👧")];

for (const [pieces, shown] of [
  [
    ["a", " b"],
    ["a", " b"],
  ],
  [
    ["x", bytes(0xc3), bytes(0xa9), "y"],
    ["x", "é", "", "y"],
  ],
  [
    [bytes(0xe4, 0xbd), bytes(0xa0), bytes(0xe5), bytes(0xa5, 0xbd)],
    ["你", "", "好", ""],
  ],
  [
    [bytes(0xf0, 0x9f), "a"],
    ["◌◌", "a"],
  ],
  [[bytes(0x80)], ["◌"]],
  [
    [bytes(...family.slice(0, 5)), bytes(...family.slice(5))],
    ["👩‍👧", ""],
  ],
]) {
  test(`parts of characters are joined in the slot of their first byte: ${JSON.stringify(shown)}`, () => {
    assert.deepEqual(joinTokenTexts(pieces), shown);
  });
}

test("a token has a name for people even where it has no text to show", () => {
  const pieces = new Map([
    [1, " a\n"],
    [2, bytes(0xf0, 0x9f)],
    [3, ""],
  ]);
  const names = { pieces, header: { model: { mask: 8, stop: [9] } } };
  assert.equal(wordOf(names, 1), "“ a↵”");
  assert.match(wordOf(names, 2), /f0 9f/);
  assert.match(wordOf(names, 3), /3/);
  assert.notEqual(wordOf(names, 8), wordOf(names, 9));
  assert.equal(tokenText(names, -1), "");
});

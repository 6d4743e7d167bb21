import assert from "node:assert/strict";
import { test } from "node:test";
import { fileStem, linkQuery, replayOf } from "../../assets/player/run/export.js";

const run = (changes = {}, pieces = {}) => ({
  header: header(changes),
  pieces: new Map(Object.entries(pieces).map(([id, text]) => [Number(id), text])),
});
const header = (changes = {}) => ({
  prompt: "a & b",
  canvas: [1, 9, 9, 9],
  fixed: [[0, 1]],
  windows: [[1, 4]],
  policy: { name: "llada", steps: 3, remasking: null },
  seed: "9223372036854775807",
  model: { name: "bundled", revision: null, mask: 9 },
  ...changes,
});

test("a link repeats a run that settings describe", () => {
  const query = Object.fromEntries(new URLSearchParams(linkQuery(run())));
  const expected = { prompt: "a & b", policy: "llada", steps: "3", length: "3", model: "bundled", run: "1" };
  assert.deepEqual(query, { ...expected, seed: "9223372036854775807" });
});

test("a link names the blocks, and what was said before", () => {
  const conversation = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Hi" },
  ];
  const query = new URLSearchParams(
    linkQuery(
      run({
        windows: [
          [1, 3],
          [3, 4],
        ],
        conversation,
      }),
    ),
  );
  assert.equal(query.get("block_length"), "2");
  assert.equal(query.get("system"), "Be brief.");
  assert.deepEqual(JSON.parse(query.get("conversation")), conversation.slice(1));
});

test("a run whose seed nobody knows, or of another sampler, has no link, and a name all the same", () => {
  assert.equal(linkQuery(run({ seed: null })), null);
  assert.equal(linkQuery(run({ sampler: "generate" })), null);
  assert.equal(fileStem(header({ seed: null })), "unmask-llada-seed");
});

test("a canvas that was edited has no link", () => {
  assert.equal(linkQuery(run({ canvas: [1, 9, 5, 9] })), null);
  assert.equal(
    linkQuery(
      run({
        fixed: [
          [0, 1],
          [2, 3],
        ],
      }),
    ),
    null,
  );
});

test("a name of a file holds a policy and a seed and nothing else", () => {
  assert.equal(fileStem(header()), "unmask-llada-seed9223372036854775807");
  assert.equal(fileStem({ policy: { name: "../../e v/il" }, seed: "5; rm" }), "unmask-evil-seed5");
});

test("text of a run cannot end the script it stands in", () => {
  const shell = '<p></p><script type="application/json" id="run">""</script><b></b>';
  const page = replayOf(shell, ['{"prompt": "</script><img>"}']).join("");
  assert.equal(page.match(/<\/script>/g).length, 1);
  const value = page.slice(page.indexOf('id="run">') + 9, page.indexOf("</script>"));
  assert.equal(JSON.parse(value), '{"type":"recorded","id":0}\n{"prompt": "</script><img>"}\n');
});

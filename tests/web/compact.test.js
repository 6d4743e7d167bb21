import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { linkedRun, runFragment } from "../../assets/player/run/compact.js";
import { readRun } from "../../assets/player/run/reader.js";

const recorded = (name) => readRun(readFileSync(new URL(`../../assets/runs/${name}.run.jsonl.gz`, import.meta.url)));
const fragmentOf = (run) => runFragment(run, promisify(gzip));

for (const name of ["opening", "order", "bursts", "infilling"])
  test(`the run ${name} comes out of a link as it was written, and with the confidence of every word`, async () => {
    const whole = recorded(name);
    const run = linkedRun(await fragmentOf(whole));
    assert.equal(run.steps.length, whole.steps.length);
    assert.deepEqual(run.totals, whole.totals);
    run.steps.forEach((step, n) => {
      for (const part of ["ids", "commit", "sure", "again", "place"])
        assert.deepEqual(step[part], whole.steps[n][part]);
      assert.equal(step.measured, new Set(step.write.map(([i]) => i)).size);
      assert(step.reason.every((code) => code === 255));
      for (const [, id] of step.write) assert.deepEqual(run.pieces.get(id), whole.pieces.get(id));
    });
  });

test("a run that is too large for a link, or has a seed that would be rounded, is left out", async () => {
  const run = recorded("opening");
  const rounded = run.lines[0].replace(/"seed":\d+/, '"seed":9223372036854775807');
  assert.equal(await fragmentOf({ ...run, lines: [rounded, ...run.lines.slice(1)] }), "");
  const noise = () => Promise.resolve(new Uint8Array(20_000));
  assert.equal(await runFragment(run, noise), "");
});

test("a link without a run has none, and one that is damaged is refused", async () => {
  assert.equal(linkedRun("#learn/order"), null);
  assert.equal(linkedRun(""), null);
  const fragment = await fragmentOf(recorded("order"));
  for (const wrong of ["#run=", "#run=%3Cb%3E", "#run=aaaaa", `#run=${fragment.slice(25)}`])
    assert.throws(() => linkedRun(wrong), Error);
});

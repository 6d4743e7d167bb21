import assert from "node:assert/strict";
import { test } from "node:test";
import { nearStop } from "../../assets/player/run/stop.js";

test("a gap that has to rise is as near as its share of what is needed, and never nearer than there", () => {
  assert.deepEqual(nearStop({ gap: 2.5, exit: 5 }), { measure: "gap", value: 2.5, limit: 5, near: 0.5 });
  assert.equal(nearStop({ gap: 7, exit: 5 }).near, 1);
  assert.equal(nearStop({ gap: -1, exit: 5 }).near, 0);
});

test("an entropy that has to fall is near as it comes down to its limit", () => {
  assert.equal(nearStop({ mean_entropy: 0.4, confidence_threshold: 0.1 }).near, 0.25);
  assert.equal(nearStop({ mean_entropy: 0, confidence_threshold: 0.1 }).near, 1);
  assert.equal(nearStop({ mean_entropy: 0, confidence_threshold: 0 }).near, 1);
  assert.equal(nearStop({ mean_entropy: 1, confidence_threshold: 0 }).near, 0);
});

test("a step of a policy that stops nowhere early has no distance", () => {
  assert.equal(nearStop({}), null);
  assert.equal(nearStop({ gap: 2.5 }), null);
});

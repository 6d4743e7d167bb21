import assert from "node:assert/strict";
import { test } from "node:test";
import { follow, publish, shared } from "../../assets/player/store.js";

test("who follows a value is called with every new one, and with no other", () => {
  const seen = [];
  follow("at", { isConnected: true }, (at) => seen.push(at));
  publish({ at: 3 });
  publish({ live: true });
  publish({ at: 4, live: false });
  assert.deepEqual(seen, [3, 4]);
  assert.equal(shared.at, 4);
});

test("all values are there before anybody is called", () => {
  const seen = [];
  follow("run", { isConnected: true }, () => seen.push(shared.at));
  publish({ run: {}, at: 7 });
  assert.deepEqual(seen, [7]);
});

test("what has left the page follows no more", () => {
  const root = { isConnected: true };
  let calls = 0;
  follow("kept", root, () => calls++);
  publish({ kept: 1 });
  root.isConnected = false;
  publish({ kept: 2 });
  root.isConnected = true;
  publish({ kept: 3 });
  assert.equal(calls, 1);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { movePin, readPins, sideBySide, withPins, writePins } from "../../assets/player/run/pins.js";

test("pins are read in the order of their positions and written as they are read", () => {
  const pins = readPins(" 30:rain 5:a:b  7::  rain 5 :x ");
  assert.deepEqual(
    pins.map(({ position, word }) => [position, word]),
    [
      [5, "a:b"],
      [7, ":"],
      [30, "rain"],
    ],
  );
  assert.equal(writePins(pins), "5:a:b 7:: 30:rain");
  assert.deepEqual(readPins(""), []);
});

test("a word without a position goes to the middle of the widest gap, one with it from there on", () => {
  assert.equal(writePins(withPins([], "dragon", 96)), "48:dragon");
  assert.equal(writePins(withPins(readPins("10:a 90:b"), "c", 96)), "10:a 50:c 90:b");
  assert.equal(writePins(withPins(readPins("10:a"), "10:b 400:c", 96)), "10:a 11:b 95:c");
  assert.equal(writePins(withPins(readPins("10:a"), "b", 96, 20)), "10:a 20:b");
  assert.equal(writePins(withPins(readPins("0:a 1:b"), "c", 2)), "0:a 1:b", "there is no room");
});

test("a pin moves on over its neighbours, and never off the text", () => {
  const pins = readPins("4:a 5:b 6:c");
  assert.equal(writePins(movePin(pins, pins[0], 5, 8)), "5:b 6:c 7:a");
  assert.equal(writePins(movePin(pins, pins[2], 5, 8)), "3:c 4:a 5:b");
  assert.equal(writePins(movePin(pins, pins[0], -3, 8)), "0:a 5:b 6:c");
  assert.equal(writePins(movePin(pins, pins[1], 99, 8)), "4:a 6:c 7:b");
  const full = readPins("0:a 1:b");
  assert.equal(writePins(movePin(full, full[0], 1, 2)), "0:a 1:b");
});

test("boxes stand at their places as far as none covers another", () => {
  assert.deepEqual(sideBySide([10, 50], [10, 10], 100), [5, 45]);
  assert.deepEqual(sideBySide([2, 4, 98], [10, 10, 10], 100), [0, 10, 90]);
  assert.deepEqual(sideBySide([96, 98], [10, 10], 100), [80, 90]);
  assert.deepEqual(sideBySide([10, 20, 30], [60, 60, 60], 100), [0, 60, 120], "what does not fit goes on to the right");
});

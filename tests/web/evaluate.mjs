// Evaluates what comes in, a line of JSON each: { source, argument }.  Answers { value } or { error }.
import { createInterface } from "node:readline";
import * as cells from "../../assets/player/run/cells.js";
import * as decode from "../../assets/player/run/decode.js";
import * as heatmap from "../../assets/player/run/heatmap.js";
import * as reader from "../../assets/player/run/reader.js";
import * as state from "../../assets/player/run/state.js";
import * as text from "../../assets/player/run/text.js";
import * as why from "../../assets/player/run/why.js";

Object.assign(globalThis, cells, decode, heatmap, reader, state, text, why);

async function answer({ source, argument }) {
  const found = new Function(`return (${source});`)();
  return typeof found === "function" ? found(argument) : found;
}

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await answer(JSON.parse(line)).then(
    (value) => ({ value }),
    (error) => ({ error: String(error.stack || error) }),
  );
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

// This browser's runs: the newest ones, gzipped, in IndexedDB.  They never leave the machine.

import { publish, shared } from "../store.js";

export const RUNS_KEPT = 24;

export async function gzip(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// One transaction on the runs; `work` gets the object store and returns a request, or nothing.
function inStore(mode, work) {
  return new Promise((done, fail) => {
    const opening = indexedDB.open("unmask", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("runs", { keyPath: "id", autoIncrement: true });
    opening.onerror = () => fail(opening.error);
    opening.onsuccess = () => {
      const base = opening.result;
      const change = base.transaction("runs", mode);
      const request = work(change.objectStore("runs"));
      change.oncomplete = () => {
        base.close();
        done(request && request.result);
      };
      change.onerror = change.onabort = () => {
        base.close();
        fail(change.error);
      };
    };
  });
}

export const keptRuns = async () => (await inStore("readonly", (runs) => runs.getAll())).reverse();

async function changeRuns(work) {
  await inStore("readwrite", work);
  publish({ kept: shared.kept + 1 });
}

export const forgetRun = (id) => changeRuns((runs) => runs.delete(id));
export const forgetRuns = () => changeRuns((runs) => runs.clear());

// Keeps a run, and lets go of the oldest beyond the cap.
export async function keepRun(run) {
  const bytes = await gzip(run.lines.join("\n") + "\n");
  const { policy, seed, prompt } = run.header;
  const entry = {
    when: Date.now(),
    policy: String(policy.name),
    seed: seed ?? "–",
    prompt: prompt.slice(0, 200),
    numbers: numbersOf(run),
    bytes,
  };
  await changeRuns((runs) => {
    runs.add(entry);
    const keys = runs.getAllKeys();
    keys.onsuccess = () => {
      for (const id of keys.result.slice(0, -RUNS_KEPT)) runs.delete(id);
    };
  });
}

function numbersOf(run) {
  const last = run.steps[run.steps.length - 1];
  const writes = run.steps.map((step) => step.write.length);
  return {
    forwards: last ? last.forwards : 0,
    tokens_per_forward: last ? writes.reduce((a, b) => a + b, 0) / last.forwards : 0,
    writes,
  };
}

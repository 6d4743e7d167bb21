// What can be made of a run without a page: names of files, the page that replays it, the link that repeats it.
// File names hold a policy and a seed, never text of a visitor or a model.

import { tokenText } from "./text.js";

/**
 * @param {Header} header
 */
export function fileStem(header) {
  return `unmask-${String(header.policy.name)
    .replace(/[^a-z0-9_]/gi, "")
    .slice(0, 40)}-seed${String(header.seed).replace(/\D/g, "")}`;
}

/**
 * A page that replays the run, as the parts of a file; the text goes in as JSON with every "<" spelled out.
 *
 * @param {string} shell
 * @param {string[]} lines
 * @returns {string[]}
 */
export function replayOf(shell, lines) {
  const opening = '<script type="application/json" id="run">';
  const at = shell.indexOf(opening) + opening.length;
  const value = ['{"type":"recorded","id":0}', ...lines, ""].join("\n");
  return [
    shell.slice(0, at),
    JSON.stringify(value).replace(/</g, "\\u003c"),
    shell.slice(shell.indexOf("</script>", at)),
  ];
}

/**
 * Words that are fixed after a prompt of `head` positions, as the page's settings name them: "5:upon 9:rain"; null where
 * what is fixed there does not begin as a word does.
 *
 * @param {Pick<Run, "header" | "pieces">} run
 * @param {number} head
 * @returns {string | null}
 */
function pinsOf(run, head) {
  /** @type {string[]} */
  const pins = [];
  for (const [lo, hi] of run.header.fixed.filter(([lo]) => lo >= head)) {
    for (let i = lo; i < hi; i++) {
      const piece = tokenText(run, run.header.canvas[i]);
      if (typeof piece !== "string" || (i === lo && !piece.startsWith(" "))) return null;
      if (piece.startsWith(" ")) pins.push(`${i - head}:${piece.trim()}`);
      else pins[pins.length - 1] += piece;
    }
  }
  return pins.every((pin) => /^\d+:\S+$/.test(pin)) ? pins.join(" ") : null;
}

/**
 * The query that repeats a run in the page; null where settings cannot tell what the canvas was, or the run is
 * another program's.
 *
 * @param {Pick<Run, "header" | "pieces">} run
 * @returns {string | null}
 */
export function linkQuery(run) {
  const { prompt, canvas, fixed, windows, policy, seed, model, cache, conversation = [] } = run.header;
  const head = fixed.length && fixed[0][0] === 0 ? fixed[0][1] : 0;
  const isFixed = (/** @type {number} */ i) => fixed.some(([lo, hi]) => lo <= i && i < hi);
  const pins = pinsOf(run, head);
  if (run.header.sampler || seed === null || pins === null || !canvas.every((id, i) => isFixed(i) || id === model.mask))
    return null;
  const { name, ...params } = policy;
  /** @type {Record<string, any>} */
  const settings = { prompt, policy: name, ...params, length: canvas.length - head, seed };
  if (pins) settings.pins = pins;
  if (windows.length > 1) settings.block_length = windows[0][1] - windows[0][0];
  const system = conversation.find(({ role }) => role === "system");
  const turns = conversation.filter((message) => message !== system);
  if (system) settings.system = system.content;
  if (turns.length) settings.conversation = JSON.stringify(turns);
  if (cache) settings.cache = cache.kind;
  Object.assign(settings, { model: model.name, revision: model.revision, run: 1 });
  const given = Object.entries(settings).filter(([, value]) => value !== null && typeof value !== "object");
  return new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
}

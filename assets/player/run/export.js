// What can be made of a run without a page: names of files, the page that replays it, the link that repeats it.
// File names hold a policy and a seed, never text of a visitor or a model.

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
 * The query that repeats a run in the page; null where settings cannot tell what the canvas was.
 *
 * @param {Header} header
 * @returns {string | null}
 */
export function linkQuery(header) {
  const { prompt, canvas, fixed, windows, policy, seed, model, cache, conversation = [] } = header;
  const mask = model.mask;
  const head = fixed.length ? fixed[0][1] : 0;
  const plain =
    fixed.length < 2 && (!fixed.length || fixed[0][0] === 0) && canvas.slice(head).every((id) => id === mask);
  if (!plain) return null;
  const { name, ...params } = policy;
  /** @type {Record<string, any>} */
  const settings = { prompt, policy: name, ...params, length: canvas.length - head, seed };
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

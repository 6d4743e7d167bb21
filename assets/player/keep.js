// What can be kept of a run: its file, a page that replays it, pictures, a film, and a link that repeats it.  All is made
// in the page.  File names hold a policy and a seed, never text of a visitor or a model.
"use strict";

function fileStem(header) {
  return `unmask-${String(header.policy.name).replace(/[^a-z0-9_]/gi, "").slice(0, 40)}-seed${String(header.seed).replace(/\D/g, "")}`;
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// The present document without the run it was opened with: what `replay.shell` is in Python.
function shellOf(page) {
  const copy = page.documentElement.cloneNode(true);
  for (const part of copy.querySelectorAll("[data-only]")) part.remove();
  copy.querySelector("#run").textContent = '""';
  return `<!doctype html>\n${copy.outerHTML}`;
}

// A page that replays the run, as the parts of a file; the text goes in as JSON with every "<" spelled out.
function replayOf(shell, lines) {
  const opening = '<script type="application/json" id="run">', at = shell.indexOf(opening) + opening.length;
  const value = ['{"player": "recorded", "id": 0}', ...lines, ""].join("\n");
  return [shell.slice(0, at), JSON.stringify(value).replace(/</g, "\\u003c"), shell.slice(shell.indexOf("<\/script>", at))];
}

// The query that repeats a run in the page; null where settings cannot tell what the canvas was.
function linkQuery(header) {
  const { prompt, canvas, fixed, windows, policy, seed, model, cache, conversation = [] } = header, mask = model.mask, head = fixed.length ? fixed[0][1] : 0;
  const plain = fixed.length < 2 && (!fixed.length || fixed[0][0] === 0) && canvas.slice(head).every((id) => id === mask);
  if (!plain) return null;
  const { name, ...params } = policy, settings = { prompt, policy: name, ...params, length: canvas.length - head, seed };
  if (windows.length > 1) settings.block_length = windows[0][1] - windows[0][0];
  const system = conversation.find(({ role }) => role === "system"), turns = conversation.filter((message) => message !== system);
  if (system) settings.system = system.content;
  if (turns.length) settings.conversation = JSON.stringify(turns);
  if (cache) settings.cache = cache.kind;
  Object.assign(settings, { model: model.name, revision: model.revision, run: 1 });
  const told = Object.entries(settings).filter(([, value]) => value !== null && typeof value !== "object");
  return new URLSearchParams(told.map(([key, value]) => [key, String(value)])).toString();
}

// The menu in the player.  `now()` is { run, sheet, speed }; returns the actions of its buttons.
function mountKeep(root, options, now) {
  const part = (name) => root.querySelector(`[data-slot="${name}"]`), menu = root.querySelector("[data-role=keep]");
  let filming = false, stopped = false;
  for (const [action, offered] of [["save-page", options.shell], ["copy-link", options.link], ["save-film", filmKind()]]) menu.querySelector(`[data-action=${action}]`).hidden = !offered;

  function tell(text, share) {
    part("keeping").hidden = !text;
    part("kept").textContent = text;
    part("share").hidden = root.querySelector("[data-action=stop-film]").hidden = share === undefined;
    if (share !== undefined) part("share").value = share;
  }

  // Does one thing at a time and says how it went.
  const job = (failed, work) => async () => {
    menu.open = false;
    menu.querySelector("summary").focus();
    try {
      tell((await work(now())) || "");
    } catch (error) {
      tell(phrase(failed, { reason: error.message }));
    }
  };

  const image = (format) => job("keep.picture_failed", async ({ run, sheet }) => {
    const plot = root.querySelector("#heatmap"), { width, height } = plot.getBoundingClientRect();
    const url = await sheet.toImage(plot, { format, width, height, scale: format === "png" ? 2 : 1 });
    const data = format === "svg" ? decodeURIComponent(url.slice(url.indexOf(",") + 1)) : bytesOf(url.slice(url.indexOf(",") + 1));
    download(new Blob([data], { type: url.slice(5, url.indexOf(format === "svg" ? "," : ";")) }), `${fileStem(run.header)}-heatmap.${format}`);
  });

  addEventListener("pointerdown", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  return {
    save: job("keep.file_failed", async ({ run }) => download(new Blob([await gzip(run.lines.join("\n") + "\n")]), `${fileStem(run.header)}.run.jsonl.gz`)),
    "save-page": job("keep.page_failed", async ({ run }) => {
      tell(phrase("keep.making_page"));
      download(new Blob(replayOf(await options.shell(), run.lines), { type: "text/html" }), `${fileStem(run.header)}.html`);
    }),
    "save-png": image("png"), "save-svg": image("svg"),
    "save-film": job("keep.film_failed", async ({ run, speed }) => {
      if (filming) return phrase("keep.filming");
      filming = true;
      stopped = false;
      try {
        const film = await recordFilm(run, root.parentElement, { rate: STEPS_A_SECOND * speed, stopped: () => stopped, progress: (share) => tell(phrase("keep.recording"), share) });
        if (film) download(film, `${fileStem(run.header)}.${film.type.split("/")[1]}`);
      } finally {
        filming = false;
      }
    }),
    "stop-film": () => { stopped = true; },
    "copy-link": job("keep.link_failed", async ({ run }) => {
      const query = linkQuery(run.header);
      if (query === null) return phrase("keep.no_link");
      await navigator.clipboard.writeText(`${options.link()}?${query}`);
      return phrase("keep.copied");
    }),
  };
}

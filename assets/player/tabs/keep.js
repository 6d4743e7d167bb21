// What can be kept of a run: its file, a page that replays it, pictures, a film, and a link that repeats it.  All is made
// in the page.  File names hold a policy and a seed, never text of a visitor or a model.

import { gzip } from "../page/kept.js";
import { bytesOf } from "../run/decode.js";
import { fileStem, linkQuery, replayOf } from "../run/export.js";
import { filmKind, recordFilm } from "../view/film.js";
import { phrase } from "../words.js";

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// The present document without the run it was opened with: what `replay.shell` is in Python.
export function shellOf(page) {
  const copy = page.documentElement.cloneNode(true);
  for (const part of copy.querySelectorAll("[data-only]")) part.remove();
  copy.querySelector("#run").textContent = '""';
  return `<!doctype html>\n${copy.outerHTML}`;
}

// The menu in the player.  `now()` is { run, sheet, rate }; returns the actions of its buttons.
export function mountKeep(root, options, now) {
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const menu = root.querySelector("[data-role=keep]");
  let filming = false;
  let stopped = false;
  for (const [action, offered] of [
    ["save-page", options.shell],
    ["copy-link", options.link],
    ["save-film", filmKind()],
  ])
    menu.querySelector(`[data-action=${action}]`).hidden = !offered;

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

  const image = (format) =>
    job("keep.picture_failed", async ({ run, sheet }) => {
      const plot = root.querySelector("#heatmap");
      const { width, height } = plot.getBoundingClientRect();
      const url = await sheet.toImage(plot, { format, width, height, scale: format === "png" ? 2 : 1 });
      const data =
        format === "svg"
          ? decodeURIComponent(url.slice(url.indexOf(",") + 1))
          : bytesOf(url.slice(url.indexOf(",") + 1));
      download(
        new Blob([data], { type: url.slice(5, url.indexOf(format === "svg" ? "," : ";")) }),
        `${fileStem(run.header)}-heatmap.${format}`,
      );
    });

  addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  return {
    save: job("keep.file_failed", async ({ run }) =>
      download(new Blob([await gzip(run.lines.join("\n") + "\n")]), `${fileStem(run.header)}.run.jsonl.gz`),
    ),
    "save-page": job("keep.page_failed", async ({ run }) => {
      tell(phrase("keep.making_page"));
      download(
        new Blob(replayOf(await options.shell(), run.lines), { type: "text/html" }),
        `${fileStem(run.header)}.html`,
      );
    }),
    "save-png": image("png"),
    "save-svg": image("svg"),
    "save-film": job("keep.film_failed", async ({ run, rate }) => {
      if (filming) return phrase("keep.filming");
      filming = true;
      stopped = false;
      try {
        const film = await recordFilm(run, root.parentElement, {
          rate,
          stopped: () => stopped,
          progress: (share) => tell(phrase("keep.recording"), share),
        });
        if (film) download(film, `${fileStem(run.header)}.${film.type.split("/")[1]}`);
      } finally {
        filming = false;
      }
    }),
    "stop-film": () => {
      stopped = true;
    },
    "copy-link": job("keep.link_failed", async ({ run }) => {
      const query = linkQuery(run.header);
      if (query === null) return phrase("keep.no_link");
      await navigator.clipboard.writeText(`${options.link()}?${query}`);
      return phrase("keep.copied");
    }),
  };
}

// What can be kept of a run: its file, a page that replays it, pictures, a film, and a link that repeats it.  All of it
// is made in the page.

import { gzip } from "../page/kept.js";
import { runFragment } from "../run/compact.js";
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

// The present document without the run it was opened with: what `export.shell` is in Python.
export function shellOf(page) {
  const copy = page.documentElement.cloneNode(true);
  for (const part of copy.querySelectorAll("[data-only]")) part.remove();
  copy.querySelector("#run").textContent = '""';
  return `<!doctype html>\n${copy.outerHTML}`;
}

// The menu in the player.  `now()` is { run, plots, rate }.
export class KeepMenu {
  constructor(root, options, now) {
    this.root = root;
    this.options = options;
    this.now = now;
    this.menu = this.root.querySelector("[data-role=keep]");
    this.filming = false;
    this.stopped = false;
    for (const [action, offered] of [
      ["save-page", this.options.shell],
      ["copy-link", this.options.link],
      ["save-film", filmKind()],
      ["save-svg", this.options.plotly || window.Plotly],
    ])
      this.menu.querySelector(`[data-action=${action}]`).hidden = !offered;

    addEventListener("pointerdown", (event) => {
      if (!this.menu.contains(event.target)) this.menu.open = false;
    });
    this.menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.menu.open = false;
      this.menu.querySelector("summary").focus();
    });
  }

  part(name) {
    return this.root.querySelector(`[data-slot="${name}"]`);
  }

  tell(text, share = undefined) {
    this.part("keeping").hidden = !text;
    this.part("kept").textContent = text;
    this.part("share").hidden = this.root.querySelector("[data-action=stop-film]").hidden = share === undefined;
    if (share !== undefined) this.part("share").value = share;
  }

  // Does one thing at a time and says how it went.
  job(failed, work) {
    return async () => {
      this.menu.open = false;
      this.menu.querySelector("summary").focus();
      try {
        this.tell((await work(this.now())) || "");
      } catch (error) {
        this.tell(phrase(failed, { reason: error.message }));
      }
    };
  }

  image(format) {
    return this.job("keep.picture_failed", async ({ run, plots }) => {
      download(await plots.picture(format), `${fileStem(run.header)}-heatmap.${format}`);
    });
  }

  film() {
    return this.job("keep.film_failed", async ({ run, rate }) => {
      if (this.filming) return phrase("keep.filming");
      this.filming = true;
      this.stopped = false;
      try {
        const film = await recordFilm(run, this.root.parentElement, {
          rate,
          stopped: () => this.stopped,
          progress: (share) => this.tell(phrase("keep.recording"), share),
        });
        if (film) download(film, `${fileStem(run.header)}.${film.type.split("/")[1]}`);
      } finally {
        this.filming = false;
      }
    });
  }

  // What the buttons of the menu do.
  actions() {
    return {
      save: this.job("keep.file_failed", async ({ run }) =>
        download(new Blob([await gzip(run.lines.join("\n") + "\n")]), `${fileStem(run.header)}.run.jsonl.gz`),
      ),
      "save-page": this.job("keep.page_failed", async ({ run }) => {
        this.tell(phrase("keep.making_page"));
        const parts = replayOf(await this.options.shell(), run.lines);
        download(new Blob(parts, { type: "text/html" }), `${fileStem(run.header)}.html`);
      }),
      "save-png": this.image("png"),
      "save-svg": this.image("svg"),
      "save-film": this.film(),
      "stop-film": () => {
        this.stopped = true;
      },
      "copy-link": this.job("keep.link_failed", async ({ run }) => {
        const query = linkQuery(run);
        if (query === null) return phrase("keep.no_link");
        await navigator.clipboard.writeText(`${this.options.link()}?${query}${await runFragment(run, gzip)}`);
        return phrase("keep.copied");
      }),
    };
  }
}

// The Runs tab: recorded runs that teach one thing each, files by drop, and this browser's own runs.  A card is
// { name, numbers } with numbers computed from the run.

import { forgetRun, forgetRuns, keepRun, keptRuns, RUNS_KEPT } from "../page/kept.js";
import { putWords } from "../page/language.js";
import { tooLarge } from "../run/gzip.js";
import { readRun } from "../run/reader.js";
import { LIMITS } from "../settings.js";
import { follow } from "../store.js";
import { currentLanguage, phrase } from "../words.js";

const COMPARED = 4;

class Gallery {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = host.querySelector(".runs");
    this.file = this.root.querySelector("[data-role=file]");
    this.chosen = new Map(); // key of a card: how to get its bytes

    this.drawCards();
    this.actions = {
      pick: () => this.file.click(),
      forget: () => {
        this.chosen.clear();
        forgetRuns();
      },
      compare: async () => {
        this.showMessage("");
        try {
          const runs = await Promise.all(Array.from(this.chosen.values(), async (bytes) => readRun(await bytes())));
          this.options.compare(runs.map((run) => run.lines.join("\n") + "\n"));
        } catch (error) {
          this.showMessage(phrase("runs.not_compared", { reason: error.message }));
        }
      },
    };
    this.listen();
    this.drawKept();
    if (options.first && options.cards.length) this.open(() => options.bytes(options.cards[0]), options.first);
  }

  drawCards() {
    for (const card of this.options.cards) {
      const box = this.element("article", "card");
      const foot = this.element("div", "foot");
      const bytes = () => this.options.bytes(card);
      foot.append(this.element("span", "numbers", this.counted(card.numbers)), this.chooser(card.name, bytes));
      box.append(
        this.opener(phrase(`runs.recorded.${card.name}.title`), bytes),
        this.element("p", "", phrase(`runs.recorded.${card.name}.about`)),
        this.bars(card.numbers.writes),
        foot,
      );
      this.part("gallery").append(box);
    }
  }

  listen() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (button) this.actions[button.dataset.action]();
    });
    this.file.addEventListener("change", () => {
      this.addFiles(this.file.files);
    });
    this.root.addEventListener("dragover", this.over(true));
    this.root.addEventListener("dragleave", this.over(false));
    this.root.addEventListener("drop", (event) => {
      this.over(false)(event);
      this.addFiles(event.dataTransfer.files);
    });
    follow("kept", this.root, () => this.drawKept());
  }

  part(name) {
    return this.root.querySelector(`[data-slot="${name}"]`);
  }

  element(tag, className, content) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (content) made.textContent = content;
    return made;
  }

  showMessage(text) {
    this.part("message").textContent = text;
    this.part("message").hidden = !text;
  }

  counted({ forwards, tokens_per_forward, writes, kendall_tau, revisions, pseudo_likelihood }) {
    const parts = [
      phrase("runs.forwards", { forwards }),
      phrase("runs.rate", { rate: tokens_per_forward.toFixed(1), most: Math.max(0, ...writes) }),
    ];
    if (typeof kendall_tau === "number") parts.push(phrase("runs.order", { tau: kendall_tau.toFixed(2) }));
    if (revisions) parts.push(phrase("runs.revisions", { revisions }));
    if (typeof pseudo_likelihood === "number")
      parts.push(phrase("runs.pseudo_likelihood", { probability: pseudo_likelihood.toFixed(2) }));
    return parts.join(" · ");
  }

  // tokens written by each step
  bars(writes) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    const most = Math.max(1, ...writes);
    const width = 300 / Math.max(1, writes.length);
    const gap = Math.min(1.5, width * 0.2);
    const box = (n, i) => {
      const height = ((44 * n) / most).toFixed(2);
      return `M${(i * width).toFixed(2)} 46v-${height}h${(width - gap).toFixed(2)}v${height}z`;
    };
    svg.setAttribute("viewBox", "0 0 300 46");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", phrase("runs.bars", { steps: writes.length, most }));
    path.setAttribute("d", writes.map(box).join(""));
    path.setAttribute("fill", "var(--r4)");
    svg.append(path);
    return svg;
  }

  chooser(key, bytes) {
    const label = this.element("label", "choose", phrase("runs.choose"));
    const box = this.element("input");
    box.type = "checkbox";
    box.checked = this.chosen.has(key);
    box.addEventListener("change", () => {
      if (box.checked) this.chosen.set(key, bytes);
      else this.chosen.delete(key);
      this.drawCompare();
    });
    label.prepend(box);
    label.hidden = !this.options.compare;
    return label;
  }

  drawCompare() {
    const button = this.root.querySelector("[data-action=compare]");
    button.hidden = !this.options.compare;
    button.disabled = this.chosen.size < 2 || this.chosen.size > COMPARED;
    button.textContent =
      this.chosen.size > COMPARED
        ? phrase("runs.compare_most", { most: COMPARED })
        : this.chosen.size
          ? phrase("runs.compare_count", { count: this.chosen.size })
          : phrase("runs.compare");
  }

  opener(title, bytes) {
    const button = this.element("button", "title", title);
    button.type = "button";
    button.addEventListener("click", () => this.open(bytes, this.options.promote));
    return button;
  }

  async open(bytes, hand) {
    this.showMessage("");
    try {
      const run = readRun(await bytes());
      hand(run.lines);
      return run;
    } catch (error) {
      this.showMessage(phrase("runs.not_opened", { reason: error.message }));
    }
  }

  async drawKept() {
    const runs = await keptRuns().catch(() => null);
    const rows = (runs || []).map((kept) => {
      const row = this.element("li");
      const remove = this.element("button", "", phrase("runs.delete"));
      const bytes = async () => kept.bytes;
      remove.type = "button";
      remove.addEventListener("click", () => {
        this.chosen.delete(kept.id);
        forgetRun(kept.id);
      });
      const title = this.opener(kept.prompt ? phrase("runs.title_prompt", kept) : phrase("runs.title", kept), bytes);
      row.append(
        title,
        this.element(
          "span",
          "numbers",
          `${this.counted(kept.numbers)} · ${new Date(kept.when).toLocaleString(currentLanguage())}`,
        ),
        this.chooser(kept.id, bytes),
        remove,
      );
      return row;
    });
    if (!rows.length) rows.push(this.element("li", "empty", runs ? phrase("runs.empty") : phrase("runs.no_store")));
    this.part("kept").replaceChildren(...rows);
    this.part("count").textContent = runs && runs.length ? phrase("runs.kept_count", { count: RUNS_KEPT }) : "";
    this.root.querySelector("[data-action=forget]").hidden = !(runs && runs.length);
    this.drawCompare();
  }

  async addFiles(files) {
    const some = Array.from(files).slice(0, COMPARED);
    const only = some.length === 1;
    for (const one of some) {
      const bytes = async () => {
        if (one.size > LIMITS.bytes) throw tooLarge();
        return new Uint8Array(await one.arrayBuffer());
      };
      const run = await this.open(bytes, only ? this.options.promote : () => {});
      if (!run) return;
      await keepRun(run).catch(() => {});
    }
  }

  over(yes) {
    return (event) => {
      event.preventDefault();
      this.root.classList.toggle("over", yes);
    };
  }
}

export function mountRuns(host, options) {
  putWords(host);
  new Gallery(host, options);
}

// The Runs tab: recorded runs that teach one thing each, files by drop, and this browser's own runs.  A card is
// { name, numbers } with numbers computed from the run.

import { forgetRun, forgetRuns, keepRun, keptRuns, RUNS_KEPT } from "../page/kept.js";
import { putWords } from "../page/language.js";
import { tooLarge } from "../run/gzip.js";
import { heatmapData } from "../run/heatmap.js";
import { readRun } from "../run/reader.js";
import { LIMITS } from "../settings.js";
import { follow } from "../store.js";
import { drawHeatmap } from "../view/sketch.js";
import { currentLanguage, phrase } from "../words.js";

const COMPARED = 4;
const EXCERPT = 110; // characters

class Gallery {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = host.querySelector(".runs");
    this.file = this.root.querySelector("[data-role=file]");
    this.chosen = new Map(); // key of a card: how to get its bytes

    this.cards = options.cards.map((card) => this.card(card));
    this.part("gallery").append(...this.cards.map(({ box }) => box));
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

  card({ name, numbers, ...rest }) {
    const box = this.element("article", "card");
    const foot = this.element("div", "foot");
    const picture = this.element("canvas");
    const excerpt = this.element("p", "excerpt");
    const bytes = () => this.options.bytes({ name, ...rest });
    const about = `runs.recorded.${name}.about`;
    picture.role = "img";
    picture.ariaLabel = phrase("heatmap.about");
    foot.append(this.element("span", "numbers", this.counted(numbers)), this.chooser(name, bytes));
    box.append(this.opener(phrase(`runs.recorded.${name}.title`), bytes, about), picture, excerpt);
    box.append(this.element("p", "", phrase(about)), foot);
    return { box, bytes, picture, excerpt, data: null };
  }

  // Fetches the runs of the cards, and shows of each its heatmap and how its text begins.
  async illustrate() {
    for (const card of this.cards) {
      const run = readRun(await card.bytes());
      card.data = heatmapData(run, "confidence");
      card.excerpt.textContent = excerptOf(run);
      drawHeatmap(card.picture, card.data, { axes: false });
      await new Promise(requestAnimationFrame); // a page that is used meanwhile stays quick
    }
  }

  // What only somebody who looks at the cards needs is fetched then.
  illustrateOnceSeen() {
    new IntersectionObserver((entries, observer) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      this.illustrate().catch((error) => this.showMessage(phrase("runs.not_opened", { reason: error.message })));
    }).observe(this.part("gallery"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const { picture, data } of this.cards) if (data) drawHeatmap(picture, data, { axes: false });
    });
  }

  listen() {
    this.illustrateOnceSeen();
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
    const parts = [];
    if (Number.isFinite(forwards)) parts.push(phrase("runs.forwards", { forwards })); // else it was not measured
    if (Number.isFinite(tokens_per_forward))
      parts.push(phrase("runs.rate", { rate: tokens_per_forward.toFixed(1), most: Math.max(0, ...writes) }));
    if (typeof kendall_tau === "number") parts.push(phrase("runs.order", { tau: kendall_tau.toFixed(2) }));
    if (revisions) parts.push(phrase("runs.revisions", { revisions }));
    if (typeof pseudo_likelihood === "number")
      parts.push(phrase("runs.pseudo_likelihood", { probability: pseudo_likelihood.toFixed(2) }));
    return parts.join(" · ");
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

  // `note` names the sentence that says what to look for.
  opener(title, bytes, note = "") {
    const button = this.element("button", "title", title);
    button.type = "button";
    button.addEventListener("click", () => this.open(bytes, (lines) => this.options.promote(lines, note)));
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

// How what the model wrote begins; a grid has no beginning.
function excerptOf({ header, totals }) {
  if (header.model.columns) return "";
  const goesOn = header.prompt && totals.text.startsWith(header.prompt);
  const text = totals.text.slice(goesOn ? header.prompt.length : 0).trim();
  const cut = text.length > EXCERPT ? `${text.slice(0, EXCERPT).replace(/\s+\S*$/, "")} …` : text;
  return goesOn ? `… ${cut}` : cut;
}

export function mountRuns(host, options) {
  putWords(host);
  new Gallery(host, options);
}

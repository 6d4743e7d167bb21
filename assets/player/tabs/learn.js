// The Learn tab: beats of prose beside one figure, which shows a recorded run at the steps that each beat is about, or
// two runs on one puzzle side by side.
// Scrolling moves from beat to beat, and so does Space.

import { putWords } from "../page/language.js";
import { heatmapData } from "../run/heatmap.js";
import { readRun } from "../run/reader.js";
import { cellAt } from "../run/sudoku.js";
import { narrate } from "../run/why.js";
import { publish } from "../store.js";
import { BoardView } from "../view/board.js";
import { everyFrame, text } from "../view/dom.js";
import { drawHeatmap } from "../view/sketch.js";
import { TokenCanvas } from "../view/tokens.js";
import { phrase } from "../words.js";

const BEAT_PACE = 8; // steps a second
const SCROLLING = 1200; // milliseconds
const EVERY = 18; // positions from one word of the visitor to the next

// A beat: its name, the runs it shows, and from where to where they play, as shares of their steps.  One run is shown as
// text with its heatmap, two as boards.
const BEATS = [
  { name: "noise", runs: ["opening"], from: 0, to: 0 },
  { name: "guess", runs: ["opening"], from: 0, to: 0.02 },
  { name: "at_once", runs: ["opening"], from: 0, to: 0.35 },
  { name: "order", runs: ["order"], from: 0, to: 0.5 },
  { name: "puzzle", runs: ["sudoku", "sudoku-cornered"], from: 0, to: 1 },
  { name: "back", runs: ["opening"], from: 0.35, to: 1 },
  { name: "too_few", runs: ["too-few"], from: 0, to: 1 },
  { name: "yours", runs: ["opening"], from: 0, to: 0 },
];

class Lesson {
  constructor(host, { bytes, race, puzzle, query }) {
    this.root = host.querySelector(".learn");
    this.bytes = bytes;
    this.race = race;
    this.puzzle = puzzle;
    this.query = query;
    this.part = (name) => this.root.querySelector(`[data-slot="${name}"]`);
    this.canvas = new TokenCanvas(this.part("tokens"));
    /** @type {Map<string, Promise<Run>>} */
    this.runs = new Map();
    this.run = null;
    this.boards = ["confidence", "reading"].map((rule) => this.board(rule));
    this.shownRuns = [];
    this.beat = -1;
    this.at = 0;
    this.clock = 0;
    this.shown = "";
    this.movedAt = -SCROLLING; // when a beat was last asked for, to which the page scrolls by itself
    this.articles = BEATS.map((beat, n) => this.article(beat, n));
    this.part("beats").append(...this.articles);
    this.listen();
    everyFrame(this.root, (passed) => this.tick(passed));
  }

  article({ name }, n) {
    const box = text("article", "", "beat");
    box.dataset.beat = name;
    box.append(text("small", `${n + 1} / ${BEATS.length}`), text("h2", phrase(`learn.${name}.title`)));
    box.append(text("p", phrase(`learn.${name}.about`)));
    if (name === "puzzle") box.append(this.button(phrase("learn.solve"), this.puzzle));
    if (name === "too_few") box.append(this.button(phrase("learn.race"), this.race));
    if (name === "yours") box.append(this.form());
    else box.append(this.button(phrase("learn.next"), () => this.go(n + 1)));
    return box;
  }

  board(rule) {
    const pane = text("div", "");
    const box = text("div", "", "board");
    const state = text("small", "");
    const name = phrase(`puzzle.rules.${rule}`);
    box.setAttribute("role", "grid");
    box.setAttribute("aria-label", name);
    pane.append(text("h3", name), box, state);
    this.part("boards").append(pane);
    return { view: new BoardView(box), state };
  }

  button(label, press) {
    const button = text("button", label);
    button.type = "button";
    button.onclick = press;
    return button;
  }

  // Five words of the visitor, spread over the text.
  form() {
    const form = document.createElement("form");
    const fields = phrase("learn.words")
      .split(" ")
      .map((word) => {
        const field = document.createElement("input");
        Object.assign(field, { value: word, maxLength: 20, ariaLabel: phrase("learn.word") });
        return field;
      });
    form.append(...fields, Object.assign(text("button", phrase("learn.write")), { type: "submit", className: "go" }));
    form.onsubmit = (event) => {
      event.preventDefault();
      const pins = fields
        .map((field, n) => [EVERY * n + 10, field.value.trim().split(/\s+/)[0]])
        .filter(([, word]) => word);
      publish({ asked: { ...this.query, pins: pins.map((pin) => pin.join(":")).join(" "), run: "1" } });
    };
    return form;
  }

  listen() {
    addEventListener("scroll", () => this.look(), { passive: true });
    document.addEventListener("keydown", (event) => {
      const free = !(/** @type {Element} */ (event.target).closest("input, textarea, button, select, #player"));
      if (event.key !== " " || !free || !this.root.getClientRects().length) return;
      event.preventDefault();
      this.go(event.shiftKey ? this.beat - 1 : this.beat + 1);
    });
  }

  go(n) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.movedAt = performance.now();
    this.articles[n]?.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    if (n < this.articles.length) this.begin(Math.max(0, n));
  }

  // Goes to the beat of the address, else stays where the page is.
  arrive() {
    const named = BEATS.findIndex(({ name }) => location.hash === `#learn/${name}`);
    if (named > 0) this.go(named);
    else this.look();
  }

  // The beat that is nearest to where a beat begins on the page.
  look() {
    if (!this.root.getClientRects().length || performance.now() - this.movedAt < SCROLLING) return;
    const start = parseFloat(getComputedStyle(this.articles[0]).scrollMarginTop);
    const far = this.articles.map((article) => Math.abs(article.getBoundingClientRect().top - start));
    this.begin(far.indexOf(Math.min(...far)));
  }

  async begin(n) {
    if (n === this.beat) return;
    if (this.beat >= 0) history.replaceState(null, "", `#learn/${BEATS[n].name}`);
    this.beat = n;
    this.articles.forEach((article, k) => {
      article.setAttribute("aria-current", String(k === n));
    });
    const { runs: names, from } = BEATS[n];
    for (const name of names) if (!this.runs.has(name)) this.runs.set(name, this.bytes(name).then(readRun));
    const runs = await Promise.all(names.map((name) => this.runs.get(name)));
    if (n !== this.beat) return; // another beat came in between
    const former = this.run;
    [this.run] = this.shownRuns = runs;
    this.root.dataset.figure = runs.length > 1 ? "boards" : "text";
    if (runs.length === 1 && former !== this.run) {
      this.canvas.layOut(this.run);
      drawHeatmap(this.part("heatmap"), heatmapData(this.run, "confidence"), { axes: false });
    }
    this.clock = from * this.run.steps.length;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.clock = this.end();
    this.shown = "";
  }

  end() {
    return Math.ceil(BEATS[this.beat].to * this.run.steps.length);
  }

  tick(passed) {
    if (!this.root.getClientRects().length) return;
    if (this.beat < 0) this.arrive();
    if (!this.run) return;
    this.clock = Math.min(this.end(), this.clock + passed * BEAT_PACE);
    const key = `${this.beat} ${Math.floor(this.clock)}`;
    if (key === this.shown) return;
    this.shown = key;
    this.at = Math.floor(this.clock);
    if (this.shownRuns.length > 1) this.drawBoards();
    else this.drawText();
    this.root.dataset.step = String(this.at);
    this.root.dataset.beat = BEATS[this.beat].name;
  }

  drawText() {
    this.canvas.draw(this.at, () => false);
    this.part("caption").textContent = narrate(this.run, this.at);
    this.part("playhead").style.insetInlineStart = `${(100 * this.at) / this.run.steps.length}%`;
  }

  drawBoards() {
    this.boards.forEach(({ view, state }, n) => {
      const { wrong, open } = view.paint((cell) => cellAt(this.shownRuns[n], this.at, cell));
      const words = wrong.size ? "contradicts" : open ? "open" : "right"; // full and without contradiction is solved
      state.textContent = phrase(`puzzle.${words}`, { cells: wrong.size, open, forwards: this.at });
    });
  }
}

export function mountLearn(host, options) {
  putWords(host);
  new Lesson(host, options);
}

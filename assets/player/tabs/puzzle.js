// A Sudoku and the boards on which it is solved, each by the loop under another rule, on one clock that counts forward
// passes.

import { putWords } from "../page/language.js";
import { keepPart, takePart } from "../page/leaving.js";
import { parseLine, typeOf } from "../run/decode.js";
import { addRecord, emptyRun } from "../run/state.js";
import { cellAt } from "../run/sudoku.js";
import { follow } from "../store.js";
import { BoardView, placeOf } from "../view/board.js";
import { everyFrame, text } from "../view/dom.js";
import { StreamReader, waitingWords } from "../view/stream.js";
import { messageText, phrase } from "../words.js";

const BOARD_CLOCK = 9; // seconds that playing from start to end takes

class Puzzle {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = this.host.querySelector(".puzzle");
    this.digits = Array.from({ length: 81 }, () => 0);
    this.panes = [];
    this.pane = null;
    this.lines = []; // what came of the boards
    this.stream = new StreamReader(options.value);
    this.clock = 0;
    this.playing = false;
    this.done = true;
    this.dirty = true;
    this.pointed = null;

    this.given = new BoardView(this.part("given"));
    for (const { element } of this.given.cells) element.tabIndex = -1;
    this.given.cells[0].element.tabIndex = 0;

    this.actions = this.buttonActions();
  }

  begin() {
    this.fillMenus();
    this.listenToGiven();
    this.listenToControls();
    this.options.watch(() => this.ingest());
    this.ingest();
    follow("leaving", this.root, () => keepPart(this.host.id, this.whole()));
    this.reopen(takePart(this.host.id));
    everyFrame(this.root, (passed) => this.tick(passed));
  }

  fillMenus() {
    this.role("level").append(
      ...this.options.levels.map((level) => new Option(phrase(`puzzle.levels.${level}`), level)),
    );
    this.role("level").value = this.options.levels[this.options.levels.length - 1];
    this.role("depth").append(
      ...Object.entries(this.options.depths).map(([name, key]) => new Option(phrase(key), name)),
    );
    this.part("ways").append(
      ...this.options.rules.map((rule) => {
        const line = text("label", "");
        const box = document.createElement("input");
        Object.assign(box, { type: "checkbox", value: rule, checked: true });
        line.append(box, " ", phrase(`puzzle.rules.${rule}`));
        return line;
      }),
    );
  }

  buttonActions() {
    return {
      make: () => this.options.ask({ action: "make", level: this.role("level").value, seed: this.fresh() }),
      paste: () => {
        this.part("pasted").hidden = !this.part("pasted").hidden;
        if (!this.part("pasted").hidden) this.role("pasted").focus();
      },
      clear: () => {
        this.digits = this.digits.map(() => 0);
        this.showMessage("");
        this.dirty = true;
      },
      check: () => this.readText(this.asText()),
      solve: () => {
        const rules = this.chosenRules();
        if (!rules.length) return this.showMessage(phrase("puzzle.none"));
        this.showMessage("");
        this.options.ask({
          action: "solve",
          text: this.asText(),
          rules,
          depth: this.role("depth").value,
          seed: this.fresh(),
        });
      },
      stop: () => this.options.stop(),
      play: () => {
        this.playing = true;
        if (this.clock >= this.longest()) this.clock = 0;
      },
      pause: () => {
        this.playing = false;
      },
      restart: () => {
        this.clock = 0;
      },
    };
  }

  listenToGiven() {
    this.part("given").addEventListener("click", (event) => {
      const element = event.target.closest("[data-cell]");
      if (element) this.focusCell(Number(element.dataset.cell));
    });
    this.part("given").addEventListener("keydown", (event) => {
      const element = event.target.closest("[data-cell]");
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 9, ArrowUp: -9 }[event.key];
      if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
      const cell = Number(element.dataset.cell);
      if (by) this.focusCell((cell + by + 81) % 81);
      else if (/^[1-9]$/.test(event.key)) {
        this.enter(cell, Number(event.key));
        this.focusCell((cell + 1) % 81);
      } else if (["0", ".", " ", "Backspace", "Delete"].includes(event.key)) this.enter(cell, 0);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.part("given").addEventListener("paste", (event) => {
      event.preventDefault();
      this.readText(event.clipboardData.getData("text"));
    });
    this.role("pasted").addEventListener("input", () => {
      if (this.role("pasted").value.trim().length > 8) this.readText(this.role("pasted").value);
    });
  }

  listenToControls() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (!button || !this.actions[button.dataset.action]) return;
      this.actions[button.dataset.action]();
      this.dirty = true;
    });
    this.role("clock").addEventListener("input", (event) => {
      this.clock = Number(event.target.value);
      this.playing = false;
      this.dirty = true;
    });
    this.part("boards").addEventListener("pointerover", (event) => {
      const element = event.target.closest("[data-cell]");
      if (!element || (this.pointed && this.pointed.cell === Number(element.dataset.cell))) return;
      this.pointed = { cell: Number(element.dataset.cell) };
      this.dirty = true;
    });
  }

  part(name) {
    return this.root.querySelector(`[data-slot="${name}"]`);
  }

  role(name) {
    return this.root.querySelector(`[data-role=${name}]`);
  }

  longest() {
    return Math.max(
      0,
      ...this.panes.map(({ run }) => (run.steps.length ? run.steps[run.steps.length - 1].forwards : 0)),
    );
  }

  stepsTo(run) {
    return run.steps.findIndex(({ forwards }) => forwards > this.clock);
  }

  at(run) {
    return this.stepsTo(run) < 0 ? run.steps.length : this.stepsTo(run);
  }

  showMessage(words) {
    this.part("message").textContent = words;
    this.part("message").hidden = !words;
  }

  ingest() {
    const opened = this.stream.opened();
    if (opened) {
      const { type, message, notice, cells } = opened;
      this.showMessage(messageText(message || notice || ""));
      if (type === "error") return this.finish();
      if (cells) this.digits = Array.from(cells, Number);
      if (type === "live") this.start();
      this.dirty = true;
    }
    const fresh = this.stream.lines();
    if (!fresh) return;
    for (const line of fresh) this.addLine(line);
    this.dirty = true;
  }

  // What is on screen when the page opens anew.
  whole() {
    const { digits, lines, clock, playing } = this;
    const menus = Object.fromEntries(["level", "depth"].map((name) => [name, this.role(name).value]));
    return { lines, menus, rules: this.chosenRules(), about: { digits, clock, playing } };
  }

  reopen(kept) {
    if (!kept) return;
    if (kept.lines.length) this.start();
    for (const line of kept.lines) this.addLine(line);
    this.done = this.dirty = true;
    for (const [name, value] of Object.entries(kept.menus)) this.role(name).value = value;
    for (const box of this.part("ways").querySelectorAll("input")) box.checked = kept.rules.includes(box.value);
    Object.assign(this, kept.about);
  }

  chosenRules() {
    return [...this.part("ways").querySelectorAll("input:checked")].map(({ value }) => value);
  }

  start() {
    this.panes = [];
    this.lines = [];
    this.clock = 0;
    this.playing = true;
    this.done = false;
    this.pointed = null;
    this.part("boards").replaceChildren();
  }

  finish() {
    this.done = true;
    this.dirty = true;
  }

  addLine(line) {
    this.lines.push(line);
    const record = parseLine(line);
    switch (typeOf(record)) {
      case "pane":
        return this.addPane(record);
      case "waiting":
        return this.showMessage(waitingWords(record));
      case "summary":
        this.panes[record.of].summary = record.summary;
        return;
      case "done":
        return this.finish();
      default:
        this.addRunLine(record, line);
    }
  }

  addRunLine(record, line) {
    this.showMessage("");
    addRecord(this.pane.run, record, line);
    if (this.pane.run.totals && this.pane.run.totals.message) this.showMessage(this.pane.run.totals.message);
  }

  addPane({ title }) {
    const card = text("div", "", "card pane");
    const head = text("div", "", "heading");
    const state = text("small", "");
    const box = text("div", "", "board");
    const open = text("button", phrase("compare.promote"));
    const run = emptyRun();
    const name = messageText(title);
    open.type = "button";
    open.addEventListener("click", () => this.options.promote(run.lines));
    box.setAttribute("role", "grid");
    box.setAttribute("aria-label", name);
    head.append(text("h2", name));
    card.append(head, box, state, open);
    this.part("boards").append(card);
    this.pane = {
      run,
      state,
      box,
      card,
      name,
      view: new BoardView(box),
      summary: null,
    };
    this.panes.push(this.pane);
  }

  // How a board stands now, in words.
  standing({ run, summary }, { wrong, open }) {
    const shown = this.at(run);
    const forwards = shown ? run.steps[shown - 1].forwards : 0;
    if (wrong.size) return phrase("puzzle.contradicts", { cells: wrong.size, forwards });
    if (open || !summary || !run.totals) return phrase("puzzle.open", { open, forwards });
    return phrase(summary.right ? "puzzle.right" : "puzzle.otherwise", { forwards });
  }

  draw() {
    const most = this.longest();
    this.given.paint((cell) => ({ digit: this.digits[cell], fixed: this.digits[cell] > 0, believed: [] }));
    for (const one of this.panes) {
      if (!one.run.header) continue;
      const now = one.view.paint((cell) => cellAt(one.run, this.at(one.run), cell));
      one.state.textContent = this.standing(one, now);
      one.card.dataset.right =
        one.run.totals && one.summary && this.at(one.run) === one.run.steps.length ? String(one.summary.right) : "";
      for (const { element } of one.view.cells)
        element.classList.toggle("lit", this.pointed !== null && Number(element.dataset.cell) === this.pointed.cell);
    }
    this.role("clock").max = most;
    this.role("clock").value = this.clock;
    this.part("reading").textContent = phrase("puzzle.reading", { at: Math.floor(this.clock), most });
    this.part("clock-card").hidden = !this.panes.length;
    const right = this.panes.filter(({ summary }) => summary && summary.right);
    const over = this.done && this.panes.length > 0;
    this.part("verdict").hidden = !over;
    this.part("verdict").textContent = over ? this.verdict(right) : "";
    this.root.querySelector("[data-action=stop]").disabled = this.done;
    this.inspect();
    const mode = !this.panes.length ? "empty" : this.done ? "finished" : "live";
    for (const target of [this.root, this.host])
      Object.assign(target.dataset, {
        mode,
        playing: String(this.playing),
        boards: String(this.panes.length),
        solved: String(right.length),
      });
  }

  // Which rules solved the puzzle, each with its forward passes.
  verdict(right) {
    const solvers = right.map(({ name, summary }) => phrase("puzzle.solver", { name, forwards: summary.forwards }));
    return phrase(right.length ? "puzzle.verdict" : "puzzle.nobody", {
      solved: solvers.join(phrase("puzzle.comma")),
      right: right.length,
      all: this.panes.length,
    });
  }

  inspect() {
    this.part("cell").hidden = this.pointed === null || !this.panes.length;
    if (this.part("cell").hidden) return;
    const rows = this.panes.filter(({ run }) => run.header).map((one) => this.cellWords(one));
    this.part("cell").replaceChildren(text("h2", phrase("puzzle.place", placeOf(this.pointed.cell))), ...rows);
  }

  // What stands in the cell on one board, and what the model believes of it.
  cellWords({ run, name }) {
    const { fixed, digit, commit, sure, believed } = cellAt(run, this.at(run), this.pointed.cell);
    const row = text("p", "", "why");
    row.append(text("b", name), " ");
    if (fixed) row.append(phrase("puzzle.is_clue"));
    else if (digit) row.append(phrase("puzzle.was_written", { digit, step: commit + 1, sure: sure.toFixed(2) }));
    else row.append(phrase("puzzle.still_open"));
    const list = believed
      .filter(([, share]) => share >= 0.01)
      .map(([guess, share]) => `${guess} (${share.toFixed(2)})`);
    if (!fixed && believed.length) row.append(" ", phrase("puzzle.believes", { list: list.join(", ") }));
    return row;
  }

  asText() {
    return this.digits.map((digit) => digit || ".").join("");
  }

  fresh() {
    return Math.floor(Math.random() * 2 ** 31);
  }

  enter(cell, digit) {
    this.digits[cell] = digit;
    this.showMessage("");
    this.dirty = true;
  }

  focusCell(cell) {
    for (const { element } of this.given.cells) element.tabIndex = -1;
    this.given.cells[cell].element.tabIndex = 0;
    this.given.cells[cell].element.focus();
  }

  readText(pasted) {
    return this.options.ask({ action: "check", text: pasted });
  }

  tick(passed) {
    const most = this.longest();
    if (this.playing && most) {
      const before = Math.floor(this.clock);
      this.clock = Math.min(most, this.clock + (passed * most) / BOARD_CLOCK);
      if (this.clock >= most && this.done) this.playing = false;
      this.dirty ||= Math.floor(this.clock) !== before || !this.playing;
    }
    if (this.dirty && this.root.clientWidth) {
      this.dirty = false;
      this.draw();
    }
  }
}

export function mountPuzzle(host, options) {
  putWords(host);
  new Puzzle(host, options).begin();
}

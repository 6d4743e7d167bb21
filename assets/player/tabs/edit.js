// The canvas as something to work on: the server makes tokens of typed text and says what is wrong.

import { putWords } from "../page/language.js";
import { cellsOf, EDITS, typedWords } from "../run/cells.js";
import { addLine, emptyRun } from "../run/state.js";
import { joinTokenTexts, tokenText } from "../run/text.js";
import { follow, publish, shared } from "../store.js";
import { text } from "../view/dom.js";
import { StreamReader } from "../view/stream.js";
import { messageText, phrase } from "../words.js";

/** @type {Names} */
const NO_RUN = { ...emptyRun(), header: { model: { mask: null, stop: [] } } };

class Editor {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = this.host.querySelector(".edit");
    this.cells = [];
    this.names = NO_RUN; // the run whose tokens the cells are
    this.origin = null;
    this.stream = new StreamReader(options.value);
    this.past = [];
    this.focused = 0;
    this.anchor = 0;
    this.dragging = false;
    this.chosen = new Set();
    this.nodes = [];
    this.asked = false; // the canvas was sent to be denoised
    this.writing = null; // the run that is denoising it, here and in the player
    this.before = null; // the canvas that it began with

    this.actions = this.buttonActions();
  }

  begin() {
    this.listenToPointer();
    this.listenToKeys();
    follow("branch", this.root, ({ edit }) => {
      if (edit) this.openShown();
    });

    follow("begun", this.root, ({ run, live }) => this.begun(run, live));
    for (const name of ["run", "at", "live"]) follow(name, this.root, () => this.follow());
    new IntersectionObserver(([seen]) => {
      if (seen.isIntersecting && !this.cells.length && this.inPlayer()) this.openShown();
    }).observe(this.root);
    this.mark();
    this.options.watch(() => this.ingest());
    this.ingest();
  }

  buttonActions() {
    return {
      take: () => this.openShown(),
      run: () => this.run(),
      lock: () => this.apply("lock"),
      unlock: () => this.apply("unlock"),
      blank: () => this.apply("blank"),
      replace: () => {
        const first = this.nodes[Math.min(...this.chosen)];
        const typed = typedWords(
          this.role("words").value,
          first && (first.dataset.state === "masked" || /^\s/.test(first.textContent)),
        );
        if (!typed.length) return this.showMessage(phrase("edit.typed"));
        this.apply("replace", typed);
      },
      insert: () => {
        const count = Number(this.role("count").value);
        if (!Number.isInteger(count) || count < 1 || count > 200) return this.showMessage(phrase("edit.count"));
        this.apply("insert", count);
      },
      all: () => {
        this.select(this.range(0, this.cells.length - 1));
        this.mark();
      },
      undo: () => {
        Object.assign(this, this.past.pop());
        this.select([]);
        this.focused = Math.min(this.focused, Math.max(0, this.cells.length - 1));
        this.draw();
      },
    };
  }

  listenToPointer() {
    this.root.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-action]");
      if (pressed) this.actions[pressed.dataset.action]();
    });
    this.part("cells").addEventListener("pointerdown", (event) => {
      const i = this.cellAt(event);
      if (i < 0 || this.writing) return;
      event.preventDefault();
      if (event.shiftKey) this.select(this.range(this.anchor, i));
      else {
        if (event.ctrlKey || event.metaKey)
          this.select(this.chosen.has(i) ? [...this.chosen].filter((one) => one !== i) : [...this.chosen, i]);
        else this.select(this.chosen.size === 1 && this.chosen.has(i) ? [] : [i]);
        this.anchor = i;
        this.dragging = event.pointerType === "mouse";
      }
      this.focused = i;
      this.mark();
      this.nodes[i].focus();
    });
    this.part("cells").addEventListener("pointerover", (event) => {
      const i = this.cellAt(event);
      if (!this.dragging || !event.buttons || i < 0 || i === this.focused) return;
      this.focused = i;
      this.select(this.range(this.anchor, i));
      this.mark();
    });
    document.addEventListener("pointerup", () => {
      this.dragging = false;
    });
  }

  listenToKeys() {
    this.part("cells").addEventListener("keydown", (event) => {
      if (!this.cells.length || this.writing) return;
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
      if (step) {
        const least = this.nodes[0].hidden ? 1 : 0;
        this.focused = Math.max(least, Math.min(this.cells.length - 1, this.focused + step));
        if (event.shiftKey) this.select(this.range(this.anchor, this.focused));
        else this.anchor = this.focused;
      } else if (event.key === " ")
        this.select(
          this.chosen.has(this.focused)
            ? [...this.chosen].filter((one) => one !== this.focused)
            : [...this.chosen, this.focused],
        );
      else if (event.key === "a" && (event.ctrlKey || event.metaKey)) this.select(this.range(0, this.cells.length - 1));
      else return;
      event.preventDefault();
      this.mark();
      this.nodes[this.focused].focus();
    });
    this.role("words").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.actions.replace();
    });
  }

  part(name) {
    return this.root.querySelector(`[data-slot="${name}"]`);
  }

  button(name) {
    return this.root.querySelector(`[data-action=${name}]`);
  }

  role(name) {
    return this.root.querySelector(`[data-role=${name}]`);
  }

  showMessage(sentence) {
    this.part("message").textContent = sentence;
    this.part("message").hidden = !sentence;
  }

  // -- the canvas --

  mask() {
    return this.names.header.model.mask;
  }

  open(next, run, from) {
    this.cells = next;
    this.names = run;
    this.origin = from;
    this.past = [];
    this.before = null;
    this.leave();
    this.select([]);
    this.focused = this.anchor = 0;
    this.showMessage(this.mask() === null ? phrase("edit.no_mask") : "");
    this.draw();
  }

  ingest() {
    const opened = this.stream.opened();
    if (!opened) return;
    if (opened.message) {
      this.leave();
      this.mark();
      return this.showMessage(messageText(opened.message));
    }
    const run = emptyRun();
    addLine(run, this.stream.lines()[0]);
    this.open(cellsOf(run, 0, true), run, null);
  }

  inPlayer() {
    const { run, at } = shared;
    return run && run.header ? { run, at } : null;
  }

  openShown() {
    const shown = this.inPlayer();
    if (!shown) return this.showMessage(phrase("edit.no_run"));
    this.open(cellsOf(shown.run, shown.at, false), shown.run, shown);
  }

  shapes() {
    const stop = this.names.header.model.stop;
    const texts = joinTokenTexts(
      this.cells.map(({ token }) =>
        typeof token === "string" ? token : token === this.mask() ? "" : tokenText(this.names, token),
      ),
    );
    return this.cells.map(({ token, locked }, i) => {
      const masked = token === this.mask();
      const ends = stop.includes(token);
      const shown = masked ? "" : ends ? "∎" : texts[i].replace(/\n/g, "↵");
      const word = masked ? phrase("token.mask") : ends ? phrase("token.end") : shown.trim();
      return { masked, locked, shown, label: locked ? phrase("edit.locked", { word }) : word };
    });
  }

  draw() {
    const list = this.shapes();
    this.nodes = list.map(({ masked, locked, shown, label }, i) => {
      const typed = typeof this.cells[i].token === "string";
      const marks = `${locked ? " locked" : ""}${masked ? " masked" : ""}${typed || this.isNew(i) ? " typed" : ""}`;
      const node = text("span", shown, `cell${marks}`);
      node.setAttribute("role", "option");
      node.setAttribute("aria-label", label);
      node.dataset.cell = String(i);
      node.dataset.state = locked ? "locked" : masked ? "masked" : "free";
      node.hidden = i === 0 && !shown; // the beginning of text has no word
      return node;
    });
    this.part("cells").replaceChildren(...this.nodes);
    this.part("empty").hidden = this.cells.length > 0;
    this.mark();
  }

  mark() {
    this.nodes.forEach((node, i) => {
      node.setAttribute("aria-selected", String(this.chosen.has(i)));
      node.tabIndex = i === this.focused ? 0 : -1;
    });
    const masks = this.cells.filter(({ token }) => token === this.mask()).length;
    const locked = this.cells.filter((cell) => cell.locked).length;
    const about = { words: this.cells.length - masks, masks, locked, selected: this.chosen.size };
    this.part("counts").textContent = this.cells.length
      ? phrase(masks || this.mask() === null ? "edit.counts" : "edit.complete", about)
      : "";
    for (const name of ["lock", "unlock", "blank", "replace", "insert", "all"])
      this.button(name).disabled = !this.cells.length || Boolean(this.writing);
    this.button("undo").disabled = !this.past.length || Boolean(this.writing);
    this.button("run").disabled = !this.writing && (!(masks || this.chosen.size) || this.mask() === null);
    this.button("run").textContent = this.writing ? phrase("page.stop") : phrase("edit.run");
    const grows = this.names.header.model.expand !== undefined;
    this.role("elastic").disabled = !grows;
    this.role("elastic").checked &&= grows;
    this.part("elastic").textContent =
      grows || !this.cells.length ? phrase("edit.elastic") : phrase("edit.not_elastic");
    const mode = this.writing ? "writing" : this.cells.length ? "canvas" : "empty";
    Object.assign(this.root.dataset, { mode, ...about });
  }

  select(indices) {
    this.chosen = new Set(indices.filter((i) => i >= 0 && i < this.cells.length));
  }

  range(a, b) {
    return Array.from({ length: Math.abs(a - b) + 1 }, (_, n) => Math.min(a, b) + n).filter(
      (i) => !this.nodes[i].hidden,
    );
  }

  apply(name, value = undefined) {
    if (!this.chosen.size) return this.showMessage(phrase("edit.nothing"));
    const before = this.cells.length;
    const next = EDITS[name](this.cells, this.chosen, this.mask(), value);
    if (next.length === before && next.every((cell, i) => cell === this.cells[i]))
      return this.showMessage(phrase("edit.stays"));
    this.showMessage("");
    this.remember();
    this.before = null;
    this.cells = next;
    const first = Math.min(...this.chosen);
    if (name === "insert") this.select(this.following(Math.max(...this.chosen) + 1, value));
    if (name === "replace")
      this.select(this.cells.length === before ? [...this.chosen] : this.following(first, Math.max(1, value.length)));
    this.focused = this.anchor = Math.min(first, this.cells.length - 1);
    this.draw();
  }

  following(from, count) {
    return Array.from({ length: count }, (_, n) => from + n);
  }

  remember() {
    const { cells, names, origin, before } = this;
    this.past.push({ cells, names, origin, before });
  }

  // Sends the canvas to be denoised; where it has no mask yet, the words that are selected are written anew.
  run() {
    if (this.writing) return this.options.stop();
    if (!this.cells.some(({ token }) => token === this.mask())) this.apply("blank");
    if (!this.cells.some(({ token }) => token === this.mask())) return;
    this.asked = true;
    publish({ branch: { cells: this.cells, origin: this.origin, elastic: this.role("elastic").checked } });
  }

  // -- the run that denoises the canvas, in its place --

  begun(run, live) {
    if (!this.asked || !live) return this.leave();
    this.remember();
    this.before = this.cells;
    this.asked = false;
    this.writing = run;
    this.names = run;
    this.select([]);
    this.follow();
  }

  leave() {
    this.asked = false;
    this.writing = null;
  }

  // Shows the run as far as the player does; once it has ended the canvas can be edited again.
  follow() {
    const run = this.writing;
    if (!run || shared.run !== run) return;
    const whole = cellsOf(run, shared.at, true);
    if (whole.length !== this.before?.length) this.before = null; // its places are others now
    const ended = run.totals && shared.at >= run.steps.length;
    this.cells = ended ? cellsOf(run, shared.at, false) : whole;
    this.origin = { run, at: shared.at };
    if (ended) this.writing = null;
    this.focused = this.anchor = Math.min(this.focused, this.cells.length - 1);
    this.draw();
  }

  // Whether the run put another token there than the canvas had.
  isNew(i) {
    return Boolean(this.before) && this.before[i].token !== this.cells[i].token;
  }

  cellAt(event) {
    const cell = event.target.closest("[data-cell]");
    return cell ? Number(cell.dataset.cell) : -1;
  }
}

export function mountEdit(host, options) {
  putWords(host);
  new Editor(host, options).begin();
}

// Runs side by side on one clock: a stream of run-file lines with a line of the type pane before each run, and one of
// the type summary somewhere after it.  Panes with the same place are alternatives: one of them is shown, and
// a slider chooses.  One of the type rewind plays from the start, a figure is drawn as it is.

import { putWords } from "../page/language.js";
import { keepPart, takePart } from "../page/leaving.js";
import { parseLine, typeOf } from "../run/decode.js";
import { addRecord, emptyRun } from "../run/state.js";
import { follow, publish, shared } from "../store.js";
import { everyFrame, loadPlotly, text, theme } from "../view/dom.js";
import { StreamReader, waitingWords, watchConnection } from "../view/stream.js";
import { TokenCanvas } from "../view/tokens.js";
import { messageText, phrase, translateFigure } from "../words.js";

const WHOLE_CLOCK = 8; // seconds that playing the clock from start to end takes, unless another speed is chosen

// How many steps of a run have happened when the clock shows `value` forwards or seconds: all, where they were not
// measured.
function stepsAt(run, unit, value) {
  if (run.steps.some((step) => Number.isNaN(step[unit]))) return run.steps.length;
  let at = 0;
  while (at < run.steps.length && run.steps[at][unit] <= value + 1e-9) at++;
  return at;
}

class Comparison {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = this.host.querySelector(".compare");
    this.section = this.options.section;
    this.panes = [];
    this.pane = null;
    this.stream = new StreamReader(options.value);
    this.unit = this.options.unit;
    this.clock = 0;
    this.playing = false;
    this.dirty = true;
    this.figure = null;
    this.plotly = null;
    this.pointed = -1;
    this.lines = []; // what came of the comparison
    this.done = true; // whether that is all
    this.cut = false; // whether the rest will not come

    this.connection = this.watchConnection();
  }

  begin() {
    this.writeHeads();
    this.listenToControls();
    this.listenToPanes();
    new MutationObserver(() => this.drawFigure()).observe(document.body, {
      attributes: true,
      attributeFilter: ["class"],
    });
    new ResizeObserver(() => this.drawFigure()).observe(this.root);
    this.pressed();
    if (this.section === "race") this.listenToRaces();
    this.options.watch(() => this.ingest());
    this.ingest();
    this.connection.begin();
    follow("leaving", this.root, () => keepPart(this.section, this.whole()));
    this.reopen(takePart(this.section));
    everyFrame(this.root, (passed) => this.tick(passed));
  }

  // The tab comes into the page when it is first opened, which may be by the press that asks for a race.
  listenToRaces() {
    const take = (query) => {
      if (!query) return;
      publish({ raced: null });
      this.options.race(query);
    };
    follow("raced", this.root, take);
    take(shared.raced);
  }

  watchConnection() {
    return watchConnection(this.root, this.options.alive, {
      name: this.section,
      awaits: () => this.live(),
      kept: () => (this.done || !this.panes.length || shared.leaving ? null : this.lines),
      lose: () => {
        this.cut = this.dirty = true;
        this.showMessage(phrase("compare.lost"));
      },
      find: () => {
        this.cut = false;
        this.dirty = true;
        this.showMessage("");
      },
      recover: (lines) => this.recover(lines),
    });
  }

  recover(lines) {
    this.start();
    for (const line of lines) this.addLine(line);
    this.cut = !this.done;
    this.done = this.dirty = true;
    if (this.cut) this.showMessage(phrase("compare.cut"));
  }

  // What is on screen when the page opens anew; null where nothing is.
  whole() {
    if (!this.panes.length) return null;
    const { lines, unit, clock, playing } = this;
    return { lines, hidden: this.panes.map(({ card }) => card.hidden), about: { unit, clock, playing } };
  }

  reopen(kept) {
    if (!kept) return;
    this.recover(kept.lines);
    kept.hidden.forEach((hidden, n) => {
      this.panes[n].card.hidden = hidden;
    });
    Object.assign(this, kept.about);
    this.pressed();
  }

  writeHeads() {
    this.part("empty").textContent = phrase(`${this.section}.empty`);
    this.part("choice-label").textContent = phrase("race.choice");
    this.part("figure-title").textContent = phrase("race.figure");
    this.part("figure").setAttribute("aria-label", phrase("race.figure"));
    this.part("judge").textContent = phrase("race.judge");
    this.part("judge").hidden = this.section !== "race";
    const columns = this.options.columns.map(({ field }) => [
      phrase(`${this.section}.columns.${field}.title`),
      phrase(`${this.section}.columns.${field}.hint`),
    ]);
    this.part("columns").append(
      ...[[phrase(`${this.section}.run`), ""], ...columns].map(([title, hint]) => {
        const cell = text("th", title);
        cell.scope = "col";
        cell.title = hint;
        return cell;
      }),
    );
  }

  listenToControls() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.action === "play") {
        this.playing = true;
        if (this.clock >= this.longest()) this.clock = 0;
      }
      if (button.dataset.action === "pause") this.playing = false;
      if (button.dataset.action === "restart") this.clock = 0;
      if (button.dataset.unit) {
        this.clock = this.longest() ? this.clock / this.longest() : 0;
        this.unit = button.dataset.unit;
        this.clock *= this.longest();
        this.pressed();
      }
      this.dirty = true;
    });
    this.role("clock").addEventListener("input", (event) => {
      this.clock = Number(event.target.value);
      this.playing = false;
      this.dirty = true;
    });
    this.role("choice").addEventListener("input", (event) =>
      this.choose(this.alternatives()[Number(event.target.value)]),
    );
  }

  listenToPanes() {
    this.part("panes").addEventListener("pointerover", (event) => {
      const token = event.target.closest("[data-pos]");
      if (token) this.point(Number(token.dataset.pos));
      else if (!event.target.closest(".tokens")) this.point(-1);
    });
    this.part("panes").addEventListener("pointerleave", () => this.point(-1));
    this.part("panes").addEventListener("focusout", () => this.point(-1));
    this.part("panes").addEventListener("keydown", (event) => {
      const one = this.panes.find(({ card }) => card.contains(event.target));
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by || !event.target.matches(".tokens") || !one.run.header) return;
      event.preventDefault();
      const { order } = one.run;
      const next = order.indexOf(this.pointed) + (this.pointed < 0 && by < 0 ? order.length + 1 : 0) + by;
      if (order[next] !== undefined) this.point(order[next]);
    });
  }

  part(name) {
    return this.root.querySelector(`[data-slot="${name}"]`);
  }

  role(name) {
    return this.root.querySelector(`[data-role=${name}]`);
  }

  end({ run }, what) {
    return (run.steps.length && run.steps[run.steps.length - 1][what]) || 0; // 0 where it was not measured
  }

  live() {
    return !this.done && !this.cut;
  }

  shown() {
    return this.panes.filter((one) => !one.card.hidden);
  }

  longest() {
    return Math.max(0, ...this.shown().map((one) => this.end(one, this.unit)));
  }

  // the alternatives of a place that has several, from few forwards to many
  alternatives() {
    return this.panes
      .filter((one) => one.run.totals && this.panes.some((other) => other !== one && other.place === one.place))
      .sort((a, b) => this.end(a, "forwards") - this.end(b, "forwards"));
  }

  ingest() {
    const opened = this.stream.opened();
    if (opened) {
      this.showMessage(messageText(opened.message || ""));
      if (opened.type === "error") {
        this.cut ||= !this.done; // what was still coming gave way
        this.dirty = true;
        return;
      }
      this.start();
    }
    const fresh = this.stream.lines();
    if (!fresh) return;
    for (const line of fresh) this.addLine(line);
    this.dirty = true;
  }

  start() {
    this.panes = [];
    this.lines = [];
    this.clock = 0;
    this.playing = true;
    this.done = this.cut = false;
    this.figure = null;
    this.pointed = -1;
    this.part("panes").replaceChildren();
    this.part("rows").replaceChildren();
    for (const name of ["table-card", "choice", "figure-card", "verdict"]) this.part(name).hidden = true;
  }

  addLine(line) {
    this.connection.hear();
    this.lines.push(line);
    const record = parseLine(line);
    switch (typeOf(record)) {
      case "pane":
        return this.addPane(record);
      case "waiting":
        return this.showMessage(waitingWords(record));
      case "summary":
        return this.addRow(record);
      case "figure":
        this.figure = record.figure;
        return this.drawFigure();
      case "rewind":
        this.clock = 0;
        this.playing = true;
        return;
      case "done":
        this.done = true;
        return;
      default:
        this.addRunLine(record, line);
    }
  }

  addRunLine(record, line) {
    this.showMessage("");
    addRecord(this.pane.run, record, line);
    if (!this.pane.laid) this.pane.canvas.layOut(this.pane.run);
    this.pane.laid = true;
    if (this.pane.run.totals && this.pane.run.totals.message) this.showMessage(this.pane.run.totals.message);
  }

  addPane({ title: name, place }) {
    const title = messageText(name);
    const card = text("div", "", "card pane");
    const head = text("div", "", "heading");
    const state = text("small", "");
    const open = text("button", phrase("compare.promote"));
    const tokens = text("div", "", "tokens");
    const run = emptyRun();
    card.hidden = this.panes.some((other) => other.place === place);
    open.type = "button";
    open.addEventListener("click", () => this.options.promote(run.lines));
    tokens.dir = "auto";
    tokens.tabIndex = 0;
    tokens.role = "group";
    tokens.ariaLabel = title;
    head.append(text("h2", title), state, open);
    card.append(head, tokens);
    this.part("panes").append(card);
    this.pane = {
      run,
      state,
      title,
      place,
      card,
      canvas: new TokenCanvas(tokens),
      laid: false,
      row: null,
      verdict: "",
    };
    this.panes.push(this.pane);
  }

  // A second line of numbers for a run stands in place of the first: `why` says why a number is not there, or not yet.
  addRow({ summary, of, verdict, why }) {
    const one = this.panes[of];
    const row = document.createElement("tr");
    const numbers = this.options.columns.map(({ field, places }) => {
      const value = summary[field];
      const cell = text(
        "td",
        typeof value === "number" ? value.toFixed(places) : messageText(value || phrase("compare.unmeasured")),
      );
      if (typeof value !== "number" && why && field === "pseudo_likelihood") cell.title = messageText(why);
      return cell;
    });
    const name = text("th", one.title);
    name.scope = "row";
    row.append(name, ...numbers);
    const former = one.row;
    one.row = row;
    one.verdict = messageText(verdict || "");
    // rows of one place stand from few forwards to many
    const rows = this.panes
      .filter((other) => other.row && other.place === one.place)
      .sort((a, b) => this.end(a, "forwards") - this.end(b, "forwards"));
    const next = rows[rows.indexOf(one) + 1];
    if (former) former.replaceWith(row);
    else this.part("rows").insertBefore(row, next ? next.row : null);
    this.part("table-card").hidden = false;
  }

  choose(one) {
    for (const other of this.panes) if (other.place === one.place) other.card.hidden = other !== one;
    this.clock = Math.min(this.clock, this.longest());
    this.dirty = true;
  }

  showMessage(text) {
    this.part("message").textContent = text;
    this.part("message").hidden = !text;
  }

  draw() {
    for (const { run, canvas, state, card } of this.panes) {
      if (!run.header || card.hidden) continue;
      const at = stepsAt(run, this.unit, this.clock);
      canvas.draw(at, (i) => i === this.pointed);
      state.textContent = phrase("compare.step", { at, steps: run.steps.length });
    }
    this.drawSliders();
    for (const one of this.panes) if (one.row) one.row.classList.toggle("faint", one.card.hidden);
    const verdict = this.shown().find((one) => one.verdict)?.verdict || "";
    this.part("verdict").textContent = verdict;
    this.part("verdict").hidden = !verdict;
    const state = { mode: this.mode(), playing: String(this.playing), panes: String(this.shown().length) };
    for (const target of [this.root, this.host]) Object.assign(target.dataset, state);
  }

  mode() {
    if (!this.panes.length) return "empty";
    if (this.live()) return "live";
    return this.cut || this.panes.some(({ run }) => run.totals?.end === "stopped") ? "stopped" : "finished";
  }

  drawSliders() {
    const most = this.longest();
    const slider = this.role("clock");
    const choices = this.alternatives();
    const chosen = choices.find((one) => !one.card.hidden);
    slider.max = most;
    slider.value = this.clock;
    this.part("reading").textContent =
      this.unit === "forwards"
        ? phrase("compare.at", { at: Math.floor(this.clock), steps: most })
        : phrase("compare.at_seconds", { at: this.clock.toFixed(2), most: most.toFixed(2) });
    this.part("pace").hidden = this.unit !== "seconds";
    this.part("choice").hidden = !chosen;
    if (chosen) {
      this.role("choice").max = choices.length - 1;
      this.role("choice").value = choices.indexOf(chosen);
      this.role("choice").setAttribute("aria-valuetext", chosen.title);
      this.part("choice-title").textContent = chosen.title;
    }
  }

  async fetchPlotly() {
    this.plotly = await loadPlotly(this.options.plotly);
    this.drawFigure();
  }

  drawFigure() {
    if (!this.figure) return;
    this.part("figure-card").hidden = false;
    if (!this.part("figure").clientWidth) return;
    if (!this.plotly) return this.fetchPlotly();
    const { data, layout } = translateFigure(this.figure[theme()]);
    this.plotly.react(this.part("figure"), data, layout, { displayModeBar: false, responsive: true }).then((plot) => {
      plot.removeAllListeners("plotly_click");
      plot.on("plotly_click", ({ points }) => {
        const one = this.alternatives().find((other) => this.end(other, "forwards") === points[0].customdata);
        if (one) this.choose(one);
      });
    });
  }

  // A word pointed at, or reached with the arrow keys, is lit at the same position in every pane.
  point(i) {
    this.dirty ||= i !== this.pointed;
    this.pointed = i;
  }

  pressed() {
    for (const button of this.root.querySelectorAll("[data-unit]"))
      button.setAttribute("aria-pressed", String(button.dataset.unit === this.unit));
  }

  tick(passed) {
    const most = this.longest();
    if (this.playing && this.panes.length) {
      const before = this.clock;
      this.clock = Math.min(
        most,
        this.clock + passed * ((this.unit === "seconds" && Number(this.role("pace").value)) || most / WHOLE_CLOCK),
      );
      if (this.clock >= most && !this.live()) this.playing = false;
      this.dirty ||= this.clock !== before || !this.playing;
    }
    if (this.dirty && this.root.clientWidth) {
      this.dirty = false;
      this.draw();
    }
  }
}

export function mountCompare(host, options) {
  putWords(host);
  new Comparison(host, options).begin();
}

// A sentence under noise.  Every corrupted form of it, with what the model believes, arrives at once; the level then
// moves in the page alone.

import { putWords } from "../page/language.js";
import { readPieces } from "../run/decode.js";
import { joinTokenTexts, tokenText, wordOf } from "../run/text.js";
import { besideTruth, tellRestored } from "../run/truth.js";
import { follow, publish, shared } from "../store.js";
import { alternative, everyFrame, grade, loadPlotly, text, theme } from "../view/dom.js";
import { StreamReader } from "../view/stream.js";
import { messageText, phrase, translateFigure } from "../words.js";

const SWEEP = 6; // seconds in which noise falls from none to all
const PATIENCE = 500; // milliseconds after which a wait for the model is announced

class NoiseLesson {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = this.host.querySelector(".noise");
    this.level = this.root.querySelector("[data-role=level]");
    this.ruler = document.createElement("canvas").getContext("2d");
    this.lesson = null;
    this.figure = null;
    this.names = null;
    this.plotly = null;
    this.stream = new StreamReader(options.value);
    this.pairs = [];
    this.hovered = -1;
    this.playing = false;
    this.clock = 0;
    this.dirty = false;
    this.plotted = null;
    this.waiting = 0;
    this.tried = null; // the state of the sentence that the model was asked to denoise
    this.actions = this.buttonActions();
  }

  begin() {
    this.listen();
    this.inspect({ hit: [] }, new Map());
    this.options.watch(() => this.ingest());
    this.ingest();
    everyFrame(this.root, (passed) => this.tick(passed));
  }

  buttonActions() {
    return {
      play: () => {
        if (this.at() >= Number(this.level.max)) this.level.value = 0;
        this.clock = this.at();
        this.playing = true;
        this.dirty = true;
      },
      pause: () => {
        this.playing = false;
        this.dirty = true;
      },
      less: () => this.move(-1),
      more: () => this.move(1),
      denoise: () => {
        this.tried = this.state();
        publish({ truth: { clean: this.lesson.clean, noisy: this.tried.ids, hit: this.tried.hit } });
        this.options.denoise(this.lesson.t[this.at()]);
      },
    };
  }

  listen() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (button && this.lesson) this.actions[button.dataset.action]();
    });
    this.level.addEventListener("input", () => this.set(this.at()));
    for (const kind of ["pointerover", "focusin"])
      this.part("pairs").addEventListener(kind, (event) => this.focus(event));
    for (const kind of ["pointerleave", "focusout"])
      this.part("pairs").addEventListener(kind, () => {
        this.hovered = -1;
        this.dirty = true;
      });
    this.part("figure").addEventListener("click", (event) => {
      const layout = this.part("figure")._fullLayout;
      if (!layout || !this.lesson) return;
      const t = layout.xaxis.p2l(
        event.clientX - this.part("figure").getBoundingClientRect().left - layout.xaxis._offset,
      );
      this.set(Math.round(Math.max(0, Math.min(1, t)) * (this.lesson.t.length - 1)));
    });
    for (const name of ["run", "at"])
      follow(name, this.root, () => {
        this.dirty ||= this.tried !== null;
      });
    new MutationObserver(() => this.plot()).observe(document.body, {
      attributes: true,
      attributeFilter: ["class"],
    });
    new ResizeObserver(() => this.plot()).observe(this.root);
  }

  part(name) {
    return this.root.querySelector(`[data-slot="${name}"]`);
  }

  at() {
    return Number(this.level.value);
  }

  state() {
    return this.lesson.states[this.lesson.state[this.at()]];
  }

  ingest() {
    const opened = this.stream.opened();
    if (!opened) return;
    this.id = opened.id;
    clearTimeout(this.waiting);
    if (opened.type === "asking")
      return void (this.waiting = setTimeout(() => this.showMessage(phrase("noise.asking")), PATIENCE));
    this.showMessage(messageText(opened.message || ""));
    if (opened.type === "error") return;
    ({ lesson: this.lesson, figure: this.figure } = opened);
    this.names = { pieces: new Map(), header: { model: this.lesson.model } };
    readPieces(this.names.pieces, this.lesson.pieces);
    this.level.max = this.lesson.t.length - 1;
    this.plotted = null;
    this.hovered = -1;
    this.tried = null;
    this.layOut();
    this.dirty = true;
  }

  showMessage(sentence) {
    this.part("message").textContent = sentence;
    this.part("message").hidden = !sentence;
  }

  // one column a token: above what the model sees, below what it believes; as wide as the true word
  layOut() {
    this.part("pairs").replaceChildren();
    this.ruler.font = getComputedStyle(this.part("pairs")).font;
    const clean = joinTokenTexts(this.lesson.clean.map((id) => tokenText(this.names, id)));
    this.pairs = this.lesson.clean.map((_, i) => {
      const column = document.createElement("button");
      const seen = text("span", "", "seen");
      const guess = text("span", "", "guess");
      const back = text("span", "", "back");
      const truth = text("span", "", "truth");
      column.type = "button";
      column.className = "pair";
      column.dataset.pos = i;
      column.hidden = i === 0; // the beginning of text has no word
      const width = Math.max(34, Math.ceil(this.ruler.measureText(clean[i]).width) + 8);
      column.style.width = `${width}px`;
      this.put(truth, clean[i], width);
      column.append(seen, guess, back, truth);
      this.part("pairs").append(column);
      return { column, seen, guess, back, width };
    });
  }

  put(element, content, width) {
    const word = content.replace(/^ /, "").replace(/\n/g, "↵");
    const wide = this.ruler.measureText(word).width + 6;
    element.textContent = word;
    element.style.fontSize = wide > width ? `${Math.max(0.3, width / wide)}em` : "";
  }

  draw() {
    const now = this.state();
    const t = this.lesson.t[this.at()];
    const row = new Map(now.asked.map((i, k) => [i, k]));
    const mask = this.lesson.model.mask;
    const guessed = (i) => now.top_ids[row.get(i)][0];
    const seen = joinTokenTexts(now.ids.map((id) => (id === mask ? "" : tokenText(this.names, id))));
    const guesses = joinTokenTexts(now.ids.map((_, i) => (row.has(i) ? tokenText(this.names, guessed(i)) : "")));
    this.pairs.forEach((pair, i) => {
      this.put(pair.seen, seen[i], pair.width);
      this.put(pair.guess, guesses[i], pair.width);
      this.drawPair(pair, i, now, row.has(i) ? row.get(i) : -1);
    });
    this.part("level").textContent = t.toFixed(2);
    this.part("alpha").textContent = this.lesson.alpha[this.at()].toFixed(2);
    this.part("hits").textContent = phrase("noise.hits", { hits: now.hit.length, all: this.lesson.clean.length - 1 });
    this.part("loss").textContent =
      now.loss === null ? phrase("noise.none") : phrase("noise.loss_value", { loss: now.loss.toFixed(2) });
    this.part("summary").textContent = this.playing
      ? ""
      : phrase("noise.summary", { t: t.toFixed(2), hits: now.hit.length });
    this.level.setAttribute("aria-valuetext", phrase("noise.scrubbed", { t: t.toFixed(2), hits: now.hit.length }));
    this.root.querySelector("[data-action=denoise]").disabled = !now.hit.length;
    this.root.querySelector("[data-action=less]").disabled = this.lesson.state[this.at()] === this.lesson.state[0];
    this.root.querySelector("[data-action=more]").disabled =
      this.lesson.state[this.at()] === this.lesson.states.length - 1;
    for (const target of [this.root, this.host])
      Object.assign(target.dataset, {
        mode: "lesson",
        playing: String(this.playing),
        t: String(t),
        hits: String(now.hit.length),
        loss: now.loss === null ? "" : now.loss.toFixed(4),
      });
    this.compare(now);
    this.inspect(now, row);
    this.mark();
  }

  // What the model made of the noisy sentence, as far as its run is shown, above the true one; a row each.
  compare(now) {
    const { clean } = this.lesson;
    const made = this.tried === now ? besideTruth(shared.run, shared.at, shared.truth) : null;
    this.root.dataset.compared = String(made !== null);
    if (!made) return;
    const { ids } = made;
    const words = joinTokenTexts(ids.map((id) => (id === this.lesson.model.mask ? "" : tokenText(shared.run, id))));
    this.pairs.forEach(({ column, back, width }, i) => {
      const masked = ids[i] === this.lesson.model.mask;
      const fate = masked ? "masked" : ids[i] !== clean[i] ? "differs" : now.hit.includes(i) ? "equal" : "";
      this.put(back, words[i], width);
      back.className = `back ${fate}`;
      column.dataset.fate = fate;
      const about = { word: masked ? phrase("noise.mask") : words[i].trim(), truth: wordOf(this.names, clean[i]) };
      column.ariaLabel += phrase("noise.column_after", about);
    });
    this.part("restored").textContent = tellRestored(made);
  }

  // One token: what stands there, and what the model, asked in row `k` of the state, believes.
  drawPair({ column, seen, guess }, i, now, k) {
    const clean = this.lesson.clean[i];
    const masked = now.ids[i] === this.lesson.model.mask;
    const noisy = now.hit.includes(i) && now.ids[i] !== clean;
    const wrong = k >= 0 && now.top_ids[k][0] !== clean;
    const probability = k < 0 ? NaN : now.probability[k];
    seen.className = `seen${masked ? " masked" : noisy ? " replaced" : ""}`;
    guess.className = `guess${k < 0 ? "" : ` ${grade(probability)}`}${wrong ? " wrong" : ""}`;
    column.classList.toggle("lit", i === this.hovered);
    Object.assign(column.dataset, {
      state: masked ? "masked" : noisy ? "noise" : "clean",
      probability: k < 0 ? "" : probability.toFixed(4),
      tokenId: now.ids[i],
    });
    const stands = wordOf(this.names, now.ids[i]);
    const word = masked ? phrase("noise.mask") : noisy ? phrase("noise.replaced_by", { word: stands }) : stands;
    const about = { position: i, word };
    if (k < 0) return column.setAttribute("aria-label", phrase("noise.column", about));
    const belief = { guess: wordOf(this.names, now.top_ids[k][0]), probability: probability.toFixed(2) };
    column.setAttribute("aria-label", phrase("noise.column_asked", { ...about, ...belief }));
  }

  inspect(now, row) {
    const box = this.part("inspector");
    const i = this.hovered;
    const k = row.has(i) ? row.get(i) : -1;
    if (i < 0)
      return box.replaceChildren(
        text("h2", phrase("noise.title")),
        text("p", phrase("noise.training"), "lesson"),
        text("p", phrase("noise.hint"), "empty"),
      );
    const head = text("h2", phrase("noise.position", { position: i }));
    head.append(" ", text("small", phrase("noise.at_t", { t: this.lesson.t[this.at()].toFixed(2) })));
    if (k < 0) return box.replaceChildren(head, text("p", phrase("noise.visible"), "why"));
    const p = now.probability[k];
    const list = now.top_ids[k].map((id, r) => [id, now.top_probs[k][r]]);
    if (!list.some(([id]) => id === this.lesson.clean[i])) list.push([this.lesson.clean[i], p]);
    const hit = now.hit.includes(i);
    const nats = (-Math.log(Math.max(p, 1e-4))).toFixed(2);
    const why = text("p", "", "why");
    // the word is set apart, for text that runs the other way
    const [before, after] = phrase("noise.true", { probability: p.toFixed(2), nats }).split("{word}");
    if (hit) why.append(before, text("bdi", wordOf(this.names, this.lesson.clean[i])), after);
    else why.append(phrase("noise.visible"));
    if (hit && this.lesson.kind === "replace") why.append(" ", phrase("noise.half"));
    box.replaceChildren(
      head,
      ...list.map(([id, share]) => alternative(wordOf(this.names, id), share, id === this.lesson.clean[i])),
      why,
    );
  }

  async fetchPlotly() {
    this.plotly = await loadPlotly(this.options.plotly);
    this.plot();
  }

  // the figure of figures.py, with its upright at the level
  plot() {
    if (!this.figure || !this.part("figure").clientWidth) return;
    if (!this.plotly) return this.fetchPlotly();
    if (this.plotted === `${this.id} ${theme()} ${this.part("figure").clientWidth}`) return;
    this.plotted = `${this.id} ${theme()} ${this.part("figure").clientWidth}`;
    const { data, layout } = translateFigure(this.figure[theme()]);
    this.plotly
      .newPlot(this.part("figure"), data, layout, { displayModeBar: false, responsive: true })
      .then(() => this.mark());
  }

  mark() {
    const drawn = this.part("figure").layout;
    if (!this.plotly || !this.lesson || !drawn || !drawn.shapes) return;
    const t = this.lesson.t[this.at()];
    this.plotly.relayout(this.part("figure"), { "shapes[0].x0": t, "shapes[0].x1": t });
  }

  // to the nearest level at which one token more, or less, is under noise
  move(by) {
    const wanted = this.lesson.state[this.at()] + by;
    let to = this.at();
    while (
      this.lesson.state[to] !== undefined &&
      (by > 0 ? this.lesson.state[to] < wanted : this.lesson.state[to] > wanted)
    )
      to += by;
    this.set(Math.max(0, Math.min(this.lesson.t.length - 1, to)));
  }

  set(value) {
    this.level.value = value;
    this.playing = false;
    this.dirty = true;
  }

  focus(event) {
    const column = event.target.closest("[data-pos]");
    const i = column ? Number(column.dataset.pos) : -1;
    if (i === this.hovered) return;
    this.hovered = i;
    this.dirty = true;
  }

  tick(passed) {
    if (this.playing && this.lesson) {
      this.clock = Math.min(Number(this.level.max), this.clock + (passed * Number(this.level.max)) / SWEEP);
      if (Math.floor(this.clock) !== this.at()) {
        this.level.value = Math.floor(this.clock);
        this.dirty = true;
      }
      if (this.clock >= Number(this.level.max)) {
        this.playing = false;
        this.dirty = true;
      }
    }
    if (this.dirty && this.root.clientWidth) {
      this.dirty = false;
      this.draw();
      this.plot();
    }
  }
}

export function mountNoise(host, options) {
  putWords(host);
  new NoiseLesson(host, options).begin();
}

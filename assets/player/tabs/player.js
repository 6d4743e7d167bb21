// The player: run-file lines in, a run on screen.  It keeps the run, plays it on its own clock, and never asks the
// server to move.  Model and visitor text reaches the document through textContent or a canvas, and in no other way.

import { keepRun } from "../page/kept.js";
import { putWords } from "../page/language.js";
import { keepPart, takePart } from "../page/leaving.js";
import { parseLine, typeOf } from "../run/decode.js";
import { addRecord, emptyRun, firstStopAt, isPresent, stateAfter, tokenAt } from "../run/state.js";
import { nearStop } from "../run/stop.js";
import { wordOf } from "../run/text.js";
import { besideTruth, tellRestored } from "../run/truth.js";
import { narrate, verdict } from "../run/why.js";
import { follow, publish, shared } from "../store.js";
import { barPaints, drawBars } from "../view/bars.js";
import { everyFrame } from "../view/dom.js";
import { Inspector } from "../view/inspector.js";
import { Plots } from "../view/plots.js";
import { StreamReader, waitingWords, watchConnection } from "../view/stream.js";
import { TokenCanvas } from "../view/tokens.js";
import { messageText, phrase } from "../words.js";
import { KeepMenu } from "./keep.js";

const STEPS_A_SECOND = 10;
const PROSE_AFTER = 600; // milliseconds at the end of a finished run

const measured = (value, digits) => (Number.isNaN(value) ? "–" : value.toFixed(digits));

class Player {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = host.querySelector(".player");
    this.part = (name) => this.root.querySelector(`[data-slot="${name}"]`);
    this.run = emptyRun();
    this.stream = new StreamReader(options.value);
    this.mode = "recorded";
    this.own = false; // whether the run is made for this page
    this.pending = false; // a new run is announced, and none of its lines is here
    this.laid = false; // its canvas is laid out
    this.at = 0;
    this.clock = 0;
    this.playing = false;
    this.following = false;
    this.speed = 1;
    this.hovered = -1;
    this.selected = -1;
    this.pressed = null;
    this.dirty = true;
    this.note = ""; // names the sentence that says what to look for
    this.inColours = false; // the visitor wants the colours to stay at the end
    this.endedAt = 0; // when the end of the run came on screen
    this.ownTitle = document.title;
    this.spoken = 0; // the second in which the summary changed last
    this.canvas = new TokenCanvas(this.part("tokens"));
    this.inspector = new Inspector(this, this.part("inspector"));
    this.plots = new Plots(this, this.part);
    this.paints = barPaints(this.root);
    this.connection = this.watchConnection();
    this.actions = this.buttonActions();
  }

  begin() {
    for (const button of this.root.querySelectorAll("[data-branch]")) button.hidden = !this.options.branches;
    this.listenToButtons();
    this.listenToPointer();
    this.listenToKeys();
    this.listenToPage();
    this.options.watch(() => this.ingest());
    follow("opened", this.root, ({ lines, note }) => this.open(lines, note));
    this.ingest();
    this.connection.begin();
    follow("leaving", this.root, () => keepPart(this.host.id, this.whole()));
    this.reopen(takePart(this.host.id));
    if (this.options.opening) this.playOpening();
    everyFrame(this.root, (passed, now) => this.tick(passed, now));
  }

  // -- the run arrives --

  ingest() {
    const opened = this.stream.opened();
    if (opened) {
      const { message, type } = opened;
      if (message) return this.showMessage(messageText(message), type === "error" ? "error" : null);
      this.pending = true; // what is on screen stays, in its mode, until the first line of the new run
    }
    const lines = this.stream.lines();
    if (!lines) return;
    for (const line of lines) this.addLine(line, this.stream.envelope);
    this.redraw();
  }

  addLine(line, envelope) {
    this.connection.hear();
    const record = parseLine(line);
    if (typeOf(record) === "waiting") return this.showMessage(waitingWords(record), null);
    if (this.pending) this.start(envelope);
    addRecord(this.run, record, line);
    if (!this.laid) this.canvas.layOut(this.run);
    this.laid = true;
    if (this.run.lines.length === 1) {
      this.draw(); // at once: a frame of empty slots would jump when their words come
      this.share();
      this.entitle();
      publish({ begun: { run: this.run, live: this.mode === "live", ours: envelope.controls === true } });
    }
    if (this.run.totals) this.end(this.run.totals);
  }

  // The page is called after what is written in it.
  entitle() {
    const { prompt } = this.run.header;
    if (!this.options.link) return; // a file has its own title
    document.title = prompt ? `${prompt.slice(0, 60)} · ${phrase("page.title")}` : this.ownTitle;
  }

  end(totals) {
    if (this.mode === "live") {
      this.mode = totals.end;
      keepRun(this.run).catch(() => {}); // a browser that keeps nothing still plays
    }
    if (totals.message) this.showMessage(totals.message, null);
    this.following = false;
    this.share();
  }

  // The recorded run that plays until there is another one.
  async playOpening() {
    const { lines, message } = await this.options.opening();
    if (!this.run.header) this.open(lines, "", { controls: true });
    if (message) this.showMessage(message, null);
  }

  // Shows a run that is already in the page, such as a pane of a comparison.
  open(lines, note, envelope = {}) {
    const awaited = this.pending; // a run of the visitor's own may still be in line
    this.start({ type: "recorded" });
    for (const line of lines) this.addLine(line, envelope);
    this.pending = awaited;
    this.note = note;
    this.redraw();
  }

  start(envelope) {
    this.run = emptyRun();
    this.pending = this.laid = false;
    this.at = this.clock = 0;
    this.plots.reset();
    this.hovered = this.selected = -1;
    this.mode = envelope.type;
    this.own = this.mode === "live";
    this.following = false;
    this.note = "";
    this.playing = !(matchMedia("(prefers-reduced-motion: reduce)").matches && this.mode === "recorded");
    this.showMessage(messageText(envelope.notice || ""), null);
    if (!this.playing) this.clock = Infinity;
  }

  // Tells the rest of the page what is on screen.
  share() {
    const live = this.mode === "live" && !this.run.totals;
    const running = live || (this.pending && this.stream.envelope?.type === "live");
    const now = Object.entries({ run: this.run, at: this.at, live, running });
    const changes = now.filter(([name, value]) => shared[name] !== value);
    if (changes.length) publish(Object.fromEntries(changes));
  }

  // -- a run that is cut off --

  unfinished() {
    return this.own && this.run.header !== null && !this.run.totals;
  }

  watchConnection() {
    return watchConnection(this.root, this.options.alive, {
      name: this.host.id,
      awaits: () => this.unfinished() || this.pending,
      kept: () => (this.unfinished() && !shared.leaving ? this.run.lines : null),
      lose: () => {
        this.following = false;
        this.showMessage(phrase("player.lost"), this.unfinished() ? "stopped" : null);
      },
      find: () => this.showMessage("", this.unfinished() ? "live" : null),
      recover: (lines) => {
        this.recover(lines, {});
        this.go(this.run.steps.length);
      },
    });
  }

  recover(lines, envelope) {
    this.start({ type: "stopped" });
    for (const line of lines) this.addLine(line, envelope);
    keepRun(this.run).catch(() => {});
    this.showMessage(phrase("player.cut"), null);
    this.plots.stale = true;
  }

  // -- a page that opens anew --

  // What is on screen; null before the first run.
  whole() {
    if (!this.run.header) return null;
    const { mode, own, note, at, playing, speed, selected, inColours } = this;
    const about = { note, at, playing, speed, selected, inColours };
    return { lines: this.run.lines, cut: this.unfinished(), mode, own, measure: this.plots.measure, about };
  }

  // Shows it again.  The controls come back by themselves, and may differ from those of the run.
  reopen(kept) {
    if (!kept) return;
    if (kept.cut) this.recover(kept.lines, { controls: true });
    else {
      this.start({ type: kept.mode });
      for (const line of kept.lines) this.addLine(line, { controls: true });
      this.own = kept.own;
    }
    this.root.querySelector("[data-role=speed]").value = String(kept.about.speed);
    this.measure(kept.measure);
    Object.assign(this, kept.about, { clock: kept.about.at, endedAt: -PROSE_AFTER });
    this.share();
    this.redraw();
  }

  showMessage(sentence, mode) {
    const message = this.part("message");
    message.textContent = sentence;
    message.hidden = !sentence;
    if (mode) {
      this.mode = mode;
      this.dirty = true;
    }
    this.share();
  }

  // -- what is shown --

  redraw() {
    this.dirty = this.plots.stale = true;
  }

  // The position that is pointed at, else the one that is chosen; -1 if there is neither.
  pointed() {
    return this.hovered >= 0 ? this.hovered : this.selected;
  }

  // How many steps the run has, or while it lasts, how many its policy means to take.
  total() {
    const { policy } = this.run.header;
    const planned = this.mode === "live" ? this.options.stepNames.map((name) => policy[name] || 0) : [];
    return Math.max(this.run.steps.length, ...planned);
  }

  draw() {
    this.dirty = false;
    const lit = (i) => i === this.hovered || i === this.selected;
    const tail = this.canvas.draw(this.at, lit);
    const tailWords = tail === 1 ? phrase("player.tail_one") : phrase("player.tail", { count: tail });
    this.part("tail").textContent = tail ? tailWords : "";
    this.drawStatus();
    this.drawScrubber();
    this.drawNear();
    drawBars(this.part("bars"), this.run, this.at, this.total(), this.paints());
    this.part("caption").textContent = narrate(this.run, this.at);
    this.part("verdict").textContent = this.atEnd() ? this.verdict() : phrase(this.note || "player.point");
    this.inspector.draw();
    this.inspector.place(this.canvas.slots[this.pointed()]?.element);
    this.plots.drawPlayhead();
  }

  // What the line over the bars is, and its numbers in this step.
  drawNear() {
    const now = nearStop(this.run.steps[Math.max(0, this.at - 1)]?.info ?? {});
    this.part("near").hidden = now === null;
    if (!now) return;
    const numbers = { value: measured(this.at ? now.value : NaN, 2), limit: measured(now.limit, 2) };
    this.part("near").textContent = phrase(`player.near_${now.measure}`, numbers);
  }

  atEnd() {
    return this.run.totals !== null && this.at >= this.run.steps.length;
  }

  verdict() {
    const made = shared.truth && besideTruth(this.run, this.at, shared.truth);
    return made ? `${verdict(this.run)} ${tellRestored(made)} ${phrase("verdict.beside")}` : verdict(this.run);
  }

  // At the end of a run that is whole the canvas becomes prose, unless its colours are wanted.
  settle(now) {
    const done = this.atEnd() && this.run.totals.end === "finished" && !this.playing;
    this.endedAt = done ? this.endedAt || now : 0;
    this.canvas.prose(done && !this.inColours && now - this.endedAt > PROSE_AFTER);
    this.root.querySelector("[data-action=colours]").setAttribute("aria-pressed", String(!this.canvas.isProse));
  }

  drawStatus() {
    const { header, steps } = this.run;
    const now = this.at > 0 ? steps[this.at - 1] : null;
    const { masks, tokens } = stateAfter(this.run, this.at);
    this.part("mode").textContent = phrase(`player.modes.${this.mode}`);
    this.part("step").textContent = `${this.at} / ${this.total()}`;
    this.part("masks").textContent = masks;
    this.part("rate").textContent = now ? measured(tokens / now.forwards, 1) : "0";
    this.part("seconds").textContent = `${now ? measured(now.seconds, 2) : "0.00"} ${phrase("player.second")}`;
    this.part("speed").textContent = now?.seconds ? Math.round(tokens / now.seconds) : "–";
    const { name, temperature } = header.policy;
    const heat = temperature === undefined ? "" : `T ${temperature}`;
    const source = [header.model.name, name, heat, phrase("player.seed", { seed: header.seed ?? "–" })];
    this.part("source").textContent = source.filter(Boolean).join(" · ");
    const { mode, playing, at } = this;
    const state = { mode, playing: String(playing), step: String(at), steps: String(steps.length) };
    for (const target of [this.root, this.host]) Object.assign(target.dataset, state);
    this.root.querySelector("[data-action=live]").disabled = at >= steps.length && (this.following || mode !== "live");
  }

  drawScrubber() {
    const about = { at: this.at, steps: this.run.steps.length, masks: stateAfter(this.run, this.at).masks };
    const scrubber = this.root.querySelector("[data-role=scrubber]");
    scrubber.max = this.total();
    scrubber.value = this.at;
    scrubber.setAttribute("aria-valuetext", phrase("player.scrubbed", about));
    const second = Math.floor(performance.now() / 1000);
    if (second === this.spoken) return;
    this.spoken = second;
    const mode = phrase(`player.modes.${this.mode}`);
    this.part("summary").textContent = phrase("player.summary", { ...about, mode });
  }

  // -- controls --

  go(step, keepPlaying = false) {
    this.at = Math.max(0, Math.min(this.run.steps.length, step));
    this.clock = this.at;
    if (!keepPlaying) this.playing = this.following = false;
    this.dirty = true;
    this.share();
  }

  play() {
    if (this.at >= this.run.steps.length && this.mode !== "live") this.go(0, true);
    this.playing = true;
    this.clock = this.at;
    this.dirty = true;
  }

  pause() {
    this.playing = this.following = false;
    this.dirty = true;
  }

  // The player alone, on the whole screen, or back in its page.
  present() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.host.requestFullscreen?.().catch(() => {});
  }

  toLive() {
    this.go(this.run.steps.length, true);
    this.following = this.playing = this.mode === "live";
    this.dirty = true;
  }

  buttonActions() {
    const keep = new KeepMenu(this.root, this.options, () => ({
      run: this.run,
      plots: this.plots,
      rate: STEPS_A_SECOND * this.speed,
    }));
    return {
      play: () => this.play(),
      pause: () => this.pause(),
      "step-back": () => this.go(this.at - 1),
      "step-forward": () => this.go(this.at + 1),
      restart: () => this.go(0, this.playing),
      live: () => this.toLive(),
      present: () => this.present(),
      colours: () => {
        this.inColours = this.canvas.isProse;
        this.endedAt = -PROSE_AFTER;
      },
      race: () => publish({ raced: this.raceable() }),
      resume: () => publish({ branch: { run: this.run, at: this.at } }),
      edit: () => publish({ branch: { run: this.run, at: this.at, edit: true } }),
      ...keep.actions(),
    };
  }

  // What the run was made with, as far as both sides of a race can be.
  raceable() {
    const { prompt, canvas, policy, seed } = this.run.header;
    const temperature = policy.temperature ?? policy.tau ?? 0;
    return { prompt, length: canvas.filter((_, i) => !this.run.fixed[i]).length, temperature, seed };
  }

  focus(i) {
    if (i === this.hovered) return;
    this.hovered = i;
    this.dirty = true;
  }

  choose(i) {
    this.selected = this.selected === i ? -1 : i;
    this.dirty = true;
  }

  listenToButtons() {
    // while a run plays the inspector is drawn anew between press and release, so the press counts
    this.root.addEventListener("pointerdown", (event) => {
      this.pressed = event.target.closest("[data-force]");
    });
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      const token = event.target.closest("[data-pos]");
      const inInspector = this.part("inspector").contains(event.target);
      const force = event.target.closest("[data-force]") || (inInspector && this.pressed);
      if (force) return this.force(force.dataset);
      if (token) return this.choose(Number(token.dataset.pos));
      if (!button || !this.run.header) return;
      if (button.dataset.action) this.actions[button.dataset.action]();
      if (!button.dataset.measure) return;
      this.plots.load(true);
      this.measure(button.dataset.measure);
    });
    const scrubber = this.root.querySelector("[data-role=scrubber]");
    const speed = this.root.querySelector("[data-role=speed]");
    scrubber.addEventListener("input", () => this.go(Number(scrubber.value)));
    speed.addEventListener("change", () => {
      this.speed = Number(speed.value);
    });
  }

  // Chooses what the heatmap shows.
  measure(name) {
    this.plots.show(name);
    for (const button of this.root.querySelectorAll("[data-measure]"))
      button.setAttribute("aria-pressed", String(button.dataset.measure === name));
  }

  // Asks for a run that goes on from before a step, with another token at a position.
  force({ step, track, force }) {
    const forced = { track: Number(track), id: Number(force) };
    publish({ branch: { run: this.run, at: Number(step), forced } });
  }

  listenToPointer() {
    this.root.addEventListener("pointerover", (event) => {
      const token = event.target.closest("[data-pos]");
      if (token) this.focus(Number(token.dataset.pos));
      else if (!this.part("inspector").contains(event.target)) this.focus(-1);
    });
    this.root.addEventListener("pointerleave", () => this.focus(-1));
    const heatmap = this.part("heatmap");
    heatmap.addEventListener("pointerenter", () => this.plots.load(true));
    heatmap.addEventListener("pointermove", (event) => {
      const cell = this.plots.cellUnder(event);
      this.focus(cell ? cell.i : -1);
      this.plots.drawTip(cell, event);
    });
    heatmap.addEventListener("pointerleave", () => {
      this.focus(-1);
      this.plots.drawTip(null);
    });
    heatmap.addEventListener("click", (event) => {
      const cell = this.plots.cellUnder(event);
      if (!cell) return;
      this.go(cell.s + 1);
      this.selected = cell.i;
    });
  }

  listenToKeys() {
    this.part("tokens").addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by || !this.run.header || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.chooseNext(by);
    });
    const keys = {
      " ": () => (this.playing ? this.pause() : this.play()),
      ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.go(this.at + 1),
      Home: () => this.go(0),
      End: () => this.go(this.run.steps.length),
      f: () => this.present(),
      F: () => this.present(),
      l: () => this.toLive(),
      L: () => this.toLive(),
    };
    this.root.addEventListener("keydown", (event) => {
      if (/^(SELECT|INPUT)$/.test(event.target.tagName) && event.key !== " ") return;
      if (/^(BUTTON|SUMMARY)$/.test(event.target.tagName) && (event.key === " " || event.key === "Enter")) return;
      const act = keys[event.key];
      if (!act || !this.run.header || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }

  // From one position to the next, beginning with the first that is not fixed; Tab then leads to its likeliest tokens.
  chooseNext(by) {
    const { run, at } = this;
    const here = run.order.filter((i) => isPresent(run, at, i));
    const place = here.indexOf(this.selected);
    const opening = here.findIndex((i) => !run.fixed[i]);
    this.selected = here[Math.max(0, place < 0 ? opening : Math.min(here.length - 1, place + by))];
    this.hovered = -1;
    this.dirty = true;
    this.spoken = Math.floor(performance.now() / 1000);
    const word = wordOf(run, tokenAt(run, at, this.selected, firstStopAt(run, at)).shown);
    this.part("summary").textContent = phrase("player.chosen", { position: run.rank[this.selected], word });
  }

  listenToPage() {
    new MutationObserver(() => this.redraw()).observe(document.body, {
      attributes: true,
      attributeFilter: ["class"],
    });
    new ResizeObserver(() => {
      this.plots.resize();
      this.dirty = true;
    }).observe(this.root);
  }

  // -- the clock --

  tick(passed, now) {
    if (this.run.header) {
      this.advance(passed);
      if (this.dirty) this.draw();
      this.settle(now);
      this.plots.draw(now);
    }
  }

  advance(passed) {
    const { length } = this.run.steps;
    if (this.following) this.clock = length;
    else this.clock = Math.min(length, this.clock + (this.playing ? passed * this.speed * STEPS_A_SECOND : 0));
    if (this.playing && this.clock >= length && this.run.totals) this.pause();
    const shown = this.playing || this.clock !== this.at ? Math.floor(this.clock) : this.at;
    if (shown === this.at) return;
    this.at = shown;
    this.dirty = true;
    this.share();
  }
}

export function mountPlayer(host, options) {
  putWords(host);
  new Player(host, options).begin();
}

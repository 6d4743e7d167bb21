// The figures of figures.py, filled with a run: the heatmap with its playhead and its tip, and the progress below it.

import { bytesOf } from "../run/decode.js";
import { heatmapData } from "../run/heatmap.js";
import { wordOf } from "../run/text.js";
import { MAX_ENTROPY } from "../settings.js";
import { phrase } from "../words.js";
import { loadPlotly, text, theme } from "./dom.js";
import { heatmapFigure, plotBox, progressFigure } from "./figures.js";
import { alternatives } from "./inspector.js";
import { drawFigure } from "./sketch.js";

const DRAW_EVERY = 60; // milliseconds
const PLOT_SETTINGS = { displayModeBar: false, responsive: false };
const NAMES = ["heatmap", "progress"];

export class Plots {
  constructor(player, part) {
    this.hurry = null;
    this.player = player;
    this.part = part;
    /** @type {"confidence" | "entropy" | "commit"} */
    this.measure = "confidence";
    this.plotly = null;
    this.figure = null; // the heatmap, once it is drawn
    this.stale = true;
    this.drawing = false;
    this.loaded = null; // what `load` promises, once it is asked for
    this.sketches = Object.fromEntries(NAMES.map((name) => [name, sketchOver(part(name))]));
    this.reset();
  }

  // Plotly in place of the sketches: while the browser has nothing else to do, or at once for a visitor who reaches for it.
  load(now = false) {
    this.loaded ??= new Promise((start) => {
      this.hurry = () => start(null);
      idle(this.hurry);
    })
      .then(() => loadPlotly(this.player.options.plotly))
      .then((found) => {
        this.plotly = found;
        this.stale = true;
        return found;
      });
    if (now) this.hurry();
    return this.loaded;
  }

  // The figures of another run must not stay on screen.
  reset() {
    this.drawnAt = 0;
    this.cost = 0;
  }

  show(measure) {
    this.measure = measure;
    this.stale = true;
  }

  draw(now) {
    const { run, mode, at } = this.player;
    if (at > 0) this.load();
    if (!this.stale || this.drawing || !run.header || !this.part("heatmap").clientWidth) return;
    if (now - this.drawnAt < Math.max(DRAW_EVERY, this.cost * 10)) return;
    // while a run grows the sketch keeps up with its text, as Plotly could not
    const plotly = mode === "live" && !run.totals ? null : this.plotly;
    this.stale = false;
    this.drawing = true;
    const began = performance.now();
    const steps = Math.max(this.player.total(), 1);
    const heat = heatmapData(run, this.measure);
    const size = (name) => ({ width: this.part(name).clientWidth, height: this.part(name).clientHeight });
    const figures = {
      heatmap: heatmapFigure(heat, this.measure, steps, theme(), size("heatmap")),
      progress: progressFigure(run, steps, theme(), size("progress")),
    };
    const revision = `${this.player.envelope} ${run.steps.length} ${this.measure}`;
    const drawn = NAMES.map(async (name) => {
      Object.assign(figures[name].layout, size(name), { datarevision: revision });
      if (plotly) await plotly.react(this.part(name), figures[name].data, figures[name].layout, PLOT_SETTINGS);
      else drawFigure(this.sketches[name], figures[name], size(name));
      this.sketches[name].hidden = Boolean(plotly);
    });
    Promise.all(drawn).then(() => {
      this.drawing = false;
      this.drawnAt = performance.now();
      this.cost = this.drawnAt - began;
      this.figure = figures.heatmap;
      this.caption(heat);
      this.drawPlayhead();
    });
  }

  caption({ shape, merged: [down, across] }) {
    Object.assign(this.part("heatmap").dataset, { steps: shape[1], merged: `${down} ${across}` });
    this.part("merged").textContent = down * across > 1 ? phrase("heatmap.merged", { down, across }) : "";
    this.part("scale").textContent = phrase(`heatmap.scale_${this.measure}`, { most: MAX_ENTROPY });
  }

  // The heatmap's plot: its box, and the way from steps and positions to its pixels and back.
  axes() {
    if (!this.figure || !this.player.run.header) return null;
    const { layout } = this.figure;
    const box = plotBox(layout, layout);
    const [first, last] = layout.xaxis.range;
    const [bottom, top] = layout.yaxis.range;
    return {
      box,
      x: (step) => box.left + ((step - first) / (last - first)) * box.width,
      y: (position) => box.top + ((position - top) / (bottom - top)) * box.height,
      step: (x) => first + ((x - box.left) / box.width) * (last - first),
      position: (y) => top + ((y - box.top) / box.height) * (bottom - top),
    };
  }

  // Where the playhead stands, and the row of the position that is pointed at.
  drawPlayhead() {
    const { run, at } = this.player;
    const axis = this.axes();
    const line = this.part("playhead");
    const band = this.part("row");
    const i = this.player.pointed();
    line.hidden = !axis || at === 0;
    band.hidden = !axis || i < 0;
    if (!axis) return;
    const { box, x, y } = axis;
    const pixels = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, `${value}px`]));
    const left = Math.min(box.left + box.width, x(at + 0.5)) - 1;
    Object.assign(line.style, pixels({ left, top: box.top, height: box.height }));
    if (i < 0) return;
    const [from, to] = [-0.5, 0.5].map((side) => y(run.rank[i] + side));
    Object.assign(band.style, pixels({ left: box.left, width: box.width, top: from, height: Math.max(2, to - from) }));
  }

  cellUnder(event) {
    const axis = this.axes();
    if (!axis) return null;
    const { steps, order } = this.player.run;
    const box = this.part("heatmap").getBoundingClientRect();
    const s = Math.round(axis.step(event.clientX - box.left)) - 1;
    const place = Math.round(axis.position(event.clientY - box.top));
    return s < 0 || s >= steps.length || place < 0 || place >= order.length ? null : { s, i: order[place] };
  }

  drawTip(cell, event) {
    const tip = this.part("tip");
    tip.hidden = !cell;
    if (!cell) return;
    tip.replaceChildren(...tipNodes(this.player.run, cell));
    const frame = tip.parentElement.getBoundingClientRect();
    const x = event.clientX - frame.left;
    const y = event.clientY - frame.top;
    tip.style.left = `${x + 250 > frame.width ? Math.max(0, x - 246) : x + 16}px`;
    tip.style.top = `${Math.max(0, Math.min(y + 12, frame.height - tip.offsetHeight - 4))}px`;
  }

  // The heatmap as a picture; one of lines and letters only Plotly can draw.
  async picture(format) {
    const plotly = await this.load(true);
    const { width, height } = this.figure.layout;
    if (!plotly) {
      const canvas = document.createElement("canvas");
      drawFigure(canvas, this.figure, { width, height });
      return new Promise((done) => canvas.toBlob(done, `image/${format}`));
    }
    const url = await plotly.toImage(this.figure, { format, width, height, scale: format === "png" ? 2 : 1 });
    const data = url.slice(url.indexOf(",") + 1);
    return format === "svg"
      ? new Blob([decodeURIComponent(data)], { type: "image/svg+xml" })
      : new Blob([bytesOf(data)], { type: `image/${format}` });
  }

  resize() {
    this.stale = true;
  }
}

// A canvas that lies over a figure until Plotly draws it.
function sketchOver(figure) {
  const canvas = document.createElement("canvas");
  canvas.className = "sketch";
  canvas.ariaHidden = "true";
  figure.after(canvas);
  return canvas;
}

// Calls `act` when the browser has time, at the latest after some seconds; not every browser can say when it has.
function idle(act) {
  if (window.requestIdleCallback) requestIdleCallback(act, { timeout: 4000 });
  else setTimeout(act, 1000);
}

// What a cell of the heatmap says: the token, where it is, and what was measured there.
function tipNodes(run, { s, i }) {
  const step = run.steps[s];
  const k = step.row[i] ?? -1;
  const after = step.ids[i] ?? -1;
  const place = phrase("heatmap.cell", { position: run.rank[i], step: s + 1 });
  const head = [text("b", wordOf(run, k >= 0 ? step.predicted[k] : after)), text("div", place)];
  if (k < 0) return [...head, text("div", unmeasured(run, step, i, after))];
  const measured = { confidence: step.confidence[k].toFixed(3), entropy: step.entropy[k].toFixed(2) };
  return [...head, text("div", phrase("heatmap.measured", measured)), ...alternatives(run, step, i)];
}

// Why a cell has no belief to show.
function unmeasured(run, step, i, after) {
  if (run.fixed[i]) return phrase("heatmap.fixed");
  if (after < 0) return phrase("heatmap.absent");
  if (step.commit[i] < 0) return phrase("heatmap.unmeasured");
  const written = { step: step.commit[i] + 1, confidence: step.sure[i].toFixed(3) };
  return Number.isNaN(step.sure[i]) ? phrase("heatmap.written", written) : phrase("heatmap.written_sure", written);
}

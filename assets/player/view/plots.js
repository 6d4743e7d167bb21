// The figures of figures.py, filled with a run: the heatmap with its playhead and its tip, and the progress below it.

import { heatmapData } from "../run/heatmap.js";
import { wordOf } from "../run/text.js";
import { FIGURES, MAX_ENTROPY } from "../settings.js";
import { phrase, translateFigure } from "../words.js";
import { loadPlotly, text, theme } from "./dom.js";
import { alternatives } from "./inspector.js";

const DRAW_EVERY = 350; // milliseconds, while a run lasts
const PLOT_SETTINGS = { displayModeBar: false, responsive: false };

export class Plots {
  constructor(player, part) {
    this.player = player;
    this.part = part;
    this.figures = translateFigure(FIGURES);
    /** @type {"confidence" | "entropy" | "commit"} */
    this.measure = "confidence";
    this.plotly = null;
    this.stale = true;
    this.drawing = false;
    this.reset();
    loadPlotly(player.options.plotly).then((found) => {
      this.plotly = found;
      this.stale = true;
    });
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
    const { run, mode } = this.player;
    if (!this.plotly || !this.stale || this.drawing || !run.header || !this.part("heatmap").clientWidth) return;
    if (now - this.drawnAt < Math.max(mode === "live" ? DRAW_EVERY : 60, this.cost * 10)) return;
    this.stale = false;
    this.drawing = true;
    const began = performance.now();
    const steps = Math.max(this.player.total(), 1);
    const heat = heatmapData(run, this.measure);
    const figure = this.heatmap(heat, steps);
    const progress = this.progress(figure.layout.xaxis);
    const revision = `${this.player.envelope} ${run.steps.length} ${this.measure}`;
    figure.layout.datarevision = progress.layout.datarevision = revision;
    Promise.all([
      this.plotly.react(this.part("heatmap"), figure.data, figure.layout, PLOT_SETTINGS),
      this.plotly.react(this.part("progress"), progress.data, progress.layout, PLOT_SETTINGS),
    ]).then(() => {
      this.drawing = false;
      this.drawnAt = performance.now();
      this.cost = this.drawnAt - began;
      this.caption(heat);
      this.drawPlayhead();
    });
  }

  heatmap({ merged: [down, across], opening, ...cells }, steps) {
    const figure = structuredClone(this.figures[theme()][this.measure]);
    const { length } = this.player.run.order;
    const place = { x0: (across + 1) / 2, dx: across, y0: (down - 1) / 2, dy: down };
    for (const trace of figure.data) {
      const commits = this.measure === "commit";
      Object.assign(trace, place, { z: trace.name === "written" && commits ? [] : cells[trace.name] });
      if (trace.name !== "written" && commits) trace.zmax = Math.max(1, steps - 1);
    }
    const { xaxis, yaxis } = figure.layout;
    if (across > 1) xaxis.title.text = phrase("figures.merged", { title: xaxis.title.text, count: across });
    if (down > 1) yaxis.title.text = phrase("figures.merged", { title: yaxis.title.text, count: down });
    xaxis.range = [0.5, steps + 0.5];
    yaxis.range = [length - 0.5, opening - 0.5];
    xaxis.dtick = steps <= 10 ? 1 : null; // as figures.py does
    yaxis.dtick = length - opening <= 10 ? 1 : null;
    return figure;
  }

  progress({ range, dtick }) {
    const { steps } = this.player.run;
    const progress = structuredClone(this.figures[theme()].progress);
    const before = (s) => (s ? steps[s - 1].forwards : 0);
    progress.data[0].y = steps.map((step, s) => step.write.length / Math.max(1, step.forwards - before(s)));
    progress.data[1].y = steps.map((step) => step.masks);
    Object.assign(progress.layout.xaxis, { range, dtick });
    return progress;
  }

  caption({ shape, merged: [down, across] }) {
    Object.assign(this.part("heatmap").dataset, { steps: shape[1], merged: `${down} ${across}` });
    this.part("merged").textContent = down * across > 1 ? phrase("heatmap.merged", { down, across }) : "";
    this.part("scale").textContent = phrase(`heatmap.scale_${this.measure}`, { most: MAX_ENTROPY });
  }

  axes() {
    const layout = this.part("heatmap")._fullLayout; // Plotly's own, as the page has the version it was written for
    return layout?.xaxis && this.player.run.header ? { x: layout.xaxis, y: layout.yaxis } : null;
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
    const { x, y } = axis;
    const pixels = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, `${value}px`]));
    const left = x._offset + Math.min(x._length, x.l2p(at + 0.5)) - 1;
    Object.assign(line.style, pixels({ left, top: y._offset, height: y._length }));
    if (i < 0) return;
    const edges = [y.l2p(run.rank[i] - 0.5), y.l2p(run.rank[i] + 0.5)];
    const height = Math.max(2, Math.abs(edges[1] - edges[0]));
    Object.assign(
      band.style,
      pixels({ left: x._offset, width: x._length, top: y._offset + Math.min(...edges), height }),
    );
  }

  cellUnder(event) {
    const axis = this.axes();
    if (!axis) return null;
    const { steps, order } = this.player.run;
    const box = this.part("heatmap").getBoundingClientRect();
    const s = Math.round(axis.x.p2l(event.clientX - box.left - axis.x._offset)) - 1;
    const place = Math.round(axis.y.p2l(event.clientY - box.top - axis.y._offset));
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

  resize() {
    if (!this.plotly || !this.axes()) return;
    const done = ["heatmap", "progress"].map((name) => this.plotly.Plots.resize(this.part(name)));
    Promise.all(done).then(() => this.drawPlayhead());
  }
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

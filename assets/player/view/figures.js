// A run as the figures of figures.py, filled in.  Every margin, range and tick is set, none is left to who draws them: so
// Plotly and the sketch put the same cell at the same pixel.

import { FIGURES } from "../settings.js";
import { phrase, translateFigure } from "../words.js";

const NICE = [1, 2, 5, 10];
const HEADROOM = 1.05; // above the highest bar
const MIN_MASKS = 4; // an axis of fewer would have ticks at half a mask

/**
 * The smallest nice distance of ticks at which `span` has at most `count` of them: 1, 2 or 5 times a power of ten.
 *
 * @param {number} span
 * @param {number} count
 */
export function tickDistance(span, count) {
  const least = span / count;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * NICE.find((digit) => digit * power >= least * (1 - 1e-9));
}

// As many ticks as an axis of whole cells has room for, at least five, with a whole number of cells between them.
const cellTicks = (cells, pixels, room) =>
  Math.max(1, tickDistance(cells, 1 + Math.max(4, Math.min(9, pixels / room))));

/**
 * Where the plot lies in a figure of a size.
 *
 * @param {any} layout
 * @param {{ width: number, height: number }} size
 */
export function plotBox({ margin }, { width, height }) {
  return {
    left: margin.l,
    top: margin.t,
    width: Math.max(1, width - margin.l - margin.r),
    height: Math.max(1, height - margin.t - margin.b),
  };
}

/**
 * Position by step.
 *
 * @param {Heatmap} data
 * @param {"confidence" | "entropy" | "commit"} measure
 * @param {number} steps that the axis has room for
 * @param {"light" | "dark"} theme
 * @param {{ width: number, height: number }} size
 */
export function heatmapFigure(data, measure, steps, theme, size) {
  const figure = translateFigure(FIGURES[theme][measure]);
  const [down, across] = data.merged;
  const [length] = data.shape;
  const place = { x0: (across + 1) / 2, dx: across, y0: (down - 1) / 2, dy: down };
  const commits = measure === "commit";
  for (const trace of figure.data) {
    Object.assign(trace, place, { z: trace.name === "written" && commits ? [] : data[trace.name] });
    if (trace.name !== "written" && commits) trace.zmax = Math.max(1, steps - 1);
  }
  const { xaxis, yaxis } = figure.layout;
  if (across > 1) xaxis.title.text = phrase("figures.merged", { title: xaxis.title.text, count: across });
  if (down > 1) yaxis.title.text = phrase("figures.merged", { title: yaxis.title.text, count: down });
  const box = plotBox(figure.layout, size);
  xaxis.range = [0.5, steps + 0.5];
  yaxis.range = [length - 0.5, data.opening - 0.5];
  xaxis.dtick = cellTicks(steps, box.width, 80);
  yaxis.dtick = cellTicks(Math.max(1, length - data.opening), box.height, 40);
  return figure;
}

/**
 * Masks left and tokens per forward, over the steps of a heatmap.
 *
 * @param {Run} run
 * @param {number} steps
 * @param {"light" | "dark"} theme
 * @param {{ width: number, height: number }} size
 */
export function progressFigure(run, steps, theme, size) {
  const figure = translateFigure(FIGURES[theme].progress);
  const [bars, line] = figure.data;
  const { xaxis, yaxis, yaxis2 } = figure.layout;
  const before = (s) => (s ? run.steps[s - 1].forwards : 0);
  bars.y = run.steps.map((step, s) => step.write.length / Math.max(1, step.forwards - before(s)));
  line.y = run.steps.map((step) => step.masks);
  const [most, masks] = [bars.y, line.y].map((values) => values.reduce((a, b) => Math.max(a, b), 0));
  const box = plotBox(figure.layout, size);
  Object.assign(xaxis, { range: [0.5, steps + 0.5], dtick: cellTicks(steps, box.width, 80) });
  Object.assign(yaxis, { range: [0, (most || 1) * HEADROOM], dtick: tickDistance(most || 1, 4) });
  const left = Math.max(MIN_MASKS, masks);
  Object.assign(yaxis2, { range: [0, left * HEADROOM], dtick: Math.max(1, tickDistance(left, 4)) });
  return figure;
}

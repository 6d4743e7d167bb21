// Draws the figures of figures.py on a canvas: heatmaps, bars and lines on straight axes.  Plotly takes a megabyte and a
// half; until it is here, in a thumbnail and in an exported page, this is the figure.

import { theme } from "./dom.js";
import { heatmapFigure, plotBox } from "./figures.js";

const rgb = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));

/**
 * The colour of a value on a Plotly colour scale, whose stops run from 0 to 1.
 *
 * @param {[number, string][]} stops
 * @param {number} share
 */
export function colourAt(stops, share) {
  const here = Math.max(0, Math.min(1, share));
  const next = Math.max(
    1,
    stops.findIndex(([stop]) => stop >= here),
  );
  const [[low, from], [high, to]] = [stops[next - 1], stops[next]];
  const part = (here - low) / (high - low);
  const end = rgb(to);
  return rgb(from).map((value, k) => Math.round(value + (end[k] - value) * part));
}

// From a value on an axis to a pixel of the plot.
function scale([first, last], start, length) {
  return (value) => start + ((value - first) / (last - first)) * length;
}

function paintCells(pen, trace, x, y) {
  const height = trace.z.length;
  const width = height && trace.z[0].length;
  if (!width) return;
  const cells = document.createElement("canvas");
  Object.assign(cells, { width, height });
  const ink = cells.getContext("2d");
  const image = ink.createImageData(width, height);
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++) {
      const value = trace.z[r][c];
      if (Number.isNaN(value)) continue;
      const colour = colourAt(trace.colorscale, (value - trace.zmin) / (trace.zmax - trace.zmin));
      image.data.set([...colour, 255], 4 * (r * width + c));
    }
  ink.putImageData(image, 0, 0);
  const [left, right] = [0, width].map((c) => x(trace.x0 + (c - 0.5) * trace.dx));
  const [top, bottom] = [0, height].map((r) => y(trace.y0 + (r - 0.5) * trace.dy));
  pen.globalAlpha = trace.opacity ?? 1;
  pen.imageSmoothingEnabled = false;
  pen.drawImage(cells, left, top, Math.round(right - left), Math.round(bottom - top)); // as Plotly does
  pen.globalAlpha = 1;
}

function paintBars(pen, trace, x, y, gap) {
  pen.fillStyle = trace.marker.color;
  trace.y.forEach((value, k) => {
    const [left, right] = [-0.5, 0.5].map((side) => x(trace.x0 + k + side * (1 - gap)));
    pen.fillRect(left, y(value), right - left, y(0) - y(value));
  });
}

function paintLine(pen, trace, x, y) {
  pen.strokeStyle = trace.line.color;
  pen.lineWidth = trace.line.width;
  pen.lineJoin = "round";
  pen.beginPath();
  trace.y.forEach((value, k) => pen.lineTo(x(trace.x0 + k), y(value)));
  pen.stroke();
}

const PAINT = { heatmap: paintCells, bar: paintBars, scatter: paintLine };

// The values at which an axis has its labels.
function ticks({ range, dtick }) {
  const [low, high] = [Math.min(...range), Math.max(...range)];
  const first = Math.ceil(low / dtick - 1e-9);
  const count = Math.max(0, Math.floor(high / dtick + 1e-9) - first + 1);
  return Array.from({ length: count }, (_, k) => (first + k) * dtick);
}

const label = (value) => String(Number(value.toFixed(2)));

// Labels and the title stand where Plotly puts them: a mark of 5 pixels, a fifth of a letter, the label, the title.
function paintAxis(pen, axis, along, box, font) {
  const side = axis.across ? "bottom" : axis.side || "left";
  const { size } = axis.tickfont;
  const mark = axis.ticks === "outside" ? 5 : 0;
  const gap = 1 + mark + (mark && size * 0.2);
  const edge = { left: box.left, right: box.left + box.width, bottom: box.top + box.height }[side];
  const out = side === "left" ? -1 : 1;
  pen.font = `${size}px ${font.family}`;
  pen.textAlign = { bottom: "center", left: "end", right: "start" }[side];
  let widest = 0;
  for (const value of ticks(axis)) {
    const [text, at] = [label(value), along(value)];
    widest = Math.max(widest, pen.measureText(text).width);
    pen.fillStyle = axis.tickcolor ?? font.color;
    if (axis.across) pen.fillRect(at - 0.5, edge + 1, 1, mark);
    else pen.fillRect(edge + out + Math.min(0, out * mark), at - 0.5, mark, 1);
    pen.fillStyle = font.color;
    if (axis.across) pen.fillText(text, at, edge + gap + size);
    else pen.fillText(text, edge + out * gap, at + size * 0.35);
  }
  const { text: title, font: letters, standoff } = axis.title;
  const room = standoff + letters.size * (side === "left" ? 0.3 : 0.7);
  pen.textAlign = "center";
  pen.font = `${letters.size}px ${font.family}`;
  if (axis.across) {
    pen.fillText(title, box.left + box.width / 2, edge + gap + size * 1.23 + room);
    return;
  }
  pen.save();
  pen.translate(edge + out * (gap + widest + room), box.top + box.height / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(title, 0, 0);
  pen.restore();
}

/**
 * Draw one of the figures of view/figures.js.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {any} figure
 * @param {{ width: number, height: number }} size in pixels of the page
 * @param {{ axes?: boolean }} [options] without axes the plot fills the canvas
 */
export function drawFigure(canvas, { data, layout }, { width, height }, { axes = true } = {}) {
  const sharp = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(width * sharp), height: Math.round(height * sharp) });
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  const box = axes ? plotBox(layout, { width, height }) : { left: 0, top: 0, width, height };
  const x = scale(layout.xaxis.range, box.left, box.width);
  const y = ({ range: [bottom, top] }) => scale([top, bottom], box.top, box.height);
  const axisOf = (trace) => (trace.yaxis === "y2" ? layout.yaxis2 : layout.yaxis);
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top, box.width, box.height);
  pen.clip();
  for (const trace of data) PAINT[trace.type](pen, trace, x, y(axisOf(trace)), layout.bargap);
  pen.restore();
  if (!axes) return;
  paintAxis(pen, { ...layout.xaxis, across: true }, x, box, layout.font);
  for (const axis of [layout.yaxis, layout.yaxis2]) if (axis) paintAxis(pen, axis, y(axis), box, layout.font);
}

/**
 * Draw position by step, as large as the canvas is on the page: a thumbnail has no axes.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Heatmap} data
 * @param {{ axes?: boolean, measure?: "confidence" | "entropy" | "commit" }} [options]
 */
export function drawHeatmap(canvas, data, { axes = true, measure = "confidence" } = {}) {
  const size = { width: canvas.clientWidth, height: canvas.clientHeight };
  drawFigure(canvas, heatmapFigure(data, measure, Math.max(1, data.shape[1]), theme(), size), size, { axes });
}

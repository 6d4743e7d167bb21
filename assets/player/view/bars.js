// How many tokens each step wrote, and how confident the model was of them, as bars on a canvas; a line over them is how
// near each step was to where its policy stops early.

import { nearStop } from "../run/stop.js";
import { grade, theme } from "./dom.js";

/**
 * The paints of the bars by theme, read once: asking the document for them in every frame would cost a layout.
 *
 * @param {HTMLElement} root
 */
export function barPaints(root) {
  const known = {};
  const paint = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  return () =>
    (known[theme()] ??= {
      ramp: ["r0", "r1", "r2", "r3", "r4", "r5"].map(paint),
      line: paint("line"),
      ink: paint("ink"),
    });
}

/**
 * Draws the bars of a run of `total` steps; those after step `at` are faint.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Run} run
 * @param {number} at
 * @param {number} total
 * @param {{ ramp: string[], line: string, ink: string }} paints
 */
export function drawBars(canvas, run, at, total, paints) {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width) return; // not on screen
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  const steps = Math.max(1, total);
  const most = Math.max(1, ...run.steps.map((s) => s.write.length));
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const { ramp, line, ink } = paints;
  pen.fillStyle = line;
  pen.fillRect(0, height - 3, width, 1);
  run.steps.forEach((step, s) => {
    const x = (s / steps) * width;
    const w = width / steps;
    const h = step.write.length ? 6 + (height - 14) * (step.write.length / most) : 0;
    pen.globalAlpha = s < at ? 1 : 0.32;
    pen.fillStyle = Number.isNaN(step.mean) ? line : ramp[Number(grade(step.mean)[1])];
    pen.fillRect(x + (w > 3 ? 0.75 : 0), height - 4 - h, Math.max(0.7, w - (w > 3 ? 1.5 : 0)), h);
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = ink;
  pen.lineWidth = 1.5;
  pen.beginPath();
  run.steps.forEach(({ info }, s) => {
    const now = nearStop(info);
    if (now) pen.lineTo(((s + 0.5) / steps) * width, 2 + (height - 6) * (1 - now.near));
  });
  pen.stroke();
}

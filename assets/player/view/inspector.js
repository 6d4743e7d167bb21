// The inspector: what the model thought of a position, and why it is what it is.

import { inWindow, lastMeasured, stateAfter } from "../run/state.js";
import { wordOf } from "../run/text.js";
import { explain, otherRules } from "../run/why.js";
import { phrase } from "../words.js";
import { alternative, text } from "./dom.js";

/**
 * The likeliest tokens of a position in a step, and what was chosen if it is not among them.
 *
 * @param {Run} run
 * @param {Step} step
 * @param {number} i
 * @returns {HTMLElement[]}
 */
export function alternatives(run, step, i) {
  const k = step.row[i];
  const size = run.header.top_k;
  const list = [];
  for (let r = 0; r < size; r++)
    if (step.topIds[k * size + r] >= 0) list.push([step.topIds[k * size + r], step.topProbs[k * size + r]]);
  const chosen = step.predicted[k];
  if (chosen >= 0 && !list.some(([id]) => id === chosen)) list.push([chosen, step.confidence[k]]);
  return list.map(([id, p]) => {
    const line = alternative(wordOf(run, id), id === chosen ? step.confidence[k] : p, id === chosen);
    line.dataset.id = id;
    return line;
  });
}

/**
 * The confidence of a position so far, as a line.
 *
 * @param {Run} run
 * @param {number} at
 * @param {number} i
 */
function sparkline(run, at, i) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const total = Math.max(2, run.steps.length);
  svg.setAttribute("viewBox", "0 0 280 64");
  svg.setAttribute("preserveAspectRatio", "none");
  let path = "";
  let pen = false;
  for (let s = 0; s < at; s++) {
    const k = run.steps[s].row[i] ?? -1;
    if (k >= 0) {
      const x = (s / (total - 1)) * 278 + 1;
      const y = 60 - run.steps[s].confidence[k] * 56;
      path += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}${pen ? "" : "h.1"}`;
    }
    pen = k >= 0;
  }
  svg.append(stroke("M0 60H280", "var(--line)"), stroke(path || "M0 0", "var(--accent)"));
  return svg;
}

/**
 * @param {string} d
 * @param {string} paint
 */
function stroke(d, paint) {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const look = { "stroke-width": "2", "vector-effect": "non-scaling-stroke", "stroke-linecap": "round" };
  const attributes = { d, stroke: paint, fill: "none", ...look };
  for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
  return line;
}

export class Inspector {
  constructor(player, box) {
    this.player = player;
    this.box = box;
  }

  // Draws the inspector anew, and leaves the focus where it was.
  draw() {
    const focused = /** @type {HTMLElement} */ (document.activeElement);
    const held = this.box.contains(focused) && focused.dataset.force;
    this.fill();
    if (held) this.box.querySelector(`[data-force="${held}"]`)?.focus();
  }

  /**
   * Puts the box below the word it is about, above it where there is no room, within the stage.
   *
   * @param {HTMLElement | undefined} word
   */
  place(word) {
    const frame = this.box.offsetParent; // none while the box is hidden or another tab is open
    if (!frame || !word) return;
    const stage = frame.getBoundingClientRect();
    const at = word.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left - stage.left, stage.width - this.box.offsetWidth - 8));
    const below = at.bottom + this.box.offsetHeight + 8 < innerHeight || at.top < this.box.offsetHeight;
    const top = below ? at.bottom + 6 : at.top - this.box.offsetHeight - 6;
    Object.assign(this.box.style, { left: `${left}px`, top: `${top - stage.top}px` });
  }

  fill() {
    const { box } = this;
    const { run, at } = this.player;
    const i = this.player.pointed();
    box.hidden = i < 0 || i >= run.order.length;
    box.classList.toggle("kept", i === this.player.selected);
    if (box.hidden) return box.replaceChildren();
    const head = text("h2", phrase("inspector.position", { position: run.rank[i] }));
    head.append(" ", text("small", phrase("inspector.after", { step: at })));
    const s = lastMeasured(run, at, i);
    /** @type {Element[]} */
    const nodes = [head];
    if (s >= 0) {
      if (s < at - 1) nodes.push(text("p", phrase("inspector.earlier", { step: s + 1 }), "empty"));
      nodes.push(
        ...alternatives(run, run.steps[s], i).map((line) => (this.mayBranch(i) ? this.forcing(line, i, s) : line)),
      );
    }
    const reasons = [explain(run, at, i)];
    if (s >= 0 && s === at - 1)
      reasons.push(phrase("inspector.entropy", { value: run.steps[s].entropy[run.steps[s].row[i]].toFixed(2) }));
    nodes.push(text("p", reasons.join(" "), "why"));
    const rules = s >= 0 && s === at - 1 ? otherRules(run, at) : [];
    if (rules.length && stateAfter(run, s).ids[i] === run.header.model.mask && inWindow(run.steps[s], i))
      nodes.push(text("h3", phrase("inspector.others")), ...rules.map((other) => this.otherRule(other, i)));
    if (s >= 0) nodes.push(text("h3", phrase("inspector.confidence_so_far")), sparkline(run, at, i));
    box.replaceChildren(...nodes);
  }

  // Only where a page listens, and where the position may be written.
  mayBranch(i) {
    return this.player.options.branches && this.player.run.header.model.mask !== null && !this.player.run.fixed[i];
  }

  // An alternative as a button that continues the run from before step `s`, with this token in its place.
  forcing(line, i, s) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `${line.className} force`;
    button.title = phrase("inspector.force");
    Object.assign(button.dataset, { force: line.dataset.id, track: i, step: s });
    button.append(...line.childNodes);
    return button;
  }

  otherRule({ rule, writes }, i) {
    const line = text("div", "", `other${writes.has(i) ? " writes" : ""}`);
    line.append(
      text("span", rule),
      text("span", writes.has(i) ? phrase("inspector.would_write") : phrase("inspector.would_wait")),
      text("span", phrase("inspector.in_all", { count: writes.size })),
    );
    return line;
  }
}

// The text of a run in a container: one slot a position, drawn by what changed.

import { ABSENT, firstStopAt, isPresent, stateAfter, tokenAt } from "../run/state.js";
import { joinTokenTexts, tokenText } from "../run/text.js";
import { grade } from "./dom.js";

const MASK_WIDTH = 36; // pixels
const DRAFT_LIMIT = 72;

// Complex and right-to-left script must stay one inline run to be shaped and ordered; everything else has a slot.
const FLOWS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u0900-\u0dff\u200d]/;

const SETTERS = {
  hidden: (element, value) => {
    element.hidden = value;
  },
  state: (element, value) => {
    element.dataset.state = value;
  },
  text: (element, value) => {
    element.textContent = value;
  },
  width: (element, value) => {
    element.style.width = value;
  },
  size: (element, value) => {
    element.style.fontSize = value;
  },
  look: (element, value) => {
    element.className = value;
  },
  id: (element, value) => {
    element.dataset.tokenId = value;
  },
  commit: (element, value) => {
    element.dataset.commitStep = value;
  },
  sure: (element, value) => {
    element.dataset.confidence = value;
  },
};

export class TokenCanvas {
  constructor(container) {
    this.container = container;
    this.ruler = document.createElement("canvas").getContext("2d");
    this.ruled = new Map();
    this.slots = [];
    this.widths = [];
    this.run = null;
    this.newest = { steps: -1 };
  }

  layOut(run) {
    this.run = run;
    this.newest = { steps: -1 };
    this.container.replaceChildren();
    this.slots = [];
    this.widths = [];
    this.ruler.font = getComputedStyle(this.container).font;
    this.room();
  }

  // A slot for every track, in the order of the text.
  room() {
    if (this.slots.length === this.run.order.length) return;
    this.run.order.forEach((i, place) => {
      if (this.slots[i]) return;
      const element = document.createElement("span");
      element.className = "t";
      element.dataset.pos = i;
      this.container.insertBefore(element, this.container.children[place] || null);
      this.slots[i] = { element, shown: {} };
      this.widths[i] = 0;
    });
  }

  widthOf(text) {
    if (!this.ruled.has(text)) this.ruled.set(text, Math.ceil(this.ruler.measureText(text).width) + 4);
    return this.ruled.get(text);
  }

  // What the newest step says of the slots: their last text, whether it is known, and who lies silent after the end.
  learn() {
    const steps = this.run.steps.length;
    const mask = this.run.header.model.mask;
    const { ids } = stateAfter(this.run, steps);
    const end = firstStopAt(this.run, steps);
    const known = this.run.order.map((i) => ids[i] >= 0 && ids[i] !== mask);
    const final = joinTokenTexts(this.run.order.map((i, place) => (known[place] ? tokenText(this.run, ids[i]) : "")));
    const silent = this.run.order.map(
      (i, place) => place >= end && isPresent(this.run, steps, i) && tokenAt(this.run, steps, i, end).state === "tail",
    );
    this.newest = { steps, known, final, silent };
  }

  // Draws the canvas after `at` steps and returns how many positions lie silent after the end of text.  While the run
  // is `growing` slots only widen; once all is known each has the width of its last token, so playback never reflows.
  draw(at, growing, lit) {
    const end = firstStopAt(this.run, at);
    this.room();
    if (this.newest.steps !== this.run.steps.length) this.learn();
    const views = this.run.order.map((i) => (isPresent(this.run, at, i) ? tokenAt(this.run, at, i, end) : ABSENT));
    const texts = joinTokenTexts(
      views.map((view) => {
        const piece = tokenText(this.run, view.shown);
        return view.state === "tail" ? "·" : view.state === "draft" && piece instanceof Uint8Array ? "◌" : piece;
      }),
    );
    const wrote = new Set(at > 0 ? this.run.steps[at - 1].write.map(([i]) => i) : []);
    this.run.order.forEach((i, place) => {
      const view = views[place];
      const text = texts[place];
      const flow = FLOWS.test(text) || (view.state === "fixed" && !text);
      this.widen(i, place, text, growing);
      const width = flow || view.state === "fixed" ? "" : `${this.widths[i]}px`;
      // what is wider than its slot, a draft or a token that was rewritten since, is drawn smaller
      const fit = width && text ? this.widths[i] / this.widthOf(text) : 1;
      const marks = `${wrote.has(i) ? " now" : ""}${lit(i) ? " lit" : ""}${flow ? " flow" : ""}`;
      this.show(this.slots[i], {
        hidden: view.state === "absent",
        state: view.state,
        text: text.replace(/\n/g, "↵"),
        width,
        size: fit < 1 ? `${Math.max(0.1, fit)}em` : "",
        look: `t ${shadeOf(view)}${marks}`,
        id: view.id,
        commit: view.commit < 0 ? "" : view.commit,
        sure: Number.isNaN(view.confidence) ? "" : view.confidence.toFixed(4),
      });
    });
    return views.filter(({ state }) => state === "tail").length;
  }

  // Gives a slot the width of what it shows, or will show at last.
  widen(i, place, text, growing) {
    const { known, final, silent } = this.newest;
    if (!growing && silent[place]) this.widths[i] = 6;
    else if (known[place] && !growing) this.widths[i] = this.widthOf(final[place]);
    else if (known[place]) this.widths[i] = Math.max(this.widths[i], this.widthOf(final[place]));
    else this.widths[i] = Math.max(this.widths[i], MASK_WIDTH, Math.min(DRAFT_LIMIT, this.widthOf(text)));
  }

  // Touches only what differs: from one step to the next most of most slots stays as it is.
  show(slot, wanted) {
    for (const name in wanted) {
      if (slot.shown[name] === wanted[name]) continue;
      slot.shown[name] = wanted[name];
      SETTERS[name](slot.element, wanted[name]);
    }
  }
}

function shadeOf({ state, confidence }) {
  const written = state === "committed" || state === "revised";
  return written && !Number.isNaN(confidence) ? grade(confidence) : "";
}

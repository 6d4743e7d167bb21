// The text of a run in a container: one slot a position, drawn by what changed.  The slots of a grid stand in its rows.

import { ABSENT, draftAt, firstStopAt, isPresent, stateAfter, tokenAt } from "../run/state.js";
import { joinTokenTexts, tokenText } from "../run/text.js";
import { grade } from "./dom.js";

const SMALLEST = 0.6; // of the size of the text: what still does not fit its slot is cut off

// Complex and right-to-left script must stay one inline run to be shaped and ordered; everything else has a slot.
const FLOWS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u0900-\u0dff\u200d]/;

const SETTERS = {
  hidden: (element, value) => {
    element.hidden = value;
  },
  state: (element, value) => {
    element.dataset.state = value;
    // what is not written changes ten times a second: nobody wants that read aloud
    element.ariaHidden = value === "draft" || value === "masked" ? "true" : null;
  },
  text: (element, value) => {
    element.textContent = value;
  },
  size: (element, value) => {
    element.style.fontSize = value;
  },
  look: (element, value) => {
    element.className = value;
  },
  faint: (element, value) => {
    element.style.setProperty("--sure", value);
  },
  was: (element, value) => {
    element.dataset.was = value;
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
    this.run = null;
    this.isProse = false;
    this.columns = 0;
  }

  layOut(run) {
    this.run = run;
    this.container.replaceChildren();
    this.container.classList.remove("prose");
    this.container.style.minHeight = "";
    this.columns = run.header.model.columns || 0;
    this.container.dataset.columns = this.columns || "";
    this.container.style.setProperty("--columns", this.columns || "");
    this.isProse = false;
    this.slots = [];
    this.room();
    const { font } = getComputedStyle(this.container);
    if (this.ruler.font !== font) this.ruled.clear();
    this.ruler.font = font;
    this.slotWidth = parseFloat(getComputedStyle(this.container).getPropertyValue("--slot")) - 6;
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
    });
  }

  widthOf(text) {
    if (!this.ruled.has(text)) this.ruled.set(text, this.ruler.measureText(text).width);
    return this.ruled.get(text);
  }

  // Draws the canvas after `at` steps and returns how many positions lie silent after the end of text.  All slots are
  // equally wide, whatever comes to stand in them: nothing moves while a run is written, live or played again.
  draw(at, lit) {
    const end = firstStopAt(this.run, at);
    this.room();
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
      const draft = view.state === "draft";
      const flow = FLOWS.test(text) || (view.state === "fixed" && !text);
      const drafted = draftAt(this.run, at, i);
      const was = drafted === "replaced" ? this.textOf(stateAfter(this.run, at - 1).ids[i]) : "";
      const slotted = text && !draft && !flow && view.state !== "fixed";
      const fit = slotted ? this.slotWidth / this.widthOf(text) : 1;
      // a space before a word would push it out of the middle
      const marks = `${wrote.has(i) ? " now" : ""}${lit(i) ? " lit" : ""}${flow ? " flow" : ""}${slotted && text[0] === " " ? " gap" : ""}`;
      this.show(this.slots[i], {
        hidden: view.state === "absent",
        state: view.state,
        text: text.replace(/\n/g, "↵"),
        was,
        size: fit < 1 ? `${Math.max(SMALLEST, fit).toFixed(3)}em` : "",
        look: `t ${drafted === "drafted" ? "" : shadeOf(view)} ${drafted}${marks}`,
        faint: draft ? `${Math.round(Math.sqrt(view.confidence) * 20) * 5}%` : "",
        id: view.id,
        commit: view.commit < 0 ? "" : view.commit,
        sure: Number.isNaN(view.confidence) ? "" : view.confidence.toFixed(4),
      });
    });
    return views.filter(({ state }) => state === "tail").length;
  }

  textOf(id) {
    const piece = tokenText(this.run, id);
    return piece instanceof Uint8Array ? "◌" : piece.trim().replace(/\n/g, "↵") || "␣";
  }

  // Closes the gaps between the words, or opens them again; the room that the text takes stays as it is.  Slots leave
  // the page for a moment: boxes that are new have no old place from which a browser would count them as moved.
  prose(on) {
    if (on === this.isProse || this.columns) return;
    this.isProse = on;
    const { container } = this;
    if (on) container.style.minHeight = `${container.offsetHeight}px`;
    for (const { element } of this.slots) element.style.display = "none";
    container.getBoundingClientRect(); // the browser takes them out only now
    container.classList.toggle("prose", on);
    for (const { element } of this.slots) element.style.display = "";
    if (!on) container.style.minHeight = "";
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches)
      container.animate([{ opacity: 0.2 }, { opacity: 1 }], { duration: 450, easing: "ease-out" });
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

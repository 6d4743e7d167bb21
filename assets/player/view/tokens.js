// The text of a run in a container: one slot a position, drawn by what changed.

import { ABSENT, firstStopAt, isPresent, stateAfter, tokenAt } from "../run/state.js";
import { joinTokenTexts, tokenText } from "../run/text.js";
import { grade } from "./dom.js";

const MASK_WIDTH = 36; // pixels
const DRAFT_LIMIT = 72;

export function tokenCanvas(container) {
  const ruler = document.createElement("canvas").getContext("2d");
  const ruled = new Map();
  let slots = [];
  let widths = [];
  let run = null;
  let newest = { steps: -1 };
  // Complex and right-to-left script must stay one inline run to be shaped and ordered; everything else has a slot.
  const FLOWS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u0900-\u0dff\u200d]/;

  function lay(next) {
    run = next;
    newest = { steps: -1 };
    container.replaceChildren();
    slots = [];
    widths = [];
    ruler.font = getComputedStyle(container).font;
    room();
  }

  // A slot for every track, in the order of the text.
  function room() {
    if (slots.length === run.order.length) return;
    run.order.forEach((i, place) => {
      if (slots[i]) return;
      const element = document.createElement("span");
      element.className = "t";
      element.dataset.pos = i;
      container.insertBefore(element, container.children[place] || null);
      slots[i] = { element, shown: {} };
      widths[i] = 0;
    });
  }

  function widthOf(text) {
    if (!ruled.has(text)) ruled.set(text, Math.ceil(ruler.measureText(text).width) + 4);
    return ruled.get(text);
  }

  // What the newest step says of the slots: their last text, whether it is known, and who lies silent behind the end.
  function learn() {
    const steps = run.steps.length;
    const mask = run.header.model.mask;
    const { ids } = stateAfter(run, steps);
    const end = firstStopAt(run, steps);
    const known = run.order.map((i) => ids[i] >= 0 && ids[i] !== mask);
    const final = joinTokenTexts(run.order.map((i, place) => (known[place] ? tokenText(run, ids[i]) : "")));
    const silent = run.order.map(
      (i, place) => place >= end && isPresent(run, steps, i) && tokenAt(run, steps, i, end).state === "tail",
    );
    newest = { steps, known, final, silent };
  }

  // Draws the canvas after `at` steps and returns how many positions lie silent behind the end of text.  While the run
  // is `growing` slots only widen; once all is known each has the width of its last token, so playback never reflows.
  function draw(at, growing, lit) {
    const end = firstStopAt(run, at);
    room();
    if (newest.steps !== run.steps.length) learn();
    const views = run.order.map((i) => (isPresent(run, at, i) ? tokenAt(run, at, i, end) : ABSENT));
    const texts = joinTokenTexts(
      views.map((view) => {
        const piece = tokenText(run, view.shown);
        return view.state === "tail" ? "·" : view.state === "draft" && piece instanceof Uint8Array ? "◌" : piece;
      }),
    );
    const wrote = new Set(at > 0 ? run.steps[at - 1].write.map(([i]) => i) : []);
    let tail = 0;
    run.order.forEach((i, place) => {
      const view = views[place];
      const { state } = view;
      const text = texts[place];
      const known = newest.known[place];
      if (state === "tail") tail++;
      const own = state === "fixed";
      const flow = FLOWS.test(text) || (own && !text);
      if (!growing && newest.silent[place]) widths[i] = 6;
      else if (known && !growing) widths[i] = widthOf(newest.final[place]);
      else
        widths[i] = Math.max(
          widths[i],
          known ? widthOf(newest.final[place]) : Math.max(MASK_WIDTH, Math.min(DRAFT_LIMIT, widthOf(text))),
        );
      const shade =
        (state === "committed" || state === "revised") && !Number.isNaN(view.confidence) ? grade(view.confidence) : "";
      const width = flow || own ? "" : `${widths[i]}px`;
      // what is wider than its slot, a draft or a token that was rewritten since, is drawn smaller
      const fit = width && text ? widths[i] / widthOf(text) : 1;
      show(slots[i], {
        hidden: state === "absent",
        state,
        text: text.replace(/\n/g, "↵"),
        width,
        size: fit < 1 ? `${Math.max(0.1, fit)}em` : "",
        look: `t ${shade}${wrote.has(i) ? " now" : ""}${lit(i) ? " lit" : ""}${flow ? " flow" : ""}`,
        id: view.id,
        commit: view.commit < 0 ? "" : view.commit,
        sure: Number.isNaN(view.confidence) ? "" : view.confidence.toFixed(4),
      });
    });
    return tail;
  }

  const SET = {
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

  // Touches only what differs: from one step to the next most of most slots stays as it is.
  function show(slot, wanted) {
    for (const name in wanted) {
      if (slot.shown[name] === wanted[name]) continue;
      slot.shown[name] = wanted[name];
      SET[name](slot.element, wanted[name]);
    }
  }

  return { lay, draw };
}

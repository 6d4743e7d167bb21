// The canvas as something to work on: the server makes tokens of typed text and says what is wrong.

import { putWords } from "../page/language.js";
import { cellsOf, EDITS, typedWords } from "../run/cells.js";
import { addLine, emptyRun } from "../run/state.js";
import { joinTokenTexts, tokenText } from "../run/text.js";
import { follow, publish, shared } from "../store.js";
import { text } from "../view/dom.js";
import { readEnvelope } from "../view/stream.js";
import { messageText, phrase } from "../words.js";

export function mountEdit(host, options) {
  putWords(host);
  const root = host.querySelector(".edit");
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const button = (name) => root.querySelector(`[data-action=${name}]`);
  const role = (name) => root.querySelector(`[data-role=${name}]`);
  let cells = [];
  let names = null;
  let origin = null;
  let envelope = null;
  let past = [];
  let focused = 0;
  let anchor = 0;
  let dragging = false;
  let chosen = new Set();
  let nodes = [];

  function say(sentence) {
    part("message").textContent = sentence;
    part("message").hidden = !sentence;
  }

  // -- the canvas --

  const mask = () => names.header.model.mask;

  function open(next, run, from) {
    cells = next;
    names = run;
    origin = from;
    past = [];
    select([]);
    focused = anchor = 0;
    say(mask() === null ? phrase("edit.no_mask") : "");
    draw();
  }

  function ingest() {
    const value = typeof options.value() === "string" ? options.value() : "";
    const opened = value ? readEnvelope(value) : null;
    if (!opened || opened.line === envelope) return;
    envelope = opened.line;
    if (opened.record.message) return say(messageText(opened.record.message));
    const run = emptyRun();
    addLine(run, value.slice(opened.end).trim());
    open(cellsOf(run, 0, true), run, null);
  }

  function inPlayer() {
    const { run, at } = shared;
    return run && run.header ? { run, at } : null;
  }

  function take() {
    const shown = inPlayer();
    if (!shown) return say(phrase("edit.no_run"));
    open(cellsOf(shown.run, shown.at, false), shown.run, shown);
  }

  function shapes() {
    const stop = names.header.model.stop;
    const texts = joinTokenTexts(
      cells.map(({ token }) => (typeof token === "string" ? token : token === mask() ? "" : tokenText(names, token))),
    );
    return cells.map(({ token, locked }, i) => {
      const masked = token === mask();
      const ends = stop.includes(token);
      const shown = masked ? "" : ends ? "∎" : texts[i].replace(/\n/g, "↵");
      const word = masked ? phrase("token.mask") : ends ? phrase("token.end") : shown.trim();
      return { masked, locked, shown, label: locked ? phrase("edit.locked", { word }) : word };
    });
  }

  function draw() {
    const list = shapes();
    nodes = list.map(({ masked, locked, shown, label }, i) => {
      const node = text(
        "span",
        shown,
        `cell${locked ? " locked" : ""}${masked ? " masked" : ""}${typeof cells[i].token === "string" ? " typed" : ""}`,
      );
      node.setAttribute("role", "option");
      node.setAttribute("aria-label", label);
      node.dataset.cell = i;
      node.dataset.state = locked ? "locked" : masked ? "masked" : "free";
      node.hidden = i === 0 && !shown; // the beginning of text has no word
      return node;
    });
    part("cells").replaceChildren(...nodes);
    part("empty").hidden = cells.length > 0;
    mark();
  }

  function mark() {
    nodes.forEach((node, i) => {
      node.setAttribute("aria-selected", String(chosen.has(i)));
      node.tabIndex = i === focused ? 0 : -1;
    });
    const masks = cells.filter(({ token }) => token === mask()).length;
    const locked = cells.filter((cell) => cell.locked).length;
    const about = { words: cells.length - masks, masks, locked, selected: chosen.size };
    part("counts").textContent = cells.length
      ? phrase(masks || mask() === null ? "edit.counts" : "edit.complete", about)
      : "";
    for (const name of ["lock", "unlock", "blank", "replace", "insert", "all"]) button(name).disabled = !cells.length;
    button("undo").disabled = !past.length;
    button("run").disabled = !masks || mask() === null;
    const grows = names.header.model.expand !== undefined;
    role("elastic").disabled = !grows;
    role("elastic").checked &&= grows;
    part("elastic").textContent = grows || !cells.length ? phrase("edit.elastic") : phrase("edit.not_elastic");
    Object.assign(root.dataset, { mode: cells.length ? "canvas" : "empty", ...about });
  }

  function select(indices) {
    chosen = new Set(indices.filter((i) => i >= 0 && i < cells.length));
  }

  const range = (a, b) =>
    Array.from({ length: Math.abs(a - b) + 1 }, (_, n) => Math.min(a, b) + n).filter((i) => !nodes[i].hidden);

  function apply(name, value) {
    if (!chosen.size) return say(phrase("edit.nothing"));
    const before = cells.length;
    const next = EDITS[name](cells, chosen, mask(), value);
    if (next.length === before && next.every((cell, i) => cell === cells[i])) return say(phrase("edit.stays"));
    say("");
    past.push(cells);
    cells = next;
    const first = Math.min(...chosen);
    if (name === "insert") select(range0(Math.max(...chosen) + 1, value));
    if (name === "replace") select(cells.length === before ? [...chosen] : range0(first, Math.max(1, value.length)));
    focused = anchor = Math.min(first, cells.length - 1);
    draw();
  }

  const range0 = (from, count) => Array.from({ length: count }, (_, n) => from + n);

  function run() {
    publish({ branch: { cells, origin, elastic: role("elastic").checked } });
  }

  // -- controls --

  const actions = {
    take,
    run,
    lock: () => apply("lock"),
    unlock: () => apply("unlock"),
    blank: () => apply("blank"),
    replace: () => {
      const first = nodes[Math.min(...chosen)];
      const typed = typedWords(
        role("words").value,
        first && (first.dataset.state === "masked" || /^\s/.test(first.textContent)),
      );
      if (!typed.length) return say(phrase("edit.typed"));
      apply("replace", typed);
    },
    insert: () => {
      const count = Number(role("count").value);
      if (!Number.isInteger(count) || count < 1 || count > 200) return say(phrase("edit.count"));
      apply("insert", count);
    },
    all: () => {
      select(range(0, cells.length - 1));
      mark();
    },
    undo: () => {
      cells = past.pop() || cells;
      select([]);
      focused = Math.min(focused, Math.max(0, cells.length - 1));
      draw();
    },
  };
  root.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-action]");
    if (pressed) actions[pressed.dataset.action]();
  });
  const cellAt = (event) => {
    const cell = event.target.closest("[data-cell]");
    return cell ? Number(cell.dataset.cell) : -1;
  };
  part("cells").addEventListener("pointerdown", (event) => {
    const i = cellAt(event);
    if (i < 0) return;
    event.preventDefault();
    if (event.shiftKey) select(range(anchor, i));
    else {
      if (event.ctrlKey || event.metaKey)
        select(chosen.has(i) ? [...chosen].filter((one) => one !== i) : [...chosen, i]);
      else select(chosen.size === 1 && chosen.has(i) ? [] : [i]);
      anchor = i;
      dragging = event.pointerType === "mouse";
    }
    focused = i;
    mark();
    nodes[i].focus();
  });
  part("cells").addEventListener("pointerover", (event) => {
    const i = cellAt(event);
    if (!dragging || !event.buttons || i < 0 || i === focused) return;
    focused = i;
    select(range(anchor, i));
    mark();
  });
  document.addEventListener("pointerup", () => {
    dragging = false;
  });
  part("cells").addEventListener("keydown", (event) => {
    if (!cells.length) return;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
    if (step) {
      const least = nodes[0].hidden ? 1 : 0;
      focused = Math.max(least, Math.min(cells.length - 1, focused + step));
      if (event.shiftKey) select(range(anchor, focused));
      else anchor = focused;
    } else if (event.key === " ")
      select(chosen.has(focused) ? [...chosen].filter((one) => one !== focused) : [...chosen, focused]);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) select(range(0, cells.length - 1));
    else return;
    event.preventDefault();
    mark();
    nodes[focused].focus();
  });
  role("words").addEventListener("keydown", (event) => {
    if (event.key === "Enter") actions.replace();
  });
  follow("branch", root, ({ edit }) => {
    if (edit) take();
  });

  new IntersectionObserver(([seen]) => {
    if (seen.isIntersecting && !cells.length && inPlayer()) take();
  }).observe(root);
  names = emptyRun();
  names.header = { model: { mask: null, stop: [] } };
  mark();
  options.watch(ingest);
  ingest();
}

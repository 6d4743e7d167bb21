// A Sudoku and the boards on which it is solved, each by the loop under another rule, on one clock that counts forward
// passes.

import { putWords } from "../page/language.js";
import { addLine, emptyRun } from "../run/state.js";
import { cellAt } from "../run/sudoku.js";
import { boardView } from "../view/board.js";
import { text } from "../view/dom.js";
import { newLines, readEnvelope, waitingWords } from "../view/stream.js";
import { messageText, phrase } from "../words.js";

const BOARD_CLOCK = 9; // seconds that playing from start to end takes

export function mountPuzzle(host, options) {
  putWords(host);
  const root = host.querySelector(".puzzle");
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const role = (name) => root.querySelector(`[data-role=${name}]`);
  const place = (cell) => ({ row: Math.floor(cell / 9) + 1, column: (cell % 9) + 1 });
  const label = (cell, digit) => phrase(digit ? "puzzle.cell" : "puzzle.blank", { ...place(cell), digit });
  let digits = Array.from({ length: 81 }, () => 0);
  let panes = [];
  let pane = null;
  let envelope = null;
  let read = 0;
  let clock = 0;
  let playing = false;
  let done = true;
  let dirty = true;
  let pointed = null;

  const given = boardView(part("given"), label);
  for (const { element } of given.cells) element.tabIndex = -1;
  given.cells[0].element.tabIndex = 0;

  const longest = () =>
    Math.max(0, ...panes.map(({ run }) => (run.steps.length ? run.steps[run.steps.length - 1].forwards : 0)));
  const stepsTo = (run) => run.steps.findIndex(({ forwards }) => forwards > clock);
  const at = (run) => (stepsTo(run) < 0 ? run.steps.length : stepsTo(run));

  function say(words) {
    part("message").textContent = words;
    part("message").hidden = !words;
  }

  function ingest() {
    const value = typeof options.value() === "string" ? options.value() : "";
    const opened = value ? readEnvelope(value) : null;
    if (!opened) return;
    if (opened.line !== envelope) {
      envelope = opened.line;
      read = opened.end;
      const { player, message, notice, cells } = opened.record;
      say(messageText(message || notice || ""));
      if (player === "error") return finish();
      if (cells) digits = Array.from(cells, Number);
      if (player === "live") start();
      dirty = true;
    }
    const fresh = newLines(value, read);
    if (!fresh) return;
    fresh.forEach(take);
    read = value.lastIndexOf("\n") + 1;
    dirty = true;
  }

  function start() {
    panes = [];
    clock = 0;
    playing = true;
    done = false;
    pointed = null;
    part("boards").replaceChildren();
  }

  function finish() {
    done = true;
    dirty = true;
  }

  function take(line) {
    if (line.startsWith('{"pane"')) return addPane(JSON.parse(line));
    if (line.startsWith('{"waiting"')) return say(waitingWords(JSON.parse(line)));
    if (line.startsWith('{"summary"')) {
      const { summary, of } = JSON.parse(line);
      panes[of].summary = summary;
      return;
    }
    if (line.startsWith('{"done"')) return finish();
    say("");
    addLine(pane.run, line);
    if (pane.run.totals && pane.run.totals.message) say(pane.run.totals.message);
  }

  function addPane({ title }) {
    const card = text("div", "", "card pane");
    const head = text("div", "", "heading");
    const state = text("small", "");
    const box = text("div", "", "board");
    const open = text("button", phrase("compare.promote"));
    const run = emptyRun();
    const name = messageText(title);
    open.type = "button";
    open.addEventListener("click", () => options.promote(run.lines));
    box.setAttribute("role", "grid");
    box.setAttribute("aria-label", name);
    head.append(text("h2", name));
    card.append(head, box, state, open);
    part("boards").append(card);
    pane = { run, state, box, card, name, view: boardView(box, label), summary: null };
    panes.push(pane);
  }

  // How a board stands now, in words.
  function standing({ run, summary }, { wrong, open }) {
    const shown = at(run);
    const forwards = shown ? run.steps[shown - 1].forwards : 0;
    if (wrong.size) return phrase("puzzle.contradicts", { cells: wrong.size, forwards });
    if (open || !summary || !run.totals) return phrase("puzzle.open", { open, forwards });
    return phrase(summary.right ? "puzzle.right" : "puzzle.otherwise", { forwards });
  }

  function draw() {
    const most = longest();
    given.paint((cell) => ({ digit: digits[cell], fixed: digits[cell] > 0, believed: [] }));
    for (const one of panes) {
      if (!one.run.header) continue;
      const now = one.view.paint((cell) => cellAt(one.run, at(one.run), cell));
      one.state.textContent = standing(one, now);
      one.card.dataset.right =
        one.run.totals && one.summary && at(one.run) === one.run.steps.length ? String(one.summary.right) : "";
      for (const { element } of one.view.cells)
        element.classList.toggle("lit", pointed !== null && Number(element.dataset.cell) === pointed.cell);
    }
    role("clock").max = most;
    role("clock").value = clock;
    part("reading").textContent = phrase("puzzle.reading", { at: Math.floor(clock), most });
    part("clock-card").hidden = !panes.length;
    const right = panes.filter(({ summary }) => summary && summary.right);
    part("verdict").hidden = !done || !panes.length;
    part("verdict").textContent =
      !done || !panes.length
        ? ""
        : phrase(right.length ? "puzzle.verdict" : "puzzle.nobody", {
            solved: right
              .map(({ name, summary }) => phrase("puzzle.solver", { name, forwards: summary.forwards }))
              .join(phrase("puzzle.comma")),
            right: right.length,
            all: panes.length,
          });
    root.querySelector("[data-action=stop]").disabled = done;
    inspect();
    const mode = !panes.length ? "empty" : done ? "finished" : "live";
    for (const target of [root, host])
      Object.assign(target.dataset, {
        mode,
        playing: String(playing),
        boards: String(panes.length),
        solved: String(right.length),
      });
  }

  function inspect() {
    part("cell").hidden = pointed === null || !panes.length;
    if (part("cell").hidden) return;
    const rows = panes
      .filter(({ run }) => run.header)
      .map((one) => {
        const view = cellAt(one.run, at(one.run), pointed.cell);
        const row = text("p", "", "why");
        row.append(text("b", one.name), " ");
        if (view.fixed) row.append(phrase("puzzle.is_clue"));
        else if (view.digit)
          row.append(
            phrase("puzzle.was_written", { digit: view.digit, step: view.commit + 1, sure: view.sure.toFixed(2) }),
          );
        else row.append(phrase("puzzle.still_open"));
        if (!view.fixed && view.believed.length)
          row.append(
            " ",
            phrase("puzzle.believes", {
              list: view.believed
                .filter(([, share]) => share >= 0.01)
                .map(([digit, share]) => `${digit} (${share.toFixed(2)})`)
                .join(", "),
            }),
          );
        return row;
      });
    part("cell").replaceChildren(text("h2", phrase("puzzle.place", place(pointed.cell))), ...rows);
  }

  const asText = () => digits.map((digit) => digit || ".").join("");
  const fresh = () => Math.floor(Math.random() * 2 ** 31);

  function enter(cell, digit) {
    digits[cell] = digit;
    say("");
    dirty = true;
  }

  function focusCell(cell) {
    for (const { element } of given.cells) element.tabIndex = -1;
    given.cells[cell].element.tabIndex = 0;
    given.cells[cell].element.focus();
  }

  part("given").addEventListener("click", (event) => {
    const element = event.target.closest("[data-cell]");
    if (element) focusCell(Number(element.dataset.cell));
  });
  part("given").addEventListener("keydown", (event) => {
    const element = event.target.closest("[data-cell]");
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 9, ArrowUp: -9 }[event.key];
    if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
    const cell = Number(element.dataset.cell);
    if (by) focusCell((cell + by + 81) % 81);
    else if (/^[1-9]$/.test(event.key)) {
      enter(cell, Number(event.key));
      focusCell((cell + 1) % 81);
    } else if (["0", ".", " ", "Backspace", "Delete"].includes(event.key)) enter(cell, 0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const readText = (pasted) => options.ask({ action: "check", text: pasted });
  part("given").addEventListener("paste", (event) => {
    event.preventDefault();
    readText(event.clipboardData.getData("text"));
  });
  role("pasted").addEventListener("input", () => {
    if (role("pasted").value.trim().length > 8) readText(role("pasted").value);
  });

  const ACTIONS = {
    make: () => options.ask({ action: "make", level: role("level").value, seed: fresh() }),
    paste() {
      part("pasted").hidden = !part("pasted").hidden;
      if (!part("pasted").hidden) role("pasted").focus();
    },
    clear() {
      digits = digits.map(() => 0);
      say("");
      dirty = true;
    },
    check: () => readText(asText()),
    solve() {
      const rules = [...part("ways").querySelectorAll("input:checked")].map(({ value }) => value);
      if (!rules.length) return say(phrase("puzzle.none"));
      say("");
      options.ask({ action: "solve", text: asText(), rules, depth: role("depth").value, seed: fresh() });
    },
    stop: () => options.stop(),
    play() {
      playing = true;
      if (clock >= longest()) clock = 0;
    },
    pause() {
      playing = false;
    },
    restart() {
      clock = 0;
    },
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (!button || !ACTIONS[button.dataset.action]) return;
    ACTIONS[button.dataset.action]();
    dirty = true;
  });
  role("clock").addEventListener("input", (event) => {
    clock = Number(event.target.value);
    playing = false;
    dirty = true;
  });
  part("boards").addEventListener("pointerover", (event) => {
    const element = event.target.closest("[data-cell]");
    if (!element || (pointed && pointed.cell === Number(element.dataset.cell))) return;
    pointed = { cell: Number(element.dataset.cell) };
    dirty = true;
  });

  let last = performance.now();
  function tick(now) {
    if (!root.isConnected) return;
    const passed = Math.max(0, Math.min(0.25, (now - last) / 1000));
    const most = longest();
    last = now;
    if (playing && most) {
      const before = Math.floor(clock);
      clock = Math.min(most, clock + (passed * most) / BOARD_CLOCK);
      if (clock >= most && done) playing = false;
      dirty ||= Math.floor(clock) !== before || !playing;
    }
    if (dirty && root.clientWidth) {
      dirty = false;
      draw();
    }
    requestAnimationFrame(tick);
  }

  role("level").append(...options.levels.map((level) => new Option(phrase(`puzzle.levels.${level}`), level)));
  role("level").value = options.levels[options.levels.length - 1];
  role("depth").append(...Object.entries(options.depths).map(([name, key]) => new Option(phrase(key), name)));
  part("ways").append(
    ...options.rules.map((rule) => {
      const line = text("label", "");
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", value: rule, checked: true });
      line.append(box, " ", phrase(`puzzle.rules.${rule}`));
      return line;
    }),
  );
  options.watch(ingest);
  ingest();
  requestAnimationFrame(tick);
}

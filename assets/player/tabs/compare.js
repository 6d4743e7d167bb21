import { putWords } from "../page/language.js";
import { addLine, emptyRun } from "../run/state.js";
import { loadPlotly, text, theme } from "../view/dom.js";
import { newLines, readEnvelope, waitingWords, watchConnection } from "../view/stream.js";
import { tokenCanvas } from "../view/tokens.js";
import { messageText, phrase, translateFigure } from "../words.js";

// Runs side by side on one clock: the stream of player.js with a line {"pane": k, ...} in front of each run, and a
// line {"summary": ..., "of": k} somewhere behind it.  Panes with the same place are alternatives: one of them is shown,
// and a slider chooses.  A line {"rewind"} plays from the start, {"figure"} is drawn as it is.  Uses the runs and the
// token canvas of player.js; text goes in by textContent.
const WHOLE_CLOCK = 8; // seconds that playing the clock from start to end takes, unless another speed is chosen

// How many steps of a run have happened when the clock shows `value` forwards or seconds.
function stepsAt(run, unit, value) {
  let at = 0;
  while (at < run.steps.length && run.steps[at][unit] <= value + 1e-9) at++;
  return at;
}

export function mountCompare(host, options) {
  putWords(host);
  const root = host.querySelector(".compare");
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const role = (name) => root.querySelector(`[data-role=${name}]`);
  const { section } = options;
  let panes = [];
  let pane = null;
  let envelope = null;
  let read = 0;
  let unit = options.unit;
  let clock = 0;
  let playing = false;
  let dirty = true;
  let figure = null;
  let sheet = null;
  let pointed = -1;
  let lines = [];
  let done = true;
  let cut = false; // what came of the comparison, whether that is all, and whether it will not be

  const end = ({ run }, what) => (run.steps.length ? run.steps[run.steps.length - 1][what] : 0);
  const live = () => !done && !cut;
  const shown = () => panes.filter((one) => !one.card.hidden);
  const longest = () => Math.max(0, ...shown().map((one) => end(one, unit)));
  // the alternatives of a place that has several, from few forwards to many
  const alternatives = () =>
    panes
      .filter((one) => one.run.totals && panes.some((other) => other !== one && other.place === one.place))
      .sort((a, b) => end(a, "forwards") - end(b, "forwards"));

  function ingest() {
    const value = typeof options.value() === "string" ? options.value() : "";
    const opened = value ? readEnvelope(value) : null;
    if (!opened) return;
    if (opened.line !== envelope) {
      envelope = opened.line;
      read = opened.end;
      say(messageText(opened.record.message || ""));
      if (opened.record.player === "error") {
        cut ||= !done; // what was still coming gave way
        dirty = true;
        return;
      }
      start();
    }
    const fresh = newLines(value, read);
    if (!fresh) return;
    for (const line of fresh) take(line);
    read = value.lastIndexOf("\n") + 1;
    dirty = true;
  }

  function start() {
    panes = [];
    lines = [];
    clock = 0;
    playing = true;
    done = cut = false;
    figure = null;
    pointed = -1;
    part("panes").replaceChildren();
    part("rows").replaceChildren();
    for (const name of ["table-card", "choice", "figure-card", "verdict"]) part(name).hidden = true;
  }

  const link = watchConnection(root, options.alive, {
    name: section,
    awaits: live,
    kept: () => (done || !panes.length ? null : lines),
    lose() {
      cut = dirty = true;
      say(phrase("compare.lost"));
    },
    find() {
      cut = false;
      dirty = true;
      say("");
    },
    recover(kept) {
      start();
      kept.forEach(take);
      done = cut = dirty = true;
      say(phrase("compare.cut"));
    },
  });

  function take(line) {
    link.hear();
    lines.push(line);
    if (line.startsWith('{"pane"')) return addPane(JSON.parse(line));
    if (line.startsWith('{"waiting"')) return say(waitingWords(JSON.parse(line)));
    if (line.startsWith('{"summary"')) return addRow(JSON.parse(line));
    if (line.startsWith('{"figure"')) {
      figure = JSON.parse(line).figure;
      return drawFigure();
    }
    if (line.startsWith('{"rewind"')) {
      clock = 0;
      playing = true;
      return;
    }
    if (line.startsWith('{"done"')) {
      done = true;
      return;
    }
    say("");
    addLine(pane.run, line);
    if (!pane.laid) pane.canvas.lay(pane.run);
    pane.laid = true;
    if (pane.run.totals && pane.run.totals.message) say(pane.run.totals.message);
  }

  function addPane({ title: name, place }) {
    const title = messageText(name);
    const card = text("div", "", "card pane");
    const head = text("div", "", "heading");
    const state = text("small", "");
    const open = text("button", phrase("compare.promote"));
    const tokens = text("div", "", "tokens");
    const run = emptyRun();
    card.hidden = panes.some((other) => other.place === place);
    open.type = "button";
    open.addEventListener("click", () => options.promote(run.lines));
    tokens.dir = "auto";
    tokens.tabIndex = 0;
    tokens.role = "group";
    tokens.ariaLabel = title;
    head.append(text("h2", title), state, open);
    card.append(head, tokens);
    part("panes").append(card);
    pane = { run, state, title, place, card, canvas: tokenCanvas(tokens), laid: false, row: null, verdict: "" };
    panes.push(pane);
  }

  // A second line of numbers for a run stands in place of the first: `why` says why a number is not there, or not yet.
  function addRow({ summary, of, verdict, why }) {
    const one = panes[of];
    const row = document.createElement("tr");
    const numbers = options.columns.map(({ field, places }) => {
      const value = summary[field];
      const cell = text(
        "td",
        typeof value === "number" ? value.toFixed(places) : messageText(value || phrase("compare.unmeasured")),
      );
      if (typeof value !== "number" && why && field === "hindsight") cell.title = messageText(why);
      return cell;
    });
    const name = text("th", one.title);
    name.scope = "row";
    row.append(name, ...numbers);
    const former = one.row;
    one.row = row;
    one.verdict = messageText(verdict || "");
    // rows of one place stand from few forwards to many
    const rows = panes
      .filter((other) => other.row && other.place === one.place)
      .sort((a, b) => end(a, "forwards") - end(b, "forwards"));
    const next = rows[rows.indexOf(one) + 1];
    if (former) former.replaceWith(row);
    else part("rows").insertBefore(row, next ? next.row : null);
    part("table-card").hidden = false;
  }

  function choose(one) {
    for (const other of panes) if (other.place === one.place) other.card.hidden = other !== one;
    clock = Math.min(clock, longest());
    dirty = true;
  }

  function say(text) {
    part("message").textContent = text;
    part("message").hidden = !text;
  }

  function draw() {
    const most = longest();
    const slider = role("clock");
    const choices = alternatives();
    const chosen = choices.find((one) => !one.card.hidden);
    for (const { run, canvas, state, card } of panes) {
      if (!run.header || card.hidden) continue;
      const at = stepsAt(run, unit, clock);
      canvas.draw(at, live() && !run.totals, (i) => i === pointed);
      state.textContent = phrase("compare.step", { at, steps: run.steps.length });
    }
    slider.max = most;
    slider.value = clock;
    part("reading").textContent =
      unit === "forwards"
        ? phrase("compare.at", { at: Math.floor(clock), steps: most })
        : phrase("compare.at_seconds", { at: clock.toFixed(2), most: most.toFixed(2) });
    part("pace").hidden = unit !== "seconds";
    part("choice").hidden = !chosen;
    if (chosen) {
      role("choice").max = choices.length - 1;
      role("choice").value = choices.indexOf(chosen);
      role("choice").setAttribute("aria-valuetext", chosen.title);
      part("choice-title").textContent = chosen.title;
    }
    for (const one of panes) if (one.row) one.row.classList.toggle("faint", one.card.hidden);
    const verdict =
      shown()
        .map((one) => one.verdict)
        .find(Boolean) || "";
    part("verdict").textContent = verdict;
    part("verdict").hidden = !verdict;
    const ends = panes.map(({ run }) => run.totals && run.totals.end);
    const mode = !panes.length ? "empty" : live() ? "live" : cut || ends.includes("stopped") ? "stopped" : "finished";
    for (const target of [root, host])
      Object.assign(target.dataset, { mode, playing: String(playing), panes: String(shown().length) });
  }

  function drawFigure() {
    if (!sheet || !figure) return;
    part("figure-card").hidden = false;
    if (!part("figure").clientWidth) return;
    const { data, layout } = translateFigure(figure[theme()]);
    sheet.react(part("figure"), data, layout, { displayModeBar: false, responsive: true }).then((plot) => {
      plot.removeAllListeners("plotly_click");
      plot.on("plotly_click", ({ points }) => {
        const one = alternatives().find((other) => end(other, "forwards") === points[0].customdata);
        if (one) choose(one);
      });
    });
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.action === "play") {
      playing = true;
      if (clock >= longest()) clock = 0;
    }
    if (button.dataset.action === "pause") playing = false;
    if (button.dataset.action === "restart") clock = 0;
    if (button.dataset.unit) {
      clock = longest() ? clock / longest() : 0;
      unit = button.dataset.unit;
      clock *= longest();
      pressed();
    }
    dirty = true;
  });
  // A word pointed at, or reached with the arrow keys, is lit at the same position in every pane.
  function point(i) {
    dirty ||= i !== pointed;
    pointed = i;
  }
  part("panes").addEventListener("pointerover", (event) => {
    const token = event.target.closest("[data-pos]");
    if (token) point(Number(token.dataset.pos));
    else if (!event.target.closest(".tokens")) point(-1);
  });
  part("panes").addEventListener("pointerleave", () => point(-1));
  part("panes").addEventListener("focusout", () => point(-1));
  part("panes").addEventListener("keydown", (event) => {
    const one = panes.find(({ card }) => card.contains(event.target));
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || !event.target.matches(".tokens") || !one.run.header) return;
    event.preventDefault();
    const { order } = one.run;
    const next = order.indexOf(pointed) + (pointed < 0 && by < 0 ? order.length + 1 : 0) + by;
    if (order[next] !== undefined) point(order[next]);
  });
  role("clock").addEventListener("input", (event) => {
    clock = Number(event.target.value);
    playing = false;
    dirty = true;
  });
  role("choice").addEventListener("input", (event) => choose(alternatives()[Number(event.target.value)]));
  new MutationObserver(drawFigure).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  new ResizeObserver(drawFigure).observe(root);

  function pressed() {
    for (const button of root.querySelectorAll("[data-unit]"))
      button.setAttribute("aria-pressed", String(button.dataset.unit === unit));
  }

  let last = performance.now();
  function tick(now) {
    if (!root.isConnected) return;
    const passed = Math.max(0, Math.min(0.25, (now - last) / 1000));
    const most = longest();
    last = now;
    if (playing && panes.length) {
      const before = clock;
      clock = Math.min(
        most,
        clock + passed * ((unit === "seconds" && Number(role("pace").value)) || most / WHOLE_CLOCK),
      );
      if (clock >= most && !live()) playing = false;
      dirty ||= clock !== before || !playing;
    }
    if (dirty && root.clientWidth) {
      dirty = false;
      draw();
    }
    requestAnimationFrame(tick);
  }

  part("empty").textContent = phrase(`${section}.empty`);
  part("choice-label").textContent = phrase("race.choice");
  part("figure-title").textContent = phrase("race.figure");
  part("figure").setAttribute("aria-label", phrase("race.figure"));
  part("judge").textContent = phrase("race.judge");
  part("judge").hidden = section !== "race";
  const columns = options.columns.map(({ field }) => [
    phrase(`${section}.columns.${field}.title`),
    phrase(`${section}.columns.${field}.hint`),
  ]);
  part("columns").append(
    ...[[phrase(`${section}.run`), ""], ...columns].map(([title, hint]) => {
      const cell = text("th", title);
      cell.scope = "col";
      cell.title = hint;
      return cell;
    }),
  );
  pressed();
  loadPlotly(options.plotly).then((found) => {
    sheet = found;
    drawFigure();
  });
  options.watch(ingest);
  ingest();
  link.begin();
  requestAnimationFrame(tick);
}

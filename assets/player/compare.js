// Runs side by side on one clock: the stream of player.js with a line {"pane": k, ...} in front of each run, and a
// line {"summary": ...} behind it.  Uses the runs and the token canvas of player.js; text goes in by textContent.
"use strict";

const WHOLE_CLOCK = 8; // seconds that playing the clock from start to end takes

// How many steps of a run have happened when the clock shows `value` forwards or seconds.
function stepsAt(run, unit, value) {
  let at = 0;
  while (at < run.steps.length && run.steps[at][unit] <= value + 1e-9) at++;
  return at;
}

function mountCompare(host, options) {
  const root = host.querySelector(".compare"), part = (name) => root.querySelector(`[data-slot="${name}"]`);
  let panes = [], pane = null, envelope = null, read = 0, unit = "forwards", clock = 0, playing = false, live = false, dirty = true;

  const longest = () => Math.max(0, ...panes.map(({ run }) => (run.steps.length ? run.steps[run.steps.length - 1][unit] : 0)));

  function ingest() {
    const value = typeof options.value() === "string" ? options.value() : "", opened = value ? readEnvelope(value) : null;
    if (!opened) return;
    if (opened.line !== envelope) {
      envelope = opened.line;
      read = opened.end;
      say(opened.record.message || "");
      if (opened.record.player === "error") return;
      panes = [];
      clock = 0;
      playing = live = true;
      part("panes").replaceChildren();
      part("rows").replaceChildren();
      part("table-card").hidden = true;
    }
    const end = value.lastIndexOf("\n");
    if (end < read) return;
    for (const line of value.slice(read, end).split("\n")) if (line) take(line);
    read = end + 1;
    dirty = true;
  }

  function take(line) {
    if (line.startsWith('{"pane"')) return addPane(JSON.parse(line));
    if (line.startsWith('{"waiting"')) return say(`Waiting for the model: ${JSON.parse(line).waiting} ahead of you.`);
    if (line.startsWith('{"summary"')) return addRow(JSON.parse(line).summary);
    if (line.startsWith('{"done"')) { live = false; return; }
    say("");
    addLine(pane.run, line);
    if (!pane.laid) pane.canvas.lay(pane.run);
    pane.laid = true;
    if (pane.run.totals && pane.run.totals.message) say(pane.run.totals.message);
  }

  function addPane({ title }) {
    const card = document.createElement("div"), head = document.createElement("div"), name = document.createElement("h2");
    const state = document.createElement("small"), open = document.createElement("button"), tokens = document.createElement("div");
    card.className = "card pane";
    head.className = "heading";
    name.textContent = title;
    open.type = "button";
    open.textContent = "Open in the player";
    open.addEventListener("click", () => options.promote(run.lines));
    tokens.className = "tokens";
    tokens.dir = "auto";
    head.append(name, state, open);
    card.append(head, tokens);
    part("panes").append(card);
    const run = emptyRun();
    pane = { run, state, title, canvas: tokenCanvas(tokens), laid: false };
    panes.push(pane);
  }

  function addRow(summary) {
    const row = document.createElement("tr"), digits = (value, places) => (value === null ? "not measured" : value.toFixed(places));
    const cells = [
      pane.title, String(summary.forwards), digits(summary.seconds, 2), digits(summary.tokens_per_forward, 2), digits(summary.kendall_tau, 2),
      String(summary.revisions), digits(summary.commit_confidence, 3), digits(summary.hindsight, 3),
    ];
    cells.forEach((text, i) => {
      const cell = document.createElement(i ? "td" : "th");
      if (!i) cell.scope = "row";
      cell.textContent = text;
      row.append(cell);
    });
    part("rows").append(row);
    part("table-card").hidden = false;
  }

  function say(text) {
    part("message").textContent = text;
    part("message").hidden = !text;
  }

  function draw() {
    const most = longest(), slider = root.querySelector("[data-role=clock]");
    for (const { run, canvas, state } of panes) {
      if (!run.header) continue;
      const at = stepsAt(run, unit, clock);
      canvas.draw(at, live, () => false);
      state.textContent = `step ${at} of ${run.steps.length}`;
    }
    slider.max = most;
    slider.value = clock;
    part("reading").textContent = unit === "forwards" ? `${Math.floor(clock)} of ${most}` : `${clock.toFixed(2)} of ${most.toFixed(2)} s`;
    const ends = panes.map(({ run }) => run.totals && run.totals.end), mode = !panes.length ? "empty" : live ? "live" : ends.includes("stopped") ? "stopped" : "finished";
    for (const target of [root, host]) Object.assign(target.dataset, { mode, playing: String(playing), panes: String(panes.length) });
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.action === "play") { playing = true; if (clock >= longest()) clock = 0; }
    if (button.dataset.action === "pause") playing = false;
    if (button.dataset.action === "restart") clock = 0;
    if (button.dataset.unit) {
      clock = longest() ? clock / longest() : 0;
      unit = button.dataset.unit;
      clock *= longest();
      for (const other of root.querySelectorAll("[data-unit]")) other.setAttribute("aria-pressed", String(other === button));
    }
    dirty = true;
  });
  root.querySelector("[data-role=clock]").addEventListener("input", (event) => {
    clock = Number(event.target.value);
    playing = false;
    dirty = true;
  });

  let last = performance.now();
  function tick(now) {
    if (!root.isConnected) return;
    const passed = Math.max(0, Math.min(0.25, (now - last) / 1000)), most = longest();
    last = now;
    if (playing && panes.length) {
      const before = clock;
      clock = Math.min(most, clock + (passed * most) / WHOLE_CLOCK);
      if (clock >= most && !live) playing = false;
      dirty ||= clock !== before || !playing;
    }
    if (dirty && root.clientWidth) {
      dirty = false;
      draw();
    }
    requestAnimationFrame(tick);
  }

  options.watch(ingest);
  ingest();
  requestAnimationFrame(tick);
}

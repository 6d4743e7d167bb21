// The player: run-file lines in, a run on screen.  It keeps the run, plays it on its own clock, and never asks the
// server to move.  Model and visitor text reaches the document through textContent or a canvas, and in no other way.

import { keepRun } from "../page/kept.js";
import { putWords } from "../page/language.js";
import { heatmapData } from "../run/heatmap.js";
import {
  addLine,
  emptyRun,
  firstStopAt,
  inWindow,
  isPresent,
  lastMeasured,
  stateAfter,
  tokenAt,
} from "../run/state.js";
import { wordOf } from "../run/text.js";
import { explain, otherRules } from "../run/why.js";
import { FIGURES, MAX_ENTROPY } from "../settings.js";
import { follow, publish, shared } from "../store.js";
import { alternative, grade, loadPlotly, text, theme } from "../view/dom.js";
import { newLines, readEnvelope, waitingWords, watchConnection } from "../view/stream.js";
import { tokenCanvas } from "../view/tokens.js";
import { messageText, phrase, translateFigure } from "../words.js";
import { mountKeep } from "./keep.js";

const STEPS_A_SECOND = 10;
const DRAW_EVERY = 350; // milliseconds

export function mountPlayer(host, options) {
  putWords(host);
  const root = host.querySelector(".player");
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const figures = translateFigure(FIGURES);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const canvas = tokenCanvas(part("tokens"));
  let run = emptyRun();
  let envelope = null;
  let read = 0;
  let mode = "recorded";
  let following = false;
  let at = 0;
  let clock = 0;
  let playing = false;
  let speed = 1;
  let measure = "confidence";
  let hovered = -1;
  let selected = -1;
  let own = false; // whether the run is made for this page
  let dirty = true;
  let plotDirty = true;
  let plotAt = 0;
  let plotCost = 0;
  let drawing = false;
  let sheet = null;
  let spoken = 0;
  let laid = false;
  let pending = false;

  // the paints of the bars by theme: asking the document for them in every frame would cost a layout
  const paints = {};
  const paint = () =>
    (paints[theme()] ??= ["r0", "r1", "r2", "r3", "r4", "r5", "line"].map((name) =>
      getComputedStyle(root).getPropertyValue(`--${name}`).trim(),
    ));

  // -- the run arrives --

  function ingest() {
    const value = typeof options.value() === "string" ? options.value() : "";
    const opened = value ? readEnvelope(value) : null;
    if (!opened) return;
    if (opened.line !== envelope) {
      envelope = opened.line;
      read = opened.end;
      if (opened.record.message)
        return say(messageText(opened.record.message), opened.record.player === "error" ? "error" : null);
      pending = true; // what is on screen stays, in its mode, until the first line of the new run
    }
    const lines = newLines(value, read);
    if (!lines) return;
    read = value.lastIndexOf("\n") + 1;
    for (const line of lines) take(line, opened.record);
    dirty = plotDirty = true;
  }

  function take(line, sent) {
    link.hear();
    if (line.startsWith('{"waiting"')) return say(waitingWords(JSON.parse(line)), null);
    if (pending) start(sent);
    addLine(run, line);
    if (!laid) {
      canvas.lay(run);
      laid = true;
    }
    if (run.lines.length === 1) share();
    if (run.lines.length === 1) publish({ begun: { run, live: mode === "live" } });
    if (run.totals) {
      if (mode === "live") {
        mode = run.totals.end;
        keepRun(run).catch(() => {}); // a browser that keeps nothing still plays
      }
      if (run.totals.message) say(run.totals.message, null);
      following = false;
      share();
    }
  }

  // tells the rest of the page what is on screen
  function share() {
    const now = Object.entries({ run, at, live: mode === "live" && !run.totals });
    const changes = now.filter(([name, value]) => shared[name] !== value);
    if (changes.length) publish(Object.fromEntries(changes));
  }

  // a run that is already in the page, such as a pane of a comparison
  function open(lines) {
    const awaited = pending; // a run of the visitor's own may still be in line
    start({ player: "recorded" });
    for (const line of lines) take(line, {});
    pending = awaited;
    dirty = plotDirty = true;
  }

  function start(sent) {
    run = emptyRun();
    pending = laid = false;
    at = clock = plotAt = plotCost = 0; // the figures of another run must not stay on screen
    hovered = selected = -1;
    mode = sent.player;
    own = mode === "live";
    following = false;
    playing = !(still.matches && mode === "recorded");
    say(messageText(sent.notice || ""), null);
    if (!playing) clock = Infinity;
  }

  // -- a run that is cut off --

  const unfinished = () => own && run.header !== null && !run.totals;
  const link = watchConnection(root, options.alive, {
    name: host.id,
    awaits: () => unfinished() || pending,
    kept: () => (unfinished() ? run.lines : null),
    lose() {
      following = false;
      say(phrase("player.lost"), unfinished() ? "stopped" : null);
    },
    find: () => say("", unfinished() ? "live" : null),
    recover(lines) {
      start({ player: "stopped" });
      for (const line of lines) take(line, {});
      keepRun(run).catch(() => {});
      say(phrase("player.cut"), null);
      go(run.steps.length);
      plotDirty = true;
    },
  });

  function say(text, newMode) {
    const message = part("message");
    message.textContent = text;
    message.hidden = !text;
    if (newMode) {
      mode = newMode;
      dirty = true;
    }
    share();
  }

  // -- status, bars, inspector --

  function drawStatus() {
    const now = at > 0 ? run.steps[at - 1] : null;
    const { masks, tokens } = stateAfter(run, at);
    part("mode").textContent = modeWords();
    part("step").textContent = `${at} / ${total()}`;
    part("masks").textContent = masks;
    part("rate").textContent = now ? (tokens / now.forwards).toFixed(1) : "0";
    part("seconds").textContent = now ? now.seconds.toFixed(2) : "0.00";
    const policy = run.header.policy;
    part("source").textContent = [
      run.header.model.name,
      policy.name,
      policy.temperature === undefined ? "" : `T ${policy.temperature}`,
      phrase("player.seed", { seed: run.header.seed }),
    ]
      .filter(Boolean)
      .join(" · ");
    for (const target of [root, host])
      Object.assign(target.dataset, {
        mode,
        playing: String(playing),
        step: String(at),
        steps: String(run.steps.length),
      });
    const scrubber = root.querySelector("[data-role=scrubber]");
    scrubber.max = total();
    scrubber.value = at;
    scrubber.setAttribute("aria-valuetext", phrase("player.scrubbed", { at, steps: run.steps.length, masks }));
    root.querySelector("[data-action=live]").disabled = at >= run.steps.length && (following || mode !== "live");
    const second = Math.floor(performance.now() / 1000);
    if (second !== spoken) {
      spoken = second;
      part("summary").textContent = phrase("player.summary", { mode: modeWords(), at, steps: run.steps.length, masks });
    }
  }

  const modeWords = () => phrase(`player.modes.${mode}`);

  // how many steps the run has, or while it lasts, how many its policy means to take
  const total = () => Math.max(run.steps.length, mode === "live" ? run.header.policy.steps || 0 : 0);

  function drawBars() {
    const canvas = part("bars");
    const scale = devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width) return; // not on screen
    if (canvas.width !== Math.round(width * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = canvas.getContext("2d");
    const steps = Math.max(1, total());
    const most = Math.max(1, ...run.steps.map((s) => s.write.length));
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const ramp = paint();
    const line = ramp[6];
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
  }

  function alternatives(step, i) {
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

  // Draws the inspector anew, and leaves the focus where it was.
  function drawInspector() {
    const held = part("inspector").contains(document.activeElement) && document.activeElement.dataset.force;
    fillInspector();
    if (held) part("inspector").querySelector(`[data-force="${held}"]`)?.focus();
  }

  function fillInspector() {
    const box = part("inspector");
    const i = hovered >= 0 ? hovered : selected;
    if (i < 0 || i >= run.order.length) {
      box.replaceChildren(text("h2", phrase("inspector.title")), text("p", phrase("inspector.empty"), "empty"));
      return;
    }
    const head = text("h2", phrase("inspector.position", { position: run.rank[i] }));
    head.append(" ", text("small", phrase("inspector.after", { step: at })));
    const s = lastMeasured(run, at, i);
    const nodes = [head];
    if (s >= 0) {
      if (s < at - 1) nodes.push(text("p", phrase("inspector.earlier", { step: s + 1 }), "empty"));
      nodes.push(...alternatives(run.steps[s], i).map((line) => (mayBranch(i) ? forcing(line, i, s) : line)));
    }
    const reasons = [explain(run, at, i)];
    if (s >= 0 && s === at - 1)
      reasons.push(phrase("inspector.entropy", { value: run.steps[s].entropy[run.steps[s].row[i]].toFixed(2) }));
    nodes.push(text("p", reasons.join(" "), "why"));
    const rules = s >= 0 && s === at - 1 ? otherRules(run, at) : [];
    if (rules.length && stateAfter(run, s).ids[i] === run.header.model.mask && inWindow(run.steps[s], i))
      nodes.push(text("h3", phrase("inspector.others")), ...rules.map((other) => otherRule(other, i)));
    if (s >= 0) nodes.push(text("h3", phrase("inspector.confidence_so_far")), sparkline(i));
    box.replaceChildren(...nodes);
  }

  // Only where a page listens, and where the position may be written.
  const mayBranch = (i) => options.branches && run.header.model.mask !== null && !run.fixed[i];

  // An alternative as a button that continues the run from before step `s`, with this token in its place.
  function forcing(line, i, s) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `${line.className} force`;
    button.title = phrase("inspector.force");
    Object.assign(button.dataset, { force: line.dataset.id, track: i, step: s });
    button.append(...line.childNodes);
    return button;
  }

  function otherRule({ rule, writes }, i) {
    const line = text("div", "", `other${writes.has(i) ? " writes" : ""}`);
    line.append(
      text("span", rule),
      text("span", writes.has(i) ? phrase("inspector.would_write") : phrase("inspector.would_wait")),
      text("span", phrase("inspector.in_all", { count: writes.size })),
    );
    return line;
  }

  function sparkline(i) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const total = Math.max(2, run.steps.length);
    svg.setAttribute("viewBox", "0 0 280 64");
    svg.setAttribute("preserveAspectRatio", "none");
    let path = "";
    let pen = false;
    for (let s = 0; s < at; s++) {
      const k = run.steps[s].row[i] ?? -1;
      if (k < 0) {
        pen = false;
        continue;
      }
      path += `${pen ? "L" : "M"}${((s / (total - 1)) * 278 + 1).toFixed(1)} ${(60 - run.steps[s].confidence[k] * 56).toFixed(1)}`;
      if (!pen) path += "h.1";
      pen = true;
    }
    for (const [d, stroke] of [
      ["M0 60H280", "var(--line)"],
      [path || "M0 0", "var(--accent)"],
    ]) {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      for (const [name, value] of Object.entries({
        d,
        stroke,
        fill: "none",
        "stroke-width": 2,
        "vector-effect": "non-scaling-stroke",
        "stroke-linecap": "round",
      }))
        line.setAttribute(name, value);
      svg.append(line);
    }
    return svg;
  }

  // -- Plotly: the figures of figures.py, filled with this run --

  function drawPlots(now) {
    if (!sheet || !plotDirty || drawing || !run.header || !part("heatmap").clientWidth) return;
    if (now - plotAt < Math.max(mode === "live" ? DRAW_EVERY : 60, plotCost * 10)) return;
    plotDirty = false;
    drawing = true;
    const began = performance.now();
    const steps = Math.max(total(), 1);
    const length = run.order.length;
    const figure = structuredClone(figures[theme()][measure]);
    const heat = heatmapData(run, measure);
    const [down, across] = heat.merged;
    figure.data.forEach((trace) => {
      Object.assign(trace, {
        z: trace.name === "written" && measure === "commit" ? [] : heat[trace.name],
        x0: (across + 1) / 2,
        dx: across,
        y0: (down - 1) / 2,
        dy: down,
      });
      if (trace.name !== "written" && measure === "commit") trace.zmax = Math.max(1, steps - 1);
    });
    for (const [{ title }, count] of [
      [figure.layout.xaxis, across],
      [figure.layout.yaxis, down],
    ])
      if (count > 1) title.text = phrase("figures.merged", { title: title.text, count });
    figure.layout.xaxis.range = [0.5, steps + 0.5];
    figure.layout.yaxis.range = [length - 0.5, heat.opening - 0.5];
    figure.layout.xaxis.dtick = steps <= 10 ? 1 : null; // as figures.py does
    figure.layout.yaxis.dtick = length - heat.opening <= 10 ? 1 : null;
    const progress = structuredClone(figures[theme()].progress);
    progress.data[0].y = run.steps.map(
      (step, s) => step.write.length / Math.max(1, step.forwards - (s ? run.steps[s - 1].forwards : 0)),
    );
    progress.data[1].y = run.steps.map((step) => step.masks);
    progress.layout.xaxis.range = figure.layout.xaxis.range;
    progress.layout.xaxis.dtick = figure.layout.xaxis.dtick;
    const settings = { displayModeBar: false, responsive: false };
    figure.layout.datarevision = progress.layout.datarevision = `${envelope} ${run.steps.length} ${measure}`;
    Promise.all([
      sheet.react(part("heatmap"), figure.data, figure.layout, settings),
      sheet.react(part("progress"), progress.data, progress.layout, settings),
    ]).then(() => {
      drawing = false;
      Object.assign(part("heatmap").dataset, { steps: heat.shape[1], merged: heat.merged.join(" ") });
      part("merged").textContent = down * across > 1 ? phrase("heatmap.merged", { down, across }) : "";
      plotAt = performance.now();
      plotCost = plotAt - began;
      part("scale").textContent = phrase(`heatmap.scale_${measure}`, { most: MAX_ENTROPY });
      drawPlayhead();
    });
  }

  function axes() {
    const layout = part("heatmap")._fullLayout;
    return layout && layout.xaxis && run.header ? { x: layout.xaxis, y: layout.yaxis } : null;
  }

  function drawPlayhead() {
    const axis = axes();
    const line = part("playhead");
    const band = part("row");
    const i = hovered >= 0 ? hovered : selected;
    line.hidden = !axis || at === 0;
    band.hidden = !axis || i < 0;
    if (!axis) return;
    Object.assign(line.style, {
      left: `${axis.x._offset + Math.min(axis.x._length, axis.x.l2p(at + 0.5)) - 1}px`,
      top: `${axis.y._offset}px`,
      height: `${axis.y._length}px`,
    });
    if (i < 0) return;
    const top = axis.y.l2p(run.rank[i] - 0.5);
    const bottom = axis.y.l2p(run.rank[i] + 0.5);
    Object.assign(band.style, {
      left: `${axis.x._offset}px`,
      width: `${axis.x._length}px`,
      top: `${axis.y._offset + Math.min(top, bottom)}px`,
      height: `${Math.max(2, Math.abs(bottom - top))}px`,
    });
  }

  function cellUnder(event) {
    const axis = axes();
    if (!axis) return null;
    const box = part("heatmap").getBoundingClientRect();
    const s = Math.round(axis.x.p2l(event.clientX - box.left - axis.x._offset)) - 1;
    const place = Math.round(axis.y.p2l(event.clientY - box.top - axis.y._offset));
    return s < 0 || s >= run.steps.length || place < 0 || place >= run.order.length ? null : { s, i: run.order[place] };
  }

  function drawTip(cell, event) {
    const tip = part("tip");
    tip.hidden = !cell;
    if (!cell) return;
    const { s, i } = cell;
    const step = run.steps[s];
    const k = step.row[i] ?? -1;
    const after = step.ids[i] ?? -1;
    const nodes = [];
    const shown = k >= 0 ? step.predicted[k] : after;
    nodes.push(
      text("b", wordOf(run, shown)),
      text("div", phrase("heatmap.cell", { position: run.rank[i], step: s + 1 })),
    );
    if (k >= 0)
      nodes.push(
        text(
          "div",
          phrase("heatmap.measured", {
            confidence: step.confidence[k].toFixed(3),
            entropy: step.entropy[k].toFixed(2),
          }),
        ),
        ...alternatives(step, i),
      );
    else nodes.push(text("div", unasked(step, i, after)));
    tip.replaceChildren(...nodes);
    const frame = tip.parentElement.getBoundingClientRect();
    const x = event.clientX - frame.left;
    const y = event.clientY - frame.top;
    tip.style.left = `${x + 250 > frame.width ? Math.max(0, x - 246) : x + 16}px`;
    tip.style.top = `${Math.max(0, Math.min(y + 12, frame.height - tip.offsetHeight - 4))}px`;
  }

  // Why a cell has no belief to show.
  function unasked(step, i, after) {
    if (run.fixed[i]) return phrase("heatmap.fixed");
    if (after < 0) return phrase("heatmap.absent");
    if (step.commit[i] < 0) return phrase("heatmap.unmeasured");
    const written = { step: step.commit[i] + 1, confidence: step.sure[i].toFixed(3) };
    return Number.isNaN(step.sure[i]) ? phrase("heatmap.written", written) : phrase("heatmap.written_sure", written);
  }

  // -- controls --

  function go(step, keepPlaying) {
    at = Math.max(0, Math.min(run.steps.length, step));
    clock = at;
    if (!keepPlaying) {
      playing = false;
      following = false;
    }
    dirty = true;
    share();
  }

  function play() {
    if (at >= run.steps.length && mode !== "live") go(0, true);
    playing = true;
    clock = at;
    dirty = true;
  }

  const actions = {
    play,
    pause: () => {
      playing = following = false;
      dirty = true;
    },
    "step-back": () => go(at - 1),
    "step-forward": () => go(at + 1),
    restart: () => go(0, playing),
    live: () => {
      go(run.steps.length, true);
      following = playing = mode === "live";
      dirty = true;
    },
    resume: () => publish({ branch: { run, at } }),
    edit: () => publish({ branch: { run, at, edit: true } }),
    ...mountKeep(root, options, () => ({ run, sheet, rate: STEPS_A_SECOND * speed })),
  };

  function focus(i) {
    if (i === hovered) return;
    hovered = i;
    dirty = true;
  }

  function choose(i) {
    selected = selected === i ? -1 : i;
    dirty = true;
  }

  // From one position to the next, beginning with the first that is not fixed; Tab then leads to its likeliest tokens.
  part("tokens").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || !run.header || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const here = run.order.filter((i) => isPresent(run, at, i));
    const place = here.indexOf(selected);
    selected =
      here[
        place < 0
          ? Math.max(
              0,
              here.findIndex((i) => !run.fixed[i]),
            )
          : Math.max(0, Math.min(here.length - 1, place + by))
      ];
    hovered = -1;
    dirty = true;
    spoken = Math.floor(performance.now() / 1000);
    part("summary").textContent = phrase("player.chosen", {
      position: run.rank[selected],
      word: wordOf(run, tokenAt(run, at, selected, firstStopAt(run, at)).shown),
    });
  });

  // while a run plays the inspector is drawn anew between press and release, so the press counts
  let pressed = null;
  root.addEventListener("pointerdown", (event) => {
    pressed = event.target.closest("[data-force]");
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const token = event.target.closest("[data-pos]");
    const force = event.target.closest("[data-force]") || (part("inspector").contains(event.target) && pressed);
    if (force)
      return publish({
        branch: {
          run,
          at: Number(force.dataset.step),
          forced: { track: Number(force.dataset.track), id: Number(force.dataset.force) },
        },
      });
    if (token) return choose(Number(token.dataset.pos));
    if (!button || !run.header) return;
    if (button.dataset.action) actions[button.dataset.action]();
    if (button.dataset.measure) {
      measure = button.dataset.measure;
      for (const other of root.querySelectorAll("[data-measure]"))
        other.setAttribute("aria-pressed", String(other === button));
      plotDirty = true;
    }
  });
  root.addEventListener("pointerover", (event) => {
    const token = event.target.closest("[data-pos]");
    if (token) focus(Number(token.dataset.pos));
  });
  part("tokens").addEventListener("pointerleave", () => focus(-1));
  part("heatmap").addEventListener("pointermove", (event) => {
    const cell = cellUnder(event);
    focus(cell ? cell.i : -1);
    drawTip(cell, event);
  });
  part("heatmap").addEventListener("pointerleave", () => {
    focus(-1);
    drawTip(null);
  });
  part("heatmap").addEventListener("click", (event) => {
    const cell = cellUnder(event);
    if (!cell) return;
    go(cell.s + 1);
    selected = cell.i;
  });
  root.querySelector("[data-role=scrubber]").addEventListener("input", (event) => go(Number(event.target.value)));
  root.querySelector("[data-role=speed]").addEventListener("change", (event) => {
    speed = Number(event.target.value);
  });
  root.addEventListener("keydown", (event) => {
    if (/^(SELECT|INPUT)$/.test(event.target.tagName) && event.key !== " ") return;
    if (/^(BUTTON|SUMMARY)$/.test(event.target.tagName) && (event.key === " " || event.key === "Enter")) return;
    const key = {
      " ": () => (playing ? actions.pause() : play()),
      ArrowLeft: () => go(at - 1),
      ArrowRight: () => go(at + 1),
      Home: () => go(0),
      End: () => go(run.steps.length),
      l: actions.live,
      L: actions.live,
    }[event.key];
    if (!key || !run.header || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    key();
  });
  new MutationObserver(() => {
    dirty = plotDirty = true;
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  new ResizeObserver(() => {
    if (sheet && axes())
      Promise.all(["heatmap", "progress"].map((name) => sheet.Plots.resize(part(name)))).then(drawPlayhead);
    dirty = true;
  }).observe(root);

  // -- the clock --

  let last = performance.now();
  function tick(now) {
    if (!root.isConnected) return;
    const passed = Math.max(0, Math.min(0.25, (now - last) / 1000)); // the first frame may be stamped before its request
    last = now;
    if (run.header) {
      if (following) clock = run.steps.length;
      else if (playing) clock = Math.min(run.steps.length, clock + passed * speed * STEPS_A_SECOND);
      else clock = Math.min(clock, run.steps.length);
      if (playing && clock >= run.steps.length && run.totals) {
        playing = following = false;
        dirty = true;
      }
      const shown = playing || clock !== at ? Math.floor(clock) : at;
      if (shown !== at) {
        at = shown;
        dirty = true;
        share();
      }
      if (dirty) {
        dirty = false;
        const tail = canvas.draw(at, mode === "live", (i) => i === hovered || i === selected);
        part("tail").textContent = tail
          ? tail === 1
            ? phrase("player.tail_one")
            : phrase("player.tail", { count: tail })
          : "";
        drawStatus();
        drawBars();
        drawInspector();
        drawPlayhead();
      }
      drawPlots(now);
    }
    requestAnimationFrame(tick);
  }

  for (const button of root.querySelectorAll("[data-branch]")) button.hidden = !options.branches;
  options.watch(ingest);
  follow("opened", root, open);
  ingest();
  link.begin();
  loadPlotly(options.plotly).then((found) => {
    sheet = found;
    plotDirty = true;
  });
  requestAnimationFrame(tick);
}

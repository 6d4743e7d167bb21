import { putWords } from "../page/language.js";
import { readPieces } from "../run/decode.js";
import { joinTokenTexts, tokenText, wordOf } from "../run/text.js";
import { alternative, grade, loadPlotly, text, theme } from "../view/dom.js";
import { readEnvelope } from "../view/stream.js";
import { messageText, phrase, translateFigure } from "../words.js";

// A sentence under noise.  Every corrupted form of it, with what the model believes, arrives at once; the level then moves
// in the page alone.  Uses the pieces and words of player.js; text goes in by textContent.
const SWEEP = 6; // seconds in which noise falls from none to all
const PATIENCE = 500; // milliseconds behind which a wait for the model is told

export function mountNoise(host, options) {
  putWords(host);
  const root = host.querySelector(".noise");
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const level = root.querySelector("[data-role=level]");
  const ruler = document.createElement("canvas").getContext("2d");
  let lesson = null;
  let figure = null;
  let names = null;
  let sheet = null;
  let envelope = null;
  let pairs = [];
  let hovered = -1;
  let playing = false;
  let clock = 0;
  let dirty = false;
  let plotted = null;
  let waiting = 0;

  const at = () => Number(level.value);
  const state = () => lesson.states[lesson.state[at()]];

  function ingest() {
    const value = typeof options.value() === "string" ? options.value() : "";
    const opened = value ? readEnvelope(value) : null;
    if (!opened || opened.line === envelope) return;
    envelope = opened.line;
    clearTimeout(waiting);
    if (opened.record.player === "asking")
      return void (waiting = setTimeout(() => say(phrase("noise.asking")), PATIENCE));
    say(messageText(opened.record.message || ""));
    if (opened.record.player === "error") return;
    ({ lesson, figure } = JSON.parse(value.slice(opened.end)));
    names = { pieces: new Map(), header: { model: lesson.model } };
    readPieces(names.pieces, lesson.pieces);
    level.max = lesson.t.length - 1;
    plotted = null;
    hovered = -1;
    lay();
    dirty = true;
  }

  function say(sentence) {
    part("message").textContent = sentence;
    part("message").hidden = !sentence;
  }

  // one column a token: above what the model sees, below what it believes; as wide as the true word
  function lay() {
    part("pairs").replaceChildren();
    ruler.font = getComputedStyle(part("pairs")).font;
    const clean = joinTokenTexts(lesson.clean.map((id) => tokenText(names, id)));
    pairs = lesson.clean.map((_, i) => {
      const column = document.createElement("button");
      const seen = text("span", "", "seen");
      const guess = text("span", "", "guess");
      column.type = "button";
      column.className = "pair";
      column.dataset.pos = i;
      column.hidden = i === 0; // the beginning of text has no word
      const width = Math.max(34, Math.ceil(ruler.measureText(clean[i]).width) + 8);
      column.style.width = `${width}px`;
      column.append(seen, guess);
      part("pairs").append(column);
      return { column, seen, guess, width };
    });
  }

  function put(element, content, width) {
    const word = content.replace(/^ /, "").replace(/\n/g, "↵");
    const wide = ruler.measureText(word).width + 6;
    element.textContent = word;
    element.style.fontSize = wide > width ? `${Math.max(0.3, width / wide)}em` : "";
  }

  function draw() {
    const now = state();
    const t = lesson.t[at()];
    const hits = new Set(now.hit);
    const row = new Map(now.asked.map((i, k) => [i, k]));
    const mask = lesson.model.mask;
    const seen = joinTokenTexts(now.ids.map((id) => (id === mask ? "" : tokenText(names, id))));
    const guesses = joinTokenTexts(
      now.ids.map((_, i) => (row.has(i) ? tokenText(names, now.top_ids[row.get(i)][0]) : "")),
    );
    pairs.forEach(({ column, seen: above, guess: below, width }, i) => {
      const k = row.has(i) ? row.get(i) : -1;
      const noisy = hits.has(i) && now.ids[i] !== lesson.clean[i];
      const masked = now.ids[i] === mask;
      const wrong = k >= 0 && now.top_ids[k][0] !== lesson.clean[i];
      put(above, seen[i], width);
      above.className = `seen${masked ? " masked" : noisy ? " replaced" : ""}`;
      put(below, guesses[i], width);
      below.className = `guess${k < 0 ? "" : ` ${grade(now.probability[k])}`}${wrong ? " wrong" : ""}`;
      column.classList.toggle("lit", i === hovered);
      Object.assign(column.dataset, {
        state: masked ? "masked" : noisy ? "noise" : "clean",
        probability: k < 0 ? "" : now.probability[k].toFixed(4),
        tokenId: now.ids[i],
      });
      const stands = wordOf(names, now.ids[i]);
      const word = masked ? phrase("noise.mask") : noisy ? phrase("noise.replaced_by", { word: stands }) : stands;
      column.setAttribute(
        "aria-label",
        k < 0
          ? phrase("noise.column", { position: i, word })
          : phrase("noise.column_asked", {
              position: i,
              word,
              guess: wordOf(names, now.top_ids[k][0]),
              probability: now.probability[k].toFixed(2),
            }),
      );
    });
    part("level").textContent = t.toFixed(2);
    part("alpha").textContent = lesson.alpha[at()].toFixed(2);
    part("hits").textContent = phrase("noise.hits", { hits: now.hit.length, all: lesson.clean.length - 1 });
    part("loss").textContent =
      now.loss === null ? phrase("noise.none") : phrase("noise.loss_value", { loss: now.loss.toFixed(2) });
    part("summary").textContent = playing ? "" : phrase("noise.summary", { t: t.toFixed(2), hits: now.hit.length });
    level.setAttribute("aria-valuetext", phrase("noise.scrubbed", { t: t.toFixed(2), hits: now.hit.length }));
    root.querySelector("[data-action=denoise]").disabled = !now.hit.length;
    root.querySelector("[data-action=less]").disabled = lesson.state[at()] === lesson.state[0];
    root.querySelector("[data-action=more]").disabled = lesson.state[at()] === lesson.states.length - 1;
    for (const target of [root, host])
      Object.assign(target.dataset, {
        mode: "lesson",
        playing: String(playing),
        t: String(t),
        hits: String(now.hit.length),
        loss: now.loss === null ? "" : now.loss.toFixed(4),
      });
    inspect(now, row);
    mark();
  }

  function inspect(now, row) {
    const box = part("inspector");
    const i = hovered;
    const k = row.has(i) ? row.get(i) : -1;
    if (i < 0)
      return box.replaceChildren(
        text("h2", phrase("noise.title")),
        text("p", phrase("noise.training"), "lesson"),
        text("p", phrase("noise.hint"), "empty"),
      );
    const head = text("h2", phrase("noise.position", { position: i }));
    head.append(" ", text("small", phrase("noise.at_t", { t: lesson.t[at()].toFixed(2) })));
    if (k < 0) return box.replaceChildren(head, text("p", phrase("noise.visible"), "why"));
    const p = now.probability[k];
    const list = now.top_ids[k].map((id, r) => [id, now.top_probs[k][r]]);
    if (!list.some(([id]) => id === lesson.clean[i])) list.push([lesson.clean[i], p]);
    const hit = now.hit.includes(i);
    const nats = (-Math.log(Math.max(p, 1e-4))).toFixed(2);
    const why = text("p", "", "why");
    // the word is set apart, for text that runs the other way
    const [before, after] = phrase("noise.true", { probability: p.toFixed(2), nats }).split("{word}");
    if (hit) why.append(before, text("bdi", wordOf(names, lesson.clean[i])), after);
    else why.append(phrase("noise.visible"));
    if (hit && lesson.kind === "replace") why.append(" ", phrase("noise.half"));
    box.replaceChildren(
      head,
      ...list.map(([id, share]) => alternative(wordOf(names, id), share, id === lesson.clean[i])),
      why,
    );
  }

  // the figure of figures.py, with its upright at the level
  function plot() {
    if (!sheet || !figure || !part("figure").clientWidth) return;
    if (plotted === `${envelope} ${theme()} ${part("figure").clientWidth}`) return;
    plotted = `${envelope} ${theme()} ${part("figure").clientWidth}`;
    const { data, layout } = translateFigure(figure[theme()]);
    sheet.newPlot(part("figure"), data, layout, { displayModeBar: false, responsive: true }).then(mark);
  }

  function mark() {
    const drawn = part("figure").layout;
    if (!sheet || !lesson || !drawn || !drawn.shapes) return;
    const t = lesson.t[at()];
    sheet.relayout(part("figure"), { "shapes[0].x0": t, "shapes[0].x1": t });
  }

  // to the nearest level at which one token more, or less, is under noise
  function move(by) {
    const wanted = lesson.state[at()] + by;
    let to = at();
    while (lesson.state[to] !== undefined && (by > 0 ? lesson.state[to] < wanted : lesson.state[to] > wanted)) to += by;
    set(Math.max(0, Math.min(lesson.t.length - 1, to)));
  }

  function set(value) {
    level.value = value;
    playing = false;
    dirty = true;
  }

  const actions = {
    play: () => {
      if (at() >= Number(level.max)) level.value = 0;
      clock = at();
      playing = true;
      dirty = true;
    },
    pause: () => {
      playing = false;
      dirty = true;
    },
    less: () => move(-1),
    more: () => move(1),
    denoise: () => options.denoise(lesson.t[at()]),
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button && lesson) actions[button.dataset.action]();
  });
  level.addEventListener("input", () => set(at()));
  function focus(event) {
    const column = event.target.closest("[data-pos]");
    const i = column ? Number(column.dataset.pos) : -1;
    if (i === hovered) return;
    hovered = i;
    dirty = true;
  }
  for (const kind of ["pointerover", "focusin"]) part("pairs").addEventListener(kind, focus);
  for (const kind of ["pointerleave", "focusout"])
    part("pairs").addEventListener(kind, () => {
      hovered = -1;
      dirty = true;
    });
  part("figure").addEventListener("click", (event) => {
    const layout = part("figure")._fullLayout;
    if (!layout || !lesson) return;
    const t = layout.xaxis.p2l(event.clientX - part("figure").getBoundingClientRect().left - layout.xaxis._offset);
    set(Math.round(Math.max(0, Math.min(1, t)) * (lesson.t.length - 1)));
  });
  new MutationObserver(plot).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  new ResizeObserver(plot).observe(root);

  let last = performance.now();
  function tick(now) {
    if (!root.isConnected) return;
    const passed = Math.max(0, Math.min(0.25, (now - last) / 1000));
    last = now;
    if (playing && lesson) {
      clock = Math.min(Number(level.max), clock + (passed * Number(level.max)) / SWEEP);
      if (Math.floor(clock) !== at()) {
        level.value = Math.floor(clock);
        dirty = true;
      }
      if (clock >= Number(level.max)) {
        playing = false;
        dirty = true;
      }
    }
    if (dirty && root.clientWidth) {
      dirty = false;
      draw();
      plot();
    }
    requestAnimationFrame(tick);
  }

  inspect({ hit: [] }, new Map());
  loadPlotly(options.plotly).then((found) => {
    sheet = found;
    plot();
  });
  options.watch(ingest);
  ingest();
  requestAnimationFrame(tick);
}

import { forgetRun, forgetRuns, keepRun, keptRuns, RUNS_KEPT } from "../page/kept.js";
import { putWords } from "../page/language.js";
import { tooLarge } from "../run/gzip.js";
import { readRun } from "../run/reader.js";
import { LIMITS } from "../settings.js";
import { follow } from "../store.js";
import { currentLanguage, phrase } from "../words.js";

// The Runs tab: recorded runs that teach one thing each, files by drop, and this browser's own runs.  A card is
// { name, numbers } with numbers computed from the run; text of runs goes in by textContent.
const COMPARED = 4;

export function mountRuns(host, options) {
  putWords(host);
  const root = host.querySelector(".runs");
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const file = root.querySelector("[data-role=file]");
  const chosen = new Map(); // key of a card: how to get its bytes

  const element = (tag, className, content) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (content) made.textContent = content;
    return made;
  };

  function say(text) {
    part("message").textContent = text;
    part("message").hidden = !text;
  }

  function counted({ forwards, tokens_per_forward, writes, kendall_tau, revisions, hindsight }) {
    const parts = [
      phrase("runs.forwards", { forwards }),
      phrase("runs.rate", { rate: tokens_per_forward.toFixed(1), most: Math.max(0, ...writes) }),
    ];
    if (typeof kendall_tau === "number") parts.push(phrase("runs.order", { tau: kendall_tau.toFixed(2) }));
    if (revisions) parts.push(phrase("runs.revisions", { revisions }));
    if (typeof hindsight === "number") parts.push(phrase("runs.hindsight", { hindsight: hindsight.toFixed(2) }));
    return parts.join(" · ");
  }

  // tokens written by each step
  function bars(writes) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    const most = Math.max(1, ...writes);
    const width = 300 / Math.max(1, writes.length);
    const gap = Math.min(1.5, width * 0.2);
    const box = (n, i) =>
      `M${(i * width).toFixed(2)} 46v${((-44 * n) / most).toFixed(2)}h${(width - gap).toFixed(2)}v${((44 * n) / most).toFixed(2)}z`;
    svg.setAttribute("viewBox", "0 0 300 46");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", phrase("runs.bars", { steps: writes.length, most }));
    path.setAttribute("d", writes.map(box).join(""));
    path.setAttribute("fill", "var(--r4)");
    svg.append(path);
    return svg;
  }

  function chooser(key, bytes) {
    const label = element("label", "choose", phrase("runs.choose"));
    const box = element("input");
    box.type = "checkbox";
    box.checked = chosen.has(key);
    box.addEventListener("change", () => {
      if (box.checked) chosen.set(key, bytes);
      else chosen.delete(key);
      drawCompare();
    });
    label.prepend(box);
    label.hidden = !options.compare;
    return label;
  }

  function drawCompare() {
    const button = root.querySelector("[data-action=compare]");
    button.hidden = !options.compare;
    button.disabled = chosen.size < 2 || chosen.size > COMPARED;
    button.textContent =
      chosen.size > COMPARED
        ? phrase("runs.compare_most", { most: COMPARED })
        : chosen.size
          ? phrase("runs.compare_count", { count: chosen.size })
          : phrase("runs.compare");
  }

  const opener = (title, bytes) => {
    const button = element("button", "title", title);
    button.type = "button";
    button.addEventListener("click", () => open(bytes, options.promote));
    return button;
  };

  async function open(bytes, hand) {
    say("");
    try {
      const run = readRun(await bytes());
      hand(run.lines);
      return run;
    } catch (error) {
      say(phrase("runs.not_opened", { reason: error.message }));
    }
  }

  for (const card of options.cards) {
    const box = element("article", "card");
    const foot = element("div", "foot");
    const bytes = () => options.bytes(card);
    foot.append(element("span", "numbers", counted(card.numbers)), chooser(card.name, bytes));
    box.append(
      opener(phrase(`runs.recorded.${card.name}.title`), bytes),
      element("p", "", phrase(`runs.recorded.${card.name}.about`)),
      bars(card.numbers.writes),
      foot,
    );
    part("gallery").append(box);
  }

  async function drawKept() {
    const runs = await keptRuns().catch(() => null);
    const rows = (runs || []).map((kept) => {
      const row = element("li");
      const remove = element("button", "", phrase("runs.delete"));
      const bytes = async () => kept.bytes;
      remove.type = "button";
      remove.addEventListener("click", () => {
        chosen.delete(kept.id);
        forgetRun(kept.id);
      });
      const title = opener(kept.prompt ? phrase("runs.title_prompt", kept) : phrase("runs.title", kept), bytes);
      row.append(
        title,
        element(
          "span",
          "numbers",
          `${counted(kept.numbers)} · ${new Date(kept.when).toLocaleString(currentLanguage())}`,
        ),
        chooser(kept.id, bytes),
        remove,
      );
      return row;
    });
    if (!rows.length) rows.push(element("li", "empty", runs ? phrase("runs.empty") : phrase("runs.no_store")));
    part("kept").replaceChildren(...rows);
    part("count").textContent = runs && runs.length ? phrase("runs.kept_count", { count: RUNS_KEPT }) : "";
    root.querySelector("[data-action=forget]").hidden = !(runs && runs.length);
    drawCompare();
  }

  async function take(files) {
    const some = Array.from(files).slice(0, COMPARED);
    const only = some.length === 1;
    for (const one of some) {
      const bytes = async () => {
        if (one.size > LIMITS.bytes) throw tooLarge();
        return new Uint8Array(await one.arrayBuffer());
      };
      const run = await open(bytes, only ? options.promote : () => {});
      if (!run) return;
      await keepRun(run).catch(() => {});
    }
  }

  const actions = {
    pick: () => file.click(),
    forget: () => {
      chosen.clear();
      forgetRuns();
    },
    compare: async () => {
      say("");
      try {
        const runs = await Promise.all(Array.from(chosen.values(), async (bytes) => readRun(await bytes())));
        options.compare(runs.map((run) => run.lines.join("\n") + "\n"));
      } catch (error) {
        say(phrase("runs.not_compared", { reason: error.message }));
      }
    },
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) actions[button.dataset.action]();
  });
  file.addEventListener("change", () => {
    take(file.files);
  });
  const over = (yes) => (event) => {
    event.preventDefault();
    root.classList.toggle("over", yes);
  };
  root.addEventListener("dragover", over(true));
  root.addEventListener("dragleave", over(false));
  root.addEventListener("drop", (event) => {
    over(false)(event);
    take(event.dataTransfer.files);
  });
  follow("kept", root, drawKept);
  drawKept();
  if (options.first && options.cards.length) open(() => options.bytes(options.cards[0]), options.first);
}

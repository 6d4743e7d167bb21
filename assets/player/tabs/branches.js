// Runs that continue other runs: from a step on, with a word forced, or with an edited canvas.  Asks for them, keeps their
// tree for as long as the page is open, and shows which words of two differ.  Uses the runs and words of player.js; text
// goes in by textContent.

import { putWords } from "../page/language.js";
import { cellsOf, differing, sent, wordsOf } from "../run/cells.js";
import { wordOf } from "../run/text.js";
import { follow, shared } from "../store.js";
import { text } from "../view/dom.js";
import { phrase } from "../words.js";

export function mountBranches(host, options) {
  putWords(host);
  const root = host.querySelector(".branches");
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const tree = []; // every run in it: the run, its parent, and how deep it stands; children follow their parent
  let picked = [];
  let shown = null;
  let wanted = null;
  let awaited = null;

  // A run is asked for when nothing runs: what is live is stopped first.
  function ask(request, parent) {
    wanted = { request, parent };
    if (shared.live) options.stop();
    settle();
  }

  function settle() {
    if (!wanted || shared.live) return;
    options.run(wanted.request);
    awaited = wanted;
    wanted = null;
  }

  const sourceOf = (run, step) => ({ step, policy: String(run.header.policy.name), seed: run.header.seed });

  // an edited canvas, by the controls of its tab; without an origin it is a run of its own
  function edited({ cells, origin, elastic }) {
    ask(
      {
        cells: sent(cells),
        elastic,
        windows: null,
        policy: null,
        branch: origin ? sourceOf(origin.run, origin.at) : null,
        prompt: origin ? origin.run.header.prompt : "",
      },
      origin,
    );
  }

  // from a step of a run on, with its own policy and seed; `forced` is a token that is put at a track
  function resume({ run, at, forced }) {
    const list = cellsOf(run, at, true);
    const spliced = run.steps.slice(0, at).some((step) => step.splice.length);
    const position = forced ? list.findIndex(({ track }) => track === forced.track) : null;
    if (forced) list[position] = { token: forced.id, locked: true };
    const branch = { ...sourceOf(run, at), ...(forced ? { forced: position } : {}) };
    // blocks that are full have had their share of the steps
    const open = run.header.windows.filter(([lo, hi]) =>
      list.slice(lo, hi).some(({ token, locked }) => token === run.header.model.mask && !locked),
    );
    ask(
      {
        cells: sent(list),
        windows: spliced || !open.length ? null : open,
        policy: run.header.policy,
        seed: run.header.seed,
        branch,
        prompt: run.header.prompt,
      },
      { run, at },
    );
  }

  // -- the tree --

  function begun({ run, live }) {
    const { branch } = run.header;
    shown = run;
    if (live && awaited) {
      if (branch) {
        const parent = knownAs(awaited.parent.run);
        tree.splice(endOf(parent) + 1, 0, { run, parent, depth: parent.depth + 1 });
      }
      awaited = null;
      options.player();
    }
    drawTree();
  }

  // a run that is shown again arrives anew; its first line says which it is
  const same = (one, other) => Boolean(other) && one.lines[0] === other.lines[0];

  function knownAs(run) {
    const known = tree.find((one) => same(one.run, run));
    if (known) return known;
    tree.push({ run, parent: null, depth: 0 });
    return tree[tree.length - 1];
  }

  // where the last descendant of a node stands
  function endOf(node) {
    let at = tree.indexOf(node);
    while (tree[at + 1] && tree[at + 1].depth > node.depth) at++;
    return at;
  }

  function drawTree() {
    part("tree").replaceChildren(
      ...tree.map((node) => {
        const row = document.createElement("li");
        const { header } = node.run;
        const { branch } = header;
        const box = document.createElement("input");
        const label = text("label", "");
        box.type = "checkbox";
        box.checked = picked.includes(node);
        box.setAttribute("aria-label", phrase("branches.choose"));
        box.addEventListener("change", () => {
          picked = box.checked ? [...picked, node].slice(-2) : picked.filter((one) => one !== node);
          drawTree();
        });
        label.append(box);
        const open = text("button", header.policy.name, "title");
        open.type = "button";
        open.title = phrase("branches.show");
        open.addEventListener("click", () => options.promote(node.run.lines));
        const about = [phrase("player.seed", { seed: header.seed })];
        if (branch && node.parent) {
          about.unshift(phrase("branches.from", branch));
          if (branch.forced !== undefined)
            about.push(
              phrase("branches.forced", {
                word: wordOf(node.run, header.canvas[branch.forced]),
                position: branch.forced,
              }),
            );
        }
        row.classList.toggle("shown", same(node.run, shown));
        row.style.setProperty("--depth", node.depth);
        row.dataset.depth = node.depth;
        row.append(label, open, text("span", about.join(" · "), "numbers"));
        return row;
      }),
    );
    root.hidden = !tree.length;
    part("diff").disabled = picked.length !== 2;
  }

  function diff() {
    const lists = picked.map(({ run }) => wordsOf(run));
    const only = differing(...lists);
    part("panes").replaceChildren(
      ...picked.map(({ run }, side) => {
        const pane = document.createElement("div");
        const body = text("p", "", "words");
        body.dir = "auto";
        lists[side].forEach((word, i) => body.append(only[side].has(i) ? text("mark", word) : word, " "));
        pane.append(
          text("h3", phrase("branches.pane", { policy: run.header.policy.name, seed: run.header.seed })),
          body,
          text("small", phrase("branches.differs", { only: only[side].size })),
        );
        return pane;
      }),
    );
  }

  follow("live", root, settle);
  follow("branch", root, (wish) => (wish.edit ? options.edit() : wish.cells ? edited(wish) : resume(wish)));
  follow("begun", root, begun);
  part("diff").addEventListener("click", diff);
  drawTree();
}

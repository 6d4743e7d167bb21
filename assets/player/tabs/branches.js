// Runs that continue other runs: from a step on, with a word forced, or with an edited canvas.  Asks for them, keeps
// their tree for as long as the page is open, and shows which words of two differ.

import { putWords } from "../page/language.js";
import { keepPart, takePart } from "../page/leaving.js";
import { cellsOf, differing, sent, wordsOf } from "../run/cells.js";
import { addLine, emptyRun } from "../run/state.js";
import { wordOf } from "../run/text.js";
import { follow, shared } from "../store.js";
import { text } from "../view/dom.js";
import { phrase } from "../words.js";

class Branches {
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = host.querySelector(".branches");
    this.tree = []; // every run in it: the run, its parent, and how deep it stands; children follow their parent
    this.picked = [];
    this.shown = null;
    this.wanted = null;
    this.awaited = null;

    follow("live", this.root, () => this.settle());
    follow("branch", this.root, (wish) =>
      wish.edit ? this.options.edit() : wish.cells ? this.edited(wish) : this.resume(wish),
    );
    follow("begun", this.root, (shown) => this.begun(shown));
    this.part("diff").addEventListener("click", () => this.diff());
    follow("leaving", this.root, () => keepPart(this.host.id, this.whole()));
    this.tree = reopened(takePart(this.host.id) || []);
    this.drawTree();
  }

  part(name) {
    return this.root.querySelector(`[data-slot="${name}"]`);
  }

  // A run is asked for when nothing runs: what is live is stopped first.  One that plays `inPlace` is seen where it was
  // asked for, others in the player.
  ask(request, parent, inPlace = false) {
    this.wanted = { request, parent, inPlace };
    if (shared.live) this.options.stop();
    this.settle();
  }

  settle() {
    if (!this.wanted || shared.live) return;
    this.options.run(this.wanted.request);
    this.awaited = this.wanted;
    this.wanted = null;
  }

  sourceOf(run, step) {
    return { step, policy: String(run.header.policy.name), seed: run.header.seed };
  }

  // an edited canvas, by the controls of its tab; without an origin it is a run of its own
  edited({ cells, origin, elastic }) {
    this.ask(
      {
        cells: sent(cells),
        elastic,
        windows: null,
        policy: null,
        branch: origin ? this.sourceOf(origin.run, origin.at) : null,
        prompt: origin ? origin.run.header.prompt : "",
      },
      origin,
      true,
    );
  }

  // from a step of a run on, with its own policy and seed; `forced` is a token that is put at a track
  resume({ run, at, forced }) {
    const list = cellsOf(run, at, true);
    const spliced = run.steps.slice(0, at).some((step) => step.splice.length);
    const position = forced ? list.findIndex(({ track }) => track === forced.track) : null;
    if (forced) list[position] = { token: forced.id, locked: true };
    const branch = { ...this.sourceOf(run, at), ...(forced ? { forced: position } : {}) };
    // blocks that are full have had their share of the steps
    const open = run.header.windows.filter(([lo, hi]) =>
      list.slice(lo, hi).some(({ token, locked }) => token === run.header.model.mask && !locked),
    );
    this.ask(
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

  begun({ run, live }) {
    const { branch } = run.header;
    this.shown = run;
    if (live && this.awaited) {
      if (branch) {
        const parent = this.knownAs(this.awaited.parent.run);
        this.tree.splice(this.endOf(parent) + 1, 0, { run, parent, depth: parent.depth + 1 });
      }
      if (!this.awaited.inPlace) this.options.player();
      this.awaited = null;
    }
    this.drawTree();
  }

  // a run that is shown again arrives anew; its first line says which it is
  same(one, other) {
    return Boolean(other) && one.lines[0] === other.lines[0];
  }

  knownAs(run) {
    const known = this.tree.find((one) => this.same(one.run, run));
    if (known) return known;
    this.tree.push({ run, parent: null, depth: 0 });
    return this.tree[this.tree.length - 1];
  }

  // where the last descendant of a node stands
  endOf(node) {
    let at = this.tree.indexOf(node);
    while (this.tree[at + 1] && this.tree[at + 1].depth > node.depth) at++;
    return at;
  }

  // The tree when the page opens anew: each run by its lines, and its parent by its place.
  whole() {
    return this.tree.map(({ run, parent, depth }) => ({ lines: run.lines, parent: this.tree.indexOf(parent), depth }));
  }

  drawTree() {
    this.part("tree").replaceChildren(
      ...this.tree.map((node) => {
        const row = document.createElement("li");
        const { header } = node.run;
        const { branch } = header;
        const box = document.createElement("input");
        const label = text("label", "");
        box.type = "checkbox";
        box.checked = this.picked.includes(node);
        box.setAttribute("aria-label", phrase("branches.choose"));
        box.addEventListener("change", () => {
          this.picked = box.checked ? [...this.picked, node].slice(-2) : this.picked.filter((one) => one !== node);
          this.drawTree();
        });
        label.append(box);
        const open = text("button", header.policy.name, "title");
        open.type = "button";
        open.title = phrase("branches.show");
        open.addEventListener("click", () => this.options.promote(node.run.lines));
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
        row.classList.toggle("shown", this.same(node.run, this.shown));
        row.style.setProperty("--depth", node.depth);
        row.dataset.depth = node.depth;
        row.append(label, open, text("span", about.join(" · "), "numbers"));
        return row;
      }),
    );
    this.root.hidden = !this.tree.length;
    this.part("diff").disabled = this.picked.length !== 2;
  }

  diff() {
    const lists = this.picked.map(({ run }) => wordsOf(run));
    const only = differing(lists[0], lists[1]);
    this.part("panes").replaceChildren(
      ...this.picked.map(({ run }, side) => {
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
}

function reopened(kept) {
  const tree = kept.map(({ depth }) => ({ run: emptyRun(), parent: null, depth }));
  tree.forEach((node, n) => {
    for (const line of kept[n].lines) addLine(node.run, line);
    node.parent = tree[kept[n].parent] ?? null;
  });
  return tree;
}

export function mountBranches(host, options) {
  putWords(host);
  new Branches(host, options);
}

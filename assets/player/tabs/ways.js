// All policies, grouped by how they work, each with a picture of one recorded run: what opens where a policy is chosen, in
// place of a long list.

import { readThumbnail } from "../run/thumbnail.js";
import { text } from "../view/dom.js";
import { drawHeatmap } from "../view/sketch.js";
import { phrase } from "../words.js";

const OPENING = ["click", "keydown"];
const KEPT = ["Tab", "Shift", "Escape", "Control", "Meta", "Alt"]; // keys that do not open it
const GUARDED = ["focus", "mousedown", "pointerdown", "click", "keydown"]; // at which the menu would open its own list

class Ways {
  /**
   * @param {HTMLElement} host
   * @param {{ families: Record<string, string[]>, suited: () => string[], choose: (policy: string) => void,
   *   thumbnails: () => Promise<{ model: string, rows: Record<string, string[]> }> }} options
   */
  constructor(host, options) {
    this.options = options;
    this.dialog = host.querySelector("dialog");
    this.list = /** @type {HTMLElement} */ (host.querySelector("[data-slot=list]"));
    this.thumbnails = null;
    host.querySelector("[data-slot=all]").addEventListener("click", () => this.open());
    host.querySelector("[data-slot=close]").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close(); // beside it
    });
    this.list.addEventListener("click", (event) => this.press(event));
    this.list.addEventListener("keydown", (event) => this.key(event));
    for (const type of GUARDED) document.addEventListener(type, (event) => this.guard(event), true);
  }

  // The menu of policies keeps and shows the choice; its own list stays closed.
  guard(event) {
    const menu = event.target.closest?.("#policy");
    if (!menu || !this.dialog.isConnected || event.ctrlKey || event.metaKey) return;
    event.stopPropagation();
    menu.querySelector("input")?.setAttribute("aria-haspopup", "dialog");
    if (OPENING.includes(event.type) && !KEPT.includes(event.key)) {
      event.preventDefault();
      this.open();
    }
  }

  open() {
    if (this.dialog.open) return;
    const { families } = this.options;
    this.list.replaceChildren(...Object.keys(families).map((family) => this.group(family, families[family])));
    this.dialog.showModal();
    const chosen = this.list.querySelector("[aria-selected=true]") ?? this.free()[0];
    this.focus(/** @type {HTMLElement} */ (chosen));
    this.illustrate();
  }

  group(family, policies) {
    const group = document.createElement("div");
    const cards = document.createElement("div");
    const title = text("div", phrase(`ways.${family}.title`), "family");
    group.role = "group";
    title.id = `ways-${family}`;
    group.setAttribute("aria-labelledby", title.id);
    cards.className = "cards";
    cards.append(...policies.map((policy) => this.card(policy, family)));
    group.append(title, text("div", phrase(`ways.${family}.about`), "method"), cards);
    return group;
  }

  card(policy, family) {
    const card = document.createElement("div");
    const option = document.createElement("div");
    const title = phrase(`policies.${policy}.title`);
    const about = text("div", phrase(`policies.${policy}.about`), "about");
    const shown = /** @type {HTMLInputElement | null} */ (document.querySelector("#policy input"))?.value;
    card.className = "way";
    about.id = `way-${policy}`;
    Object.assign(option, { role: "option", tabIndex: -1, ariaSelected: String(title === shown) });
    option.dataset.policy = policy;
    option.setAttribute("aria-describedby", about.id);
    option.append(document.createElement("canvas"), text("span", title));
    card.append(option, about);
    if (!this.options.suited().includes(policy)) {
      option.ariaDisabled = "true";
      card.classList.add("unsuited");
      about.append(" ", text("em", phrase(family === "splicing" ? "ways.no_room" : "ways.no_noise")));
    }
    return card;
  }

  async illustrate() {
    this.thumbnails ??= this.options.thumbnails();
    const { rows } = await this.thumbnails;
    for (const option of /** @type {NodeListOf<HTMLElement>} */ (this.list.querySelectorAll("[role=option]"))) {
      const picture = option.querySelector("canvas");
      const known = rows[option.dataset.policy];
      picture.hidden = !known;
      if (known) drawHeatmap(picture, readThumbnail(known), { axes: false });
    }
  }

  free() {
    return /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("[role=option]:not([aria-disabled])")]);
  }

  /** @param {HTMLElement} option */
  focus(option) {
    for (const one of this.free()) one.tabIndex = one === option ? 0 : -1;
    option?.focus();
  }

  press({ target }) {
    this.take(target.closest(".way")?.querySelector("[role=option]"));
  }

  take(option) {
    if (!option || option.ariaDisabled) return;
    this.dialog.close();
    this.options.choose(option.dataset.policy);
  }

  key(event) {
    const free = this.free();
    const here = free.indexOf(event.target);
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const to =
      { Home: 0, End: free.length - 1 }[event.key] ?? (by && Math.max(0, Math.min(free.length - 1, here + by)));
    if (to !== undefined) this.focus(free[to]);
    else if (event.key === "Enter" || event.key === " ") this.take(event.target);
    else return;
    event.preventDefault();
  }
}

export const mountWays = (host, options) => new Ways(host, options);

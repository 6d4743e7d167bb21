// The guided tour: a card that walks from stop to stop and works the page's real controls, as a visitor would.

import { phrase } from "../words.js";

const TOUR_PATIENCE = 15000; // milliseconds for a control to be there and ready

// A stop: its name, its tab, the part of the page it points at, and the controls it works: a click, or a slider put to
// a share of its range.
const TOUR_STOPS = [
  {
    name: "text",
    tab: "tab-denoise",
    target: "#player .stage",
    steps: [
      ["#player [data-action=restart]", null],
      ["#player [data-action=play]", null],
    ],
  },
  { name: "heatmap", tab: "tab-denoise", target: "#player #heatmap", steps: [["#player [data-role=scrubber]", 0.5]] },
  { name: "generate", tab: "tab-denoise", target: "#generate", steps: [["#generate", null]] },
  {
    name: "noise",
    tab: "tab-noise",
    target: "#noise .stage",
    steps: [
      ["#noise [data-mode=lesson] [data-role=level]", 0],
      ["#noise [data-action=play]", null],
    ],
  },
  { name: "race", tab: "tab-race", target: "#race .clock", steps: [["#race-run", null]] },
];

class Tour {
  constructor() {
    this.card = null;
    this.at = -1;
    this.lit = null;

    document.addEventListener("click", (event) => {
      if (/** @type {Element} */ (event.target).id === "tour-start") this.start();
    });
    document.addEventListener("keydown", (event) => {
      if (!this.card) return;
      const inside = this.card.contains(event.target);
      const key = {
        Escape: () => this.leave(),
        ...(inside && { ArrowRight: () => this.go(this.at + 1), ArrowLeft: () => this.go(this.at - 1) }),
      }[event.key];
      if (!key) return;
      event.preventDefault();
      key();
    });
  }

  make(tag, about, ...children) {
    const element = Object.assign(document.createElement(tag), about);
    element.append(...children);
    return element;
  }

  // A tab by its button, or by its line in the menu of a narrow page.
  openTab(tab) {
    const menu = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#tabs .overflow-dropdown button"));
    const hidden = [...menu].find((one) => one.textContent.trim() === phrase(`tabs.${tab}`));
    (document.getElementById(`${tab}-button`) || hidden)?.click();
  }

  // The control once it is there, laid out and not disabled; null if the visitor has gone on or it never comes.
  ready(selector, stop) {
    const until = performance.now() + TOUR_PATIENCE;
    return new Promise((found) => {
      const look = () => {
        const control = document.querySelector(selector);
        if (stop !== this.at || performance.now() > until) return found(null);
        if (control && control.getClientRects().length && !control.disabled) return found(control);
        requestAnimationFrame(look);
      };
      look();
    });
  }

  async go(next) {
    if (next < 0) return;
    if (next >= TOUR_STOPS.length) return this.leave();
    const { name, tab, target, steps } = TOUR_STOPS[(this.at = next)];
    const stop = next;
    this.card.querySelector("h2").textContent = phrase(`tour.stops.${name}.title`);
    this.card.querySelector("p").textContent = phrase(`tour.stops.${name}.about`);
    this.card.querySelector("small").textContent = phrase("tour.count", { n: this.at + 1, all: TOUR_STOPS.length });
    this.card.querySelector("[data-tour=back]").disabled = this.at === 0;
    this.card.querySelector("[data-tour=next]").textContent =
      this.at === TOUR_STOPS.length - 1 ? phrase("tour.done") : phrase("tour.next");
    this.card.dataset.stop = this.at + 1;
    this.card.querySelector("[data-tour=next]").focus({ preventScroll: true });
    this.openTab(tab);
    const place = await this.ready(target, stop);
    if (!place) return;
    this.lit?.classList.remove("toured");
    (this.lit = place).classList.add("toured");
    place.scrollIntoView({
      block: "start",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
    });
    for (const [selector, share] of steps) {
      const control = await this.ready(selector, stop);
      if (!control) return;
      if (share === null) {
        control.click();
        continue;
      }
      control.value = Number(control.min) + Number(share) * (Number(control.max) - Number(control.min));
      control.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  leave() {
    this.at = -1;
    this.lit?.classList.remove("toured");
    this.card?.remove();
    this.card = null;
    document.getElementById("tour-start")?.focus();
  }

  start() {
    if (this.card) this.leave();
    const button = (name, title) => {
      const one = this.make("button", { type: "button", textContent: title });
      one.dataset.tour = name;
      return one;
    };
    this.card = this.make(
      "section",
      { id: "tour", className: "player", tabIndex: -1 },
      this.make("small", {}),
      this.make("h2", { id: "tour-title" }),
      this.make("p", { id: "tour-text" }),
      this.make(
        "div",
        { className: "buttons" },
        button("back", phrase("tour.back")),
        button("next", phrase("tour.next")),
        button("skip", phrase("tour.skip")),
      ),
    );
    for (const [name, value] of Object.entries({
      role: "dialog",
      "aria-labelledby": "tour-title",
      "aria-describedby": "tour-text",
      "aria-live": "polite",
    }))
      this.card.setAttribute(name, value);
    this.card.addEventListener("click", (event) => {
      const name = event.target.dataset.tour;
      if (name)
        ({
          back: () => this.go(this.at - 1),
          next: () => this.go(this.at + 1),
          skip: () => this.leave(),
        })[name]();
    });
    document.body.append(this.card);
    this.go(0);
  }
}

export function mountTour() {
  new Tour();
}

import { phrase } from "../words.js";

// The guided tour: a card that walks from stop to stop and works the page's real controls, as a visitor would.
const TOUR_PATIENCE = 15000; // milliseconds for a control to be there and ready

// A stop: its name, its tab, the part of the page it points at, and the controls it works: a click, or a slider put to a
// share of its range.
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

export function mountTour() {
  let card = null;
  let at = -1;
  let lit = null;

  const make = (tag, about, ...children) => {
    const element = Object.assign(document.createElement(tag), about);
    element.append(...children);
    return element;
  };

  // A tab by its button, or by its line in the menu of a narrow page.
  function openTab(tab) {
    const hidden = [...document.querySelectorAll("#tabs .overflow-dropdown button")].find(
      (one) => one.textContent.trim() === phrase(`tabs.${tab}`),
    );
    (document.getElementById(`${tab}-button`) || hidden)?.click();
  }

  // The control once it is there, laid out and not disabled; null if the visitor has gone on or it never comes.
  function ready(selector, stop) {
    const until = performance.now() + TOUR_PATIENCE;
    return new Promise((found) => {
      function look() {
        const control = document.querySelector(selector);
        if (stop !== at || performance.now() > until) return found(null);
        if (control && control.getClientRects().length && !control.disabled) return found(control);
        requestAnimationFrame(look);
      }
      look();
    });
  }

  async function go(next) {
    if (next < 0) return;
    if (next >= TOUR_STOPS.length) return leave();
    const { name, tab, target, steps } = TOUR_STOPS[(at = next)];
    const stop = next;
    card.querySelector("h2").textContent = phrase(`tour.stops.${name}.title`);
    card.querySelector("p").textContent = phrase(`tour.stops.${name}.about`);
    card.querySelector("small").textContent = phrase("tour.count", { n: at + 1, all: TOUR_STOPS.length });
    card.querySelector("[data-tour=back]").disabled = at === 0;
    card.querySelector("[data-tour=next]").textContent =
      at === TOUR_STOPS.length - 1 ? phrase("tour.done") : phrase("tour.next");
    card.dataset.stop = at + 1;
    card.querySelector("[data-tour=next]").focus({ preventScroll: true });
    openTab(tab);
    const place = await ready(target, stop);
    if (!place) return;
    lit?.classList.remove("toured");
    (lit = place).classList.add("toured");
    place.scrollIntoView({
      block: "start",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
    });
    for (const [selector, share] of steps) {
      const control = await ready(selector, stop);
      if (!control) return;
      if (share === null) {
        control.click();
        continue;
      }
      control.value = Number(control.min) + share * (control.max - control.min);
      control.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  function leave() {
    at = -1;
    lit?.classList.remove("toured");
    card?.remove();
    card = null;
    document.getElementById("tour-start")?.focus();
  }

  function start() {
    if (card) leave();
    const button = (name, title) => {
      const one = make("button", { type: "button", textContent: title });
      one.dataset.tour = name;
      return one;
    };
    card = make(
      "section",
      { id: "tour", className: "player", tabIndex: -1 },
      make("small", {}),
      make("h2", { id: "tour-title" }),
      make("p", { id: "tour-text" }),
      make(
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
      card.setAttribute(name, value);
    card.addEventListener("click", (event) => {
      const name = event.target.dataset.tour;
      if (name) ({ back: () => go(at - 1), next: () => go(at + 1), skip: leave })[name]();
    });
    document.body.append(card);
    go(0);
  }

  document.addEventListener("click", (event) => {
    if (event.target.id === "tour-start") start();
  });
  document.addEventListener("keydown", (event) => {
    if (!card) return;
    const inside = card.contains(event.target);
    const key = { Escape: leave, ...(inside && { ArrowRight: () => go(at + 1), ArrowLeft: () => go(at - 1) }) }[
      event.key
    ];
    if (!key) return;
    event.preventDefault();
    key();
  });
}

// The sheet of keys: "?" opens it anywhere but in a field, Escape closes it and gives the focus back.

import { phrase } from "../words.js";

// What to press, and the key of what it does.
const helpKeys = () => [
  ["?", "help.sheet"],
  ["Ctrl Enter", "help.generate"],
  ["Tab", "help.tab"],
  [phrase("help.space"), "help.play"],
  ["← →", "help.arrows"],
  ["Home End", "help.ends"],
  ["← →", "help.positions"],
  ["L", "help.live"],
  ["F", "help.present"],
  ["Esc", "help.escape"],
];

export function mountHelp() {
  const make = (tag, about, ...children) => {
    const element = Object.assign(document.createElement(tag), about);
    element.append(...children);
    return element;
  };

  function open() {
    if (document.getElementById("help")) return;
    const rows = helpKeys().map(([key, what]) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, make("kbd", { textContent: key })),
        make("td", { textContent: phrase(what) }),
      ),
    );
    const sheet = make(
      "dialog",
      { id: "help" },
      make("h2", { id: "help-title", textContent: phrase("help.title") }),
      make("table", {}, ...rows),
      make("button", { type: "button", textContent: phrase("help.close") }),
    );
    sheet.setAttribute("aria-labelledby", "help-title");
    sheet.querySelector("button").addEventListener("click", () => sheet.close());
    sheet.addEventListener("close", () => sheet.remove()); // the dialog itself gives the focus back
    document.body.append(sheet);
    sheet.showModal();
  }

  addEventListener("keydown", (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(field.tagName) && field.type !== "range";
    if (event.key !== "?" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    open();
  });
  addEventListener("click", (event) => {
    if (/** @type {Element} */ (event.target).id === "help-open") open();
  });
}

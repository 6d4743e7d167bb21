// The visitor's language: found before anything is shown, put into markup, and changed on demand.

import { WORDS } from "../settings.js";
import { currentLanguage, phrase, setLanguage } from "../words.js";

const LANGUAGE_KEPT = "unmask-language";
const mainPart = (code) => code.toLowerCase().split("-")[0];

// The language of the query, else the one chosen in this browser, else the browser's first that is there, else English.
function preferredLanguage() {
  let kept = null;
  try {
    kept = localStorage.getItem(LANGUAGE_KEPT);
  } catch {
    /* a browser that keeps nothing still reads */
  }
  for (const wanted of [new URLSearchParams(location.search).get("lang"), kept, ...navigator.languages]) {
    const found = wanted && Object.keys(WORDS).find((code) => mainPart(code) === mainPart(wanted));
    if (found) return found;
  }
  return "en";
}

// Runs before anything else in a page, so that nothing is ever shown in another language first.
export function startLanguage() {
  setLanguage(preferredLanguage());
  document.documentElement.lang = currentLanguage();
  // what Gradio goes by: its labels, ours among them, then speak the same language
  Object.defineProperty(navigator, "language", { value: currentLanguage() });
}

const PUT = {
  word: (element, sentence) => {
    element.textContent = sentence;
  },
  "word-label": (element, sentence) => element.setAttribute("aria-label", sentence),
  "word-title": (element, sentence) => {
    element.title = sentence;
  },
};

// Fills markup: data-word is an element's text, data-word-label its accessible name, data-word-title its hint.
export function putWords(root) {
  for (const [name, put] of Object.entries(PUT)) {
    for (const element of root.querySelectorAll(`[data-${name}]`))
      put(element, phrase(element.getAttribute(`data-${name}`)));
  }
  const others = Object.entries(WORDS).filter(([code]) => code !== currentLanguage());
  root.querySelector("#language")?.replaceChildren(...others.map(languageButton));
}

// Another language, in its own words.
function languageButton([code, sentences]) {
  const choice = Object.assign(document.createElement("button"), { type: "button", lang: code });
  choice.textContent = sentences["language.name"];
  choice.title = sentences["language.read"];
  choice.setAttribute("aria-label", sentences["language.read"]);
  choice.onclick = () => reopenIn(code);
  return choice;
}

// Opens the page anew in another language, and keeps the choice in this browser.
function reopenIn(code) {
  const page = new URL(location.href);
  page.searchParams.delete("lang");
  try {
    localStorage.setItem(LANGUAGE_KEPT, code);
  } catch {
    page.searchParams.set("lang", code);
  }
  location.assign(page);
}

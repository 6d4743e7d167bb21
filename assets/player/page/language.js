// The visitor's language: found before anything is shown, put into markup, and changed on demand.

import { WORDS } from "../settings.js";
import { publish } from "../store.js";
import { currentLanguage, phrase, setLanguage } from "../words.js";
import { keepPart, keepScroll } from "./leaving.js";

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
  keepScroll();
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
  choice.onclick = () => chooseLanguage(code);
  return choice;
}

// Keeps the choice in this browser, and opens the page anew with all that is on it.
function chooseLanguage(code) {
  const page = new URL(location.href);
  page.searchParams.delete("lang");
  try {
    localStorage.setItem(LANGUAGE_KEPT, code);
  } catch {
    page.searchParams.set("lang", code);
  }
  leaveBy(page);
}

/** @param {URL} page the address to open */
export function reopen(page) {
  publish({ leaving: true });
  keepPart("scroll", scrollY);
  history.replaceState(null, "", page);
  location.reload();
}

let leaveBy = reopen;

/** @param {(page: URL) => void} leave what asks for the rest of what is to be kept, and then calls `reopen` */
export function leaveThrough(leave) {
  leaveBy = leave;
}

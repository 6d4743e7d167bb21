// The visitor's language, and every sentence in it by key.  Runs before anything else on a page, so that nothing is ever
// shown in another language first.  WORDS holds the files of assets/words, English first.
"use strict";

const LANGUAGE_KEPT = "unmask-language";

// The language of the query, else the one chosen in this browser, else the first that the browser prefers, else English.
const LANGUAGE = (() => {
  let kept = null;
  try { kept = localStorage.getItem(LANGUAGE_KEPT); } catch { /* a browser that keeps nothing still reads */ }
  const main = (code) => code.toLowerCase().split("-")[0];
  for (const wanted of [new URLSearchParams(location.search).get("lang"), kept, ...navigator.languages]) {
    const found = wanted && Object.keys(WORDS).find((code) => main(code) === main(wanted));
    if (found) return found;
  }
  return "en";
})();
document.documentElement.lang = LANGUAGE;
// what Gradio goes by: its labels, ours among them, then speak the same language
Object.defineProperty(navigator, "language", { value: LANGUAGE });

// The sentence of a key, with what stands in braces filled in; text of models goes in as it is.
function phrase(key, about = {}) {
  return (WORDS[LANGUAGE][key] ?? WORDS.en[key]).replace(/\{(\w+)\}/g, (whole, name) => (name in about ? told(about[name]) : whole));
}

// What the server says: a sentence as it is, { phrase, values }, or several of these.
function told(message) {
  if (Array.isArray(message)) return message.map(told).join(" ");
  return message !== null && typeof message === "object" ? phrase(message.phrase, message.values) : String(message);
}

// Fills markup: data-word is an element's text, data-word-label its accessible name, data-word-title its hint.
function putWords(root) {
  const puts = { word: (element, words) => { element.textContent = words; }, "word-label": (element, words) => element.setAttribute("aria-label", words), "word-title": (element, words) => { element.title = words; } };
  for (const [name, put] of Object.entries(puts)) for (const element of root.querySelectorAll(`[data-${name}]`)) put(element, phrase(element.getAttribute(`data-${name}`)));
  // the other languages, each in its own words
  root.querySelector("#language")?.replaceChildren(...Object.entries(WORDS).filter(([code]) => code !== LANGUAGE).map(([code, words]) => {
    const choice = Object.assign(document.createElement("button"), { type: "button", lang: code, textContent: words["language.name"], title: words["language.read"] });
    choice.setAttribute("aria-label", words["language.read"]);
    choice.onclick = () => speak(code);
    return choice;
  }));
}

// Opens the page anew in another language, and keeps the choice in this browser.
function speak(code) {
  const page = new URL(location.href);
  page.searchParams.delete("lang");
  try { localStorage.setItem(LANGUAGE_KEPT, code); } catch { page.searchParams.set("lang", code); }
  location.assign(page);
}

// A figure of figures.py, which are labelled in English, with its labels in the visitor's language.
const FIGURE_WORDS = new Map(Object.entries(WORDS.en).filter(([key]) => key.startsWith("figures.")).map(([key, words]) => [words, key]));
function labelled(figure) {
  const put = (name, value) => (/^(text|name|hovertemplate)$/.test(name) && FIGURE_WORDS.has(value) ? phrase(FIGURE_WORDS.get(value)) : value);
  return JSON.parse(JSON.stringify(figure), put);
}

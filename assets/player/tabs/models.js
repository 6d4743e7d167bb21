// Below the model menu: which model answers, or how far one that is loaded is, or why it could not be.
//
// The value is one line of the type models: kind (idle, loading, error), text and numbers as `messageText` takes them, share (0 to
// 1, null: not known), mine.
// What is spoken is the text, which changes seldom; numbers and bar are for the eye.

import { putWords } from "../page/language.js";
import { messageText } from "../words.js";

export function mountModels(root, { value, watch, cancel }) {
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  const button = root.querySelector("[data-action=cancel]");
  putWords(root);
  button.addEventListener("click", () => {
    button.disabled = true; // until the loading has ended
    cancel();
  });

  function draw() {
    if (!value()) return;
    const { kind, share, mine, ...about } = JSON.parse(value());
    const loading = kind === "loading";
    const bar = part("bar");
    const text = messageText(about.text);
    const numbers = messageText(about.numbers);
    root.querySelector(".models").dataset.kind = kind;
    if (part("text").textContent !== text) part("text").textContent = text;
    part("numbers").textContent = numbers;
    part("numbers").hidden = !numbers;
    bar.hidden = !loading;
    bar.setAttribute("aria-label", text);
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    button.hidden = !(loading && mine);
    if (!loading) button.disabled = false;
  }

  watch(draw);
  draw();
}

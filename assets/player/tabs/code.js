// The same run from code: one program a language, of which one is shown.  The value is their texts as JSON, in order.

import { putWords } from "../page/language.js";
import { text } from "../view/dom.js";
import { phrase } from "../words.js";

export function mountCode(host, { languages, value, watch }) {
  const part = (name) => host.querySelector(`[data-slot="${name}"]`);
  const chosen = ([name, id]) => {
    const button = text("button", name);
    const program = text("pre", "");
    button.type = "button";
    program.id = `code-${id}`;
    program.tabIndex = 0;
    program.ariaLabel = name;
    button.addEventListener("click", () => show(program));
    part("languages").append(button);
    part("programs").append(program);
    return { button, program };
  };
  putWords(host);
  const all = Object.entries(languages).map(chosen);

  function show(program) {
    for (const one of all) {
      one.program.hidden = one.program !== program;
      one.button.setAttribute("aria-pressed", String(one.program === program));
    }
    part("copied").textContent = "";
  }

  function draw() {
    if (!value()) return;
    JSON.parse(value()).forEach((program, k) => {
      all[k].program.textContent = program;
    });
  }

  host.querySelector("[data-action=copy]").addEventListener("click", async () => {
    await navigator.clipboard.writeText(all.find(({ program }) => !program.hidden).program.textContent);
    part("copied").textContent = phrase("code.copied");
  });
  watch(draw);
  show(all[0].program);
  draw();
}

// What stands below the prompt: ways to write by name and prompts to begin with, each a link that opens in this page;
// Generate, which is Stop while a run lasts; and the settings, which follow the run that is shown.

import { putWords } from "../page/language.js";
import { linkQuery } from "../run/export.js";
import { follow, publish, shared } from "../store.js";
import { text } from "../view/dom.js";
import { phrase } from "../words.js";
import { mountWays } from "./ways.js";

/**
 * @param {string} label
 * @param {string} about
 * @param {() => void} press
 */
function chip(label, about, press) {
  const button = text("button", label, "chip");
  button.type = "button";
  button.title = about;
  button.onclick = press;
  return button;
}

/**
 * @param {HTMLElement} host
 * @param {{ presets: Record<string, string>[], prompts: Record<string, string>, ask: (query: Record<string, string>) => void,
 *   player: () => void, value: () => string, families: Record<string, string[]>, choose: (policy: string) => void,
 *   thumbnails: () => Promise<any> }} options
 */
export function mountComposer(host, { presets, prompts, ask, player, value, ...ways }) {
  putWords(host);
  mountWays(host, { ...ways, suited: () => JSON.parse(value()) });
  /** @type {(name: string) => HTMLElement} */
  const part = (name) => host.querySelector(`[data-slot="${name}"]`);
  const form = /** @type {HTMLElement} */ (host.closest(".denoise"));
  // a link without pinned words takes those away that are there: the visitor's own come along
  /** @param {Record<string, string>} query */
  const run = (query) => {
    const pins = shared.ownPins && shared.pinned?.pins;
    if (query.pins) publish({ ownPins: true });
    ask({ ...(pins ? { pins } : {}), ...query });
  };
  for (const { name, ...query } of presets)
    part("presets").append(
      chip(phrase(`composer.${name}.title`), phrase(`composer.${name}.about`), () => run({ ...query, run: "1" })),
    );
  for (const [name, prompt] of Object.entries(prompts))
    part("prompts").append(chip(phrase(`composer.${name}`), `${prompt} …`, () => run({ prompt, run: "1" })));

  follow("running", host, (running) => {
    form.dataset.running = String(running);
    form.dataset.changed = "false";
  });
  // what is changed during a run is for the next one, which Generate begins at once
  form.addEventListener("input", (event) => {
    if (!(/** @type {Element} */ (event.target).closest(".player"))) form.dataset.changed = "true";
  });
  follow("asked", host, (query) => {
    player();
    run(query);
  });
  follow("begun", host, ({ run, ours }) => {
    const query = ours ? null : linkQuery(run);
    if (query === null) return;
    const { run: _, ...settings } = Object.fromEntries(new URLSearchParams(query));
    publish({ ownPins: false });
    ask(settings);
  });
}

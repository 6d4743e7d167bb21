// The scripts of the web page: what each part of it is given to work with.  Gradio calls `mount` for every part.

import { mountEmbed } from "./page/embed.js";
import { mountHelp } from "./page/help.js";
import { leaveThrough, putWords, reopen, startLanguage } from "./page/language.js";
import { keepPart, takePart } from "./page/leaving.js";
import { mountPlaces } from "./page/places.js";
import { roll } from "./page/seed.js";
import { served } from "./page/server.js";
import { mountShortcuts } from "./page/shortcuts.js";
import { linkedRun } from "./run/compact.js";
import { follow, publish, shared } from "./store.js";
import { mountBranches } from "./tabs/branches.js";
import { mountCode } from "./tabs/code.js";
import { mountCompare } from "./tabs/compare.js";
import { mountComposer } from "./tabs/composer.js";
import { mountConversation } from "./tabs/conversation.js";
import { mountEdit } from "./tabs/edit.js";
import { mountLearn } from "./tabs/learn.js";
import { mountModels } from "./tabs/models.js";
import { mountNoise } from "./tabs/noise.js";
import { mountPins } from "./tabs/pins.js";
import { mountPlayer } from "./tabs/player.js";
import { mountPuzzle } from "./tabs/puzzle.js";
import { mountRuns } from "./tabs/runs.js";
import { phrase } from "./words.js";

const click = (id) => document.getElementById(id)?.click();
const toPlayer = () => {
  click("tab-denoise-button");
  scrollTo({ top: 0 });
};
export const alive = () => fetch(served("/gradio_api/app_id"), { signal: AbortSignal.timeout(5000) });
const bytesAt = async (path) => new Uint8Array(await (await fetch(served(path))).arrayBuffer());

function promote(lines, note = "") {
  publish({ opened: { lines, note } });
  toPlayer();
}

// The run that the page opens with, which is on its way since the head was read: taken up before Gradio has mounted, as a
// browser complains of what is fetched early and not used.
const preload = /** @type {HTMLLinkElement} */ (document.querySelector('link[as="fetch"]'));
const openingRun = fetch(preload.href).then((answer) => answer.text());

// The run behind the link, else that one; and what was wrong with the link's.
async function firstRun() {
  let message = "";
  try {
    const linked = linkedRun(location.hash);
    if (linked) return { lines: linked.lines, message };
  } catch (error) {
    message = phrase("keep.link_damaged", { reason: error.message });
  }
  return { lines: (await openingRun).split("\n").filter(Boolean), message };
}

// For each part its function, and what it needs beside the options from Python; `apply` asks the server for something.
const PARTS = {
  sentences: (host) => putWords(host),
  masthead: (host, _options, apply) => {
    putWords(host);
    document.getElementById("first")?.remove();
    mountEmbed(host);
    leaveThrough(() => apply({}));
  },
  code: mountCode,
  player: (host, { shellPath, ...options }) =>
    mountPlayer(host, {
      ...options,
      opening: firstRun,
      alive,
      branches: true,
      shell: async () => (await fetch(served(shellPath))).text(),
      link: () => location.origin + location.pathname,
    }),
  runs: (host, { folder, ...options }, apply) =>
    mountRuns(host, {
      ...options,
      promote,
      bytes: (card) => bytesAt(`${folder}/${card.name}.run.jsonl.gz`),
      compare: (runs) => {
        apply({ runs });
        click("tab-compare-button");
      },
    }),
  learn: (host, { folder, query }) =>
    mountLearn(host, {
      query,
      bytes: (name) => bytesAt(`${folder}/${name}.run.jsonl.gz`),
      race: () => click("tab-race-button"),
      puzzle: () => click("tab-puzzle-button"),
    }),
  compare: (host, options, apply) =>
    mountCompare(host, {
      ...options,
      promote,
      alive,
      race: apply,
    }),
  noise: (host, options, apply) =>
    mountNoise(host, {
      ...options,
      denoise: (t) => {
        apply({ t });
        toPlayer();
      },
    }),
  edit: (host, options) => mountEdit(host, { ...options, stop: () => click("stop") }),
  composer: (host, options, apply, trigger) =>
    mountComposer(host, {
      ...options,
      ask: (query) => apply({ query }),
      choose: (policy) => trigger("select", { policy }),
      thumbnails: async () => (await fetch(served(`${options.folder}/thumbnails.json`))).json(),
      player: toPlayer,
    }),
  pins: mountPins,
  puzzle: (host, options, apply, trigger) =>
    mountPuzzle(host, { ...options, promote, ask: apply, stop: () => trigger("stop", {}) }),
  branches: (host, options, apply) =>
    mountBranches(host, {
      ...options,
      promote,
      run: apply,
      player: toPlayer,
      stop: () => click("stop"),
      edit: () => click("tab-edit-button"),
    }),
  models: (host, options, apply) => mountModels(host, { ...options, cancel: () => apply({}) }),
  conversation: (host, options, apply) =>
    mountConversation(host, { ...options, keep: (messages, question) => apply({ messages, question }) }),
};

// Brings a part of the page to life: `name` is one of PARTS, `element` Gradio's, `id` that of the component it is in.
export function mount(name, element, { id, props, watch, trigger, ...options }) {
  const value = () => props.value;
  const apply = (request) => trigger("apply", request);
  const host = id ? element.closest(`#${id}`) : element;
  PARTS[name](host, { ...options, value, watch: (act) => watch("value", act) }, apply, trigger);
}

// The address of this page's server, and the run that the player shows: for the panel of code, and for programs.
export const address = () => served("");
export const rollSeed = (die, seed, start) => roll(die, seed, start);
export const shownRun = () => shared.run;
export const showPins = (pins, length) => publish({ pinned: { pins, length } });

// What stands in the controls, by the ids of their elements: kept as the page is left, and given back once.
const kept = takePart("controls");
publish({ ownPins: takePart("own-pins") === true });

// Opens the page anew.  Settings that a link named are in the controls by now, so the link must not be followed again.
export function leave(names, values) {
  const { model, ...controls } = Object.fromEntries(names.map((name, i) => [name, values[i]]));
  const page = new URL(location.href);
  for (const name of [...page.searchParams.keys()])
    if (!["embed", "lang"].includes(name)) page.searchParams.delete(name);
  if (model) page.searchParams.set("model", model);
  keepPart("controls", controls);
  keepPart("own-pins", shared.ownPins);
  reopen(page);
}

export const returned = (names) => names.map((name) => kept?.[name] ?? { __type__: "update" });
export const policyThen = (policy) => [kept?.policy ?? policy, kept !== null];
export const readyAtOnce = () => ({ __type__: "update", interactive: !location.search && kept === null });

follow("raced", document.documentElement, (query) => {
  if (!query) return;
  click("tab-race-button");
  scrollTo({ top: 0 });
});

startLanguage();
mountShortcuts();
mountPlaces();
mountHelp();

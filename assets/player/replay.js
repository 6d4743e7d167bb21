// The scripts of a file that replays a run, and of a site with a gallery: the player, without a server.

import { putWords, startLanguage } from "./page/language.js";
import { bytesOf } from "./run/decode.js";
import { publish } from "./store.js";
import { shellOf } from "./tabs/keep.js";
import { mountPlayer } from "./tabs/player.js";
import { mountRuns } from "./tabs/runs.js";

// The lines of a run, as they are or compressed.
async function textOfRun(value) {
  if (typeof value === "string") return value;
  const packed = new Blob([bytesOf(value.gzip)]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
}

async function startReplay() {
  const element = (id) => document.getElementById(id);
  const value = await textOfRun(JSON.parse(element("run").textContent));
  const shell = shellOf(document);
  const cards = element("cards");
  const player = element("player");
  mountPlayer(player, { shell: async () => shell, value: () => value, watch: () => {} });
  if (!cards) return;
  mountRuns(element("runs"), {
    cards: JSON.parse(cards.textContent),
    bytes: async (card) => bytesOf(card.data),
    promote: (lines, note) => {
      publish({ opened: { lines, note } });
      player.scrollIntoView();
    },
    first: (lines) => publish({ opened: { lines, note: "" } }),
  });
}

startLanguage();
putWords(document);
startReplay();

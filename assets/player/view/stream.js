// The stream that the server sends: an envelope line, run-file lines, notices; and what happens where it is cut off.

import { keepPart, takePart } from "../page/leaving.js";
import { UTF8 } from "../run/text.js";
import { phrase } from "../words.js";

/**
 * The place in line, and how long the turns ahead should take if any was measured lately.
 *
 * @param {{ waiting: number, seconds?: number }} about
 */
export function waitingWords({ waiting, seconds }) {
  const whole = Math.max(1, Math.round(seconds));
  if (seconds === undefined) return phrase("player.waiting", { waiting });
  if (seconds >= 90) return phrase("player.waiting_minutes", { waiting, minutes: Math.round(seconds / 60) });
  return whole === 1
    ? phrase("player.waiting_second", { waiting })
    : phrase("player.waiting_seconds", { waiting, seconds: whole });
}

/** A growing value, read as it grows: an envelope line, and whole lines after it. */
export class StreamReader {
  /** @param {() => any} value what has come so far; anything but a text is nothing */
  constructor(value) {
    this.value = () => {
      const text = value();
      return typeof text === "string" ? text : "";
    };
    /** @type {any} */
    this.envelope = null;
    this.first = ""; // the line of the envelope
    this.read = 0; // how much of the value has been read
  }

  /**
   * The envelope of a stream that begins here, null where the one before goes on.  It says with its type what follows,
   * and with its id that this is another stream.
   */
  opened() {
    const value = this.value();
    const end = value.indexOf("\n");
    if (end < 0 || value.slice(0, end) === this.first) return null;
    this.first = value.slice(0, end);
    this.read = end + 1;
    this.envelope = JSON.parse(this.first);
    return this.envelope;
  }

  /**
   * The whole lines that came since, null if there are none.  They are copies: a slice would keep the value alive as it
   * was then, and so every length it ever had.
   *
   * @returns {string[] | null}
   */
  lines() {
    const value = this.value();
    const end = value.lastIndexOf("\n");
    if (end < this.read) return null;
    const fresh = UTF8.decode(new TextEncoder().encode(value.slice(this.read, end)));
    this.read = end + 1;
    return fresh.split("\n").filter(Boolean);
  }
}

const SILENCE = 3000; // milliseconds without a line

/**
 * A stream that may be cut off: by a connection that is lost, or a page that is left.  Where nothing comes for long the
 * page asks `alive` whether anybody is still there; lines that had come when it was left are there again when it is
 * back, once.  `awaits` says whether more should come, `kept` which lines to keep, if any; `lose`, `find` and `recover`
 * are called.
 *
 * @param {HTMLElement} root
 */
export function watchConnection(root, alive, { name, awaits, kept, lose, find, recover }) {
  const place = `cut-${name}`; // where a run that is cut off outlives its page
  let heard = 0;
  let lost = false;

  async function listen() {
    if (!root.isConnected) return;
    if (awaits() && !lost && performance.now() - heard > SILENCE)
      await alive().catch(() => {
        lost = true;
        lose();
      });
    setTimeout(listen, SILENCE);
  }

  return {
    // a line came, so somebody is there after all
    hear() {
      heard = performance.now();
      if (!lost) return;
      lost = false;
      find();
    },
    begin() {
      if (!alive) return; // a page without a server
      const lines = takePart(place);
      if (lines) recover(lines);
      addEventListener("pagehide", () => keepPart(place, kept()));
      listen();
    },
  };
}

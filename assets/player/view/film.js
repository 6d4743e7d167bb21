// A film of a run: the token canvas of the player, laid out once more out of sight, painted frame by frame and
// recorded by the browser while the page goes on.  Text reaches the picture through fillText.

import { phrase } from "../words.js";
import { TokenCanvas } from "./tokens.js";

const FILM_WIDTH = 840; // pixels
const FILM_SCALE = 1.5;
const FILM_PAD = 26;
const FILM_HEAD = 44;
const FILM_FOOT = 30;
const FILM_LONGEST = 30; // seconds
const FILM_KINDS = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];

export function filmKind() {
  return window.MediaRecorder ? FILM_KINDS.find((kind) => MediaRecorder.isTypeSupported(kind)) : undefined;
}

// Paints the run after `at` steps.
class FilmPainter {
  constructor(run, host) {
    this.run = run;
    this.host = host;
    this.stage = document.createElement("div");
    this.tokens = document.createElement("div");
    this.picture = document.createElement("canvas");
    this.stage.className = "player film-stage";
    this.stage.style.width = `${FILM_WIDTH - 2 * FILM_PAD}px`;
    this.stage.setAttribute("aria-hidden", "true");
    this.tokens.className = "tokens";
    this.tokens.dir = "auto";
    this.stage.append(this.tokens);
    this.host.append(this.stage);
    this.canvas = new TokenCanvas(this.tokens);
    this.steps = this.run.steps.length;
    this.pen = this.picture.getContext("2d");
    this.looks = new Map();
    this.paper = this.colour("card");
    this.ink = this.colour("ink");
    this.mute = this.colour("mute");
    this.line = this.colour("line");
    this.now = this.colour("now");
    this.revise = this.colour("revise");
    this.canvas.layOut(this.run);
    this.tall = 0;
    for (const at of [0, Math.floor(this.steps / 2), this.steps]) {
      this.canvas.draw(at, () => false);
      this.tall = Math.max(this.tall, this.tokens.scrollHeight);
    }
    this.height = 2 * Math.ceil((this.tall + FILM_HEAD + FILM_FOOT + 10) / 2);
    this.picture.width = FILM_WIDTH * FILM_SCALE;
    this.picture.height = this.height * FILM_SCALE;
  }

  colour(name) {
    return getComputedStyle(this.stage).getPropertyValue(`--${name}`).trim();
  }

  look(element) {
    const key = element.className + element.dataset.state + element.style.getPropertyValue("--sure");
    if (!this.looks.has(key)) {
      const { backgroundColor, color, fontStyle, fontWeight, fontFamily } = getComputedStyle(element);
      this.looks.set(key, {
        backgroundColor,
        color,
        font: (size) => `${fontStyle} ${fontWeight} ${size} ${fontFamily}`,
      });
    }
    return this.looks.get(key);
  }

  paintToken(element, home) {
    const { state } = element.dataset;
    const again = state === "remasked" || state === "revised";
    const style = this.look(element);
    const boxes = Array.from(element.getClientRects(), (box) => ({
      x: box.left - home.left + FILM_PAD,
      y: box.top - home.top + FILM_HEAD,
      w: box.width,
      h: box.height,
    }));
    for (const { x, y, w, h } of boxes) {
      this.pen.fillStyle = style.backgroundColor;
      this.pen.beginPath();
      this.pen.roundRect(x, y, w, h, 5);
      this.pen.fill();
      if (again) {
        this.pen.fillStyle = this.revise;
        this.pen.fillRect(x + 1, y + h - 3, w - 2, 3);
      }
      if (!element.classList.contains("now")) continue;
      this.pen.strokeStyle = this.now;
      this.pen.lineWidth = 2;
      this.pen.stroke();
    }
    if (boxes.length && element.textContent) this.paintText(element, boxes[0], style);
  }

  paintText(element, { x, y, w, h }, style) {
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(x - 2, y - 6, w + 4, h + 12);
    this.pen.clip();
    this.pen.fillStyle = style.color;
    this.pen.font = style.font(getComputedStyle(element).fontSize);
    this.pen.direction = getComputedStyle(this.tokens).direction === "rtl" ? "rtl" : "ltr";
    this.pen.textAlign = "center";
    this.pen.textBaseline = "middle";
    this.pen.fillText(element.textContent, x + w / 2, y + h / 2 + 1);
    this.pen.restore();
  }

  paint(at) {
    this.canvas.draw(at, () => false);
    this.pen.setTransform(FILM_SCALE, 0, 0, FILM_SCALE, 0, 0);
    this.pen.fillStyle = this.paper;
    this.pen.fillRect(0, 0, FILM_WIDTH, this.height);
    const home = this.tokens.getBoundingClientRect();
    const masks = at > 0 ? this.run.steps[at - 1].masks : null;
    const { policy, seed, model } = this.run.header;
    this.pen.font = `13px ${getComputedStyle(this.stage).fontFamily}`;
    this.pen.textBaseline = "middle";
    this.pen.fillStyle = this.mute;
    this.pen.textAlign = "left";
    this.pen.fillText(
      masks === null
        ? phrase("keep.film_step", { at, steps: this.steps })
        : phrase("keep.film_masks", { at, steps: this.steps, masks }),
      FILM_PAD,
      FILM_HEAD / 2,
    );
    this.pen.textAlign = "right";
    this.pen.fillText(
      `${model.name} · ${policy.name} · ${phrase("player.seed", { seed: seed ?? "–" })}`,
      FILM_WIDTH - FILM_PAD,
      FILM_HEAD / 2,
    );
    for (const slot of this.tokens.children) {
      const element = /** @type {HTMLElement} */ (slot);
      if (!element.hidden) this.paintToken(element, home);
    }
    const room = FILM_WIDTH - 2 * FILM_PAD;
    this.pen.fillStyle = this.line;
    this.pen.fillRect(FILM_PAD, this.height - 16, room, 3);
    this.pen.fillStyle = this.ink;
    this.pen.fillRect(FILM_PAD, this.height - 16, (room * at) / Math.max(1, this.steps), 3);
  }
}

// Records the run at `rate` steps a second, faster if it would take longer than FILM_LONGEST; resolves to a Blob, or to
// null when `stopped()`.  It takes as long as the film lasts: browsers record in real time.
export async function recordFilm(run, host, { rate, progress, stopped }) {
  const kind = filmKind();
  const steps = run.steps.length;
  const pause = 1000 / Math.max(rate, steps / FILM_LONGEST);
  const hold = Math.ceil(1500 / pause);
  if (!kind) throw new Error(phrase("keep.no_recorder"));
  const painter = new FilmPainter(run, host);
  try {
    painter.paint(0);
    const recorder = new MediaRecorder(painter.picture.captureStream(30), { mimeType: kind, videoBitsPerSecond: 4e6 });
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    const ended = new Promise((done) => {
      recorder.onstop = done;
    });
    recorder.start();
    const began = performance.now();
    for (let frame = 0; frame <= steps + hold && !stopped(); frame++) {
      painter.paint(Math.min(frame, steps));
      progress(frame / (steps + hold));
      await new Promise((next) => setTimeout(next, Math.max(0, began + (frame + 1) * pause - performance.now())));
    }
    recorder.stop();
    await ended;
    return stopped() ? null : new Blob(parts, { type: kind.split(";")[0] });
  } finally {
    painter.stage.remove();
  }
}

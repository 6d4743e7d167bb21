// A film of a run, square: the token canvas of the player, laid out once more out of sight, as large as it fits, painted
// frame by frame and recorded by the browser while the page goes on.  Text reaches the picture through fillText.

import { phrase } from "../words.js";
import { TokenCanvas } from "./tokens.js";

const FILM_SIDE = 720; // of what is laid out; the film has FILM_SCALE times as many pixels
const FILM_SCALE = 1.5;
const FILM_PAD = 32;
const FILM_HEAD = 92;
const FILM_FOOT = 44;
const FILM_ROOM = FILM_SIDE - FILM_HEAD - FILM_FOOT;
const FILM_ZOOM = { most: 1.6, least: 0.35, by: 0.94 };
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
    this.zoom = FILM_ZOOM.most;
    while (this.tallAt(this.zoom) > FILM_ROOM && this.zoom > FILM_ZOOM.least) this.zoom *= FILM_ZOOM.by;
    this.picture.width = this.picture.height = FILM_SIDE * FILM_SCALE;
  }

  // How tall the text becomes at a zoom, at which the lines are shorter.
  tallAt(zoom) {
    this.stage.style.width = `${(FILM_SIDE - 2 * FILM_PAD) / zoom}px`;
    const talls = [0, Math.floor(this.steps / 2), this.steps].map((at) => {
      this.canvas.draw(at, () => false);
      return this.tokens.scrollHeight;
    });
    this.tall = Math.max(...talls) * zoom;
    return this.tall;
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
      x: box.left - home.left,
      y: box.top - home.top,
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
    this.place(0, 0, 1);
    this.pen.fillStyle = this.paper;
    this.pen.fillRect(0, 0, FILM_SIDE, FILM_SIDE);
    this.paintHead(at);
    this.place(FILM_PAD, FILM_HEAD + Math.max(0, FILM_ROOM - this.tall) / 2, this.zoom);
    const home = this.tokens.getBoundingClientRect();
    for (const slot of this.tokens.children) {
      const element = /** @type {HTMLElement} */ (slot);
      if (!element.hidden) this.paintToken(element, home);
    }
    this.place(0, 0, 1);
    const width = FILM_SIDE - 2 * FILM_PAD;
    this.pen.fillStyle = this.line;
    this.pen.fillRect(FILM_PAD, FILM_SIDE - 28, width, 4);
    this.pen.fillStyle = this.ink;
    this.pen.fillRect(FILM_PAD, FILM_SIDE - 28, (width * at) / Math.max(1, this.steps), 4);
  }

  // What is painted next lies at (x, y), this many times as large.
  place(x, y, zoom) {
    this.pen.setTransform(FILM_SCALE * zoom, 0, 0, FILM_SCALE * zoom, FILM_SCALE * x, FILM_SCALE * y);
  }

  // The title, and below it where the run is and whose it is.
  paintHead(at) {
    const { steps, run } = this;
    const { policy, seed, model } = run.header;
    const family = getComputedStyle(this.stage).fontFamily;
    const place =
      at > 0
        ? phrase("keep.film_masks", { at, steps, masks: run.steps[at - 1].masks })
        : phrase("keep.film_step", { at, steps });
    const whose = `${model.name} · ${policy.name} · ${phrase("player.seed", { seed: seed ?? "–" })}`;
    this.pen.textBaseline = "middle";
    this.pen.direction = "ltr";
    const write = (sentence, font, colour, side, y) => {
      this.pen.font = `${font} ${family}`;
      this.pen.fillStyle = colour;
      this.pen.textAlign = side;
      this.pen.fillText(sentence, side === "left" ? FILM_PAD : FILM_SIDE - FILM_PAD, y, FILM_SIDE - 2 * FILM_PAD);
    };
    write(phrase("page.title"), "700 26px", this.ink, "left", 36);
    write(phrase("page.tagline"), "15px", this.mute, "right", 38);
    write(place, "15px", this.mute, "left", 68);
    write(whose, "15px", this.mute, "right", 68);
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

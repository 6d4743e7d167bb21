import { phrase } from "../words.js";
import { tokenCanvas } from "./tokens.js";

// A film of a run: the token canvas of the player, laid out once more out of sight, painted frame by frame and recorded
// by the browser while the page goes on.  Text reaches the picture through fillText.
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
function filmPainter(run, host) {
  const stage = document.createElement("div");
  const tokens = document.createElement("div");
  const picture = document.createElement("canvas");
  stage.className = "player film-stage";
  stage.style.width = `${FILM_WIDTH - 2 * FILM_PAD}px`;
  stage.setAttribute("aria-hidden", "true");
  tokens.className = "tokens";
  tokens.dir = "auto";
  stage.append(tokens);
  host.append(stage);
  const canvas = tokenCanvas(tokens);
  const steps = run.steps.length;
  const pen = picture.getContext("2d");
  const looks = new Map();
  const colour = (name) => getComputedStyle(stage).getPropertyValue(`--${name}`).trim();
  const [paper, ink, mute, line, now, revise] = ["card", "ink", "mute", "line", "now", "revise"].map(colour);
  canvas.lay(run);
  let tall = 0;
  for (const at of [0, Math.floor(steps / 2), steps]) {
    canvas.draw(at, false, () => false);
    tall = Math.max(tall, tokens.scrollHeight);
  }
  const height = 2 * Math.ceil((tall + FILM_HEAD + FILM_FOOT + 10) / 2);
  picture.width = FILM_WIDTH * FILM_SCALE;
  picture.height = height * FILM_SCALE;

  function look(element) {
    const key = element.className + element.dataset.state;
    if (!looks.has(key)) {
      const { backgroundColor, color, fontStyle, fontWeight, fontFamily } = getComputedStyle(element);
      looks.set(key, { backgroundColor, color, font: (size) => `${fontStyle} ${fontWeight} ${size} ${fontFamily}` });
    }
    return looks.get(key);
  }

  function paintToken(element, home) {
    const { state } = element.dataset;
    const again = state === "remasked" || state === "revised";
    const style = look(element);
    const boxes = Array.from(element.getClientRects(), (box) => ({
      x: box.left - home.left + FILM_PAD,
      y: box.top - home.top + FILM_HEAD,
      w: box.width,
      h: box.height,
    }));
    for (const { x, y, w, h } of boxes) {
      pen.fillStyle = style.backgroundColor;
      pen.beginPath();
      pen.roundRect(x, y, w, h, 5);
      pen.fill();
      if (again) {
        pen.fillStyle = revise;
        pen.fillRect(x + 1, y + h - 3, w - 2, 3);
      }
      if (!element.classList.contains("now")) continue;
      pen.strokeStyle = now;
      pen.lineWidth = 2;
      pen.stroke();
    }
    if (!boxes.length || !element.textContent) return;
    const [{ x, y, w, h }] = boxes;
    pen.save();
    pen.beginPath();
    pen.rect(x - 2, y - 6, w + 4, h + 12);
    pen.clip();
    pen.fillStyle = style.color;
    pen.font = style.font(getComputedStyle(element).fontSize);
    pen.direction = getComputedStyle(tokens).direction;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(element.textContent, x + w / 2, y + h / 2 + 1);
    pen.restore();
  }

  function paint(at) {
    canvas.draw(at, false, () => false);
    pen.setTransform(FILM_SCALE, 0, 0, FILM_SCALE, 0, 0);
    pen.fillStyle = paper;
    pen.fillRect(0, 0, FILM_WIDTH, height);
    const home = tokens.getBoundingClientRect();
    const masks = at > 0 ? run.steps[at - 1].masks : null;
    const { policy, seed, model } = run.header;
    pen.font = `13px ${getComputedStyle(stage).fontFamily}`;
    pen.textBaseline = "middle";
    pen.fillStyle = mute;
    pen.textAlign = "left";
    pen.fillText(
      masks === null ? phrase("keep.film_step", { at, steps }) : phrase("keep.film_masks", { at, steps, masks }),
      FILM_PAD,
      FILM_HEAD / 2,
    );
    pen.textAlign = "right";
    pen.fillText(
      `${model.name} · ${policy.name} · ${phrase("player.seed", { seed })}`,
      FILM_WIDTH - FILM_PAD,
      FILM_HEAD / 2,
    );
    for (const element of tokens.children) if (!element.hidden) paintToken(element, home);
    const room = FILM_WIDTH - 2 * FILM_PAD;
    pen.fillStyle = line;
    pen.fillRect(FILM_PAD, height - 16, room, 3);
    pen.fillStyle = ink;
    pen.fillRect(FILM_PAD, height - 16, (room * at) / Math.max(1, steps), 3);
  }

  return { paint, picture, close: () => stage.remove() };
}

// Records the run at `rate` steps a second, faster if it would take longer than FILM_LONGEST; resolves to a Blob, or to
// null when `stopped()`.  It takes as long as the film lasts: browsers record in real time.
export async function recordFilm(run, host, { rate, progress, stopped }) {
  const kind = filmKind();
  const steps = run.steps.length;
  const pause = 1000 / Math.max(rate, steps / FILM_LONGEST);
  const hold = Math.ceil(1500 / pause);
  if (!kind) throw new Error(phrase("keep.no_recorder"));
  const { paint, picture, close } = filmPainter(run, host);
  try {
    paint(0);
    const recorder = new MediaRecorder(picture.captureStream(30), { mimeType: kind, videoBitsPerSecond: 4e6 });
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    const ended = new Promise((done) => {
      recorder.onstop = done;
    });
    recorder.start();
    const began = performance.now();
    for (let frame = 0; frame <= steps + hold && !stopped(); frame++) {
      paint(Math.min(frame, steps));
      progress(frame / (steps + hold));
      await new Promise((next) => setTimeout(next, Math.max(0, began + (frame + 1) * pause - performance.now())));
    }
    recorder.stop();
    await ended;
    return stopped() ? null : new Blob(parts, { type: kind.split(";")[0] });
  } finally {
    close();
  }
}

// Small pieces that several views are built from.

import { served } from "../page/server.js";

/**
 * Plotly, loaded once for the whole page; null says that it is already there.
 *
 * @param {string} url
 */
export function loadPlotly(url) {
  window.unmaskPlotly ??= new Promise((ready) => {
    if (!url || window.Plotly) return ready(window.Plotly);
    const script = document.createElement("script");
    script.src = served(url);
    script.onload = () => ready(window.Plotly);
    document.head.append(script);
  });
  return window.unmaskPlotly;
}

/**
 * Calls `act` at every frame for as long as `root` is on the page, with the seconds since the last one, at most a quarter
 * of one, and the time of the frame.
 *
 * @param {HTMLElement} root
 * @param {(passed: number, now: number) => void} act
 */
export function everyFrame(root, act) {
  let last = performance.now();
  const tick = (now) => {
    if (!root.isConnected) return;
    const passed = Math.max(0, Math.min(0.25, (now - last) / 1000)); // the first frame may be stamped before its request
    last = now;
    act(passed, now);
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

export const theme = () => (document.body.classList.contains("dark") ? "dark" : "light");

/**
 * A likely token with its probability as a bar and a number.
 *
 * @param {string} word
 * @param {number} probability
 * @param {boolean} chosen
 * @returns {HTMLElement}
 */
export function alternative(word, probability, chosen) {
  const line = document.createElement("div");
  const name = document.createElement("bdi");
  const room = document.createElement("span");
  const bar = document.createElement("span");
  const number = document.createElement("span");
  line.className = `alternative${chosen ? " chosen" : ""}`;
  name.textContent = word;
  bar.className = "bar";
  bar.style.width = `${Math.max(1, probability * 100)}%`;
  number.textContent = probability.toFixed(2);
  room.append(bar);
  line.append(name, room, number);
  return line;
}

/**
 * Make an element with a text.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {any} content
 * @param {string} [className]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function text(tag, content, className) {
  const element = document.createElement(tag);
  element.textContent = content;
  if (className) element.className = className;
  return element;
}

/**
 * The class of a confidence on the six-step ramp, which is even in its square root.
 *
 * @param {number} confidence
 * @returns {string}
 */
export function grade(confidence) {
  return `c${Math.min(5, Math.floor(Math.sqrt(confidence) * 6))}`;
}

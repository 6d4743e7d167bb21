// A page that another one shows in a frame (?embed=1): the player alone, and a way to the whole page.

import { phrase } from "../words.js";

/** @param {HTMLElement} head the head of the page, beside which everything else stands */
export function mountEmbed(head) {
  if (new URLSearchParams(location.search).get("embed") !== "1") return;
  const page = /** @type {HTMLElement} */ (head.closest(".column"));
  page.dataset.embed = "true";
  const whole = new URL(location.href);
  whole.searchParams.delete("embed");
  const link = Object.assign(document.createElement("a"), { href: whole.href, target: "_blank", className: "whole" });
  link.textContent = phrase("page.whole");
  page.append(link);
}

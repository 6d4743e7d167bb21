// A page that loads itself anew in another language loses nothing: each part keeps what it shows as the page is left, and
// takes it back, once, as soon as it is there again.

const PLACE = "unmask-kept-";

/**
 * @param {string} name
 * @param {any} value what JSON can hold; null is nothing
 */
export function keepPart(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(PLACE + name);
    else sessionStorage.setItem(PLACE + name, JSON.stringify(value));
  } catch {
    /* a browser that keeps nothing, or not so much, still shows the page */
  }
}

/**
 * @param {string} name
 * @returns {any} what was kept, null if nothing was
 */
export function takePart(name) {
  try {
    const kept = sessionStorage.getItem(PLACE + name);
    sessionStorage.removeItem(PLACE + name);
    return kept && JSON.parse(kept);
  } catch {
    return null;
  }
}

const ARRIVING = 20_000; // milliseconds in which the parts of a page arrive

// The page grows and shrinks while its parts arrive: until then it stays scrolled to where it was, unless the visitor moves.
export function keepScroll() {
  const kept = takePart("scroll");
  if (!kept) return;
  const moves = ["wheel", "touchmove", "keydown", "pointerdown"];
  const watcher = new ResizeObserver(() => scrollTo({ top: kept }));
  const done = () => {
    watcher.disconnect();
    for (const name of moves) removeEventListener(name, done, true);
  };
  history.scrollRestoration = "manual";
  for (const name of moves) addEventListener(name, done, true);
  watcher.observe(document.body);
  setTimeout(done, ARRIVING);
}

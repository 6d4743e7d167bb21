// Every tab has an address: #puzzle opens the Puzzle tab, #learn/order a place in Learn, and Back leads to the tab before.
// What contains "=" is no place: a link may have a run there.

const TAB = /^tab-([a-z]+)-button$/;
const FIRST = "denoise"; // the page without a name
const buttonOf = (name) => document.getElementById(`tab-${name}-button`);
const named = () => (location.hash.includes("=") ? FIRST : location.hash.slice(1).split("/")[0] || FIRST);

function show() {
  const button = TAB.test(`tab-${named()}-button`) && buttonOf(named());
  if (button && button.getAttribute("aria-selected") !== "true") button.click();
  return Boolean(button);
}

function remember(event) {
  const [, name] = event.target.closest?.("[id]")?.id.match(TAB) || [];
  if (!name || name === named()) return;
  const page = new URL(location.href);
  page.hash = name === FIRST ? "" : name;
  history.pushState(null, "", page);
}

export function mountPlaces() {
  document.addEventListener("click", remember);
  addEventListener("popstate", show);
  if (named() === FIRST || show()) return;
  // the tabs are not there yet
  const watcher = new MutationObserver(() => show() && watcher.disconnect());
  watcher.observe(document.body, { childList: true, subtree: true });
}

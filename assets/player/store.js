// What plays in the page, for the parts of it that follow, and what they ask of each other: one place that all of them
// read and write, so that none has to know who else is there.

/** @type {Record<string, any> & { run: Run | null, at: number, live: boolean, kept: number }} */
export const shared = {
  run: null, // the run in the player, the step it shows, and whether more of it is to come
  at: 0,
  live: false,
  running: false, // the visitor's own run is being written or waits in line
  begun: null, // the player shows a run of its own from its first line on
  asked: null, // the query of a link that is to be opened here
  opened: null, // lines of a run that the player is to show, and the name of the sentence that says what to look for
  branch: null, // a run that is to continue another one, or a canvas that is to be run or edited
  pinned: null, // the text of the words that stand fixed in the next run, and the length of that run
  ownPins: false, // the visitor put them there himself
  truth: null, // a text that noise fell on, as it was, as it became and where: of the run that is to restore it
  raced: null, // what a race is to be run with: prompt, length, temperature and seed
  leaving: false, // the page is about to open anew, and each part keeps what it shows
  kept: 0, // how often the list of this browser's runs has changed
};
/** @type {Map<string, Set<(value: any) => void>>} */
const listeners = new Map();

/**
 * Puts values into the store, and calls whoever follows them, each with the value it follows.
 *
 * @param {Record<string, any>} changes
 */
export function publish(changes) {
  Object.assign(shared, changes);
  for (const name of Object.keys(changes)) for (const act of [...(listeners.get(name) || [])]) act(changes[name]);
}

/**
 * Calls `act` for every new value of that name, for as long as `root` is in the document.
 *
 * @param {string} name
 * @param {{ isConnected: boolean }} root
 * @param {(value: any) => void} act
 */
export function follow(name, root, act) {
  const known = listeners.get(name) || new Set();
  /** @type {(value: any) => void} */
  const listener = (value) => (root.isConnected ? act(value) : known.delete(listener));
  listeners.set(name, known.add(listener));
}

// Words that stand fixed in the text, as chips on a line as long as the text: typed, edited, dragged along, removed.  A view
// of the field `pins`, which is what a run is made with, and nothing else is.
//
// Words that came with a run that is shown go once the visitor types a prompt or a length of his own, which make another
// canvas; those that he put there stay.

import { putWords } from "../page/language.js";
import { movePin, readPins, sideBySide, withPins, writePins } from "../run/pins.js";
import { follow, publish, shared } from "../store.js";
import { text } from "../view/dom.js";
import { phrase } from "../words.js";

const DRAGGED = 4; // pixels from where a press becomes a drag

class PinLine {
  constructor(host, { pins, length }) {
    this.root = host.querySelector(".pins");
    this.line = this.root.querySelector("[data-slot=line]");
    this.add = this.root.querySelector("[data-slot=add]");
    this.spoken = this.root.querySelector("[data-slot=spoken]");
    this.pins = readPins(pins);
    this.length = length;
    this.drag = null; // { pin, x, at, moved } of the chip under the pointer
    this.edited = null; // the pin whose text is being typed
    this.wanted = undefined; // the place that was pressed, for the next word
    this.add.placeholder = phrase("pins.add");
    this.draw();
    this.listen();
    new ResizeObserver(() => this.place()).observe(this.line);
    follow("pinned", this.root, ({ pins: now, length: room }) => {
      this.length = Math.max(1, Number(room) || 1);
      // the field is ahead of what is told of it
      this.take(readPins(this.field?.value ?? now));
    });
  }

  get field() {
    return /** @type {HTMLTextAreaElement | null} */ (document.querySelector("#pins :is(textarea, input)"));
  }

  take(pins) {
    if (writePins(pins) !== writePins(this.pins)) {
      this.pins = pins;
      this.edited = null;
      this.draw();
    } else this.place();
  }

  // The visitor's own pins go where runs are made from.
  write(pins, own = true) {
    this.take(pins);
    if (this.field) {
      this.field.value = writePins(pins);
      this.field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    publish({ ownPins: own });
  }

  // -- what is seen --

  draw() {
    this.line.replaceChildren(...this.pins.map((pin) => (pin === this.edited ? this.editor(pin) : this.chip(pin))));
    this.place();
  }

  chip(pin) {
    const chip = document.createElement("li");
    const handle = text("span", "", "handle");
    const remove = document.createElement("button");
    const { position, word } = pin;
    handle.append(text("bdi", word), " ", text("small", position));
    handle.tabIndex = 0;
    handle.role = "slider";
    handle.ariaLabel = phrase("pins.word", { word });
    handle.ariaValueMin = "0";
    handle.ariaValueMax = String(this.length - 1);
    handle.ariaValueNow = String(position);
    handle.ariaValueText = phrase("pins.position", { position });
    handle.ariaDescription = phrase("pins.keys");
    handle.title = phrase("pins.keys");
    handle.dataset.position = position;
    remove.type = "button";
    remove.ariaLabel = phrase("pins.remove", { word });
    remove.onclick = () => this.remove(pin);
    chip.append(handle, remove);
    return chip;
  }

  editor(pin) {
    const chip = document.createElement("li");
    const field = document.createElement("input");
    field.value = writePins([pin]);
    field.ariaLabel = phrase("pins.edit", { word: pin.word });
    field.maxLength = 200;
    field.size = field.value.length + 1;
    const close = (typed) => {
      if (this.edited !== pin) return;
      this.edited = null;
      const others = this.pins.filter((one) => one !== pin);
      const pins = typed === null ? this.pins : withPins(others, typed, this.length, pin.position);
      if (writePins(pins) === writePins(this.pins)) this.draw();
      else this.write(pins);
    };
    field.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close(event.key === "Enter" ? field.value : null);
      (this.handleAt(pin.position) ?? this.add).focus();
    };
    field.onblur = () => close(field.value);
    chip.append(field);
    return chip;
  }

  // Each chip stands where its word does in the text, as far as its neighbours leave room.
  place() {
    const chips = /** @type {HTMLElement[]} */ ([...this.line.children]);
    const room = this.line.clientWidth;
    const centres = this.pins.map(({ position }) => ((position + 0.5) / this.length) * room);
    const widths = chips.map((chip) => chip.offsetWidth + 3);
    sideBySide(centres, widths, room).forEach((start, k) => {
      chips[k].style.left = `${start}px`;
    });
  }

  handleAt(position) {
    return this.line.querySelector(`[data-position="${position}"]`);
  }

  // -- what is done --

  remove(pin) {
    const place = this.pins.indexOf(pin);
    this.write(this.pins.filter((one) => one !== pin));
    const next = this.pins[Math.min(place, this.pins.length - 1)];
    (next ? this.handleAt(next.position) : this.add).focus();
    this.spoken.textContent = phrase("pins.removed", { word: pin.word });
  }

  edit(pin) {
    this.edited = pin;
    this.draw();
    const field = this.line.querySelector("input");
    field.focus();
    field.setSelectionRange(field.value.indexOf(":") + 1, field.value.length);
  }

  // Returns the pin at its new position, with its chip in focus.
  move(pin, wanted) {
    const pins = movePin(this.pins, pin, wanted, this.length);
    const moved = pins.find((one) => !this.pins.includes(one)) ?? pin;
    this.write(pins);
    this.handleAt(moved.position)?.focus({ preventScroll: true });
    return moved;
  }

  pinOf(target) {
    const handle = target.closest?.("[data-position]");
    return handle && this.pins.find(({ position }) => position === Number(handle.dataset.position));
  }

  listen() {
    this.line.addEventListener("pointerdown", (event) => this.press(event));
    this.line.addEventListener("pointermove", (event) => this.pull(event));
    this.line.addEventListener("pointerup", () => this.release());
    this.line.addEventListener("pointercancel", () => {
      this.drag = null;
    });
    this.line.addEventListener("keydown", (event) => this.key(event));
    this.add.addEventListener("keydown", (event) => this.type(event));
    this.add.addEventListener("blur", () => this.put());
    document.addEventListener("input", (event) => {
      if (!this.root.isConnected) return;
      const field = /** @type {Element} */ (event.target);
      if (field === this.field) publish({ ownPins: true });
      else if (field.closest("#prompt, #length") && this.pins.length && !shared.ownPins) this.write([], false);
    });
  }

  press(event) {
    const pin = this.pinOf(event.target);
    if (event.target === this.line) this.choose(event);
    if (!pin || event.button) return;
    this.drag = { pin, x: event.clientX, at: pin.position, moved: false };
    this.line.setPointerCapture(event.pointerId);
  }

  // The next word goes where the line is pressed.
  choose(event) {
    event.preventDefault();
    const box = this.line.getBoundingClientRect();
    this.wanted = Math.floor(((event.clientX - box.left) / box.width) * this.length);
    this.add.placeholder = phrase("pins.add_at", { position: this.wanted });
    this.add.focus();
  }

  pull({ clientX }) {
    if (!this.drag) return;
    const away = clientX - this.drag.x;
    this.drag.moved ||= Math.abs(away) > DRAGGED;
    if (!this.drag.moved) return;
    const wanted = this.drag.at + Math.round((away * this.length) / this.line.clientWidth);
    if (wanted !== this.drag.pin.position) this.drag.pin = this.move(this.drag.pin, wanted);
  }

  release() {
    const { drag } = this;
    this.drag = null;
    if (drag && !drag.moved) this.edit(drag.pin);
  }

  key(event) {
    const pin = this.pinOf(event.target);
    if (!pin || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    const to = { Home: 0, End: this.length - 1 }[event.key] ?? (by && pin.position + by);
    if (to !== undefined) this.move(pin, to);
    else if (event.key === "Enter" || event.key === " ") this.edit(pin);
    else if (event.key === "Delete" || event.key === "Backspace") this.remove(pin);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Enter puts what was typed on the line, Backspace in the empty field takes the last word off it.
  type(event) {
    const last = this.pins.at(-1);
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.put();
    else if (event.key === "Escape") this.add.value = "";
    else if (event.key === "Backspace" && !this.add.value && last) this.write(this.pins.slice(0, -1));
    else return;
    event.preventDefault();
  }

  put() {
    if (this.add.value.trim()) this.write(withPins(this.pins, this.add.value, this.length, this.wanted));
    this.add.value = "";
    this.wanted = undefined;
    this.add.placeholder = phrase("pins.add");
  }
}

export function mountPins(host, options) {
  putWords(host);
  new PinLine(host, options);
}

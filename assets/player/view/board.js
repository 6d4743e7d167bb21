// A Sudoku board: 81 cells, each with its digit or with what the model believes of it.

import { contradictions } from "../run/sudoku.js";
import { phrase } from "../words.js";
import { grade, text } from "./dom.js";

const isMeasured = (confidence) => confidence !== undefined && !Number.isNaN(confidence);

// Row and column of a cell, as people count them.
export const placeOf = (cell) => ({ row: Math.floor(cell / 9) + 1, column: (cell % 9) + 1 });

// Draws 81 cells once, in rows that a screen reader can count; `paint` then touches what differs.
export class BoardView {
  constructor(box) {
    this.box = box;
    this.rows = Array.from({ length: 9 }, () => text("div", "", "row"));
    this.cells = Array.from({ length: 81 }, (_, cell) => {
      const element = text("span", "", "cell");
      element.dataset.cell = String(cell);
      element.setAttribute("role", "gridcell");
      this.rows[Math.floor(cell / 9)].append(element);
      return { element, key: "" };
    });
    for (const row of this.rows) row.setAttribute("role", "row");
    this.box.append(...this.rows);
  }

  paint(view) {
    const digits = this.cells.map((_, cell) => view(cell).digit);
    const wrong = contradictions(digits);
    this.cells.forEach((slot, cell) => {
      this.paintCell(slot, cell, view(cell), wrong.has(cell));
    });
    return { wrong, open: digits.filter((digit) => !digit).length };
  }

  paintCell(slot, cell, { digit, fixed, commit, sure, again, believed, now, back }, wrong) {
    const key = JSON.stringify([digit, fixed, commit, sure, again, digit ? 0 : believed, now, back, wrong]);
    if (key === slot.key) return;
    slot.key = key;
    slot.element.setAttribute(
      "aria-label",
      phrase(digit ? "puzzle.cell" : "puzzle.blank", { ...placeOf(cell), digit }),
    );
    const shade = digit && !fixed && isMeasured(sure) ? grade(sure) : "";
    const marks = Object.entries({ clue: fixed, wrong, now, again, back }).filter(([, is]) => is);
    slot.element.className = ["cell", shade, ...marks.map(([name]) => name)].filter(Boolean).join(" ");
    Object.assign(slot.element.dataset, {
      state: fixed ? "fixed" : digit ? (again ? "revised" : "committed") : "masked",
      digit: digit || "",
      commitStep: commit === undefined || commit < 0 ? "" : commit,
      confidence: isMeasured(sure) ? sure.toFixed(4) : "",
    });
    if (!digit) return slot.element.replaceChildren(...guesses(believed));
    const step = !fixed && commit >= 0 ? [text("small", commit + 1)] : [];
    slot.element.replaceChildren(text("b", digit), ...step);
  }
}

// What the model believes of an empty cell, each digit in its own corner.
function guesses(believed) {
  return believed
    .filter(([, share]) => share >= 0.02)
    .map(([guess, share]) => {
      const mark = text("i", guess);
      mark.style.gridArea = `${Math.ceil(guess / 3)} / ${((guess - 1) % 3) + 1}`;
      mark.style.opacity = (0.15 + 0.85 * share).toFixed(2);
      return mark;
    });
}

import { contradictions } from "../run/sudoku.js";
import { grade, text } from "./dom.js";

const isMeasured = (confidence) => confidence !== undefined && !Number.isNaN(confidence);

// Draws 81 cells once, in rows that a screen reader can count; `paint` then touches what differs.
export function boardView(box, label) {
  const rows = Array.from({ length: 9 }, () => text("div", "", "row"));
  const cells = Array.from({ length: 81 }, (_, cell) => {
    const element = text("span", "", "cell");
    element.dataset.cell = cell;
    element.setAttribute("role", "gridcell");
    rows[Math.floor(cell / 9)].append(element);
    return { element, key: "" };
  });
  for (const row of rows) row.setAttribute("role", "row");
  box.append(...rows);
  function paint(view) {
    const digits = cells.map((_, cell) => view(cell).digit);
    const wrong = contradictions(digits);
    cells.forEach((slot, cell) => {
      const { digit, fixed, commit, sure, again, believed, now, back } = view(cell);
      const bad = wrong.has(cell);
      const key = JSON.stringify([digit, fixed, commit, sure, again, digit ? 0 : believed, now, back, bad]);
      if (key === slot.key) return;
      slot.key = key;
      const shade = digit && !fixed && isMeasured(sure) ? grade(sure) : "";
      slot.element.className = `cell ${shade}${fixed ? " clue" : ""}${bad ? " wrong" : ""}${now ? " now" : ""}${again ? " again" : ""}${back ? " back" : ""}`;
      Object.assign(slot.element.dataset, {
        state: fixed ? "fixed" : digit ? (again ? "revised" : "committed") : "masked",
        digit: digit || "",
        commitStep: commit === undefined || commit < 0 ? "" : commit,
        confidence: isMeasured(sure) ? sure.toFixed(4) : "",
      });
      slot.element.replaceChildren();
      if (digit) {
        slot.element.append(text("b", digit));
        if (!fixed && commit >= 0) slot.element.append(text("small", commit + 1));
      } else {
        for (const [guess, share] of believed) {
          if (share < 0.02) continue;
          const mark = text("i", guess);
          mark.style.gridArea = `${Math.ceil(guess / 3)} / ${((guess - 1) % 3) + 1}`;
          mark.style.opacity = (0.15 + 0.85 * share).toFixed(2);
          slot.element.append(mark);
        }
      }
      slot.element.setAttribute("aria-label", label(cell, digit));
    });
    return { wrong, open: digits.filter((digit) => !digit).length };
  }
  return { cells, paint };
}

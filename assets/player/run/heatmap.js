// The run as the cells of a heatmap, one row a position and one column a step.

// The arrays of figures.heatmap_data; cells that are empty are NaN.
export const MAX_CELLS = [256, 512];

/**
 * @param {Run} run
 * @param {"confidence" | "entropy" | "commit"} measure
 * @param {number[]} [most]
 * @returns {Heatmap}
 */
export function heatmapData(run, measure, most = MAX_CELLS) {
  const shape = [run.order.length, run.steps.length];
  const [down, across] = shape.map((count, axis) => Math.max(1, Math.ceil(count / most[axis])));
  const [height, width] = shape.map((count, axis) => Math.ceil(count / [down, across][axis]));
  const cells = height * width;
  const [sums, counts] = [0, 1].map(() => ({
    measured: new Float64Array(cells),
    held: new Float64Array(cells),
    written: new Float64Array(cells),
  }));
  const last = new Float64Array(shape[0]).fill(NaN);
  const row = run.rank.map((place) => Math.floor(place / down) * width);
  /** @type {(name: "measured" | "held" | "written", cell: number, value: number) => void} */
  const add = (name, cell, value) => {
    sums[name][cell] += value;
    counts[name][cell]++;
  };
  run.steps.forEach((step, s) => {
    const column = Math.floor(s / across);
    const values = new Float64Array(step.ids.length).fill(NaN);
    if (measure === "commit") for (const [i] of step.write) values[i] = s;
    else for (const i of step.queried) if (step.row[i] >= 0) values[i] = step[measure][step.row[i]];
    for (let i = 0; i < values.length; i++) {
      if (!Number.isNaN(values[i])) add("measured", row[i] + column, values[i]);
      else if (!Number.isNaN(last[i])) add("held", row[i] + column, last[i]);
    }
    for (const [i] of step.write) {
      add("written", row[i] + column, 1);
      last[i] = values[i];
    }
    for (const [i] of [...step.blank, ...step.splice]) last[i] = NaN;
  });
  /** @type {(name: "measured" | "held" | "written") => Float64Array[]} */
  const mean = (name) =>
    Array.from({ length: height }, (_, r) =>
      Float64Array.from({ length: width }, (_, c) => {
        const cell = r * width + c;
        const more = counts.measured[cell] >= counts.held[cell];
        return name === (more ? "held" : "measured") ? NaN : sums[name][cell] / counts[name][cell];
      }),
    );
  return {
    measured: mean("measured"),
    held: mean("held"),
    written: mean("written"),
    shape: [run.order.length, run.steps.length],
    merged: [down, across],
    opening: [...run.fixed, 0].indexOf(0),
  };
}

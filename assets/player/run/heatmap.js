// The run as the cells of a heatmap, one row a position and one column a step.

// The arrays of figures.heatmap_data; cells that are empty are NaN.
const MOST_CELLS = [256, 512];

export function heatmapData(run, measure, most = MOST_CELLS) {
  const shape = [run.order.length, run.steps.length];
  const merged = shape.map((count, axis) => Math.max(1, Math.ceil(count / most[axis])));
  const [height, width] = shape.map((count, axis) => Math.ceil(count / merged[axis]));
  const cells = height * width;
  const [sums, counts] = [Float64Array, Uint16Array].map((Kind) => ({
    measured: new Kind(cells),
    held: new Kind(cells),
    written: new Kind(cells),
  }));
  const last = new Float64Array(shape[0]).fill(NaN);
  const row = run.rank.map((place) => Math.floor(place / merged[0]) * width);
  const add = (name, cell, value) => {
    sums[name][cell] += value;
    counts[name][cell]++;
  };
  run.steps.forEach((step, s) => {
    const column = Math.floor(s / merged[1]);
    const told = new Float64Array(step.ids.length).fill(NaN);
    if (measure === "commit") for (const [i] of step.write) told[i] = s;
    else for (const i of step.asked) if (step.row[i] >= 0) told[i] = step[measure][step.row[i]];
    for (let i = 0; i < told.length; i++) {
      if (!Number.isNaN(told[i])) add("measured", row[i] + column, told[i]);
      else if (!Number.isNaN(last[i])) add("held", row[i] + column, last[i]);
    }
    for (const [i] of step.write) {
      add("written", row[i] + column, 1);
      last[i] = told[i];
    }
    for (const [i] of [...step.blank, ...step.splice]) last[i] = NaN;
  });
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
    shape,
    merged,
    opening: [...run.fixed, 0].indexOf(0),
  };
}

// Types of what the modules pass to each other, for the type checker alone; those of lines are in run/lines.d.ts.

/** What stands in the canvas, by track; NaN and -1 stand for "not measured" and "none". */
interface RunState {
  place: number[]; // the tracks in the canvas, in order
  ids: Int32Array;
  commit: Int32Array; // the step in which the token was written
  sure: Float32Array; // its confidence then
  again: Uint8Array; // whether it replaced another token
  masks: number; // that may still be written
  tokens: number; // that were written and stand
}

/** What the model believed, by row: the measured positions in ascending order; `row` leads from a track to its row. */
interface Beliefs {
  row: Int32Array;
  measured: number;
  predicted: Int32Array;
  confidence: Float64Array;
  entropy: Float64Array;
  topIds: Int32Array;
  topProbs: Float32Array;
  reason: Uint8Array;
  ranking: string;
  score: Float64Array;
  packed: number; // bytes that the columns took
}

/** A step by track, with the canvas after it. */
interface Step extends RunState, Beliefs {
  index: number;
  window: Pair;
  forwards: number; // so far, NaN where nobody counted
  seconds: number; // so far, NaN where not timed
  info: Record<string, number>;
  others: number[];
  write: Pair[];
  blank: Pair[];
  splice: Pair[];
  queried: number[]; // the tracks that were in the canvas before it
  mean: number; // confidence of what it wrote
}

interface Run {
  header: Header | null;
  pieces: Map<number, string | Uint8Array>;
  steps: Step[];
  totals: Totals | null;
  lines: string[];
  order: number[]; // every track there ever was, as they stand in the text
  rank: number[]; // the place of a track in `order`
  fixed: number[] | null;
  first: RunState | null;
  beliefs?: number; // top tokens read so far, which have a limit
}

/** What the text of tokens is read from: a run, or less. */
interface Names {
  pieces: Run["pieces"];
  header: { model: Pick<Model, "mask" | "stop" | "expand"> };
}

/** What a position shows after a step. */
interface TokenView {
  state: "fixed" | "masked" | "draft" | "committed" | "remasked" | "revised" | "noise" | "tail" | "absent";
  id: number;
  shown: number;
  commit: number;
  confidence: number;
}

/** The cells of a heatmap, rows by columns; NaN where nothing is shown. */
interface Heatmap {
  measured: Float64Array[];
  held: Float64Array[];
  written: Float64Array[];
  shape: Pair; // positions and steps
  merged: Pair; // how many of each a cell stands for
  opening: number; // the first position that is not fixed
}

/** A part of a canvas under edit. */
interface Cell {
  token: number | string;
  locked: boolean;
  track?: number;
}

interface Window {
  gradio_config?: { root?: string };
  Plotly?: any;
  unmaskPlotly?: Promise<any>;
}

declare var UNMASK: any;

// The lines of run files and streams, as dlm_core/schema.py has them: printed by make reference.

/** an engine's model */
interface AboutLine {
  type: "about";
  name: string | null;
  revision: string | null;
  context: number;
  policies: string[];
  policy: string;
  settings: Record<string, any>;
  length: number;
  starts: Record<string, any>;
  block_length: number | null;
  masks: boolean;
  rightward: boolean;
  chats: boolean;
  caches: string[];
}

/** a lesson is on its way */
interface AskingLine {
  type: "asking";
  id: number;
}

/** Which run another continues. */
interface Branch {
  step: number;
  policy: string;
  seed: number | string;
  forced?: number;
}

/** How the model approximated. */
interface Cache {
  kind: string;
  approximate?: boolean;
}

/** a header follows, whose canvas is to be edited */
interface CanvasLine {
  type: "canvas";
  id: number;
}

/** no run follows */
interface DoneLine {
  type: "done";
}

/** there is no answer, and why; an engine sends no `id` */
interface ErrorLine {
  type: "error";
  id?: number;
  message: Wording;
}

/** draw this */
interface FigureLine {
  type: "figure";
  figure: ThemedFigure;
}

/** The first line of a run file. */
interface Header {
  type: "run";
  unmask: 1 | 2;
  model: Model;
  prompt: string;
  canvas: number[];
  fixed: Pair[];
  policy: PolicyRecord;
  windows: Pair[];
  seed: number | string | null;
  sampler?: string;
  top_k: number;
  reasons?: string[];
  others?: Record<string, string>;
  versions?: Record<string, string>;
  branch?: Branch;
  cache?: Cache;
  conversation?: Message[];
  pieces?: Record<string, PieceRecord>;
}

/** The bytes of a token that is only part of a character. */
interface Hex {
  hex: string;
}

/** the Noise tab; an engine sends `lesson` alone */
interface LessonLine {
  type: "lesson";
  id?: number;
  lesson: LessonRecord;
  figure?: ThemedFigure;
}

/** A sentence under noise at every level; `state` says which of `states` it is in at each level of `t`. */
interface LessonRecord {
  kind: "mask" | "replace";
  model: Model;
  pieces: Record<string, PieceRecord>;
  clean: number[];
  t: number[];
  alpha: number[];
  state: number[];
  states: NoisyStateRecord[];
}

/** A message of a conversation. */
interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** The model that wrote a run. */
interface Model {
  name: string;
  revision?: string | null;
  vocab_size: number;
  mask: number | null;
  stop: number[];
  expand?: number;
  ending?: number[];
  columns?: number;
}

/** which model answers, and how far one is that is loaded */
interface ModelsLine {
  type: "models";
  kind: "idle" | "loading" | "error";
  text: Wording[];
  numbers: Wording[];
  share: number | null;
  mine: boolean;
}

/** A sentence as noise left it, and what the model believes of the positions it is asked about. */
interface NoisyStateRecord {
  ids: number[];
  hit: number[];
  asked: number[];
  probability: number[];
  top_ids: number[][];
  top_probs: number[][];
  loss: number | null;
}

/** something to read; what is on screen stays */
interface NoticeLine {
  type: "notice";
  id: number;
  message: Wording;
}

/** a stream begins: runs of now, or one from a file */
interface OpeningLine {
  type: "live" | "recorded";
  id: number;
  notice?: Wording;
  cells?: string;
}

type Pair = [number, number];

/** the run that follows has a title */
interface PaneLine {
  type: "pane";
  pane: number;
  title: Wording;
  place: number;
}

/** A sentence of `assets/words` by its key, and what stands in its braces. */
interface Phrase {
  phrase: string;
  values: Record<string, Wording | number | null>;
}

type PieceRecord = string | Hex;

/** A policy's name, and all its parameters beside it. */
interface PolicyRecord {
  name: string;
  steps?: number | null;
  [name: string]: unknown;
}

/** an engine's answer about the tokens of a run */
interface ProbabilitiesLine {
  type: "probabilities";
  values: (number | null)[];
}

/** a board to solve */
interface PuzzleLine {
  type: "puzzle";
  id: number;
  cells: string;
  notice?: Wording;
}

/** play from the start */
interface RewindLine {
  type: "rewind";
}

/** A line of a run file between the first and the last; positions count in the canvas before it. */
interface StepRecord {
  type: "step";
  step: number;
  window: Pair;
  forwards: number | null;
  seconds: number | null;
  write?: Pair[];
  blank?: Pair[];
  splice?: Pair[];
  measured: string;
  beliefs: string;
  ranked?: string;
  score?: ["confidence" | "-entropy"] | [string, number, number];
  others?: number[];
  info?: Record<string, number>;
  pieces?: Record<string, PieceRecord>;
}

/** a run in numbers; a later one of the same pane replaces it */
interface SummaryLine {
  type: "summary";
  summary: Record<string, number | boolean | Phrase | null>;
  of: number;
  why?: Wording;
  verdict?: Wording;
}

/** A figure for Plotly in either theme. */
interface ThemedFigure {
  light: Record<string, any>;
  dark: Record<string, any>;
}

/** The last line of a run file. */
interface Totals {
  type: "end";
  end: "finished" | "stopped" | "error";
  message?: string;
  steps?: number;
  forwards?: number;
  seconds?: number;
  text?: string;
}

/** before a run */
interface WaitingLine {
  type: "waiting";
  waiting: number;
  seconds?: number;
}

type Wording = string | Phrase | Wording[];

type Line =
  | Header
  | StepRecord
  | Totals
  | OpeningLine
  | CanvasLine
  | PuzzleLine
  | LessonLine
  | AskingLine
  | NoticeLine
  | ErrorLine
  | ModelsLine
  | WaitingLine
  | PaneLine
  | SummaryLine
  | RewindLine
  | FigureLine
  | DoneLine
  | AboutLine
  | ProbabilitiesLine;

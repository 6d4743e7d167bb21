// What Python hands to the scripts: `settings()` of dlm_core/bundle.py says what each of them is.

const SETTINGS = globalThis.UNMASK;

export const WORDS = SETTINGS.words;
export const LIMITS = SETTINGS.limits;
export const RUN_LINES = SETTINGS.runLines;
export const FIGURES = SETTINGS.figures;
export const MAX_ENTROPY = SETTINGS.maxEntropy;

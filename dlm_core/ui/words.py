"""Every English sentence of the page's controls, in one place: a translation is one file like this one."""

TITLE = "Unmask"
TAGLINE = "watch a diffusion language model write"

PROMPT = "What should the text begin with?"
PROMPT_HINT = "Once upon a time there was a little dog"
MODEL = "model"
GENERATE, STOP, OPEN, NEW_SEED = "Generate", "Stop", "Open a run file", "New seed"

POLICIES = {
    "llada": "Most confident first (LLaDA)",
    "threshold": "Everything sure enough (Fast-dLLM)",
    "eb": "Entropy bound (EB-Sampler)",
    "mdlm": "Chance alone (MDLM)",
    "left_to_right": "Left to right",
}
POLICY_PHRASES = {
    "llada": "an equal number of masks each step, the surest ones",
    "threshold": "every mask above a confidence, at least one a step",
    "eb": "as many as a bound on their joint uncertainty allows",
    "mdlm": "each mask opens by chance, as in the training process undone",
    "left_to_right": "reading order, as autoregressive models write",
}
SETTINGS = {
    "policy": ("policy", ""),
    "steps": ("steps", "forward passes: fewer is faster, rougher"),
    "length": ("length", "masks to fill behind the prompt"),
    "block_length": ("block length", "blocks fill left to right; 0 for any order"),
    "temperature": ("temperature", "0 takes the likeliest word, more is bolder"),
    "seed": ("seed", "the same seed repeats the run"),
    "threshold": ("threshold", "confidence that is sure enough, 0 to 1"),
    "gamma": ("bound", "entropy bound gamma, in nats"),
    "remasking": ("order", "which masks go first"),
}
ORDERS = {"low_confidence": "surest", "random": "random"}
OPENED = "Opened from a file."

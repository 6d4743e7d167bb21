"""What the bundled model is worth, measured: `python -m dlm_core.evaluation --corpus FOLDER` prints the card's tables.

Likelihood is told in nats per character of held-out text, so that tokenizers do not matter.  The autoregressive
number is exact.  The diffusion number is a bound: the true one is at most that large, and lower is better for both,
but a bound and an exact value are not the same kind of thing.
"""

import argparse
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas, blocks
from dlm_core.data import canvas_of, load_split
from dlm_core.models import LoadedModel, load_model
from dlm_core.policies import make_policy
from dlm_core.sampler import sample

LENGTH = 128  # positions of a measured canvas
ROWS = 32  # canvases in one forward
PROMPTS = (
    "Once upon a time there was a little dog", "One day a girl named Lily", "Tom and his mom went to the park",
    "The old bear was very sad because", "Ben found a big red box", "It was raining and",
    "There was a small bird who could not fly", "Sara had a secret",
)  # fmt: skip


class Likelihood(NamedTuple):
    """Nats per character with half the width of the 95 % interval over documents."""

    mean: float
    interval: float


def per_character(nats: Tensor, characters: Tensor) -> Likelihood:
    """The ratio of sums over documents `(n,)`, with the usual interval of a ratio."""
    mean = float(nats.sum() / characters.sum())
    spread = (nats - mean * characters).std() / characters.mean() / math.sqrt(len(nats))
    return Likelihood(mean, 1.96 * float(spread))


@torch.inference_mode()
def autoregressive_nats(model: LoadedModel, canvases: Tensor) -> Tensor:
    """Exact negative log-likelihood `(rows,)` of canvases `(rows, length)`, given their first token."""
    total = []
    for rows in canvases.split(ROWS):
        losses = F.cross_entropy(model.ar_logits(rows)[:, :-1].transpose(1, 2), rows[:, 1:], reduction="none")
        total.append(losses.sum(1))
    return torch.cat(total)


@torch.inference_mode()
def diffusion_nats(model: LoadedModel, canvases: Tensor, *, counts: int = 16, seed: int = 0) -> Tensor:
    """A bound on the negative log-likelihood `(rows,)`, an unbiased estimate of it from `counts` mask counts a row.

    With k of n positions masked at random, -log p <= E_k [ n/k * (sum of the masked tokens' cross entropies) ] for k
    uniform in 1..n: the any-order form of the masked bound (LLaDA, arXiv 2502.09992, eq. 14).  The counts are
    stratified: one from each of `counts` equal parts of 1..n.
    """
    generator, n = torch.Generator().manual_seed(seed), canvases.shape[1] - 1
    total = torch.zeros(len(canvases))
    for part in range(counts):
        for start in range(0, len(canvases), ROWS):
            rows = canvases[start : start + ROWS]
            k = (((part + torch.rand(len(rows), generator=generator)) / counts) * n).long() + 1
            order = torch.rand(len(rows), n, generator=generator).argsort(1).argsort(1)
            masked = F.pad(order < k[:, None], (1, 0))
            noisy = torch.where(masked, model.mask_token_id, rows)
            logits = model.denoiser(noisy, torch.arange(rows.shape[1]))
            losses = F.cross_entropy(logits[masked], rows[masked], reduction="none")
            sums = torch.zeros(rows.shape).masked_scatter(masked, losses).sum(1)
            total[start : start + ROWS] += sums * n / k / counts
    return total


class Faults(NamedTuple):
    """How a text repeats itself: shares between 0 and 1, entropy in nats."""

    distinct_2: float
    repeated_4: float
    adjacent_duplicates: float
    unigram_entropy: float
    without_end: float


def faults(texts: Sequence[str], ended: Sequence[bool]) -> Faults:
    """Measures over the words of all texts; `repeated_4` is the share of a text's word 4-grams that it had before."""
    words = [text.lower().replace(".", " .").replace(",", " ,").split() for text in texts]
    pairs = [pair for w in words for pair in pairwise(w)]
    fours = [list(zip(w, w[1:], w[2:], w[3:])) for w in words]
    counts = Counter(word for w in words for word in w)
    total = max(1, counts.total())
    return Faults(
        distinct_2=len(set(pairs)) / max(1, len(pairs)),
        repeated_4=1 - sum(len(set(f)) for f in fours) / max(1, sum(map(len, fours))),
        adjacent_duplicates=sum(a == b for a, b in pairs) / max(1, len(pairs)),
        unigram_entropy=-sum(c / total * math.log(c / total) for c in counts.values()),
        without_end=1 - sum(ended) / max(1, len(ended)),
    )


class Story(NamedTuple):
    """A finished text, and what it took."""

    text: str
    ended: bool
    seconds: float
    forwards: int


def tell(model: LoadedModel, ids: Sequence[int], start: int, seconds: float, forwards: int) -> Story:
    """The story behind the first `start` ids, up to the end of text."""
    behind = list(ids[start:])
    ended = any(i in model.stop_ids for i in behind)
    until = next((n for n, i in enumerate(behind) if i in model.stop_ids), len(behind))
    return Story(model.tokenizer.decode([*ids[1:start], *behind[:until]]).strip(), ended, seconds, forwards)


def by_diffusion(
    model: LoadedModel, prompt: str, length: int, steps: int, temperature: float, block: int | None, seed: int
) -> Story:
    """One story by the `llada` policy."""
    ids = model.encode_prompt(prompt)
    canvas = Canvas.from_prompt(ids, length, model.mask_token_id)
    policy = make_policy("llada", steps=steps, temperature=temperature)
    *_, last = sample(model.denoiser, canvas, policy, windows=blocks(len(ids), len(canvas), block), seed=seed)
    return tell(model, last.after.tolist(), len(ids), last.seconds, last.forwards)


def by_autoregression(model: LoadedModel, prompt: str, length: int, temperature: float, seed: int) -> Story:
    """One story left to right, with a KV cache."""
    ids = model.encode_prompt(prompt)
    canvas = Canvas.from_prompt(ids, length, model.mask_token_id)
    banned = sorted(set(model.tokenizer.all_special_ids) - set(model.stop_ids))
    *_, last = autoregressive(
        model.model, canvas, banned=banned, stop_ids=model.stop_ids, temperature=temperature, seed=seed
    )
    return tell(model, last.after[last.after != model.mask_token_id].tolist(), len(ids), last.seconds, last.forwards)


def likelihood_rows(model: LoadedModel, documents: Iterable[Tensor]) -> list[str]:
    """The table of held-out likelihoods."""
    bos, eos = model.tokenizer.bos_token_id, model.tokenizer.eos_token_id
    canvases = torch.stack([canvas_of(document, 0, LENGTH, bos=bos, eos=eos) for document in documents])
    texts = model.tokenizer.batch_decode([row[row != eos][1:] for row in canvases])
    characters = torch.tensor([float(len(text)) for text in texts])
    exact = per_character(autoregressive_nats(model, canvases), characters)
    bound = per_character(diffusion_nats(model, canvases), characters)
    return [
        f"Held-out text, {len(canvases)} stories, their first {LENGTH - 1} tokens:",
        "",
        "| order | nats per character |",
        "|---|---|",
        f"| autoregressive, exact | {exact.mean:.3f} ± {exact.interval:.3f} |",
        f"| diffusion, a bound: the true value is at most this | {bound.mean:.3f} ± {bound.interval:.3f} |",
    ]


def quality_rows(model: LoadedModel, human: Sequence[str], seeds: int) -> list[str]:
    """The table of generated text against forwards, with human text as the measure of what is normal."""
    length = LENGTH - 16
    settings: list[tuple[str, Callable[[str, int], Story]]] = [
        (
            f"diffusion, {steps} forwards, blocks of 16",
            lambda p, s, n=steps: by_diffusion(model, p, length, n, 0.7, 16, s),
        )
        for steps in (8, 16, 32, 64)
    ]
    settings.append(
        ("diffusion, 64 forwards, any order", lambda p, s: by_diffusion(model, p, length, 64, 0.7, None, s))
    )
    settings.append(("autoregressive, KV cache", lambda p, s: by_autoregression(model, p, length, 0.7, s)))
    lines = [
        f"Generated text, {len(PROMPTS)} prompts by {seeds} seeds, {length} tokens at most, temperature 0.7:",
        "",
        "| decoding | distinct-2 | repeated 4-grams | adjacent duplicates | unigram entropy | seconds a story |",
        "|---|---|---|---|---|---|",
    ]

    def line(name: str, texts: Sequence[str], ended: Sequence[bool], seconds: str) -> str:
        f = faults(texts, ended)
        return (
            f"| {name} | {f.distinct_2:.3f} | {f.repeated_4:.3f} | {f.adjacent_duplicates:.4f} | "
            f"{f.unigram_entropy:.2f} | {seconds} |"
        )

    for name, write in settings:
        stories = [write(prompt, seed) for prompt in PROMPTS for seed in range(seeds)]
        seconds = f"{statistics.median(story.seconds for story in stories):.2f}"
        lines.append(line(name, [s.text for s in stories], [s.ended for s in stories], seconds))
    lines.append(line("human text of the same length", human, [True] * len(human), ""))
    return lines


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(prog="python -m dlm_core.evaluation", description="Measure the bundled model.")
    parser.add_argument("--corpus", type=Path, required=True, help="the corpus the model was trained on")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--documents", type=int, default=160, help="held-out documents to measure likelihood on")
    parser.add_argument("--seeds", type=int, default=4, help="stories a prompt and setting")
    args = parser.parse_args()
    model = load_model(args.model)
    _, held = load_split(args.corpus, lambda texts: model.tokenizer(texts, add_special_tokens=False).input_ids)
    print("\n".join(likelihood_rows(model, held[: args.documents])), flush=True)
    human = model.tokenizer.batch_decode([d[: LENGTH - 16] for d in held[: len(PROMPTS) * args.seeds]])
    print()
    print("\n".join(quality_rows(model, human, args.seeds)))


if __name__ == "__main__":
    main()

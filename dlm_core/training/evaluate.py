"""What the bundled model is worth, measured, as the tables of its card.

    python -m dlm_core.training.evaluate --corpus FOLDER

Likelihood is in nats per character of held-out text, so that tokenizers do not matter.  The autoregressive
number is exact.  The diffusion number is a bound: the true one is at most that large, and lower is better for both,
but a bound and an exact value are not the same kind of thing.

Everything is repeated exactly by the same arguments, except what is timed: the speeds, and with them how many samples
autoregression has time for in the infilling table.
"""

import argparse
import math
import statistics
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import Banned, mask_of
from dlm_core.models import LoadedModel, load_model
from dlm_core.noise import corrupt
from dlm_core.policies import Policy, make_policy
from dlm_core.sampler import sample
from dlm_core.training.data import canvas_of, load_split
from dlm_core.training.judge import (
    JUDGE,
    Judge,
    TextDefects,
    at_entropy,
    continuation_nats,
    load_judge,
    text_defects,
    words,
)
from dlm_core.training.report import replace_between_markers

MEASURED, CARD = (Path(__file__).parents[2] / name for name in ("docs/measured.md", "assets/model/README.md"))
PROGRAM = "make evaluate"
LENGTH = 128  # positions of a measured canvas
STORY = 112  # tokens of a continuation, at most
BLOCK = 16
ROWS = 32  # canvases in one forward
PROMPT_WORDS, GAP_WORDS = 8, 3
MIN_WORDS = 24  # of a held-out story that is continued or filled in: there must be something around the gap
TEMPERATURE = 0.7
RIGHTWARD_TEMPERATURES = (0.6, 0.8, 1.0)  # of autoregression: low ones reach the entropy of diffusion
TEMPERATURES = (0.7, 1.1)  # of diffusion in any order, at the most forwards
FORWARDS = (8, 16, 32, 64)
ENTROPIES = tuple(tenths / 10 for tenths in range(40, 60))  # nats, at which both orders are compared
WRONG_SHARE = 0.1  # of the tokens is replaced
REVISION_THRESHOLDS = (0.9, 0.7)  # the probability from which another token takes over


class Counts(NamedTuple):
    """How many of everything are measured; more make narrower intervals."""

    documents: int = 160  # of which the likelihood is measured
    stories: int = 48  # prompts, each the opening of another held-out story
    seeds: int = 1  # continuations of a prompt; above 1 the human text, one a prompt, seems more varied than it is
    gaps: int = 64
    runs: int = 9


QUICK = Counts(documents=16, stories=3, seeds=1, gaps=6, runs=2)
MIN_COUNTS = Counts(documents=2, stories=2, seeds=1, gaps=2, runs=1)  # an interval needs two


# --- likelihood -------------------------------------------------------------------------------------------------------


class Estimate(NamedTuple):
    """A mean with half the width of its 95 % interval over documents."""

    mean: float
    interval: float

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} ± {self.interval:{spec}}"


def per_character(nats: Tensor, characters: Tensor) -> Estimate:
    """Return the ratio of sums over documents `(n,)`, with the interval of a ratio; ValueError for fewer than two."""
    if len(nats) < 2:
        raise ValueError(f"an interval needs at least 2 documents, got {len(nats)}")
    mean = float(nats.sum() / characters.sum())
    spread = (nats - mean * characters).std() / characters.mean() / math.sqrt(len(nats))
    return Estimate(mean, 1.96 * float(spread))


def per_text(values: Tensor) -> Estimate:
    """Return the plain mean over documents `(n,)`; ValueError for fewer than two."""
    return per_character(values, torch.ones(len(values)))


@torch.inference_mode()
def autoregressive_nats(model: LoadedModel, canvases: Tensor) -> Tensor:
    """Return the exact negative log-likelihood `(rows,)` of canvases `(rows, length)`, given their first token."""
    total = []
    for rows in canvases.split(ROWS):
        logits = model.causal_logits(rows)[:, :-1].transpose(1, 2)
        total.append(F.cross_entropy(logits, rows[:, 1:].to(logits.device), reduction="none").sum(1).cpu())
    return torch.cat(total)


@torch.inference_mode()
def diffusion_nats(model: LoadedModel, canvases: Tensor, *, counts: int = 16, seed: int = 0) -> Tensor:
    """Estimate a bound on the negative log-likelihood `(rows,)` without bias, from `counts` mask counts a row.

    With k of n positions masked at random, -log p <= E_k [ n/k * (sum of the masked tokens' cross entropies) ] for k
    uniform in 1..n: the any-order form of the masked bound (LLaDA, arXiv 2502.09992, eq. 14).  The counts are
    stratified: one from each of `counts` equal parts of 1..n.
    """
    generator, n = torch.Generator().manual_seed(seed), canvases.shape[1] - 1
    total = torch.zeros(len(canvases))
    for part in tqdm(range(counts), desc="diffusion bound", leave=False):
        for start in range(0, len(canvases), ROWS):
            rows = canvases[start : start + ROWS]
            k = (((part + torch.rand(len(rows), generator=generator)) / counts) * n).long() + 1
            order = torch.rand(len(rows), n, generator=generator).argsort(1).argsort(1)
            masked = F.pad(order < k[:, None], (1, 0))
            noisy = torch.where(masked, mask_of(model), rows)
            logits = model.denoiser(noisy, torch.arange(rows.shape[1]))
            losses = F.cross_entropy(logits[masked], rows[masked].to(logits.device), reduction="none").cpu()
            sums = torch.zeros(rows.shape).masked_scatter(masked, losses).sum(1)
            total[start : start + ROWS] += sums * n / k / counts
    return total


def full_canvas(model: LoadedModel, document: Tensor) -> Tensor:
    """Return the beginning of a document as the model was trained on it: a canvas `(LENGTH,)`."""
    return canvas_of(document, 0, LENGTH, bos=model.tokenizer.bos_token_id, eos=model.tokenizer.eos_token_id)


def text_of(model: LoadedModel, ids: Sequence[int] | Tensor) -> str:
    """Return the text of token ids `(n,)` without control tokens."""
    return model.tokenizer.decode(ids, skip_special_tokens=True).strip()


def likelihood_rows(model: LoadedModel, sources: Mapping[str, Sequence[Tensor]], seed: int) -> list[str]:
    """Return the table of likelihoods: two rows for the documents of every named source."""
    rows = []
    for source, documents in sources.items():
        canvases = torch.stack([full_canvas(model, document) for document in documents])
        characters = torch.tensor([float(len(text_of(model, canvas))) for canvas in canvases])
        exact = per_character(autoregressive_nats(model, canvases), characters)
        bound = per_character(diffusion_nats(model, canvases, seed=seed), characters)
        rows.append([source, str(len(canvases)), "autoregressive, exact", f"{exact:.3f}"])
        rows.append([source, str(len(canvases)), "diffusion, a bound: the true value is at most this", f"{bound:.3f}"])
    caption = f"Likelihood of the first {LENGTH - 1} tokens of texts the model was not trained on, lower is better:"
    return table(caption, ["text", "documents", "order", "likelihood (nats per character)"], rows)


# --- writing stories --------------------------------------------------------------------------------------------------


class Story(NamedTuple):
    """A finished text, and what it took."""

    prompt: str
    continuation: str
    ended: bool
    tokens: int  # of the continuation: up to and with the end of text, nothing after it
    seconds: float


class Setting(NamedTuple):
    """A way of writing: `write(prompt_ids, seed)` continues a prompt; no `forwards` if one a token."""

    name: str
    write: Callable[[Sequence[int], int], Story]
    forwards: int | None = None
    temperature: float = TEMPERATURE

    @property
    def title(self) -> str:
        """Return name and temperature."""
        return f"{self.name}, temperature {self.temperature}"


def story_of(model: LoadedModel, ids: Sequence[int], start: int, seconds: float) -> Story:
    """Return the story after the first `start` ids, up to the end of text."""
    continuation = list(ids[start:])
    until = next((n for n, i in enumerate(continuation) if i in model.stop_ids), len(continuation))
    prompt, text = (text_of(model, ids[:to]) for to in (start, start + until))
    ended = until < len(continuation)
    return Story(prompt, text.removeprefix(prompt), ended, until + ended, seconds)


def denoised(model: LoadedModel, policy: Policy, block: int | None = None) -> Callable[[Sequence[int], int], Story]:
    """Return the `write` of a setting: the denoising loop over `STORY` masks, in blocks or in any order."""

    def write(prompt: Sequence[int], seed: int) -> Story:
        canvas = Canvas.from_prompt(prompt, STORY, mask_of(model))
        *_, last = sample(model.denoiser, canvas, policy, windows=blocks(len(prompt), len(canvas), block), seed=seed)
        return story_of(model, last.after.tolist(), len(prompt), last.seconds)

    return write


def diffusion(
    model: LoadedModel, forwards: int, *, any_order: bool = False, temperature: float = TEMPERATURE
) -> Setting:
    """Return a setting of `llada` in blocks of `BLOCK`, or larger ones where there are fewer forwards than blocks."""
    block = None if any_order else max(BLOCK, STORY // forwards)
    write = denoised(model, make_policy("llada", steps=forwards, temperature=temperature), block)
    name = f"most confident first, {forwards} forwards, {f'blocks of {block}' if block else 'any order'}"
    return Setting(name, write, forwards, temperature)


def path_planning(model: LoadedModel, forwards: int, temperature: float = TEMPERATURE) -> Setting:
    """Return a setting of the `p2` policy in any order: each forward makes the least confident tokens masks again."""
    write = denoised(model, make_policy("p2", num_steps=forwards, tau=temperature))
    return Setting(f"P2, which takes words back, {forwards} forwards, any order", write, forwards, temperature)


def autoregression(model: LoadedModel, temperature: float = TEMPERATURE) -> Setting:
    """Return a setting that writes left to right, with a KV cache."""
    banned = sorted(set(model.tokenizer.all_special_ids) - set(model.stop_ids))

    def write(prompt: Sequence[int], seed: int) -> Story:
        canvas = Canvas.from_prompt(prompt, STORY, mask_of(model))
        *_, last = autoregressive(
            model.model, canvas, banned=banned, stop_ids=model.stop_ids, temperature=temperature, seed=seed
        )
        written = last.after[last.after != model.mask_token_id]
        return story_of(model, written.tolist(), len(prompt), last.seconds)

    return Setting("autoregressive with KV cache", write, temperature=temperature)


def write_all(setting: Setting, prompts: Sequence[Sequence[int]], times: int, seed: int) -> list[Story]:
    """Continue all prompts, `times` over; every story draws from a seed of its own, counted up from `seed`."""
    tasks = tqdm([*prompts] * times, desc=setting.title, leave=False)
    return [setting.write(prompt, story_seed) for story_seed, prompt in enumerate(tasks, start=seed)]


def word_starts(model: LoadedModel, ids: Sequence[int]) -> list[int]:
    """Return where words begin: the first position after the beginning of text, and tokens that begin with a space."""
    return [n for n, i in enumerate(ids) if n == 1 or model.tokenizer.decode([i]).startswith(" ")]


def prompt_of(model: LoadedModel, document: Tensor) -> list[int]:
    """Return the first words of a document as a prompt, beginning of text included."""
    ids = [model.tokenizer.bos_token_id, *document.tolist()]
    return ids[: word_starts(model, ids)[PROMPT_WORDS]]


def human_story(model: LoadedModel, document: Tensor) -> Story:
    """Return a document as if it had been continued from its prompt, as long as a model's story may be."""
    start = len(prompt_of(model, document))
    ids = [model.tokenizer.bos_token_id, *document.tolist(), model.tokenizer.eos_token_id]
    return story_of(model, ids[: start + STORY], start, 0.0)


# --- quality ----------------------------------------------------------------------------------------------------------


class Quality(NamedTuple):
    """What was measured on the stories of one setting."""

    judged: Estimate | None  # None without a judge
    defects: TextDefects
    words: float  # a story

    @property
    def point(self) -> tuple[float, float] | None:
        """Return `(entropy, judged)`, if it was judged."""
        return (self.defects.unigram_entropy, self.judged.mean) if self.judged else None


def quality(stories: Sequence[Story], judge: Judge | None, known: Set[str]) -> Quality:
    """Measure continuations: the prompt was given, so it counts for nothing."""
    texts, judged = [story.continuation for story in stories], None
    if judge:
        progress = tqdm(stories, desc="judging", leave=False)
        nats = [continuation_nats(judge, story.prompt, story.continuation) for story in progress]
        judged = per_character(torch.tensor(nats), torch.tensor([float(len(text)) for text in texts]))
    length = statistics.mean(len(words(text)) for text in texts)
    return Quality(judged, text_defects(texts, [story.ended for story in stories], known), length)


def quality_rows(
    diffused: Mapping[str, Sequence[Story]], autoregressed: Mapping[str, Sequence[Story]], human: Sequence[Story],
    judge: Judge | None, known: Set[str],
) -> list[str]:  # fmt: skip
    """Return the table of generated text by the names of settings, with human text as the measure of what is normal."""
    right = {name: quality(stories, judge, known) for name, stories in autoregressed.items()}
    points = [q.point for q in right.values() if q.point]

    def row(name: str, q: Quality, matched: float | None = None) -> list[str]:
        f = q.defects
        numbers = (
            f"{f.unigram_entropy:.2f}", f"{f.distinct_2:.3f}", f"{f.repeated_4:.3f}", f"{f.adjacent_duplicates:.4f}",
            f"{f.non_words:.4f}", f"{f.without_end:.2f}", f"{q.words:.0f}",
        )  # fmt: skip
        return [name, f"{q.judged:.3f}" if q.judged else "", "" if matched is None else f"{matched:.3f}", *numbers]

    rows = []
    for name, stories in diffused.items():
        q = quality(stories, judge, known)
        rows.append(row(name, q, at_entropy(points, q.defects.unigram_entropy)))
    rows += [row(name, q) for name, q in right.items()]
    rows.append(row("human, the held-out stories themselves", quality(human, judge, known)))
    header = [
        "written by", "judged (nats per character)", "autoregression at the same entropy (nats per character)",
        "unigram entropy (nats)", "distinct-2 (share of pairs)", "repeated 4-grams (share)",
        "adjacent duplicates (share of pairs)", "non-words (share of words)", "missing end (share of stories)",
        "length (words a story)",
    ]  # fmt: skip
    caption = (
        f"{len(human)} held-out stories continued from their first {PROMPT_WORDS} words by at most {STORY} tokens. "
        f"The judge is {JUDGE}; less is better only at equal entropy, so the next column interpolates "
        "between the temperatures of autoregression, and is empty outside of them. "
        "Entropy also falls with fewer words:"
    )
    return table(caption, header, rows)


def matched_rows(
    curves: Mapping[str, Sequence[Sequence[Story]]], rival: Sequence[Sequence[Story]], judge: Judge, known: Set[str]
) -> list[str]:
    """Return the table of both orders at equal entropy.

    The stories of every way of writing and of autoregression, each by temperature, are judged on straight lines
    between the temperatures of *both* sides.
    """

    def points(by_temperature: Sequence[Sequence[Story]]) -> list[tuple[float, float]]:
        return [q.point for stories in by_temperature if (q := quality(stories, judge, known)).point]

    right, rows = points(rival), []
    for name, by_temperature in curves.items():
        diffused = points(by_temperature)
        for entropy in ENTROPIES:
            left, other = at_entropy(diffused, entropy), at_entropy(right, entropy)
            if left is not None and other is not None:
                rows.append([name, f"{entropy:.1f}", f"{left:.3f}", f"{other:.3f}", f"{left / other:.2f}"])
    caption = (
        "Both orders at equal entropy, on straight lines between the temperatures of each; entropies that one of them "
        "did not reach are left out:"
    )
    header = [
        "written by", "unigram entropy (nats)", "judged (nats per character)",
        "autoregression (nats per character)", "ratio",
    ]  # fmt: skip
    return table(caption, header, rows)


def sample_rows(stories: Sequence[Story], title: str) -> list[str]:
    """Return stories as a Markdown list, with prompt and continuation in code blocks, so that no text is markup."""
    lines = [f"The first outputs, unedited ({title}):"]
    for number, story in enumerate(stories, start=1):
        marker = f"{number}. "
        for heading, text in (("Prompt:", story.prompt), ("Continued:", story.continuation)):
            lines += ["", marker + heading, "", textwrap.indent(text, " " * (len(marker) + 4))]
            marker = " " * len(marker)
    return lines


# --- infilling --------------------------------------------------------------------------------------------------------


class Gap(NamedTuple):
    """A canvas `(LENGTH,)` of human text, and the half-open range in it that is to be filled in."""

    ids: Tensor
    lo: int
    hi: int


class Filled(NamedTuple):
    """A canvas with its gap filled, and what it took; `nats` of the whole, left to right, if computed."""

    ids: Tensor
    seconds: float
    nats: float = math.nan


def middle_gap(model: LoadedModel, document: Tensor) -> Gap:
    """Return the gap in the middle of a document's beginning."""
    ids = full_canvas(model, document)
    starts = word_starts(model, ids.tolist())
    first = (len(starts) - GAP_WORDS) // 2
    return Gap(ids, starts[first], starts[first + GAP_WORDS])


def infill(model: LoadedModel, gap: Gap, seed: int) -> Filled:
    """Fill a gap by diffusion, which sees both sides: the likeliest tokens, one a forward, without an end of text."""
    inside = torch.zeros(len(gap.ids), dtype=torch.bool)
    inside[gap.lo : gap.hi] = True
    canvas = Canvas(torch.where(inside, mask_of(model), gap.ids).numpy(), ~inside.numpy())
    policy = make_policy("llada", steps=gap.hi - gap.lo)
    denoiser = Banned(model.denoiser, model.stop_ids)
    *_, last = sample(denoiser, canvas, policy, windows=[(gap.lo, gap.hi)], seed=seed)
    return Filled(torch.from_numpy(last.after.copy()), last.seconds)


def infill_left_to_right(model: LoadedModel, gap: Gap, temperature: float, seed: int) -> Filled:
    """Fill a gap by autoregression, which sees the left side when it writes; `nats` scores the whole canvas."""
    canvas = Canvas.from_prompt(gap.ids[: gap.lo].tolist(), gap.hi - gap.lo, mask_of(model))
    banned = sorted(model.tokenizer.all_special_ids)
    *_, last = autoregressive(model.model, canvas, banned=banned, temperature=temperature, seed=seed)
    ids, began = gap.ids.clone(), time.perf_counter()
    ids[: gap.hi] = torch.from_numpy(last.after.copy())
    nats = float(autoregressive_nats(model, ids[None]))
    return Filled(ids, last.seconds + time.perf_counter() - began, nats)


def best_in_time(model: LoadedModel, gaps: Sequence[Gap], seconds: float, seed: int) -> tuple[int, list[Filled]]:
    """Return n and, for every gap, the likeliest of n continuations.

    n is as many as fit in `seconds` for all gaps, at least one: the first is greedy, the others are sampled.
    """
    best = [infill_left_to_right(model, gap, 0.0, seed) for gap in tqdm(gaps, desc="continuing", leave=False)]
    n = max(1, int(seconds / sum(filled.seconds for filled in best)))
    for extra in tqdm(range(1, n), desc="best of n", leave=False):
        others = [infill_left_to_right(model, gap, TEMPERATURE, seed + extra) for gap in gaps]
        best = [min(pair, key=lambda filled: filled.nats) for pair in zip(best, others)]
    return n, best


def infilling_rows(model: LoadedModel, gaps: Sequence[Gap], judge: Judge | None, seed: int) -> list[str]:
    """Return the table of filled gaps; the judge reads the whole text."""
    diffused = [infill(model, gap, seed) for gap in tqdm(gaps, desc="filling in", leave=False)]
    n, continued = best_in_time(model, gaps, sum(filled.seconds for filled in diffused), seed)
    original = [text_of(model, gap.ids) for gap in gaps]

    def row(name: str, filled: Sequence[Tensor]) -> list[str]:
        texts = [text_of(model, ids) for ids in filled]
        exact = per_text(torch.tensor([float(text == human) for text, human in zip(texts, original)]))
        return [name, f"{exact:.2f}", *judged_against(judge, texts, original)]

    rows = [
        row("diffusion, sees both sides", [filled.ids for filled in diffused]),
        row(f"autoregressive, best of {n} in the same time", [filled.ids for filled in continued]),
        row("human, the original", [gap.ids for gap in gaps]),
    ]
    caption = (
        f"{len(gaps)} held-out stories with {GAP_WORDS} words in the middle taken out; the number of tokens is given. "
        "The judge reads the whole text:"
    )
    header = [
        "filled in by",
        "exact match (share of gaps)",
        "judged (nats per character)",
        "above the original (nats a text)",
    ]
    return table(caption, header, rows)


# --- taking back ------------------------------------------------------------------------------------------------------


def repair(model: LoadedModel, canvas: Tensor, threshold: float) -> Tensor:
    """Rewrite every token of `canvas (LENGTH,)` where another is more probable than `threshold` (LLaDA2.1)."""
    policy = make_policy("llada21", editing_threshold=threshold)
    fixed = torch.arange(len(canvas)) == 0
    *_, last = sample(model.denoiser, Canvas(canvas.numpy(), fixed.numpy()), policy)
    return torch.from_numpy(last.after.copy())


def repair_rows(model: LoadedModel, documents: Sequence[Tensor], judge: Judge | None, seed: int) -> list[str]:
    """Return the table of mistakes: what revising makes right, and what it makes wrong."""
    clean = torch.stack([full_canvas(model, document) for document in documents])
    tail = F.pad((clean == model.tokenizer.eos_token_id).cumsum(1)[:, :-1] > 0, (1, 0))  # after the end of the text
    corrupted, _ = corrupt(
        clean, torch.full((len(clean),), WRONG_SHARE), mask_token_id=None, vocab_size=model.denoiser.vocab_size,
        fixed=tail | (torch.arange(LENGTH) == 0), generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    wrong, right = corrupted != clean, (corrupted == clean) & ~tail
    original = [text_of(model, ids) for ids in clean]

    def share(hits: Tensor, among: Tensor) -> Estimate:
        return per_text(torch.stack([row[at].float().mean() for row, at in zip(hits, among)]))

    def row(name: str, texts: Tensor) -> list[str]:
        made_right, made_wrong = share(texts == clean, wrong), share(texts != clean, right)
        judged = judged_against(judge, [text_of(model, ids) for ids in texts], original)
        return [name, f"{made_right:.2f}", f"{made_wrong:.3f}", *judged]

    rows = [row("nobody: the spoilt texts", corrupted)]
    for threshold in REVISION_THRESHOLDS:
        repaired = [
            repair(model, ids, threshold) for ids in tqdm(corrupted, desc=f"repairing above {threshold}", leave=False)
        ]
        rows.append(row(f"the model, where it is surer than {threshold} of another token", torch.stack(repaired)))
    rows.append(row("human, the original", clean))
    caption = (
        f"{len(clean)} held-out texts with {WRONG_SHARE:.0%} of their tokens replaced by random ones, none of them "
        "marked. The model reads the text, rewrites what it doubts, and reads again (`llada21`). Shares are of the "
        "replaced and of the other tokens:"
    )
    header = [
        "revised by", "wrong tokens made right (share)", "right tokens made wrong (share)",
        "judged (nats per character)", "above the original (nats a text)",
    ]  # fmt: skip
    return table(caption, header, rows)


def judged_against(judge: Judge | None, texts: Sequence[str], original: Sequence[str]) -> list[str]:
    """Return two cells: the nats per character of texts, and how many nats a text they lie above the originals."""
    if judge is None:
        return ["", ""]
    progress = tqdm(list(zip(texts, original)), desc="judging", leave=False)
    nats = torch.tensor([[judge(text), judge(human)] for text, human in progress])
    above = per_text(nats[:, 0] - nats[:, 1])
    whole = per_character(nats[:, 0], torch.tensor([float(len(text)) for text in texts]))
    return [f"{whole:.3f}", f"{above:.1f}"]


# --- speed ------------------------------------------------------------------------------------------------------------


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with `count` threads inside, with as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Speed(NamedTuple):
    """Medians over runs; useful tokens end with the end of text, what comes after it is padding."""

    seconds: float  # a story
    tokens_per_second: float


def race(settings: Sequence[Setting], prompts: Sequence[Sequence[int]], runs: int, seed: int) -> list[Speed]:
    """Let settings take turns `runs` times, so that whatever slows the machine down slows all of them."""
    stories_by_setting: list[list[Story]] = [[] for _ in settings]
    for run in tqdm(range(runs), desc=f"{torch.get_num_threads()} threads", leave=False):
        for stories, setting in zip(stories_by_setting, settings):
            stories.append(setting.write(prompts[run % len(prompts)], seed + run))
    return [
        Speed(
            statistics.median(story.seconds for story in stories),
            statistics.median(story.tokens / story.seconds for story in stories),
        )
        for stories in stories_by_setting
    ]


def verdict(threads: int, rates: Mapping[int, float], rival: float) -> str:
    """Return a sentence on who is faster: `rates` in useful tokens per second by forwards, `rival` autoregression's."""
    won: dict[str, list[str]] = {"diffusion": [], "autoregression with a KV cache": []}
    for forwards, rate in rates.items():
        won["diffusion" if rate > rival else "autoregression with a KV cache"].append(str(forwards))
    parts = [f"{who} at {', '.join(where)} forwards" for who, where in won.items() if where]
    return f"Faster with {threads} thread{'s' * (threads > 1)}, in useful tokens per second: {'; '.join(parts)}."


def speed_rows(
    settings: Sequence[Setting], rival: Setting, prompts: Sequence[Sequence[int]], runs: int, threads: Sequence[int],
    seed: int,
) -> list[str]:  # fmt: skip
    """Return the table of speeds with each number of threads, and what follows from it."""
    rows, sentences = [], []
    for count in threads:
        with torch_threads(count):
            speeds = race([*settings, rival], prompts, runs, seed)
        for setting, speed in zip([*settings, rival], speeds):
            rows.append([setting.name, str(count), f"{speed.seconds:.2f}", f"{speed.tokens_per_second:.0f}"])
        by_forwards = [(setting.forwards, speed.tokens_per_second) for setting, speed in zip(settings, speeds)]
        rates = {forwards: rate for forwards, rate in by_forwards if forwards is not None}
        sentences.append(verdict(count, rates, speeds[-1].tokens_per_second))
    caption = f"Speed, one story at a time, at most {STORY} tokens after the prompt, medians of {runs} runs in turns:"
    header = ["written by", "threads", "time (seconds a story)", "speed (useful tokens a second)"]
    return [*table(caption, header, rows), "", " ".join(sentences)]


# --- the program ------------------------------------------------------------------------------------------------------


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table with a sentence over it."""
    return [caption, "", *(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))]


def at_least(least: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `least` for the command line."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {text}")
        return int(text)

    return number


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments; how many of everything are those of `Counts`."""
    arguments = argparse.ArgumentParser(
        prog="python -m dlm_core.training.evaluate", description="Measure the bundled model."
    )
    add = arguments.add_argument
    add("--corpus", type=Path, required=True, help="the corpus the model was trained on")
    add("--unseen", type=Path, help="a corpus of another source, of which it has seen nothing")
    add("--model", default="bundled")
    add("--seed", type=at_least(0), default=0)
    add("--samples", type=at_least(0), default=0, help="print the first so many stories, unedited")
    add("--threads", type=at_least(1), nargs="+", default=[1, 2], help="how many to measure speed with")
    add("--no-judge", action="store_true", help="leave out what the judge says")
    add("--write", action="store_true", help="put the tables into the card of the bundled model and docs/measured.md")
    add("--quick", action="store_true", help="few of everything, to see that it works")
    for name, least, default in zip(Counts._fields, MIN_COUNTS, Counts()):
        add(f"--{name}", type=at_least(least), help=f"how many; {default} unless given")
    return arguments


def counts_of(args: argparse.Namespace) -> Counts:
    """Return the counts that were given, and the default or quick ones for the others."""
    given = {name: value for name in Counts._fields if (value := getattr(args, name)) is not None}
    return (QUICK if args.quick else Counts())._replace(**given)


def evaluate(args: argparse.Namespace) -> Iterator[list[str]]:
    """Yield the lines of one table after the other."""
    n, judge = counts_of(args), None if args.no_judge else load_judge()
    model = load_model(args.model)

    def encode(texts: list[str]) -> list[list[int]]:
        return model.tokenizer(texts, add_special_tokens=False).input_ids

    trained, held = load_split(args.corpus, encode)
    long_enough = [document for document in held if len(word_starts(model, document.tolist())) >= MIN_WORDS]
    if len(long_enough) < 2:
        raise ValueError(
            f"{args.corpus} has {len(long_enough)} held-out stories of at least {MIN_WORDS} words: 2 or more are needed"
        )
    sources = {"held out of the training corpus": held[: n.documents]}
    if args.unseen:
        both = chain(*load_split(args.unseen, encode))  # nothing was trained on, so the split has no meaning there
        sources["another source"] = list(islice(both, n.documents))
    yield likelihood_rows(model, sources, args.seed)

    known = {word for text in model.tokenizer.batch_decode(trained) for word in words(text)}
    prompts = [prompt_of(model, document) for document in long_enough[: n.stories]]
    human = [human_story(model, document) for document in long_enough[: n.stories]]
    curves = [
        *(diffusion(model, FORWARDS[-1], any_order=True, temperature=warmth) for warmth in TEMPERATURES),
        *(path_planning(model, forwards, warmth) for forwards in FORWARDS[:-3:-1] for warmth in TEMPERATURES),
    ]
    settings = [*(diffusion(model, forwards) for forwards in FORWARDS), *curves]
    rivals = [autoregression(model, temperature) for temperature in RIGHTWARD_TEMPERATURES]
    written = {s.title: write_all(s, prompts, n.seeds, args.seed) for s in [*settings, *rivals]}
    diffused, autoregressed = ({s.title: written[s.title] for s in group} for group in (settings, rivals))
    yield quality_rows(diffused, autoregressed, human, judge, known)
    if judge:
        names = dict.fromkeys(curve.name for curve in curves)
        by_name = {name: [written[curve.title] for curve in curves if curve.name == name] for name in names}
        yield matched_rows(by_name, list(autoregressed.values()), judge, known)

    yield infilling_rows(model, [middle_gap(model, document) for document in long_enough[: n.gaps]], judge, args.seed)
    yield repair_rows(model, long_enough[: n.gaps], judge, args.seed)
    timed = [diffusion(model, forwards) for forwards in FORWARDS]
    yield speed_rows(timed, autoregression(model), prompts, n.runs, args.threads, args.seed)
    if args.samples:
        shown = path_planning(model, FORWARDS[-1], TEMPERATURES[0]).title
        yield sample_rows(diffused[shown][: args.samples], shown)


def command_of(argv: Sequence[str]) -> str:
    """Return the sentence with the command that measures the tables again; files by name, as they may lie anywhere."""
    arguments = " ".join(Path(word).name if "/" in word else word for word in argv if word != "--write")
    return f"Measured by `python -m dlm_core.training.evaluate {arguments}`."


def main(argv: list[str] | None = None) -> int:
    """Print every table as soon as it is measured; return the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = parser().parse_args(argv)
        tables: list[str] = []
        if args.write and args.model != "bundled":
            raise ValueError(
                f"card and docs/measured.md are about the bundled model, got {args.model}: leave --write out"
            )
        for lines in evaluate(args):
            tables.append("\n".join(lines if tables else [command_of(argv), "", *lines]))
            print(tables[-1], end="\n\n", flush=True)
        if args.write:
            replace_between_markers(CARD, PROGRAM, "\n\n".join(tables))
            measured = tables[1:-1] if args.samples else tables[1:]
            fold = "<details><summary>Text, gaps, repairs and speed</summary>"
            replace_between_markers(MEASURED, PROGRAM, "\n\n".join([tables[0], fold, *measured, "</details>"]))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

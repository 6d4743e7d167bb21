"""The forward process put to work: train one small transformer to write in both orders.

Every batch is split by rows.  Autoregressive rows use causal attention and predict each next token; diffusion rows
are corrupted, use full attention, and predict the clean token at every masked position.  Both read the prediction for
position i from the state at i - 1, so one head serves both orders (arXiv 2512.14549).

Half of the diffusion rows have noise anywhere, as the likelihood bound has it.  The other half look as canvases do
while a text is being written in blocks: clean before a window, noisy inside, masks behind (BD3-LM, arXiv 2503.09573).
In half of the rows with noise anywhere a tenth of the visible text is wrong, and the loss asks for the right tokens: a
model that has never seen a wrong token cannot take one back (GIDD, arXiv 2503.04482).  Half of the wrong tokens are
random, half come from a few places further on, since doubled words are what this model gets wrong by itself.

    python -m dlm_core.training --corpus FOLDER --steps 4000          trains at a constant rate, resumes by itself
    python -m dlm_core.training --corpus FOLDER --cooldown 400 --out assets/model      decays a copy, ships it

The rate is warmed up once and then stays: the state in the checkpoint folder is never decayed, so it can go on for
ever, and the shipped weights are decayed copies of it.  `--cooldown` without a checkpoint decays from the first step.

What this taught of a small model that has read its two million tokens many times: eighteen million more at a constant
high rate made both losses worse, and only the mean with the weights it began with (`--keep`) repaid them.  Lines down
from a low rate pay, with a sixth to a quarter of other text in the rows: forty-eight million tokens from `--peak` 0.3,
0.2, 0.25 and 0.25 made both losses better, though only the first by itself; the others ended where they had begun, and
the mean was what counted.  Thirteen million more from 0.08 were better by themselves again, and once more by the mean:
when a line ends where it began, begin lower.  The card has the numbers.

On CPUs with bfloat16 instructions `--bf16` multiplies matrices about three times as fast.  A C library that hands every
large buffer back to the system makes the loss several times as slow: `make train` sets what glibc reads to keep them.
"""

import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm
from transformers import (
    AttentionInterface,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from dlm_core.noise import corrupt, loss_weights, weighted_mean
from dlm_core.training.data import batch, load_split

CANVASES = ((64, 128), (32, 256))  # (rows, length), in turn; the long ones hold whole stories with their ends
AUTOREGRESSIVE_SHARE = 0.25
HIDDEN_SHARE = 0.1  # of what half of the autoregressive rows see: text read many times is learnt by heart otherwise
WINDOW_SHARE = 0.5  # of the diffusion rows
WINDOWS = (8, 16, 32, 64)
WRONG_TOKEN_SHARE = 0.1
NEAR = 4  # how far away a wrong token that the text itself has comes from, at most
DISTILLED_SHARE = 0.5  # of the diffusion rows, where there are distilled documents
TAIL_WEIGHT = 0.1  # behind the first end-of-text token, or behind the window, there is little to learn
WARMUP_STEPS, CHECKPOINT_EVERY = 100, 50


class TrainStep(NamedTuple):
    """What one optimiser step measured: losses in nats per token, `rate` as a share of the peak learning rate."""

    step: int
    autoregressive_loss: float
    diffusion_loss: float
    rate: float
    seconds: float


def states(model: PreTrainedModel, ids: Tensor, *, causal: bool) -> Tensor:
    """Hidden states `(batch, length, width)` with causal or full attention; the head is applied where it is needed."""
    return model.model(input_ids=ids, is_causal=causal, use_cache=False).last_hidden_state


def matmul_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float,
    is_causal: bool | None = None, **_: object,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attention by plain products, causal or full: its backward pass on CPUs is far cheaper than the fused one."""
    key, value = (part.repeat_interleave(module.num_key_value_groups, dim=1) for part in (key, value))
    scores = query @ key.transpose(-1, -2) * scaling
    if is_causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    return (scores.softmax(-1).to(value.dtype) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register("matmul", matmul_attention)


def tail_weights(ids: Tensor, eos: int) -> Tensor:
    """Loss weight of every position: 1 up to and including the first `eos`, little behind it."""
    ended = (ids == eos).cumsum(1)
    return torch.where(ended > 1, TAIL_WEIGHT, 1.0)


def weighted_loss(model: PreTrainedModel, hidden: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, float]:
    """Cross entropy of `targets[:, 1:]` read from the states one to the left, where the weight is positive.

    Returns the loss to descend, and the plain mean in nats over positions of full weight, for the eye.
    """
    here = weights[:, 1:] > 0
    nll = F.cross_entropy(model.lm_head(hidden[:, :-1][here]), targets[:, 1:][here], reduction="none")
    weight = weights[:, 1:][here]
    return weighted_mean(nll, weight), nll[weight == 1.0].mean().item()


def autoregressive_rows(ids: Tensor, *, mask: int, generator: torch.Generator) -> Tensor:
    """What causal attention reads of `ids (rows, length)`: in every other row some tokens are hidden behind a mask."""
    share = torch.where(torch.arange(len(ids)) % 2 == 0, HIDDEN_SHARE, 0.0)
    first = torch.arange(ids.shape[1])[None] == 0
    return corrupt(ids, share, mask_token_id=mask, fixed=first, generator=generator)[0]


def diffusion_rows(
    ids: Tensor, *, mask: int, eos: int, vocab: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Noisy canvases and the weight of every position's loss, for clean canvases `(rows, length)`."""
    half = round(len(ids) * WINDOW_SHARE)
    windowed = window_rows(ids[:half], mask=mask, generator=generator)
    anywhere = anywhere_rows(ids[half:], mask=mask, vocab=vocab, generator=generator)
    noisy, weights = (torch.cat(parts) for parts in zip(windowed, anywhere))
    return noisy, tail_weights(ids, eos) * weights


def window_rows(ids: Tensor, *, mask: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Canvases in the middle of being written: text, a window with a uniform share of masks, and only masks behind."""
    rows, length = ids.shape
    width = torch.tensor(WINDOWS)[torch.randint(len(WINDOWS), (rows,), generator=generator)].clamp(max=length - 1)
    start = 1 + (torch.rand(rows, generator=generator) * (length - width)).long()
    position = torch.arange(length)[None]
    before, behind = position < start[:, None], position >= (start + width)[:, None]
    t = torch.rand(rows, generator=generator).clamp(0.05, 1.0)
    noisy, masked = corrupt(ids, t, mask_token_id=mask, fixed=before | behind, generator=generator)
    return noisy.masked_fill(behind, mask), masked.float() + TAIL_WEIGHT * behind.float()


def anywhere_rows(ids: Tensor, *, mask: int, vocab: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Canvases with masks anywhere, and wrong tokens among the visible ones of every other row.

    The masked share is stratified over the batch: 70 % of the rows bell-shaped, 20 % uniform, 10 % all masked.  Half
    of the rows keep a clean opening, as a prompt does, and no wrong token ever stands in it.
    """
    rows, length = ids.shape
    u = (torch.arange(rows) + torch.rand(rows, generator=generator)) / rows
    u = u[torch.randperm(rows, generator=generator)]
    bell = torch.rand((rows, 5), generator=generator).sort(1).values[:, 2]  # the median of five uniforms: Beta(3, 3)
    kind = torch.rand(rows, generator=generator)
    t = torch.where(kind < 0.7, bell, torch.where(kind < 0.9, u, torch.ones(rows))).clamp(0.05, 1.0)
    opening = torch.where(
        torch.rand(rows, generator=generator) < 0.5, 1, (torch.rand(rows, generator=generator) * length / 2).long() + 1
    )
    fixed = torch.arange(length)[None] < opening[:, None]
    noisy, masked = corrupt(ids, t, mask_token_id=mask, fixed=fixed, generator=generator)
    share = torch.where(torch.arange(rows) % 2 == 0, WRONG_TOKEN_SHARE, 0.0)
    spoilt, wrong = corrupt(
        noisy, share, mask_token_id=None, vocab_size=vocab, fixed=fixed | masked, generator=generator
    )
    near = torch.arange(length) + torch.randint(1, NEAR + 1, (rows, length), generator=generator)
    from_text = wrong & (torch.rand((rows, length), generator=generator) < 0.5) & (near < length)
    spoilt = torch.where(from_text, ids.gather(1, near.clamp(max=length - 1)), spoilt)
    return spoilt, loss_weights(masked, wrong)


def rate_at(step: int, cooldown_from: int | None, cooldown_steps: int) -> float:
    """Learning rate as a share of its peak: warm-up, constant, and (only in a cool-down) a line to zero."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    if cooldown_from is None:
        return warm
    return warm * max(0.0, 1.0 - (step - cooldown_from) / cooldown_steps)


def optimisers(model: PreTrainedModel, peak: float) -> list[torch.optim.Optimizer]:
    """Muon on the matrices of the body, AdamW on the embedding and the norms."""
    body = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(body, lr=0.02 * peak, momentum=0.95, weight_decay=0.1),
        torch.optim.AdamW(rest, lr=0.003 * peak, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    documents: list[Tensor],
    *,
    steps: int,
    folder: Path,
    seed: int = 0,
    peak: float = 1.0,
    cooldown_steps: int = 0,
    distilled: list[Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Iterator[TrainStep]:
    """Train `model` in place, yielding every step; writes and resumes the checkpoint in `folder`.

    With `cooldown_steps` the rate falls to zero over so many steps from the checkpoint, which stays as it was.
    `distilled` documents are for diffusion rows only.  Matrices are multiplied in `dtype`; weights stay as they are.
    """
    for name in ("bos_token_id", "eos_token_id", "mask_token_id"):
        if getattr(tokenizer, name) is None:
            raise ValueError(f"training needs a tokenizer with a {name.removesuffix('_id')}; this one has none")
    bos, eos, mask = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.mask_token_id
    stop = {i for piece, i in tokenizer.get_vocab().items() if piece.rstrip('"').endswith((".", "!", "?"))}
    optimiser = optimisers(model, peak)
    bases = [[group["lr"] for group in o.param_groups] for o in optimiser]
    checkpoint, start = folder / "checkpoint.pt", 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        for o, state in zip(optimiser, saved["optimisers"]):
            o.load_state_dict(state)
        start = saved["step"]
    cooldown_from = start if cooldown_steps else None
    model.train()
    for step in range(start, start + cooldown_steps if cooldown_steps else steps):
        began = time.perf_counter()
        generator = torch.Generator().manual_seed(seed * 7_368_787 + step)
        rows, length = CANVASES[step % len(CANVASES)]
        causal = round(rows * AUTOREGRESSIVE_SHARE)
        easy = round((rows - causal) * DISTILLED_SHARE) if distilled else 0
        take = partial(batch, step=step, length=length, bos=bos, eos=eos, stop=stop, seed=seed)
        left, right = take(documents, rows=rows - easy).split((causal, rows - causal - easy))
        if easy:  # shuffled, so that neither kind of noise meets only one kind of document
            right = torch.cat((right, take(distilled, rows=easy)))
            right = right[torch.randperm(len(right), generator=generator)]
        seen = autoregressive_rows(left, mask=mask, generator=generator)
        noisy, weights = diffusion_rows(right, mask=mask, eos=eos, vocab=model.config.vocab_size, generator=generator)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss_left, nll_left = weighted_loss(model, states(model, seen, causal=True), left, tail_weights(left, eos))
        (loss_left * AUTOREGRESSIVE_SHARE).backward()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss_right, nll_right = weighted_loss(model, states(model, noisy, causal=False), right, weights)
        (loss_right * (1 - AUTOREGRESSIVE_SHARE)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        rate = rate_at(step, cooldown_from, cooldown_steps)
        for o, base in zip(optimiser, bases):
            for group, lr in zip(o.param_groups, base):
                group["lr"] = lr * rate
            o.step()
            o.zero_grad()
        if not cooldown_steps and ((step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps):
            save_checkpoint(checkpoint, model, optimiser, step + 1)
        yield TrainStep(step, nll_left, nll_right, rate, time.perf_counter() - began)


@torch.no_grad()
def keep_share(model: PreTrainedModel, before: dict[str, Tensor], share: float) -> None:
    """Mix `share` of the weights that `model` had `before` into those it has now, in place.

    The mean of two trainings of one ancestor is often better than either (Wortsman et al., arXiv 2203.05482).
    """
    for name, parameter in model.named_parameters():
        parameter.lerp_(before[name], share)


def save_checkpoint(path: Path, model: PreTrainedModel, optimiser: list[torch.optim.Optimizer], step: int) -> None:
    """Write the state to go on from; an interrupted write leaves the old one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    torch.save({"model": model.state_dict(), "optimisers": [o.state_dict() for o in optimiser], "step": step}, draft)
    draft.replace(path)


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(prog="python -m dlm_core.training", description="Train the bundled model.")
    parser.add_argument("--corpus", type=Path, required=True, help="a .jsonl[.gz] or .txt file, or a folder of them")
    parser.add_argument(
        "--init", default="assets/model", help="folder with config, tokenizer and weights to start from"
    )
    parser.add_argument("--scratch", action="store_true", help="keep config and tokenizer of --init, draw new weights")
    parser.add_argument("--steps", type=int, default=1000, help="train until this step in all")
    parser.add_argument("--cooldown", type=int, default=0, help="instead, decay a copy to zero over so many steps")
    parser.add_argument("--peak", type=float, default=1.0, help="scales both learning rates")
    parser.add_argument("--distilled", type=Path, help="stories of dlm_core.training.distill, for diffusion rows")
    parser.add_argument("--keep", type=float, default=0.0, help="share of the weights of --init in what --out gets")
    parser.add_argument("--bf16", action="store_true", help="multiply matrices in bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("checkpoints"), help="where the state to resume is kept")
    parser.add_argument("--out", type=Path, help="write the weights here as fp16 safetensors when done")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.init)
    if args.scratch:
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(args.init), dtype=torch.float32)
    else:
        model = AutoModelForCausalLM.from_pretrained(args.init, dtype=torch.float32)
    model.set_attn_implementation("matmul")

    def encode(texts: list[str]) -> list[list[int]]:
        return tokenizer(texts, add_special_tokens=False).input_ids

    documents, _ = load_split(args.corpus, encode)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    run = train(
        model, tokenizer, documents, steps=args.steps, folder=args.folder, seed=args.seed, peak=args.peak,
        cooldown_steps=args.cooldown, distilled=load_split(args.distilled, encode)[0] if args.distilled else None,
        dtype=torch.bfloat16 if args.bf16 else torch.float32,
    )  # fmt: skip
    args.folder.mkdir(parents=True, exist_ok=True)
    with (args.folder / "log.csv").open("a", encoding="utf-8") as log:
        for seen in (progress := tqdm(run, unit="step")):
            progress.set_postfix(step=seen.step, ar=f"{seen.autoregressive_loss:.3f}", dlm=f"{seen.diffusion_loss:.3f}")
            log.write(",".join(f"{value:.5g}" for value in seen) + "\n")
            log.flush()
    if args.out:
        keep_share(model, before, args.keep)
        model.to(torch.float16).save_pretrained(args.out, max_shard_size="8MB")
        tokenizer.save_pretrained(args.out)

"""The forward process put to work: train one small transformer to write in both orders.

Every step reads rows of three kinds (see `rows`): autoregressive ones, drafts after the text that they continue, and
diffusion rows; one head serves all.  Nothing here knows what device it is on: rows are made where the model is.

    python -m dlm_core.training --corpus FOLDER --steps 4000          trains at a constant rate, resumes by itself
    python -m dlm_core.training --corpus FOLDER --cooldown 400 --out assets/model      decays a copy, ships it
    python -m dlm_core.training --corpus FOLDER --scratch --minutes 8 --device cuda --bf16 --compile --tokens 49152 \
        --dropout 0.1 --out story                         one training from beginning to end, by the clock

The rate is warmed up once and then stays: the state in the checkpoint folder is never decayed, so it can go on for
ever, and the shipped weights are decayed copies of it.  With `--minutes` the rate is on a line to zero for the second
half of the time.  docs/training.md says what paid.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
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

from dlm_core.noise import weighted_mean
from dlm_core.training.data import Documents, load_split
from dlm_core.training.rows import Rows, Tokens, autoregressive_rows, diffusion_rows, draft_rows

TOKENS = 8192  # of clean text in a step
LENGTHS = (128, 256)  # of a row, in turn; the long ones hold whole stories with their ends
DISTILLED_SHARE = 0.5  # of the diffusion rows, where there are distilled documents
WARMUP_STEPS, CHECKPOINT_EVERY = 100, 50
DECAY_SHARE = 0.5  # of a training by the clock: the rate is on a line to zero for so much of it
SHARD = "9MB"  # files of weights are smaller than what a Space takes without Git LFS


class Kind(NamedTuple):
    """A kind of row: its share of the rows, what its loss counts, and how it is made of clean canvases."""

    share: float
    weight: float
    make: Callable[[Tensor, Tokens, torch.Generator], Rows]


KINDS = (
    Kind(0.15, 0.3, autoregressive_rows),
    Kind(0.15, 0.2, draft_rows),
    Kind(0.70, 0.7, diffusion_rows),
)


class TrainStep(NamedTuple):
    """What one optimiser step measured: losses in nats per token, `rate` as a share of the peak learning rate."""

    step: int
    autoregressive_loss: float
    draft_loss: float
    diffusion_loss: float
    rate: float
    seconds: float


def states(model: PreTrainedModel, rows: Rows) -> Tensor:
    """Hidden states `(rows, length, width)`; the head is applied where it is needed."""
    where = {"position_ids": rows.positions, "visible": rows.visible}
    return model.model(
        input_ids=rows.seen, is_causal=rows.causal, use_cache=False,
        **{name: value for name, value in where.items() if value is not None},
    ).last_hidden_state  # fmt: skip


def rows_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float,
    is_causal: bool | None = None, visible: Tensor | None = None, **_: object,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attention as the kind of row has it: causal, full, or where `visible (rows, 1, length, length)` says so.

    On CPUs by plain products, whose backward pass is far cheaper there than the fused one.
    """
    key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    if query.device.type != "cpu":
        causal = bool(is_causal) and visible is None
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=visible, is_causal=causal, scale=scaling
        )  # fmt: skip
        return mixed.transpose(1, 2).contiguous(), None
    scores = query @ key.transpose(-1, -2) * scaling
    if visible is None and is_causal:
        visible = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if visible is not None:
        scores = scores.masked_fill(~visible, float("-inf"))
    return (scores.softmax(-1).to(value.dtype) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register("rows", rows_attention)


def with_dropout(model: PreTrainedModel, share: float) -> list[torch.utils.hooks.RemovableHandle]:
    """Drop `share` of what every attention and every MLP adds to the stream; the handles take it out again."""

    def drop(module: nn.Module, _: object, output: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        if isinstance(output, tuple):
            return F.dropout(output[0], share, module.training), *output[1:]
        return F.dropout(output, share, module.training)

    parts = [part for layer in model.model.layers for part in (layer.self_attn, layer.mlp)] if share else []
    return [part.register_forward_hook(drop) for part in parts]


def weighted_loss(model: PreTrainedModel, hidden: Tensor, rows: Rows) -> tuple[Tensor, float]:
    """Cross entropy of `rows.targets[:, 1:]` read from the states one to the left, where the weight is positive.

    Returns the loss to descend, and the plain mean in nats over positions of full weight, for the eye.
    """
    here = rows.weights[:, 1:] > 0
    nll = F.cross_entropy(model.lm_head(hidden[:, :-1][here]).float(), rows.targets[:, 1:][here], reduction="none")
    weight = rows.weights[:, 1:][here]
    return weighted_mean(nll, weight), nll[weight == 1.0].mean().item()


def rate_at(step: int, part: float, decay: float) -> float:
    """Learning rate as a share of its peak: warm-up, constant, and a line to zero over the last `decay` of a training
    of which `part` is done (both 0 to 1)."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    return warm * (min(1.0, max(0.0, 1.0 - part) / decay) if decay else 1.0)


def optimisers(model: PreTrainedModel, peak: float) -> list[torch.optim.Optimizer]:
    """Muon on the matrices of the body, AdamW on the embedding and the norms."""
    body = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(body, lr=0.02 * peak, momentum=0.95, weight_decay=0.1),
        torch.optim.AdamW(rest, lr=0.003 * peak, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def clean_rows(
    documents: Documents, distilled: Documents | None, rows: int, length: int, generator: torch.Generator
) -> list[Tensor]:
    """Clean canvases `(rows of the kind, length)` for every kind of `KINDS`, which share `rows` among them.

    The last kind, diffusion, reads `distilled` documents too, shuffled in, so that no kind of noise meets only one kind
    of document.
    """
    few = [max(2, round(rows * kind.share)) for kind in KINDS]
    easy = round(few[-1] * DISTILLED_SHARE) if distilled is not None else 0
    parts = [*documents.take(sum(few) - easy, length, generator).split([*few[:-1], few[-1] - easy])]
    if distilled is not None and easy:
        both = torch.cat((parts[-1], distilled.take(easy, length, generator)))
        parts[-1] = both[torch.randperm(len(both), generator=generator, device=both.device)]
    return parts


def train(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, documents: Sequence[Tensor], *,
    steps: int | None = None, minutes: float | None = None, folder: Path | None = None, seed: int = 0,
    peak: float = 1.0, cooldown_steps: int = 0, distilled: Sequence[Tensor] | None = None,
    dtype: torch.dtype = torch.float32, tokens: int = TOKENS, dropout: float = 0.0, compiled: bool = False,
) -> Iterator[TrainStep]:  # fmt: skip
    """Train `model` in place, on the device it is on, yielding every step.

    With `steps` the rate is constant, and the checkpoint in `folder` is resumed and written; with `cooldown_steps` it
    falls to zero over so many steps from the checkpoint, which stays as it was.  With `minutes` one training ends by
    the clock, without a checkpoint.  `distilled` documents are for diffusion rows only.  Matrices are multiplied in
    `dtype`; weights stay as they are.  `dropout` draws from torch's own generators, which are seeded in every step.
    ValueError for a tokenizer without the tokens that rows are made with, or unless one length is given.
    """
    for name in ("bos_token_id", "eos_token_id", "mask_token_id"):
        if getattr(tokenizer, name) is None:
            raise ValueError(f"training needs a tokenizer with a {name.removesuffix('_id')}; this one has none")
    if sum((steps is not None, minutes is not None, cooldown_steps > 0)) != 1:
        raise ValueError("a training ends after a number of steps, of minutes, or of steps of a cool-down: give one")
    device = model.device
    stop = {i for piece, i in tokenizer.get_vocab().items() if piece.rstrip('"').endswith((".", "!", "?"))}
    on = partial(Documents, bos=tokenizer.bos_token_id, eos=tokenizer.eos_token_id, stop=stop, device=device)
    known, easy = on(documents), on(distilled) if distilled else None
    ids = Tokens(tokenizer.eos_token_id, tokenizer.mask_token_id, model.config.vocab_size)
    optimiser = optimisers(model, peak)
    bases = [[group["lr"] for group in o.param_groups] for o in optimiser]
    checkpoint, start = folder / "checkpoint.pt" if folder and not minutes else None, 0
    if checkpoint and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location=device)
        model.load_state_dict(saved["model"])
        for o, state in zip(optimiser, saved["optimisers"]):
            o.load_state_dict(state)
        start = saved["step"]
    model.set_attn_implementation("rows")
    model.train()
    handles = with_dropout(model, dropout)
    if compiled:
        for layer in model.model.layers:
            layer.compile()
    end, decay = start + cooldown_steps if cooldown_steps else steps or start, 1.0 if cooldown_steps else 0.0
    step, first = start, time.perf_counter()

    def part() -> float:
        if minutes:
            return (time.perf_counter() - first) / (60 * minutes)
        return (step - start) / (end - start) if end > start else 1.0

    while (done := part()) < 1:
        began = time.perf_counter()
        generator = torch.Generator(device).manual_seed(seed * 7_368_787 + step)
        torch.manual_seed(seed * 7_368_787 + step)
        length, losses = LENGTHS[step % len(LENGTHS)], []
        for kind, canvases in zip(KINDS, clean_rows(known, easy, tokens // length, length, generator)):
            rows = kind.make(canvases, ids, generator)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                loss, nats = weighted_loss(model, states(model, rows), rows)
            (loss * kind.weight).backward()
            losses.append(nats)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        rate = rate_at(step, done, DECAY_SHARE if minutes else decay)
        for o, base in zip(optimiser, bases):
            for group, lr in zip(o.param_groups, base):
                group["lr"] = lr * rate
            o.step()
            o.zero_grad()
        step += 1
        if checkpoint and not cooldown_steps and (step % CHECKPOINT_EVERY == 0 or step == steps):
            save_checkpoint(checkpoint, model, optimiser, step)
        causal, draft, diffusion = losses
        yield TrainStep(step - 1, causal, draft, diffusion, rate, time.perf_counter() - began)
    for handle in handles:
        handle.remove()
    model.eval()


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


def ship(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the weights as fp16 safetensors in shards below `SHARD`, with config and tokenizer."""
    model.to("cpu", torch.float16).save_pretrained(folder, max_shard_size=SHARD)
    tokenizer.save_pretrained(folder)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(prog="python -m dlm_core.training", description="Train the bundled model.")
    add = arguments.add_argument
    add("--corpus", type=Path, required=True, nargs="+", help=".jsonl[.gz] or .txt files, or folders of them")
    add("--init", default="assets/model", help="folder with config, tokenizer and weights to start from")
    add("--scratch", action="store_true", help="keep config and tokenizer of --init, draw new weights")
    add("--steps", type=int, default=1000, help="train until this step in all")
    add("--minutes", type=float, help="instead, one training of this length, without a checkpoint")
    add("--cooldown", type=int, default=0, help="instead, decay a copy to zero over so many steps")
    add("--peak", type=float, default=1.0, help="scales both learning rates")
    add("--dropout", type=float, default=0.0, help="share of what attention and MLPs add that is dropped")
    add("--tokens", type=int, default=TOKENS, help="of clean text in a step; as many as the device's memory holds")
    add("--distilled", type=Path, help="stories of dlm_core.training.distill, for diffusion rows")
    add("--keep", type=float, default=0.0, help="share of the weights of --init in what --out gets")
    add("--device", default="cpu", help="where to train, such as cuda")
    add("--bf16", action="store_true", help="multiply matrices in bfloat16")
    add("--compile", action="store_true", help="compile the layers")
    add("--seed", type=int, default=0)
    add("--folder", type=Path, default=Path("checkpoints"), help="where the log and the state to resume are kept")
    add("--out", type=Path, help="write the weights here as fp16 safetensors when done")
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Train from the command line."""
    args = parser().parse_args(argv)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")  # where an accelerator rounds, and only there
    tokenizer = AutoTokenizer.from_pretrained(args.init)
    if args.scratch:
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(args.init), dtype=torch.float32)
    else:
        model = AutoModelForCausalLM.from_pretrained(args.init, dtype=torch.float32)
    try:
        model.to(args.device)
    except (RuntimeError, AssertionError) as error:  # no such device
        parser().error(f"--device {args.device}: {str(error).partition(chr(10))[0]}")

    def encode(texts: list[str]) -> list[list[int]]:
        return tokenizer(texts, add_special_tokens=False).input_ids

    documents = [document for corpus in args.corpus for document in load_split(corpus, encode)[0]]
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    length = {"minutes": args.minutes} if args.minutes else {}
    if not length:
        length = {"cooldown_steps": args.cooldown} if args.cooldown else {"steps": args.steps}
    run = train(
        model, tokenizer, documents, **length, folder=args.folder, seed=args.seed, peak=args.peak,
        distilled=load_split(args.distilled, encode)[0] if args.distilled else None,
        dtype=torch.bfloat16 if args.bf16 else torch.float32, tokens=args.tokens, dropout=args.dropout,
        compiled=args.compile,
    )  # fmt: skip
    args.folder.mkdir(parents=True, exist_ok=True)
    with (args.folder / "log.csv").open("a", encoding="utf-8") as log:
        for seen in (progress := tqdm(run, unit="step")):
            progress.set_postfix(
                step=seen.step, ar=f"{seen.autoregressive_loss:.3f}", draft=f"{seen.draft_loss:.3f}",
                dlm=f"{seen.diffusion_loss:.3f}",
            )  # fmt: skip
            log.write(",".join(f"{value:.5g}" for value in seen) + "\n")
            log.flush()
    if args.out:
        keep_share(model, before, args.keep)
        ship(model, tokenizer, args.out)

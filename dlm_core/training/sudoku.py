"""Train a network of boards to solve Sudoku, from puzzles made on the fly: `python -m dlm_core.training sudoku`.

No puzzle is needed for a step of diffusion: a board with some cells masked, and the loss on those cells.  But which
masks a board has decides what can be learnt.  Three rows of four are minimal puzzles with some clues added, so that
their blanks are settled by the clues, and look as boards do while they are being solved; the fourth has masks anywhere.
Every row is a puzzle in another guise each time (digits renamed, rows, columns, bands and stacks exchanged, or
transposed), so a few thousand puzzles do not wear out.

The head is trained after every loop of the network, the later ones counting more, so a network that was trained with
eight loops also answers after one.  The twin that writes from left to right sees the same boards, and reads what is
given of them.

    python -m dlm_core.training sudoku --minutes 40 --out assets/sudoku       the denoiser, from scratch
    python -m dlm_core.training sudoku --twin --minutes 40 --out assets/sudoku/autoregressive
    python -m dlm_core.training sudoku --init assets/sudoku --loops 1 --peak 0.3 --steps 500 --out better

A training that is interrupted goes on where it was, with the batches it would have had; the same `--steps` and seed
give the same weights.  `--minutes` lets the clock say when the rate falls, so those are not repeated exactly.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm
from transformers import AutoTokenizer

from dlm_core.canvas import Canvas
from dlm_core.denoiser import Denoiser
from dlm_core.files import ASSETS
from dlm_core.models.board import CELLS, BoardConfig, BoardForCausalLM, BoardForMaskedLM
from dlm_core.models.networks import CausalWriter, MaskedEncoder
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from dlm_core.sudoku import minimal, puzzle, solve

FIRST_PUZZLES, PUZZLES_A_STEP, MAX_PUZZLES = 128, 1, 20_000
ANYHOW = 4  # every so many rows, one with masks anywhere
WARMUP_STEPS, CHECKPOINT_EVERY = 100, 50
COOLDOWN = 0.4  # of the training, at the end
UNSEEN = 2**63  # puzzles for training are made from seeds above this, all others from seeds below

Board = BoardForMaskedLM | BoardForCausalLM


class SudokuStep(NamedTuple):
    """What one optimiser step measured: losses in nats a blank cell, after each loop."""

    step: int
    losses: tuple[float, ...]
    rate: float
    seconds: float


class Puzzles:
    """Minimal puzzles made one after the other from a seed; the first n are always the same."""

    def __init__(self, seed: int, boards: Tensor | None = None, given: Tensor | None = None) -> None:
        self.seed = seed
        self.boards = torch.empty(0, CELLS, dtype=torch.long) if boards is None else boards  # digits less one
        self.given = torch.empty(0, CELLS, dtype=torch.bool) if given is None else given

    def first(self, n: int) -> tuple[Tensor, Tensor]:
        """The first `n` as `boards (n, 81)` of token ids and `given (n, 81)`, made if they are not there yet."""
        made = [minimal(UNSEEN + (self.seed << 32) + i) for i in range(len(self.boards), n)]
        if made:
            self.boards = torch.cat([self.boards, torch.tensor([board for board, _ in made]) - 1])
            self.given = torch.cat([self.given, torch.tensor([cells for _, cells in made]) > 0])
        return self.boards[:n], self.given[:n]


def in_another_guise(boards: Tensor, given: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`boards (rows, 81)` of token ids and what is `given` of them, each row under a symmetry of its own."""
    rows = len(boards)

    def orders(*shape: int) -> Tensor:
        return torch.rand(rows, *shape, generator=generator).argsort(-1)

    def lines() -> Tensor:
        bands, within = orders(3), orders(3, 3)
        return (bands[:, :, None] * 3 + within).flatten(1)

    cell = lines()[:, :, None] * 9 + lines()[:, None]
    turned = torch.rand(rows, 1, 1, generator=generator) < 0.5
    cell = torch.where(turned, cell.transpose(1, 2), cell).flatten(1)
    return orders(9).gather(1, boards.gather(1, cell)), given.gather(1, cell)


def examples(boards: Tensor, given: Tensor, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`rows` boards to learn from, token ids `(rows, 81)`, and which of their cells are given."""
    which = torch.randint(len(boards), (rows,), generator=generator)
    ids, clues = in_another_guise(boards[which], given[which], generator)
    share = torch.rand(rows, 1, generator=generator) ** 1.5  # of the blanks, filled in
    some = clues | (torch.rand(rows, CELLS, generator=generator) < share)
    level = torch.rand(rows, 1, generator=generator) * 0.8 + 0.1
    anyhow = torch.rand(rows, CELLS, generator=generator) > level
    return ids, torch.where(torch.arange(rows)[:, None] % ANYHOW < ANYHOW - 1, some, anyhow)


def losses_of(model: Board, ids: Tensor, given: Tensor) -> list[Tensor]:
    """The cross entropy of the blank cells after each loop."""
    seen = torch.where(given, ids, model.config.vocab_size - 1)
    answers = model.after_each_loop(seen, ids) if isinstance(model, BoardForCausalLM) else model.after_each_loop(seen)
    return [F.cross_entropy(logits.float()[~given], ids[~given]) for logits in answers]


def rate_at(step: int, part: float) -> float:
    """Learning rate as a share of its peak: warm-up, constant, a line to almost nothing; `part` is what is done."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * min(1.0, (1 - part) / COOLDOWN + 0.01)


def optimisers(model: Board, peak: float) -> list[torch.optim.Optimizer]:
    """Muon on the matrices of the layers, AdamW on embeddings, norms, biases of relations and head."""
    body = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layers." in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or ".layers." not in n]
    return [
        torch.optim.Muon(body, lr=0.02 * peak, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=0.002 * peak, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def train(
    model: Board, *, folder: Path, steps: int | None = None, minutes: float | None = None, rows: int = 128,
    seed: int = 0, peak: float = 1.0, first: float = 1.0, dtype: torch.dtype = torch.float32,
) -> Iterator[SudokuStep]:  # fmt: skip
    """Train `model` in place, where it is, yielding every step; writes and resumes the checkpoint in `folder`.

    Ends after `steps` in all, or after `minutes` in all; ValueError unless exactly one is given.  `first` is what the
    loss after the first loop counts, the k-th counting k.  Matrices are multiplied in `dtype`.
    """
    if (steps is None) == (minutes is None):
        raise ValueError("a training ends after a number of steps or of minutes: give one of them")
    optimiser, puzzles, start, spent = optimisers(model, peak), Puzzles(seed), 0, 0.0
    bases = [[group["lr"] for group in o.param_groups] for o in optimiser]
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        for o, state in zip(optimiser, saved["optimisers"]):
            o.load_state_dict(state)
        start, spent = saved["step"], saved["seconds"]
        puzzles = Puzzles(seed, saved["boards"], saved["given"])
    weights = [first, *range(2, model.config.loops + 1)]
    step, began = start, time.perf_counter() - spent

    def part() -> float:
        if minutes is not None:
            return (time.perf_counter() - began) / (60 * minutes)
        return step / steps if steps else 1.0

    while (done := part()) < 1:
        model.train()
        generator = torch.Generator().manual_seed(seed * 7_368_787 + step)
        known = puzzles.first(min(MAX_PUZZLES, FIRST_PUZZLES + step * PUZZLES_A_STEP))
        ids, given = (one.to(model.device) for one in examples(*known, rows, generator))
        with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
            losses = losses_of(model, ids, given)
        (sum(weight * loss for weight, loss in zip(weights, losses)) / sum(weights)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        rate = rate_at(step, done)
        for o, base in zip(optimiser, bases):
            for group, lr in zip(o.param_groups, base):
                group["lr"] = lr * rate
            o.step()
            o.zero_grad()
        step += 1
        if step % CHECKPOINT_EVERY == 0 or part() >= 1:
            save_checkpoint(checkpoint, model, optimiser, puzzles, step, time.perf_counter() - began)
        yield SudokuStep(step - 1, tuple(loss.item() for loss in losses), rate, time.perf_counter() - began)


def save_checkpoint(
    path: Path, model: Board, optimiser: Sequence[torch.optim.Optimizer], puzzles: Puzzles, step: int, seconds: float
) -> None:
    """Write the state to go on from; an interrupted write leaves the old one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    state: dict[str, Any] = {
        "model": model.state_dict(), "optimisers": [o.state_dict() for o in optimiser], "boards": puzzles.boards,
        "given": puzzles.given, "step": step, "seconds": seconds,
    }  # fmt: skip
    torch.save(state, draft)
    draft.replace(path)


# --- what it can do so far --------------------------------------------------------------------------------------------


def share_solved(model: Board, puzzles: Sequence[Sequence[int]], threshold: float = 0.9) -> float:
    """The share of `puzzles` (81 cells each) solved by the loop: every cell above `threshold`, at least the surest.

    The twin writes one cell after the other.  A run ends with its first wrong cell.
    """
    mask = model.config.vocab_size - 1
    twin = isinstance(model, BoardForCausalLM)
    windows = [(cell, cell + 1) for cell in range(CELLS)] if twin else None
    denoiser = CausalWriter(model, mask) if twin else MaskedEncoder(model, mask)
    model.eval()
    return sum(_solves(denoiser, cells, mask, windows, threshold) for cells in puzzles) / len(puzzles)


def _solves(
    denoiser: Denoiser, cells: Sequence[int], mask: int, windows: list[tuple[int, int]] | None, threshold: float
) -> bool:
    wanted, ids = torch.tensor(solve(cells)).numpy() - 1, [cell - 1 if cell else mask for cell in cells]
    canvas = Canvas(ids, [cell > 0 for cell in cells])
    steps = sample(denoiser, canvas, make_policy("threshold", threshold=threshold), windows=windows)
    return all((step.after[step.written] == wanted[step.written]).all() for step in steps)


def _above_0(kind: type[int] | type[float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not (value := kind(text)) > 0:
            raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
        return value

    read.__name__ = kind.__name__  # what argparse calls it where it is no number at all
    return read


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(prog="python -m dlm_core.training sudoku", description="Teach Sudoku.")
    add = arguments.add_argument
    add("--init", type=Path, help="folder to start from; without it, new weights")
    add("--twin", action="store_true", help="the network that writes the cells from left to right")
    add("--steps", type=_above_0(int), help="train until this step in all")
    add("--minutes", type=_above_0(float), help="instead, train this long in all (default: 2)")
    add(
        "--loops",
        type=_above_0(int),
        help="passes through the layers (default: as in --init, else 2, and 8 for --twin)",
    )
    add("--rows", type=_above_0(int), default=128, help="boards in a step")
    add("--peak", type=_above_0(float), default=1.0, help="scales both learning rates")
    add(
        "--first",
        type=_above_0(float),
        default=1.0,
        help="what the loss after the first loop counts; the k-th counts k",
    )
    add("--seed", type=int, default=0)
    add("--device", default="cpu")
    add("--bf16", action="store_true", help="multiply matrices in bfloat16")
    add("--check", type=int, default=25, help="every so many steps, measure what is solved; 0: never")
    add("--folder", type=Path, default=Path("checkpoints/sudoku"), help="where the state to resume is kept")
    add("--out", type=Path, help="write the weights here as fp16 safetensors when done")
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Train from the command line."""
    args = parser().parse_args(argv)
    if args.minutes is None and args.steps is None:
        args.minutes = 2.0
    torch.manual_seed(args.seed)
    kind = BoardForCausalLM if args.twin else BoardForMaskedLM
    changes = {} if args.loops is None else {"loops": args.loops}
    try:
        if args.init:
            model = kind.from_pretrained(args.init, dtype=torch.float32, **changes)
        else:
            model = kind(BoardConfig(**({"loops": 8 if args.twin else 2} | changes)))
        model.to(args.device)
    except (OSError, ValueError, RuntimeError, AssertionError) as error:  # no such folder, or no such device
        parser().error(str(error).strip().partition("\n")[0])
    run = train(
        model, folder=args.folder, steps=args.steps, minutes=args.minutes, rows=args.rows, seed=args.seed,
        peak=args.peak, first=args.first, dtype=torch.bfloat16 if args.bf16 else torch.float32,
    )  # fmt: skip
    unseen = {blanks: [puzzle(seed, blanks) for seed in range(16)] for blanks in (30, 40, 48)} if args.check else {}
    for seen in (progress := tqdm(run, total=args.steps, unit="step")):
        progress.set_postfix(step=seen.step, loss=" ".join(f"{loss:.3f}" for loss in seen.losses))
        if args.check and (seen.step + 1) % args.check == 0:
            tqdm.write(progress_line(seen, {blanks: share_solved(model, cells) for blanks, cells in unseen.items()}))
    if args.out:
        model.to(torch.float16).save_pretrained(args.out)
        AutoTokenizer.from_pretrained(ASSETS / "sudoku").save_pretrained(args.out)


def progress_line(seen: SudokuStep, shares: dict[int, float]) -> str:
    """A line on how far a training is."""
    shares_told = ", ".join(f"{share:.2f} at {blanks} blanks" for blanks, share in shares.items())
    return f"step {seen.step + 1}, {seen.seconds:.0f} s: solved {shares_told}"

"""A run on an accelerator: the same steps, and nothing as wide as the vocabulary comes to the CPU."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from moves import MOST, Answering, Moves, carry
from oracle import oracle
from stand_ins import BLANK, EVERY, HALF, MASK, TEXT, both_orders
from test_drafting import of_both_orders, tiny

from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas
from dlm_core.denoiser import Advised, Banned, BlockCausal, BothOrders, Denoiser, Guided, Shifted, TableDenoiser
from dlm_core.models.networks import BlockAttention, BlockCache, FullAttention, WindowCache
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.policies.parameter import find
from dlm_core.sampler import sample
from dlm_core.step import Step

WIDE = 300  # tokens: more than one group of the two-level searches, and far more than is measured of a row
CASES = [*EVERY, (HALF, "dinfer", {"decoder": "credit"}), (TEXT, "p2", {"num_steps": 3, "planner": True})]
CASES += [(BLANK, "remdm", {"steps": 6, "nucleus_p": 0.7}), (BLANK, "bd3lm", {"nucleus_p": 0.7})]
CASES += [(BLANK, "dream", {"steps": 4, "alg": "entropy", "temperature": 0.7, "top_p": 0.8, "top_k": 20})]
CASES += [(BLANK, "duo", {"steps": 5, "p_nucleus": 0.8, "high_mode": "constant-0.5", "high_frac": 1.0})]
CASES += [(BLANK, "sedd", {"steps": 5, "predictor": "euler", "temperature": 0.7})]
CASES += [(TEXT, "sedd", {"steps": 5, "graph": "uniform", "predictor": how}) for how in ("euler", "analytic")]


def hot(name: str, draws: str) -> dict[str, object]:
    """A policy's parameters at a temperature, in few steps, with that stream of random numbers where it has two."""
    known = parameters(name)
    few = {find(known, "steps").name: 5} if known[find(known, "steps").name].default is not None else {}
    stream = {"draws": draws} if "draws" in known else {}
    return few | {find(known, "temperature").name: 0.7} | stream


def opinions() -> tuple[Denoiser, Denoiser]:
    """Answers over a wide vocabulary, and a second opinion."""

    def build(seed: int) -> Denoiser:
        table = lambda ids: torch.from_numpy(oracle(ids.numpy(), seed=seed, vocab=WIDE, gain=12))  # noqa: E731
        return TableDenoiser(table, WIDE, MASK)

    return build(1), build(2)


def same(ours: Step, theirs: Step) -> bool:
    return all(
        np.array_equal(mine, yours, equal_nan=mine.dtype.kind == "f") if isinstance(mine, np.ndarray) else mine == yours
        for field in fields(Step) if field.name != "seconds"
        for mine, yours in [(getattr(ours, field.name), getattr(theirs, field.name))]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("canvas", "name", "params"),
    CASES + [
        (BLANK if make_policy(name).for_masks or name in ("gidd", "sedd") else TEXT, name, hot(name, draws))
        for name in POLICIES for draws in ("positions", "canvas") if "draws" in parameters(name) or draws != "canvas"
    ],
)  # fmt: skip
def test_logits_on_another_device_stay_there_and_give_the_same_run(canvas, name, params):
    first, second = opinions()
    if make_policy(name).for_both_orders:
        pair = both_orders(vocab=WIDE)
        first, second = pair.denoiser, pair.planner
        canvas = Canvas(np.where(canvas.ids == MASK, WIDE - 1, canvas.ids), canvas.fixed)
    kind = BothOrders if make_policy(name).for_both_orders else Advised
    policy = make_policy(name, **params)
    here = list(sample(kind(first, second), canvas, policy, seed=3))
    with Moves() as moves:
        there = list(sample(kind(Answering(first), Answering(second)), canvas, policy, seed=3))
    assert len(here) == len(there)
    for ours, theirs in zip(here, there):
        assert same(ours, theirs), f"step {ours.index}"
    for shape in moves.shapes:
        assert np.prod(shape[1:]) <= MOST, f"a tensor of shape {shape} came to the CPU"
    assert any(moves.shapes)


@pytest.mark.parametrize(
    "compose",
    [
        lambda inner, given: Shifted(Banned(inner, [MASK])), lambda inner, given: Guided(inner, given, 1.5),
        lambda inner, given: BlockCausal(inner, 4, start=2),
    ],
)  # fmt: skip
def test_denoisers_around_one_on_another_device_answer_there(compose):
    first, _ = opinions()
    given, policy = torch.from_numpy(BLANK.fixed.copy()), make_policy("threshold", threshold=0.3)
    here = list(sample(compose(first, given), BLANK, policy, windows=[(2, 6), (6, 12)]))
    with Moves() as moves:
        there = list(sample(compose(Answering(first), given), BLANK, policy, windows=[(2, 6), (6, 12)]))
    assert all(map(same, here, there))
    assert max(np.prod(shape[1:]) for shape in moves.shapes) <= MOST


NETWORKS = {
    "full": lambda model: FullAttention(model, 11), "blocks": lambda model: BlockAttention(model, 11, 4),
    "block cache": lambda model: BlockCache(BlockAttention(model, 11, 4)),
    "prefix cache": lambda model: WindowCache(FullAttention(model, 11)),
    "dual cache": lambda model: WindowCache(FullAttention(model, 11), suffix=True),
}  # fmt: skip


@pytest.mark.parametrize("kind", [*NETWORKS, "both orders", "left to right"])
def test_a_network_on_another_device_writes_the_same_run_and_keeps_its_logits(kind):
    def run(model) -> list[Step]:
        canvas, windows = Canvas.from_prompt([1, 2], 10, 11), [(2, 4), (4, 8), (8, 12)]
        if kind == "left to right":
            return list(autoregressive(model, canvas, banned=[11], temperature=0.7))
        if kind == "both orders":
            return list(sample(of_both_orders(model), canvas, make_policy("speculative", temperature=0.7)))
        denoiser = Banned(NETWORKS[kind](model), [11])
        return list(sample(denoiser, canvas, make_policy("llada", steps=6, temperature=0.7), windows=windows))

    here, carried = run(tiny(0)), tiny(0)
    with Moves() as moves:
        carry(carried)
        there = run(carried)
    assert len(here) == len(there)
    for ours, theirs in zip(here, there):
        assert np.array_equal(ours.after, theirs.after)
        np.testing.assert_allclose(ours.confidence, theirs.confidence, rtol=1e-4)
    assert max(np.prod(shape[1:]) for shape in moves.shapes) <= MOST

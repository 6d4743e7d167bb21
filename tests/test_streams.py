"""Every policy that draws follows one distribution, however it spends its random numbers.

`draws="positions"` draws for the rows at hand, `draws="canvas"` repeats the published stream.  Many positions that know
nothing of each other are denoised under both, and what became of them is compared by a chi-square test of fixed seeds.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from dlm_core.canvas import Canvas
from dlm_core.denoiser import Banned, Denoiser, TableDenoiser
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.sampler import sample

VOCAB, MASK, EXPAND, END = 9, 8, 7, 6
LENGTH, RUNS = 96, 18
KINDS = 3  # of positions: sharp, between, and flat
LOOKS = (0, 3, 15)  # the step whose end is looked at, in turn: one a run, so that what is counted is independent

# settings of every policy that draws, where its numbers decide something; a policy that is not here fails a test
SETTINGS: Mapping[str, list[dict[str, Any]]] = {
    "llada": [{"steps": 8, "temperature": 1}, {"steps": 8, "temperature": 0.5, "remasking": "random"}],
    "threshold": [{"threshold": 0.4, "temperature": 1}],
    "fast_dllm": [{"steps": 8, "temperature": 1}, {"threshold": 0.4, "temperature": 0.7, "remasking": "random"}],
    "fast_dllm_factor": [{"factor": 2, "temperature": 1}],
    "eb": [{"gamma": 2, "temperature": 1}],
    "mdlm": [{"steps": 8}, {"steps": 8, "temperature": 0.5}],
    "left_to_right": [{"steps": 8, "temperature": 1}],
    "dream": [
        {"steps": 8, "temperature": 1},
        {"steps": 8, "temperature": 0.8, "top_p": 0.9, "alg": "entropy"},
        {"steps": 8, "temperature": 1, "top_k": 3, "alg": "topk_margin"},
        {"steps": 8, "temperature": 1, "alg": "maskgit_plus"},
        {"steps": 8, "alg": "maskgit_plus", "alg_temp": 0.1},
    ],
    "llada2": [{"steps": 8, "temperature": 1, "threshold": 0.6}, {"steps": 8, "temperature": 0.8, "top_p": 0.8}],
    "llada21": [{"temperature": 1, "threshold": 0.6, "editing_threshold": 0.3, "num_to_transfer": 8}],
    "sdar": [
        {"denoising_steps": 8, "remasking_strategy": how, "confidence_threshold": 0.6}
        for how in ("low_confidence_static", "low_confidence_dynamic", "sequential")
    ],
    "klass": [
        {"steps": 8, "temperature": 1, "conf_threshold": 0.4},
        {"steps": 96, "conf_threshold": 0, "kl_history_length": 1, "unmask_strategy": "random"},
    ],
    "prophet": [{"steps": 8, "temperature": 1}, {"steps": 8, "temperature": 1, "answer_start_pos": 0}],
    "pc_sampler": [{"steps": 8, "temperature": 1, "lambd": 0.01}],
    "dinfer": [{"temperature": 1, "decoder": name, "threshold": 0.3} for name in ("threshold", "credit", "hierarchy")],
    "d3llm": [{"temperature": 1, "block_size": 12, "threshold": 1.0}, {"temperature": 1, "threshold": 0.0}],
    "dllm_mdlm": [{"steps": 8, "temperature": 1}, {"steps": 8, "temperature": 1, "stochastic_transfer": True}],
    "dus": [{"temperature": 1}],
    "p2": [{"num_steps": 8, "eta": 2}, {"num_steps": 8, "tau": 0.5}],
    "wino": [{"temperature": 1, "threshold": 0.4}],
    "dreamon": [{"temperature": 1, "alg": "maskgit_plus", "expand_id": EXPAND, "eos_id": END, "alg_temp": 0.1}],
    "remdm": [
        {"steps": 8, "sampler": sampler, "eta": 0.2, "nucleus_p": nucleus_p}
        for sampler, nucleus_p in (
            ("remdm-cap", 1),
            ("remdm-rescale", 0.8),
            ("remdm-conf", 0.8),
            ("remdm-loop", 1),
            ("mdlm", 0.8),
        )
    ],
    "bd3lm": [{}, {"nucleus_p": 0.8}],
    "sedd": [
        {"steps": 8, "graph": graph, "predictor": predictor}
        for graph in ("absorb", "uniform")
        for predictor in ("euler", "analytic")
    ],
    "duo": [{"steps": 8}, {"steps": 8, "low_mode": "constant-0.5", "p_nucleus": 0.8}],
    "gidd": [{"num_denoising_steps": 8, "p_uniform": 0.2}],
    "diffusion_gemma": [{"max_denoising_steps": 8, "entropy_bound": 5}],
    "diffusers_entropy_bound": [{"num_inference_steps": 8, "entropy_bound": 5}],
    "diffusers_block_refinement": [
        {
            "num_inference_steps": 8,
            "temperature": 1,
            "top_k": 5,
            "threshold": 0.6,
            "editing_threshold": 0.3,
            "uniform": uniform,
        }
        for uniform in (False, True)
    ],
    "diffusers_discrete_ddim": [{"num_inference_steps": 8, "temperature": 1}],
}
CASES = [(name, params) for name, several in SETTINGS.items() for params in several]


def test_every_policy_that_draws_has_settings_here():
    assert set(SETTINGS) == {name for name in POLICIES if "draws" in parameters(name)}


def table(vocab: int) -> torch.Tensor:
    """Logits `(LENGTH, vocab)` that depend on a position's kind alone."""
    kinds = torch.tensor([[4.0], [1.5], [0.3]]) * torch.randn(KINDS, vocab, generator=torch.Generator().manual_seed(2))
    return kinds.repeat(LENGTH // KINDS, 1)


def set_up(name: str, params: Mapping[str, Any]) -> tuple[Denoiser, Canvas]:
    """A denoiser and the canvas that the policy begins with."""
    absorbs = name == "gidd" or params.get("graph") == "absorb"
    if not make_policy(name, **params).for_masks and not absorbs:
        noise = np.random.default_rng(0).integers(MASK, size=LENGTH)
        return TableDenoiser(table(MASK), MASK, None), Canvas(noise, np.zeros(LENGTH, bool))
    logits = table(VOCAB)

    def answers(ids: torch.Tensor) -> torch.Tensor:  # to a text that may grow
        return logits.repeat(4, 1)[: ids.shape[1]].expand(len(ids), -1, -1).clone()

    denoiser = TableDenoiser(answers, VOCAB, MASK)
    if name not in ("sedd", "gidd"):  # which have an answer to the mask of their own
        denoiser = Banned(denoiser, [MASK])
    return denoiser, Canvas(np.full(LENGTH, MASK), np.zeros(LENGTH, bool))


def outcomes(name: str, params: Mapping[str, Any], draws: str, seeds: range) -> Iterator[tuple[int, int, int]]:
    """When it was looked at, the kind of position, and what stands there."""
    denoiser, canvas = set_up(name, params)
    policy = make_policy(name, draws=draws, **params)
    for seed in seeds:
        look = LOOKS[seed % len(LOOKS)]
        *_, step = islice(sample(denoiser, canvas, policy, seed=seed), look + 1)
        moved = len(step.after) != LENGTH  # in a text that grew or shrank no kind is known
        yield from ((look, -1 if moved else place % KINDS, token) for place, token in enumerate(step.after.tolist()))


def surprise(some: Counter, others: Counter) -> float:
    """The probability that one distribution gives two samples at least this different, by Pearson's chi-square."""
    cells = sorted(some.keys() | others.keys())
    counts = torch.tensor([[some[cell] for cell in cells], [others[cell] for cell in cells]], dtype=torch.float64)
    rare = counts.sum(0) < 20
    if rare.any():
        counts = torch.cat([counts[:, ~rare], counts[:, rare].sum(1, keepdim=True)], 1)
    expected = counts.sum(1, keepdim=True) * counts.sum(0) / counts.sum()
    statistic = ((counts - expected) ** 2 / expected).nansum()
    return float(torch.special.gammaincc(torch.tensor((counts.shape[1] - 1) / 2).double(), statistic / 2))


@pytest.mark.parametrize(
    ("name", "params"), [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate(CASES)]
)
def test_the_default_stream_and_the_published_one_follow_the_same_distribution(name, params):
    ours = Counter(outcomes(name, params, "positions", range(RUNS)))
    theirs = Counter(outcomes(name, params, "canvas", range(RUNS, 2 * RUNS)))
    assert len(ours) > 4, "nothing was decided"
    assert surprise(ours, theirs) > 1e-4

"""`steps` and `temperature` mean the same for every policy: on the command line, for programs and in Python."""

from functools import partial

import numpy as np
import pytest
import torch
from stand_ins import MASK, VOCAB
from test_diffusion_gemma import folder  # noqa: F401  a model whose noise is random tokens
from test_sampler import DRAFTING, MIXED, UNIFORM

import dlm_core.models
from dlm_core.__main__ import main
from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import Banned, BothOrders, TableDenoiser
from dlm_core.engine import LocalEngine, Request
from dlm_core.models import load_model
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.policies.parameter import find
from dlm_core.sampler import sample
from dlm_core.trace import Trace

FOR_MASKS = [name for name in POLICIES if make_policy(name).for_masks]
OTHERS = [name for name in POLICIES if name not in FOR_MASKS]
# policies of another kind of model, with what makes them suit one without a mask
WITHOUT_MASK = {
    "duo": [], "sedd": ["--graph", "uniform"], "gidd_self_correction": [], "diffusion_gemma": [],
    "diffusers_entropy_bound": [], "diffusers_discrete_ddim": [],
}  # fmt: skip


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_every_policy_understands_steps_and_temperature(policy):
    known = parameters(policy)
    steps, temperature = find(known, "steps"), find(known, "temperature")
    assert steps.unit in ("steps", "steps a block")
    assert temperature.unit == "temperature"
    assert make_policy(policy, steps=16, temperature=0.5) == make_policy(
        policy, **{steps.name: 16, temperature.name: 0.5}
    )


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_run_of_each_policy_with_steps_and_temperature_alone(policy, bundled, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(dlm_core.models, "load_model", lambda *_, **__: bundled)
    out = tmp_path / "a.run.jsonl.gz"
    words = ["Once upon a time", "--policy", policy, "--steps", "16", "--temperature", "0.5", "--length", "24"]
    assert main([*words, "--out", str(out)]) == 0
    text, told = capsys.readouterr()
    known, trace = parameters(policy), Trace.load(out)
    took = {name: trace.header["policy"][find(known, name).name] for name in ("steps", "temperature")}
    assert took == {"steps": 16, "temperature": 0.5}
    assert text.startswith("Once upon a time")
    assert trace.totals["end"] == "finished"
    assert len(trace.steps) <= 16 + (find(known, "steps").words == "clock_steps")
    assert ("note: " in told) == (policy in OTHERS)
    if policy in FOR_MASKS:
        assert trace.masks_left()[-1] == 0, "the text is whole"


@pytest.mark.parametrize("policy", sorted(WITHOUT_MASK))
def test_a_run_of_each_policy_for_random_tokens_with_a_model_of_them(policy, folder, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "a.run.jsonl.gz"
    words = ["why?", "--model", str(folder), "--policy", policy, "--steps", "16", "--temperature", "0.5"]
    assert main([*words, "--length", "16", "--out", str(out), *WITHOUT_MASK[policy]]) == 0
    trace, steps = Trace.load(out), find(parameters(policy), "steps")
    assert trace.totals["end"] == "finished"
    blocks_of_8 = 2 if steps.unit == "steps a block" else 1
    assert 1 <= len(trace.steps) <= blocks_of_8 * 16 + 2
    assert "note: " not in capsys.readouterr().err


@pytest.mark.parametrize("policy", [*FOR_MASKS, "gidd", "sedd"])
def test_a_policy_that_needs_a_mask_says_so_to_a_model_without_one(policy, folder, capsys):  # noqa: F811
    assert main(["why?", "--model", str(folder), "--policy", policy, "--length", "8"]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert "mask" in error
    assert error.count("\n") == 1


def denoiser(policy):
    """A table of 24 positions, of random tokens where the policy wants that; the mask is never proposed."""
    table = torch.randn(24, VOCAB, generator=torch.Generator().manual_seed(3)) * 2
    if policy in DRAFTING:
        both = (Banned(TableDenoiser(table, VOCAB, MASK), [MASK]) for _ in range(2))
        return BothOrders(*both), Canvas.from_prompt([0], 23, MASK)
    if policy in UNIFORM and policy not in MIXED and policy not in FOR_MASKS:
        return TableDenoiser(table, VOCAB, None), Canvas(np.arange(24), np.zeros(24, bool))
    return Banned(TableDenoiser(table, VOCAB, MASK), [MASK]), Canvas.from_prompt([], 24, MASK)


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_temperature_0_writes_the_same_whatever_the_seed_draws_and_a_hot_one_does_not(policy):
    model, canvas = denoiser(policy)
    cold = 1e-9 if find(parameters(policy), "temperature").exclusive_minimum else 0
    own = {"alg": "entropy"} if policy == "dream" else {}
    run = lambda temperature, seed: list(  # noqa: E731
        sample(model, canvas, make_policy(policy, steps=12, temperature=temperature, **own), seed=seed)
    )
    likeliest = model(torch.from_numpy(canvas.ids.copy())[None], torch.arange(24))[0].argmax(1).numpy()
    changes = [(step.written, step.predicted) for seed in (1, 2) for step in run(cold, seed)]
    if policy not in ("duo", "sedd", "gidd"):  # whose random tokens are noise, whatever the model believes
        assert all((predicted[at] == likeliest[at]).all() for at, predicted in changes), "only likely tokens"
    hot = [[step.after.tolist() for step in run(30.0, seed)] for seed in (1, 2)]  # some settle on the likeliest
    assert hot[0] != hot[1]


CAPPED = [
    name for name in POLICIES if (one := find(parameters(name), "steps")).optional and one.unit == "steps"
]  # fmt: skip
TIGHT = {  # so that by themselves they would take a step for every mask
    "threshold": {"threshold": 1.0}, "eb": {"gamma": 0.0}, "fast_dllm_factor": {"factor": 0.0}, "bd3lm": {},
    "d3llm": {"threshold": 0.0, "block_size": 4}, "dinfer": {"threshold": 1.0}, "llada21": {"threshold": 1.0},
    "wino": {"threshold": 1.0, "threshold_back": 1.0}, "dreamon": {}, "dus": {"confidence_threshold": 1.0},
    "speculative": {"draft_length": 1},
}  # fmt: skip


@pytest.mark.parametrize("policy", CAPPED)
@pytest.mark.parametrize("windows", [None, blocks(0, 24, 8)])
@pytest.mark.parametrize("steps", [3, 5, 7, 24])
def test_what_counts_no_steps_by_itself_takes_at_most_those_it_is_given_and_leaves_no_mask(policy, windows, steps):
    model, canvas = denoiser(policy)
    run = list(sample(model, canvas, make_policy(policy, steps=steps, **TIGHT[policy]), windows=windows, seed=1))
    assert len(run) <= steps
    assert MASK not in run[-1].after


@pytest.mark.parametrize("decoder", ["threshold", "credit", "hierarchy"])
def test_every_decoder_of_dinfer_keeps_to_its_steps(decoder):
    model, canvas = denoiser("dinfer")
    run = list(sample(model, canvas, make_policy("dinfer", decoder=decoder, threshold=1.0, steps=4, low_threshold=1.0)))
    assert len(run) == 4
    assert MASK not in run[-1].after


@pytest.mark.parametrize("policy", CAPPED)
def test_steps_that_are_plenty_change_nothing(policy):
    model, canvas = denoiser(policy)
    run = partial(sample, model, canvas, seed=1)
    free, capped = (list(run(make_policy(policy, steps=steps))) for steps in (None, 24 * 24))
    assert [step.after.tolist() for step in free] == [step.after.tolist() for step in capped]


@pytest.mark.parametrize("policy", CAPPED)
def test_fewer_steps_than_blocks_are_refused_before_the_first_one(policy):
    model, canvas = denoiser(policy)
    if policy != "dreamon":  # which works on one gap
        with pytest.raises(ValueError, match="steps must be at least the number of blocks"):
            sample(model, canvas, make_policy(policy, steps=2), windows=blocks(0, 24, 8))


def test_one_temperature_stands_in_place_of_the_way_from_the_first_to_the_last(folder):  # noqa: F811
    engine = LocalEngine(load_model(folder))
    run = lambda **params: Trace.parse(  # noqa: E731
        "".join(engine.run(Request("why?", "diffusion_gemma", 8, params={"steps": 4} | params))).encode()
    )
    held = run(t_min=0.5, t_max=0.5)
    assert [step.after.tolist() for step in run(temperature=0.5).steps] == [s.after.tolist() for s in held.steps]
    assert run(temperature=0.5).header["policy"]["temperature"] == 0.5


def test_a_hotter_score_keeps_the_rate_at_which_tokens_change():
    """SEDD: what the clock makes of a position does not depend on where its token goes."""
    canvas, table = Canvas.from_prompt([], 4000, 3), torch.randn(4000, 4, generator=torch.Generator().manual_seed(0))
    open_now = [
        [
            int((step.after == 3).sum())
            for step in sample(TableDenoiser(table, 4, 3), canvas, make_policy("sedd", steps=4, temperature=t), top_k=2)
        ]
        for t in (1.0, 0.2, 5.0)
    ]
    assert np.abs(np.diff(open_now, axis=0)).max() < 200

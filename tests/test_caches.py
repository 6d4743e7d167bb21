"""Caches around networks: the exact one changes no run, the approximate ones compute what they say and tell of it."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from layouts import BLOCKS, FAMILIES

from dlm_core.__main__ import main
from dlm_core.denoiser import focus
from dlm_core.engine import AUTOREGRESSIVE, LocalEngine, Request, plan
from dlm_core.models import CACHES, load_model
from dlm_core.models.networks import BlockAttention, BlockCache
from dlm_core.trace import Trace

SEEING_ALL = ["bundled", *(family for family, (_, block) in FAMILIES.items() if block is None)]


def run(model, **request):
    return Trace.parse("".join(LocalEngine(model).run(Request(**request))).encode())


@pytest.mark.parametrize("family", BLOCKS)
def test_the_block_cache_changes_no_run_and_never_computes_a_finished_block_again(saved, family, monkeypatch):
    cached, computed, states = load_model(saved(family)), [], BlockAttention.states
    plain = replace(cached, build=lambda _: without_cache(cached.denoiser))

    def spied(self, ids, done, cache):
        if cache is not None:
            computed.append((done, ids.shape[1]))
        return states(self, ids, done, cache)

    monkeypatch.setattr(BlockAttention, "states", spied)
    request = dict(prompt="the cat sat", policy="threshold", length=45, params={"threshold": 0.02})
    with_cache, without = run(cached, **request), run(plain, **request)
    assert with_cache.text() == without.text()
    assert [step.after.tolist() for step in with_cache.steps] == [step.after.tolist() for step in without.steps]
    block = cached.block_length
    assert len(with_cache.steps) > 45 // block
    for before, now in pairwise(with_cache.steps):
        done, until = computed[now.index]
        assert done >= before.window[0] // block * block
        assert until <= now.window[1]


@pytest.mark.parametrize("family", BLOCKS)
def test_the_block_cache_changes_no_run_in_windows_finer_than_its_blocks(saved, family):
    cached = load_model(saved(family))
    plain = replace(cached, build=lambda _: without_cache(cached.denoiser))
    request = dict(prompt="the cat sat", policy="threshold", length=21, params={"threshold": 0.02})
    request |= {"block_length": cached.block_length // 2 if cached.block_length < 32 else 8}
    with_cache, without = run(cached, **request), run(plain, **request)
    assert [step.after.tolist() for step in with_cache.steps] == [step.after.tolist() for step in without.steps]


def without_cache(denoiser):
    """The same composition around the network itself."""
    return (
        denoiser.network
        if isinstance(denoiser, BlockCache)
        else replace(denoiser, denoiser=without_cache(denoiser.denoiser))
    )


def test_the_block_cache_is_right_whatever_it_is_asked(saved):
    network = load_model(saved("SDAR")).denoiser.denoiser.network
    cache, generator = BlockCache(network), torch.Generator().manual_seed(3)
    ids = torch.randint(200, (2, 23), generator=generator)
    with torch.inference_mode():
        for turn in range(24):
            rows = ids[: 1 + turn % 7 // 6, : 23 - turn % 5]
            rows[0, torch.randint(rows.shape[1], (1,), generator=generator)] = turn
            asked = torch.randperm(rows.shape[1], generator=generator)[: 1 + turn % 4].sort().values
            assert torch.allclose(cache(rows, asked), network(rows, asked), atol=1e-4), turn


# --- Fast-dLLM's caches: approximate ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def loaded(saved, bundled):
    """Models that see the whole canvas, by family, made once."""
    made = {"bundled": bundled}
    return lambda family: made.setdefault(family, bundled if family == "bundled" else load_model(saved(family)))


def canvas_of(model, seed=0, length=24, known=9):
    ids = torch.randint(200, (1, length), generator=torch.Generator().manual_seed(seed))
    ids[0, known:] = model.mask_token_id
    return ids


def close(ours, theirs):
    """Equal to float rounding wherever a token is not banned."""
    at = torch.isfinite(theirs)
    return torch.equal(at, torch.isfinite(ours)) and torch.allclose(ours[at], theirs[at], atol=1e-4)


def answers(model, kind, *turns):
    """What a cached denoiser says when it is asked `(window, ids)` in turn, each about all it may be asked about."""
    denoiser, said = model.cached(kind).denoiser, []
    with torch.inference_mode():
        for window, ids in turns:
            at = torch.arange(ids.shape[1])[focus(denoiser, *window)]
            said.append((at, denoiser(ids, at)))
    return said


@pytest.mark.parametrize("kind", CACHES)
@pytest.mark.parametrize("family", SEEING_ALL)
def test_refreshed_at_every_forward_a_cache_changes_nothing(loaded, family, kind):
    model = loaded(family)
    turns = [(window, canvas_of(model, seed)) for seed, window in enumerate([(9, 15), (15, 20), (9, 15), (0, 24)])]
    with torch.inference_mode():
        for (_, ids), (at, said) in zip(turns, answers(model, kind, *turns)):
            assert close(said, model.denoiser(ids, at))


@pytest.mark.parametrize("kind", CACHES)
@pytest.mark.parametrize("family", SEEING_ALL)
def test_while_the_canvas_stands_still_a_cache_changes_nothing(loaded, family, kind):
    model = loaded(family)
    ids = canvas_of(model)
    (at, first), (_, then) = answers(model, kind, ((9, 15), ids), ((9, 15), ids))
    assert at.tolist() == list(range(9, 15 if kind == "dual" else 24))
    assert close(then, first)


def standing_still(model, before, now, at, lo, hi):
    """Logits at `at`: `now` seen with the keys and values of `before` outside `lo` to `hi`, in two whole forwards."""
    kept, turn = {}, 0

    def hook(name):
        def keep_or_put(module, args, output):
            if turn == 0:
                kept[name] = output.clone()
                return output
            return torch.cat([kept[name][:, :lo], output[:, lo:hi], kept[name][:, hi:]], dim=1)

        return keep_or_put

    hooks = [
        module.register_forward_hook(hook(name))
        for name, module in model.model.named_modules() if name.endswith((".k_proj", ".v_proj"))
    ]  # fmt: skip
    try:
        with torch.inference_mode():
            model.denoiser(before, at)
            turn = 1
            return model.denoiser(now, at)
    finally:
        for each in hooks:
            each.remove()


@pytest.mark.parametrize("kind", CACHES)
@pytest.mark.parametrize("family", SEEING_ALL)
def test_a_cached_step_is_the_network_with_the_keys_and_values_outside_the_window_as_they_were(loaded, family, kind):
    model, shifted = loaded(family), FAMILIES.get(family, (True, None))[0]
    before = canvas_of(model)
    before[0, 20:] = torch.tensor([7, 8, 9, 10])
    now = before.clone()
    now[0, [10, 13, 22]] = torch.tensor([5, 6, 11])  # two in the window, one behind it
    _, (at, said) = answers(model, kind, ((9, 15), before), ((9, 15), now))
    lo, hi = 9 - shifted, 15 if kind == "dual" else 24
    assert close(said, standing_still(model, before, now, at, lo, hi))
    with torch.inference_mode():
        assert not close(said, model.denoiser(now, at))


@pytest.mark.parametrize(("kind", "behind"), [("prefix", 24), ("dual", 0)])
@pytest.mark.parametrize("family", ["bundled", "LLaDA", "Dream"])
def test_only_the_first_forward_of_a_window_computes_what_lies_outside(loaded, family, kind, behind):
    model, shifted = loaded(family), FAMILIES.get(family, (True, None))[0]
    computed, embedding = [], model.model.get_input_embeddings()
    hook = embedding.register_forward_hook(lambda module, args, output: computed.append(args[0].shape[1]))
    try:
        trace = run(
            model, prompt="the cat sat", policy="left_to_right", length=36, block_length=12, params={"steps": 12},
            cache=kind,
        )  # fmt: skip
    finally:
        hook.remove()
    length, start = trace.length, trace.header["windows"][0][0]
    expected = []
    for block in range(3):
        left = length - start - 12 * block if behind else 12
        expected += [length, *[left + shifted] * 3]
    assert computed == expected


POLICIES = {
    "llada": {"steps": 9},
    "threshold": {},
    "mdlm": {"steps": 9},
    "p2": {"num_steps": 9},
    "wino": {},
    "d3llm": {},
}


@pytest.mark.parametrize("kind", CACHES)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_with_a_cache_is_a_run_that_says_it_is_approximate_and_has_no_colour_where_nothing_was_computed(
    bundled, kind, policy
):
    request = dict(prompt="Once upon a time", policy=policy, length=24, block_length=8, seed=4, params=POLICIES[policy])
    trace, again = run(bundled, **request, cache=kind), run(bundled, **request, cache=kind)
    assert trace.totals["end"] == "finished"
    assert trace.header["cache"] == {"kind": kind, "approximate": True}
    assert f"approximate: {kind} cache" in trace.summary()
    assert [step.after.tolist() for step in trace.steps] == [step.after.tolist() for step in again.steps]
    for step in trace.steps:
        lo, hi = step.window
        assert not step.measured[:lo].any()
        assert kind == "prefix" or not step.measured[hi:].any()
    if kind == "prefix" and policy == "llada":
        assert trace.steps[0].measured[trace.steps[0].window[1] :].all()


def test_a_run_without_a_cache_does_not_speak_of_one(bundled):
    trace = run(bundled, prompt="A cat", length=8)
    assert "cache" not in trace.header
    assert "approximate" not in trace.summary()


def test_a_gap_that_grows_refreshes_the_cache(loaded):
    model, lengths = loaded("DreamOn"), set()
    for seed in range(6):
        params = {**model.settings, "temperature": 3.0, "top_p": 1.0, "expand_budget": 4}
        trace = run(model, prompt="the the", policy="dreamon", length=24, seed=seed, params=params, cache="dual")
        assert trace.totals["end"] == "finished"
        assert trace.masks_left()[-1] == 0
        lengths.add(len(trace.canvas(len(trace.steps))))
    assert len(lengths) > 1, "no run changed its length"


@pytest.mark.parametrize(
    ("family", "change", "sentence"),
    [
        ("SDAR", {"cache": "dual"}, "for decoders that see the whole canvas, and SDAR-1.7B-Chat is none"),
        ("bundled", {"cache": "both"}, "cache must be one of prefix, dual, got 'both'"),
        ("bundled", {"cache": "dual", "policy": AUTOREGRESSIVE}, "left to right keeps an exact cache"),
    ],
)
def test_where_a_cache_cannot_be_is_told_before_the_run(loaded, family, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan(loaded(family), Request("the cat", length=8, **change))


def test_the_command_line_tells_that_a_cache_approximates(tmp_path, capsys):
    out = tmp_path / "a.run.jsonl.gz"
    assert main(["A cat", "--length", "16", "--block-length", "8", "--cache", "prefix", "--out", str(out)]) == 0
    assert "approximate: prefix cache" in capsys.readouterr().err
    assert Trace.load(out).header["cache"]["kind"] == "prefix"

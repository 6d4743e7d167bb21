import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dlm_core.engine.lesson import LEVELS, MAX_TOKENS, lesson
from dlm_core.noise import corrupt, loss_weights, weighted_mean

TEXT = "Tom had a big dog named Max."


@pytest.fixture(scope="module", params=["mask", "replace"])
def example(bundled, request):
    return lesson(bundled, TEXT, request.param, "linear", seed=5)


def test_a_higher_level_only_adds_noise_from_none_to_all(example):
    before = set()
    for number in example.state:
        hit = set(example.states[number].hit)
        assert before <= hit, "raising the level took noise away"
        before = hit
    assert example.states[example.state[0]].hit == []
    assert before == set(range(1, len(example.clean))), "all but the beginning of text"
    assert len(example.states) <= len(example.clean)


def test_a_token_under_noise_stays_what_noise_made_of_it(example):
    seen = {}
    for state in example.states:
        for i in state.hit:
            assert seen.setdefault(i, state.ids[i]) == state.ids[i]
        clean = [i for i in range(len(example.clean)) if i not in state.hit]
        assert [state.ids[i] for i in clean] == [example.clean[i] for i in clean]


def test_masks_are_asked_about_and_random_tokens_hide_among_all_others(bundled):
    for kind, asked in (("mask", lambda s: s.hit), ("replace", lambda s: list(range(1, len(s.ids))))):
        for state in lesson(bundled, TEXT, kind).states:
            assert state.asked == asked(state)
            assert state.canvas.fixed.tolist() == [i not in state.asked for i in range(len(state.ids))]


def test_the_loss_is_the_cross_entropy_of_the_true_tokens_under_noise(bundled):
    example = lesson(bundled, TEXT, "mask", "cosine", seed=1)
    clean = torch.tensor(example.clean)
    assert example.states[0].loss is None
    for state in example.states[1::3]:
        at = torch.tensor(state.hit)
        with torch.inference_mode():
            logits = bundled.denoiser(torch.tensor(state.ids)[None], at)[0]
        assert state.loss == pytest.approx(F.cross_entropy(logits, clean[at]).item(), rel=1e-3)
        np.testing.assert_allclose(state.probability, logits.softmax(1)[torch.arange(len(at)), clean[at]], atol=1e-4)


def test_the_same_seed_gives_the_same_noise_and_another_seed_another(bundled):
    hits = [[s.hit for s in lesson(bundled, TEXT, seed=seed).states] for seed in (1, 1, 2)]
    assert hits[0] == hits[1] != hits[2]


def test_alpha_is_the_schedules(bundled):
    example = lesson(bundled, TEXT, schedule="linear")
    assert len(example.t) == LEVELS + 1
    assert example.alpha == pytest.approx([1 - t for t in example.t])


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"text": ""}, f"1 to {MAX_TOKENS} tokens, this one has 0"),
        ({"text": "dog " * 200}, f"1 to {MAX_TOKENS} tokens, this one has"),
        ({"text": "A", "kind": "salt"}, "noise must be mask or replace"),
        ({"text": "A", "schedule": "steep"}, "schedule must be one of linear, cosine"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(bundled, kwargs, sentence):
    with pytest.raises(ValueError, match=sentence):
        lesson(bundled, **kwargs)


def test_noise_of_one_seed_is_nested_by_corrupt_itself():
    ids = torch.arange(200)[None]
    hits = [
        corrupt(ids, torch.tensor([t]), mask_token_id=0, generator=torch.Generator().manual_seed(3))[1]
        for t in (0.2, 0.5, 0.9)
    ]
    assert (hits[0] <= hits[1]).all()
    assert (hits[1] <= hits[2]).all()
    assert hits[0].sum() < hits[2].sum()


def test_a_random_token_counts_half_of_a_mask_and_clean_text_nothing():
    weights = loss_weights(torch.tensor([True, False, False]), torch.tensor([False, True, False]))
    assert weights.tolist() == [1.0, 0.5, 0.0]
    assert weighted_mean(torch.tensor([3.0, 6.0, 100.0]), weights).item() == pytest.approx(4.0)

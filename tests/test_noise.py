import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlm_core.noise import SCHEDULES, Cosine, corrupt


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=repr)
def test_nothing_is_noise_at_0_and_everything_at_1(schedule):
    assert schedule.alpha(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist() == pytest.approx([1, 0])


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=repr)
@given(t=st.floats(0.01, 0.98))
def test_alpha_falls(schedule, t):
    clean = schedule.alpha(torch.tensor([t, t + 0.01], dtype=torch.float64))
    assert clean[0] > clean[1]


def test_the_masked_share_is_one_minus_alpha_and_fixed_positions_stay():
    ids = torch.full((2, 40_000), 5)
    fixed = torch.zeros_like(ids, dtype=torch.bool)
    fixed[:, :100] = True
    noisy, hit = corrupt(
        ids,
        torch.tensor([0.3, 0.8]),
        mask_token_id=9,
        schedule=Cosine(),
        fixed=fixed,
        generator=torch.Generator().manual_seed(0),
    )
    assert (noisy[fixed] == 5).all()
    assert ((noisy == 9) == hit).all()
    for row, t in enumerate((0.3, 0.8)):
        assert hit[row, 100:].float().mean().item() == pytest.approx(
            1 - float(Cosine().alpha(torch.tensor(t))), abs=0.01
        )


def test_uniform_noise_replaces_by_any_token_and_nothing_at_level_0():
    ids = torch.full((2, 20_000), 5)
    noisy, hit = corrupt(
        ids, torch.tensor([0.0, 1.0]), mask_token_id=None, vocab_size=10, generator=torch.Generator().manual_seed(0)
    )
    assert not hit[0].any()
    assert (noisy[0] == 5).all()
    assert (noisy[1].bincount(minlength=10) / 20_000 - 0.1).abs().max() < 0.01


def test_uniform_noise_needs_to_know_the_vocabulary():
    with pytest.raises(ValueError, match="vocab_size"):
        corrupt(torch.zeros(1, 4, dtype=torch.long), torch.ones(1), mask_token_id=None, generator=torch.Generator())

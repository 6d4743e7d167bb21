import pytest
import torch

from dlm_core.denoiser import Banned, BlockCausal, Guided, Shifted, TableDenoiser

V, MASK = 6, 5


def network(ids):
    """Logits that say where they came from: the sum of the canvas, and the position."""
    rows = torch.arange(ids.shape[1]).float()[None, :, None] * 10
    return rows + ids.sum(1).float()[:, None, None] + torch.arange(V).float()


base = TableDenoiser(network, V, MASK)
IDS = torch.tensor([[1, 2, MASK, MASK, 3, MASK]])


def test_only_the_positions_asked_about_are_answered():
    assert base(IDS, torch.tensor([4, 1])).shape == (1, 2, V)


def test_a_plain_table_answers_the_same_whatever_it_sees_and_gives_its_result_away():
    table = TableDenoiser(torch.zeros(6, V), V, MASK)
    table(IDS, torch.arange(6)).fill_(1)
    assert (table(IDS, torch.arange(6)) == 0).all()


def test_shifted_reads_each_position_from_its_left_neighbour_and_position_0_from_itself():
    where = torch.tensor([0, 1, 4])
    assert torch.equal(Shifted(base)(IDS, where), base(IDS, torch.tensor([0, 0, 3])))


def test_banned_tokens_get_no_probability():
    probabilities = Banned(base, [MASK, 0])(IDS, torch.arange(6)).softmax(-1)
    assert (probabilities[..., [0, MASK]] == 0).all()


def test_guidance_of_minus_one_forgets_the_given_text_and_zero_changes_nothing():
    given = torch.tensor([True, True, False, False, False, False])
    where = torch.arange(6)
    hidden = IDS.clone()
    hidden[:, :2] = MASK
    assert torch.allclose(Guided(base, given, 0.0)(IDS, where), base(IDS, where))
    assert torch.allclose(Guided(base, given, -1.0)(IDS, where), base(hidden, where))


def test_guidance_needs_a_mask():
    with pytest.raises(ValueError, match="mask"):
        Guided(TableDenoiser(network, V, None), torch.zeros(6, dtype=torch.bool), 1.0)


def test_block_causal_answers_do_not_change_with_later_blocks():
    block = BlockCausal(base, block_length=2, start=2)
    later = IDS.clone()
    later[0, 4:] = 0
    early, late = torch.tensor([0, 1, 2, 3]), torch.tensor([4, 5])
    assert torch.equal(block(IDS, early), block(later, early))
    assert not torch.equal(block(IDS, late), block(later, late))
    assert torch.equal(block(IDS, torch.tensor([3])), base(IDS[:, :4], torch.tensor([3])))


def test_block_causal_asked_about_nothing_answers_nothing():
    assert BlockCausal(base, 2)(IDS, torch.tensor([], dtype=torch.long)).shape == (1, 0, V)

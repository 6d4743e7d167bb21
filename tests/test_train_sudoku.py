"""The trainer of the Sudoku models: same arguments, same weights, with or without an interruption."""

import subprocess
import sys
from itertools import islice

import pytest
import torch

from dlm_core.models import load_model
from dlm_core.models.board import BoardConfig, BoardForCausalLM, BoardForMaskedLM
from dlm_core.sudoku import conflicts, puzzle, solutions
from dlm_core.training import sudoku
from dlm_core.training.sudoku import Puzzles, examples, in_another_guise, losses_of, rate_at, share_solved, train

TINY = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "loops": 2}


@pytest.fixture(scope="module")
def puzzles():
    return Puzzles(seed=1)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(sudoku, "FIRST_PUZZLES", 3)
    monkeypatch.setattr(sudoku, "CHECKPOINT_EVERY", 2)


def tiny(kind=BoardForMaskedLM):
    torch.manual_seed(0)
    return kind(BoardConfig(**TINY))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_first_puzzles_are_the_same_however_many_are_asked_for(puzzles):
    boards, given = puzzles.first(4)
    again = Puzzles(seed=1).first(2)
    assert torch.equal(again[0], boards[:2])
    assert torch.equal(again[1], given[:2])
    assert not torch.equal(Puzzles(seed=2).first(1)[0], boards[:1])


def test_a_puzzle_in_another_guise_is_one_with_the_same_clues(puzzles):
    boards, given = (part.repeat(4, 1) for part in puzzles.first(2))
    ids, clues = in_another_guise(boards, given, torch.Generator().manual_seed(0))
    assert not torch.equal(ids, boards)
    assert clues.sum(1).tolist() == given.sum(1).tolist()
    for board, known in zip((ids + 1).tolist(), clues.tolist()):
        assert not conflicts(board)
        assert solutions([cell if clue else 0 for cell, clue in zip(board, known)]) == [board]


def test_three_rows_of_four_are_puzzles_with_one_solution_and_every_row_has_something_to_learn(puzzles):
    ids, given = examples(*puzzles.first(3), 16, torch.Generator().manual_seed(3))
    assert not given.all(1).any()
    for row in range(16):
        if row % 4 < 3:
            cells = [cell if clue else 0 for cell, clue in zip((ids[row] + 1).tolist(), given[row].tolist())]
            assert len(solutions(cells)) == 1


@pytest.mark.parametrize("kind", [BoardForMaskedLM, BoardForCausalLM])
def test_an_interrupted_training_ends_with_the_same_weights(kind, tmp_path):
    whole, parts = tiny(kind), tiny(kind)
    told = list(train(whole, folder=tmp_path / "whole", steps=5, rows=4, seed=3))
    first = list(islice(train(parts, folder=tmp_path / "parts", steps=5, rows=4, seed=3), 3))  # one beyond a checkpoint
    resumed = tiny(kind)
    rest = list(train(resumed, folder=tmp_path / "parts", steps=5, rows=4, seed=3))
    assert [seen.step for seen in first + rest] == [0, 1, 2, 2, 3, 4]
    assert [seen.losses for seen in told] == [seen.losses for seen in first[:2] + rest]
    assert torch.equal(weights(resumed), weights(whole))
    assert not torch.equal(weights(whole), weights(tiny(kind)))


def test_there_is_a_loss_after_each_loop_and_it_is_that_of_chance_at_first(puzzles):
    ids, given = examples(*puzzles.first(3), 4, torch.Generator().manual_seed(0))
    for kind in (BoardForMaskedLM, BoardForCausalLM):
        losses = losses_of(tiny(kind), ids, given)
        assert len(losses) == TINY["loops"]
        assert all(1.5 < loss.item() < 4 for loss in losses)


def test_the_twin_cannot_see_what_it_is_to_write(puzzles):
    ids, given = (part[:1] for part in puzzles.first(1))
    model, other = tiny(BoardForCausalLM).eval(), ids.clone()
    for layer in model.model.layers:
        torch.nn.init.normal_(layer.o_proj.weight)
    seen = torch.where(given, ids, 9)
    other[0, 40] = (ids[0, 40] + 1) % 9
    with torch.inference_mode():
        plain, changed = model(seen, ids).logits[0, :, :9], model(seen, other).logits[0, :, :9]
    torch.testing.assert_close(plain[:41], changed[:41])
    assert not torch.allclose(plain[41:], changed[41:])


def test_the_rate_rises_stays_and_falls_to_almost_nothing():
    assert rate_at(0, 0.0) == pytest.approx(0.01)
    assert rate_at(200, 0.5) == 1
    assert rate_at(200, 0.8) == pytest.approx(0.51)
    assert rate_at(200, 1.0) == pytest.approx(0.01)


def test_a_training_ends_by_steps_or_by_minutes(tmp_path):
    assert [seen.step for seen in train(tiny(), folder=tmp_path, minutes=1e-9, rows=2)] == []
    for wrong in ({}, {"steps": 1, "minutes": 1}):
        with pytest.raises(ValueError, match="give one of them"):
            next(train(tiny(), folder=tmp_path, **wrong))


def test_the_share_solved_is_that_of_the_boards_that_are_wholly_right():
    shipped = load_model("sudoku", device="cpu").model
    cells = [puzzle(seed, 30) for seed in range(3)]
    assert share_solved(shipped, cells) == 1
    assert share_solved(tiny(), cells) == 0
    assert share_solved(tiny(BoardForCausalLM), cells) == 0


def test_the_program_trains_tells_what_is_solved_and_ships_a_model_that_loads(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sudoku, "BoardConfig", lambda **given: BoardConfig(**(TINY | given)))
    sudoku.main(
        ["--steps", "2", "--rows", "4", "--check", "1", "--folder", str(tmp_path / "state"), "--out", str(tmp_path)]
    )
    assert "step 2, " in (said := capsys.readouterr().out)
    assert "at 48 blanks" in said
    model = load_model(tmp_path, device="cpu")
    assert model.encode_prompt("") == []
    assert model.model.config.loops == 2


@pytest.mark.parametrize(("wrong", "message"), [
    (["--steps", "0"], "argument --steps: must be above 0, got 0"),
    (["--minutes", "soon"], "argument --minutes: invalid float value: 'soon'"),
    (["--steps", "1", "--init", "/nowhere"], "/nowhere"),
    (["--steps", "1", "--device", "abacus"], "abacus"),
])  # fmt: skip
def test_a_wrong_argument_gets_one_sentence(wrong, message, capsys):
    with pytest.raises(SystemExit) as ended:
        sudoku.main(wrong)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_the_program_knows_the_task_by_its_name():
    asked = [sys.executable, "-m", "dlm_core.training", "sudoku", "--steps", "0"]
    ended = subprocess.run(asked, capture_output=True, encoding="utf-8", check=False)
    assert ended.stderr.splitlines()[-1].startswith("python -m dlm_core.training sudoku: error:")

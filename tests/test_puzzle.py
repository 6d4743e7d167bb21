"""The Sudoku models: plain denoisers, decoded by the one loop, recorded as ordinary runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoints import word_pieces
from transformers import AutoModelForMaskedLM, AutoTokenizer

from dlm_core.engine import LocalEngine, Request, about
from dlm_core.engine.puzzle import board_of, puzzle_canvas
from dlm_core.models import BUNDLED, ModelError, load_model
from dlm_core.models.board import BoardConfig, BoardForCausalLM, BoardForMaskedLM
from dlm_core.models.text import Text
from dlm_core.policies import POLICIES, make_policy
from dlm_core.sampler import sample
from dlm_core.sudoku import conflicts, parse, puzzle, solve
from dlm_core.trace import Trace

EASY = parse("53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79")


@pytest.fixture(scope="module")
def model():
    return load_model("sudoku", device="cpu")


@pytest.fixture(scope="module")
def deep():
    return load_model("sudoku-deep", device="cpu")


@pytest.fixture(scope="module")
def writer():
    return load_model("sudoku-autoregressive", device="cpu")


def run(model, cells, policy="threshold", seed=0, **params):
    canvas = puzzle_canvas(model, cells)
    windows = model.windows(len(canvas) - 81, len(canvas))
    return list(sample(model.denoiser, canvas, make_policy(policy, **params), windows=windows, seed=seed))


def test_a_puzzle_is_81_cells_of_digits_behind_what_a_prompt_begins_with(model):
    canvas = puzzle_canvas(model, EASY)
    opening = model.encode_prompt("")
    assert len(canvas) == len(opening) + 81
    assert model.tokenizer.convert_ids_to_tokens(canvas.ids[len(opening) : len(opening) + 3].tolist()) == [
        "5", "3", model.tokenizer.mask_token,
    ]  # fmt: skip
    assert canvas.fixed[len(opening) :].tolist() == [cell > 0 for cell in EASY]
    assert board_of(model, canvas.ids) == EASY


@pytest.mark.parametrize("blanks", [30, 48])
def test_the_most_confident_first_solves_puzzles_it_has_never_seen(model, blanks):
    for seed in range(3):
        cells = puzzle(1_000_000 + seed, blanks)
        steps = run(model, cells, "llada", steps=blanks)
        assert len(steps) == blanks
        assert board_of(model, steps[-1].after) == solve(cells)


def test_a_model_that_thinks_longer_needs_fewer_forwards(model, deep):
    cells = puzzle(1_000_100, 48)
    short, long = (run(one, cells, threshold=0.99) for one in (model, deep))
    assert board_of(deep, long[-1].after) == solve(cells)
    assert len(long) < len(short)


def test_the_twin_writes_the_cells_in_reading_order_one_a_forward(writer):
    steps = run(writer, EASY)
    blanks = [position for position, cell in enumerate(EASY) if not cell]
    assert [np.flatnonzero(step.written).tolist() for step in steps] == [[blank] for blank in blanks]
    assert [step.forwards for step in steps] == [*range(1, len(blanks) + 1)]
    assert all(step.measured.sum() == 1 for step in steps)  # it believes nothing of the cells to come
    after = board_of(writer, steps[-1].after)
    assert [after[cell] for cell in range(81) if EASY[cell]] == [cell for cell in EASY if cell]


def test_the_cache_of_the_twin_is_exact(writer):
    board, blanks = solve(EASY), [cell for cell in range(81) if not EASY[cell]]
    puzzles = torch.tensor(puzzle_canvas(writer, EASY).ids)[None]
    whole = torch.tensor(puzzle_canvas(writer, board).ids)[None]
    with torch.inference_mode():
        plain = writer.model(puzzles, whole).logits
        denoiser, ids = writer.denoiser, puzzles.clone()
        for cell in blanks:
            torch.testing.assert_close(denoiser(ids, torch.tensor([cell]))[:, 0], plain[:, cell], atol=1e-4, rtol=1e-4)
            ids[0, cell] = whole[0, cell]
        # a cell that was taken back, and another puzzle on the same denoiser: never a stale answer
        ids[0, blanks[3] :] = puzzles[0, blanks[3] :]
        ids[0, blanks[1]] = (ids[0, blanks[1]] + 1) % 9
        fresh = writer.denoiser
        fresh(puzzles, torch.tensor([blanks[0]]))
        torch.testing.assert_close(
            denoiser(ids, torch.tensor([blanks[3]])), fresh(ids, torch.tensor([blanks[3]])), atol=1e-4, rtol=1e-4
        )
        other = torch.tensor(puzzle_canvas(writer, puzzle(3, 40)).ids)[None]
        torch.testing.assert_close(denoiser(other, torch.tensor([80])), writer.denoiser(other, torch.tensor([80])))


FOR_MASKS = [name for name in POLICIES if (one := make_policy(name)).for_masks and not one.for_both_orders]


@pytest.mark.parametrize("name", [name for name in FOR_MASKS if name != "dreamon"])
def test_every_policy_that_fills_masks_decodes_it_and_no_clue_changes(model, name):
    cells = puzzle(5, 30)
    steps = run(model, cells, name)
    after = board_of(model, steps[-1].after)
    assert [cell for cell, clue in zip(after, cells) if clue] == [clue for clue in cells if clue]
    assert all(step.predicted.max() < model.mask_token_id for step in steps)


def test_the_engine_records_a_puzzle_as_an_ordinary_run(model, tmp_path):
    engine, canvas = LocalEngine(model), puzzle_canvas(model, EASY)
    lines = "".join(engine.run(Request(policy="threshold", params={"threshold": 0.9}, canvas=canvas)))
    (tmp_path / "puzzle.run.jsonl").write_text(lines, encoding="utf-8")
    trace = Trace.load(tmp_path / "puzzle.run.jsonl")
    assert board_of(model, trace.steps[-1].after) == solve(EASY)
    assert trace.text() == "".join(map(str, solve(EASY)))


def test_without_a_prompt_it_writes_all_81_cells(model, tmp_path):
    lines = "".join(LocalEngine(model).run(Request(length=81, policy="llada", params={"steps": 9})))
    (tmp_path / "board.run.jsonl").write_text(lines, encoding="utf-8")
    assert len(Trace.load(tmp_path / "board.run.jsonl").text()) == 81


def test_the_twin_says_that_it_has_blocks_of_one_cell(writer, model):
    assert about(writer).block_length == 1
    assert not about(writer).rightward
    with pytest.raises(ValueError, match="block length must divide this model's own, 1, got 9"):
        writer.windows(0, 81, 9)
    assert model.windows(0, 81, 9)[0] == (0, 9)


def test_the_models_take_at_most_4_mb_and_neither_ever_proposes_a_mask(model, writer):
    folder = BUNDLED.parent / "sudoku"
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 4e6
    ids = torch.tensor(puzzle_canvas(model, EASY).ids)[None]
    with torch.inference_mode():
        assert model.denoiser(ids, torch.arange(81))[..., model.mask_token_id].max() == float("-inf")
        assert writer.denoiser(ids, torch.tensor([2]))[..., writer.mask_token_id].max() == float("-inf")


def test_the_denoiser_answers_alike_however_bands_rows_and_columns_are_exchanged(model):
    ids = torch.tensor(puzzle_canvas(model, EASY).ids)
    rows, columns = torch.tensor([4, 5, 3, 8, 6, 7, 1, 0, 2]), torch.tensor([2, 0, 1, 7, 8, 6, 3, 5, 4])
    moved = (rows[:, None] * 9 + columns[None]).flatten()
    with torch.inference_mode():
        plain, other = model.denoiser(ids[None], torch.arange(81)), model.denoiser(ids[moved][None], torch.arange(81))
    torch.testing.assert_close(other[0], plain[0, moved], atol=1e-3, rtol=1e-3)


def test_loops_are_a_number_of_the_config_and_each_has_an_answer(tmp_path):
    torch.manual_seed(0)
    tiny = BoardForMaskedLM(BoardConfig(hidden_size=16, intermediate_size=24, num_attention_heads=2, loops=3)).eval()
    for layer in tiny.model.layers:
        torch.nn.init.normal_(layer.o_proj.weight)
    tiny.save_pretrained(tmp_path)
    ids = torch.full((2, 81), 9)
    with torch.inference_mode():
        answers = tiny.after_each_loop(ids)
        for loops in (1, 2, 3):
            config = BoardConfig.from_pretrained(tmp_path, loops=loops)
            again = AutoModelForMaskedLM.from_pretrained(tmp_path, config=config).eval()
            torch.testing.assert_close(again(ids).logits, answers[loops - 1])


@pytest.mark.parametrize("kind", [BoardForMaskedLM, BoardForCausalLM])
def test_more_than_81_cells_are_refused(kind):
    tiny = kind(BoardConfig(hidden_size=16, intermediate_size=24, num_attention_heads=2))
    ids = torch.full((1, 82), 9)
    with pytest.raises(ValueError, match="a board has 81 cells, got 82"):
        tiny(ids, written=ids)


def test_a_model_without_digits_takes_no_puzzle(model, tmp_path):
    word_pieces(tmp_path)
    other = replace(model, text=Text(AutoTokenizer.from_pretrained(tmp_path)))
    with pytest.raises(ValueError, match='no token "1": choose one that was trained on Sudoku'):
        puzzle_canvas(other, EASY)


def test_a_board_that_was_solved_has_no_conflict(model):
    assert conflicts(board_of(model, run(model, EASY)[-1].after)) == []


def test_an_unknown_model_is_still_refused():
    with pytest.raises(ModelError):
        load_model("sudoku-deeper-still")

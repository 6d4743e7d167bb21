import contextlib
import importlib.util
import itertools
import json
import math
from types import SimpleNamespace

import pytest
import torch

from dlm_core.training import evaluate as evaluation
from dlm_core.training.data import is_held_out
from dlm_core.training.evaluate import (
    LENGTH,
    QUICK,
    Counts,
    Filled,
    Gap,
    Setting,
    Story,
    autoregression,
    autoregressive_nats,
    best_in_time,
    counts_of,
    diffusion,
    diffusion_nats,
    human_story,
    infill,
    infill_left_to_right,
    infilling_rows,
    likelihood_rows,
    main,
    matched_rows,
    middle_gap,
    parser,
    path_planning,
    per_character,
    per_text,
    prompt_of,
    quality_rows,
    race,
    repair,
    repair_rows,
    sample_rows,
    speed_rows,
    story_of,
    torch_threads,
    verdict,
    write_all,
)

TALE = (
    "Once upon a time there was a little dog. The dog lived in a big house with a boy named Tom. One day, Tom and the "
    "dog went to the park. They saw a red ball and played with it. Then they went home. The end."
)


class Known:
    """A model whose every answer is one fixed distribution, so that the true likelihood is known."""

    def __init__(self, probabilities):
        self.logits, self.mask_token_id = torch.tensor(probabilities).log(), 0

    def denoiser(self, ids, positions):
        return self.logits.expand(len(ids), len(positions), -1)

    def causal_logits(self, ids):
        return self.logits.expand(*ids.shape, -1)


def document(model, text=TALE):
    return torch.tensor(model.encode_prompt(text)[1:])


def story(continuation="one two three", *, prompt="so", ended=True, tokens=10, seconds=1.0):
    return Story(prompt, continuation, ended, tokens, seconds)


def cells(lines):
    """The rows of a Markdown table below its header, as lists of cells."""
    return [line.strip("|").split("|") for line in lines if line.startswith("|")][2:]


# --- likelihood -------------------------------------------------------------------------------------------------------


def test_both_likelihoods_are_exact_where_positions_are_independent():
    probabilities = [1e-9, 0.5, 0.3, 0.2]
    canvases = torch.tensor([[1, 2, 3, 1, 1], [1, 1, 1, 2, 2]])
    wanted = [-sum(math.log(probabilities[t]) for t in row[1:]) for row in canvases.tolist()]
    model = Known(probabilities)
    assert autoregressive_nats(model, canvases).tolist() == pytest.approx(wanted, rel=1e-5)
    assert diffusion_nats(model, canvases, counts=4000).tolist() == pytest.approx(wanted, rel=0.02)


def test_the_bound_of_every_mask_pattern_averages_to_the_estimate(bundled):
    ids = torch.tensor([bundled.encode_prompt("The cat sat")])
    n, exact = ids.shape[1] - 1, 0.0
    with torch.inference_mode():
        for k in range(1, n + 1):
            patterns = list(itertools.combinations(range(1, n + 1), k))
            for where in patterns:
                noisy = ids.clone()
                noisy[0, list(where)] = bundled.mask_token_id
                logits = bundled.denoiser(noisy, torch.tensor(where))[0]
                loss = torch.nn.functional.cross_entropy(logits, ids[0, list(where)], reduction="sum")
                exact += float(loss) * n / k / n / len(patterns)
    estimate = diffusion_nats(bundled, ids.expand(32, -1), counts=40).mean()
    assert float(estimate) == pytest.approx(exact, rel=0.05)


def test_per_character_is_a_ratio_of_sums():
    estimate = per_character(torch.tensor([10.0, 30.0]), torch.tensor([10.0, 10.0]))
    assert estimate.mean == pytest.approx(2.0)
    assert estimate.interval > 0


def test_the_interval_of_a_mean_is_the_usual_one():
    values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    estimate = per_text(values)
    assert estimate == pytest.approx((3.0, 1.96 * float(values.std()) / 2))
    assert f"{estimate:.1f}" == "3.0 ± 2.1"


def test_one_document_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 documents, got 1"):
        per_text(torch.tensor([1.0]))


def test_every_source_has_an_exact_row_and_one_that_says_it_is_a_bound(bundled, monkeypatch):
    monkeypatch.setattr(
        evaluation, "diffusion_nats", lambda model, canvases, *, seed: torch.full((len(canvases),), 9.0)
    )
    documents = [document(bundled), document(bundled, "The cat sat on the mat.")]
    rows = cells(likelihood_rows(bundled, {"here": documents, "there": documents[::-1]}, 0))
    assert [row[0].strip() for row in rows] == ["here", "here", "there", "there"]
    assert ["exact" in row[2] for row in rows] == [True, False, True, False]
    assert ["a bound" in row[2] for row in rows] == [False, True, False, True]


# --- stories ----------------------------------------------------------------------------------------------------------


def test_a_story_stops_at_the_end_of_text_and_counts_it_as_its_last_token(bundled):
    ids = bundled.encode_prompt("The cat sat. The end.")
    told = story_of(bundled, [*ids, bundled.tokenizer.eos_token_id, ids[2], ids[2]], 3, 0.1)
    assert told.prompt + told.continuation == "The cat sat. The end."
    assert told.continuation.startswith(" ")
    assert told.ended
    assert told.tokens == len(ids) - 3 + 1


def test_a_story_without_an_end_is_taken_whole(bundled):
    ids = bundled.encode_prompt("The cat sat on")
    told = story_of(bundled, ids, 3, 0.1)
    assert not told.ended
    assert told.tokens == len(ids) - 3


def test_models_and_the_human_continue_the_same_first_words(bundled):
    human = human_story(bundled, document(bundled))
    assert human.prompt == "Once upon a time there was a little"
    assert human.prompt + human.continuation == TALE
    assert human.ended
    assert bundled.tokenizer.decode(prompt_of(bundled, document(bundled))[1:]).strip() == human.prompt


def test_a_human_story_is_cut_where_the_models_must_stop(bundled):
    human = human_story(bundled, document(bundled, TALE + TALE + TALE + TALE))
    assert not human.ended
    assert human.tokens == evaluation.STORY


@pytest.mark.parametrize(
    "make",
    [lambda model: diffusion(model, 2), lambda model: path_planning(model, 3), autoregression],
    ids=["diffusion", "planning", "autoregression"],
)
def test_stories_depend_on_their_seed_and_on_nothing_else(bundled, monkeypatch, make):
    monkeypatch.setattr(evaluation, "STORY", 32)
    prompts = [prompt_of(bundled, document(bundled))]

    def texts(seed):
        return [told.continuation for told in write_all(make(bundled), prompts, 2, seed)]

    first = texts(5)
    assert texts(5) == first
    assert first[0] != first[1]
    assert texts(6)[0] == first[1]


def test_no_setting_takes_more_forwards_than_its_name_says(bundled):
    for forwards in evaluation.FORWARDS:
        name = diffusion(bundled, forwards).name
        assert f"{forwards} forwards" in name
        block = int(name.rsplit(" ", 1)[1])
        assert evaluation.STORY % block == 0
        assert evaluation.STORY // block <= forwards


# --- taking back ------------------------------------------------------------------------------------------------------


def test_a_model_that_is_never_surer_changes_nothing(bundled):
    canvas = evaluation.full_canvas(bundled, document(bundled, TALE))
    assert torch.equal(repair(bundled, canvas, 1.0), canvas)


def test_the_table_of_mistakes_counts_what_was_made_right_and_what_was_made_wrong(bundled, monkeypatch):
    def rows():
        return repair_rows(bundled, [document(bundled, TALE), document(bundled, TALE + TALE)], None, 0)[-4:]

    clean = torch.stack([evaluation.full_canvas(bundled, document(bundled, text)) for text in (TALE, TALE + TALE)])
    texts = iter([*clean, *torch.full_like(clean, 7)])
    monkeypatch.setattr(evaluation, "repair", lambda model, ids, threshold: next(texts))
    untouched, perfect, ruined, human = (row.split("|")[2:4] for row in rows())
    assert [cell.split()[0] for cell in untouched] == ["0.00", "0.000"]
    assert [cell.split()[0] for cell in perfect] == ["1.00", "0.000"]
    assert [cell.split()[0] for cell in ruined] == ["0.00", "1.000"]
    assert [cell.split()[0] for cell in human] == ["1.00", "0.000"]


# --- quality ----------------------------------------------------------------------------------------------------------


def judge(text):
    return 2.0 * len(text)


def test_autoregression_is_matched_to_diffusion_of_the_same_entropy_only():
    dull, varied = "a a a a", "a b c d e f g h"
    autoregressed = {"cold": [story(dull)] * 2, "warm": [story(varied)] * 2}
    diffused = {"between": [story("a b a b")] * 2, "beyond": [story(varied + " i j k")] * 2}
    lines = quality_rows(diffused, autoregressed, [story()] * 2, judge, {"a"})
    rows = {row[0].strip(): row for row in cells(lines)}
    assert list(rows) == ["between", "beyond", "cold", "warm", "human, the held-out stories themselves"]
    assert float(rows["between"][2]) == pytest.approx(2.0)
    assert all(row[2].strip() == "" for name, row in rows.items() if name != "between")
    assert {row[1].strip() for row in rows.values()} == {"2.000 ± 0.000"}


def test_without_a_judge_only_its_columns_are_empty():
    lines = quality_rows({"x": [story()]}, {"y": [story()]}, [story()], None, set())
    for row in cells(lines):
        assert [cell.strip() == "" for cell in row] == [False, True, True, *[False] * 7]


def test_both_orders_are_compared_on_lines_between_temperatures_and_only_where_both_have_been(monkeypatch):
    monkeypatch.setattr(evaluation, "quality", lambda stories, judge, known: SimpleNamespace(point=stories))
    curves = {"x": [(4.7, 0.5), (5.1, 0.9)], "never": [(3.0, 0.1), (3.9, 0.2)]}
    rows = cells(matched_rows(curves, [(4.5, 0.4), (4.9, 0.6), (5.9, 1.4)], judge, set()))
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["x", "4.7", "0.500", "0.500", "1.00"],
        ["x", "4.8", "0.600", "0.550", "1.09"],
        ["x", "4.9", "0.700", "0.600", "1.17"],
        ["x", "5.0", "0.800", "0.680", "1.18"],
        ["x", "5.1", "0.900", "0.760", "1.18"],
    ]


def test_a_story_is_judged_behind_its_prompt():
    seen = []

    def listening(text):
        seen.append(text)
        return float(len(text))

    quality_rows({"x": [story(" b", prompt="a")] * 2}, {}, [story(" d", prompt="c")] * 2, listening, set())
    assert set(seen) == {"a", "a b", "c", "c d"}


def test_no_text_of_a_sample_is_markup():
    lines = sample_rows([story("# no\n- heading\n\n| a |", prompt="* x")] * 11, "some setting")
    body = "\n".join(lines[1:]).split("\n")
    told = [line for line in body if line.strip() and not line.strip().endswith(("Prompt:", "Continued:"))]
    assert all(line.startswith(" " * 7) for line in told)
    assert [line.strip() for line in told[:4]] == ["* x", "# no", "- heading", "| a |"]
    assert sum(line.endswith("Prompt:") for line in body) == 11


# --- infilling --------------------------------------------------------------------------------------------------------


@pytest.fixture
def gap(bundled) -> Gap:
    return middle_gap(bundled, document(bundled))


def test_the_gap_is_three_whole_words_in_the_middle(bundled, gap):
    first = (len(TALE.split()) - 3) // 2
    assert bundled.tokenizer.decode(gap.ids[1 : gap.lo]).split() == TALE.split()[:first]
    assert bundled.tokenizer.decode(gap.ids[gap.lo : gap.hi]).split() == TALE.split()[first : first + 3]


@pytest.mark.parametrize(
    "write",
    [lambda m, g: infill(m, g, 0), lambda m, g: infill_left_to_right(m, g, 0.7, 0)],
    ids=["diffusion", "autoregression"],
)
def test_filling_a_gap_changes_nothing_around_it_and_leaves_no_hole(bundled, gap, write):
    filled = write(bundled, gap)
    outside = torch.ones(LENGTH, dtype=torch.bool)
    outside[gap.lo : gap.hi] = False
    assert torch.equal(filled.ids[outside], gap.ids[outside])
    assert not set(filled.ids[gap.lo : gap.hi].tolist()) & set(bundled.tokenizer.all_special_ids)
    assert filled.seconds > 0


def test_a_continuation_is_scored_with_what_stands_behind_it(bundled, gap):
    filled = infill_left_to_right(bundled, gap, 0.0, 0)
    assert filled.nats == pytest.approx(float(autoregressive_nats(bundled, filled.ids[None])), rel=1e-5)


@pytest.mark.parametrize(("seconds", "n"), [(0.0, 1), (5.9, 2), (6.0, 3), (9.1, 4)])
def test_autoregression_gets_as_many_samples_as_fit_in_the_time_and_keeps_the_likeliest(monkeypatch, gap, seconds, n):
    def drawn(model, gap, temperature, seed):
        return Filled(torch.tensor([seed]), 1.0, nats=abs(seed - 8.2))

    monkeypatch.setattr(evaluation, "infill_left_to_right", drawn)
    count, best = best_in_time(None, [gap, gap], seconds, seed=7)
    assert count == n
    assert [int(filled.ids) for filled in best] == [min(range(7, 7 + n), key=lambda s: abs(s - 8.2))] * 2


def test_the_original_matches_itself_and_lies_nothing_above_itself(bundled, gap, monkeypatch):
    spoiled = gap.ids.clone()
    spoiled[gap.lo : gap.hi] = spoiled[1]
    monkeypatch.setattr(evaluation, "infill", lambda model, gap, seed: Filled(gap.ids, 1.0))
    monkeypatch.setattr(
        evaluation, "infill_left_to_right", lambda model, gap, temperature, seed: Filled(spoiled, 1.0, 0.0)
    )
    diffused, continued, human = cells(infilling_rows(bundled, [gap, gap], judge, 0))
    assert [cell.strip() for cell in human] == ["human, the original", "1.00 ± 0.00", "2.000 ± 0.000", "0.0 ± 0.0"]
    assert diffused[1:] == human[1:]
    assert "best of 1 " in continued[0]
    assert continued[1].strip() == "0.00 ± 0.00"
    assert continued[3] != human[3]


# --- speed ------------------------------------------------------------------------------------------------------------


def timed(name, seconds, tokens, log, forwards=None):
    times = iter(seconds)

    def write(prompt, seed):
        log.append((name, tuple(prompt), seed))
        return story(tokens=tokens, seconds=next(times))

    return Setting(name, write, forwards)


def test_settings_take_turns_and_the_median_counts():
    log = []
    slow, fast = timed("slow", [4.0, 2.0, 90.0], 8, log), timed("fast", [1.0, 1.0, 0.5], 8, log)
    speeds = race([slow, fast], [[1], [2]], 3, seed=5)
    assert log == [
        (name, prompt, 5 + run) for run, prompt in enumerate([(1,), (2,), (1,)]) for name in ("slow", "fast")
    ]
    assert speeds == [(4.0, 2.0), (1.0, 8.0)]


def test_the_sentence_under_the_speeds_follows_from_the_numbers():
    log = []
    settings = [timed("eight", [1.0] * 2, 100, log, 8), timed("sixty-four", [8.0] * 2, 100, log, 64)]
    *_, sentences = speed_rows(settings, timed("ar", [4.0] * 2, 100, log), [[1]], 1, [1, 2], 0)
    assert sentences == (
        "Faster with 1 thread, in useful tokens per second: diffusion at 8 forwards; autoregression with a KV cache at "
        "64 forwards. Faster with 2 threads, in useful tokens per second: diffusion at 8 forwards; autoregression with "
        "a KV cache at 64 forwards."
    )


def test_a_tie_is_not_a_victory_of_diffusion():
    assert "diffusion at" not in verdict(1, {8: 5.0}, 5.0)
    assert "autoregression" not in verdict(1, {8: 5.1}, 5.0)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with contextlib.suppress(RuntimeError), torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before


# --- the program ------------------------------------------------------------------------------------------------------


def test_quick_shrinks_every_count_that_can_shrink_and_given_counts_win():
    assert all(few < many or many == 1 for few, many in zip(QUICK, Counts()))
    args = parser().parse_args(["--corpus", "x", "--quick", "--gaps", "5"])
    assert counts_of(args) == QUICK._replace(gaps=5)


def test_too_small_counts_are_refused_by_name_rule_and_value(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--corpus", "x", "--stories", "1"])
    assert "--stories: must be at least 2, got 1" in capsys.readouterr().err


@pytest.fixture
def corpus(tmp_path):
    """A file with four held-out stories and as many others."""
    texts = [f"{TALE} And that was day {number}." for number in range(500)]
    chosen = [t for t in texts if is_held_out(t)][:4] + [t for t in texts if not is_held_out(t)][:4]
    file = tmp_path / "corpus.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in chosen), encoding="utf-8")
    return file


def test_a_missing_judge_is_said_before_anything_is_measured(corpus, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["--corpus", str(corpus)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "requirements-evaluate.txt" in err


def test_a_corpus_without_held_out_stories_is_refused(tmp_path, capsys):
    (tmp_path / "one.txt").write_text("The cat sat.", encoding="utf-8")
    assert main(["--corpus", str(tmp_path), "--no-judge"]) == 2
    assert "0 held-out stories" in capsys.readouterr().err


@pytest.fixture
def brief(monkeypatch):
    """Few short stories by few settings: every table, in seconds."""
    few = {"STORY": 16, "FORWARDS": (1, 2), "TEMPERATURES": (0.9,), "RIGHTWARD_TEMPERATURES": (0.3, 0.9)}
    for name, value in few.items():
        monkeypatch.setattr(evaluation, name, value)


MARKS = "<!-- measured: printed by make evaluate -->\nold\n<!-- /measured -->\n"


def test_the_tables_replace_what_was_measured_before_in_card_and_document(corpus, brief, tmp_path, monkeypatch):
    card, measured = tmp_path / "card.md", tmp_path / "measured.md"
    for name, file in {"CARD": card, "MEASURED": measured}.items():
        file.write_text(f"# before\n{MARKS}behind\n", encoding="utf-8")
        monkeypatch.setattr(evaluation, name, file)
    few = "--documents 2 --stories 2 --gaps 2 --runs 1 --threads 2 --samples 1 --no-judge --write"
    assert main(["--corpus", str(corpus), *few.split()]) == 0
    for text in (card.read_text(encoding="utf-8"), measured.read_text(encoding="utf-8")):
        assert text.startswith("# before\n")
        assert text.endswith("<!-- /measured -->\nbehind\n")
        assert "old" not in text
        assert "| written by | threads" in text
        assert f"--corpus {corpus.name} --documents 2" in text
        assert str(tmp_path) not in text
    assert "Continued:" in card.read_text(encoding="utf-8")
    assert "Continued:" not in measured.read_text(encoding="utf-8")


def test_only_the_bundled_model_s_tables_are_put_where_it_is_told_of(corpus, capsys):
    assert main(["--corpus", str(corpus), "--no-judge", "--write", "--model", "owner/other"]) == 2
    assert "leave --write out" in capsys.readouterr().err


def test_the_program_prints_every_table_without_a_judge(corpus, brief, capsys):
    few = "--documents 2 --stories 2 --seeds 2 --gaps 2 --runs 1 --threads 2 --samples 3 --no-judge"
    assert main(["--corpus", str(corpus), "--unseen", str(corpus), *few.split()]) == 0
    out = capsys.readouterr().out
    for header in ("| text |", "| written by | judged", "| filled in by |", "| revised by |", "| written by | threads"):
        assert out.count(header) == 1
    assert out.count("another source") == 2
    assert out.count("Continued:") == 3

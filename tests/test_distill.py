import gzip
import json
import sys

import pytest
import torch

from dlm_core.training.distill import main, repeated, stories


def test_a_text_that_says_the_same_again_is_told_by_its_runs_of_tokens():
    assert repeated([1, 2, 3]) == 0.0
    assert repeated(list(range(20))) == 0.0
    assert repeated([1, 2, 3, 4] * 3) == pytest.approx(5 / 9)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr("dlm_core.training.distill.ROWS", 12)


def test_stories_are_whole_begin_as_the_corpus_does_and_come_again_with_the_seed(bundled, few):
    documents = [torch.tensor(bundled.tokenizer("Tim had a red ball. He lost it. The end.").input_ids)]
    write = lambda seed: next(  # noqa: E731
        stories(bundled.model, bundled.tokenizer, documents, length=120, temperature=0.5, seed=seed)
    )
    texts = write(4)
    assert texts
    assert texts == write(4)
    for text in texts:
        assert text.strip().startswith("Tim had a")
        assert len(bundled.tokenizer(text).input_ids) < 119, "there was room for the end of text"
        assert not any(token in text for token in bundled.tokenizer.all_special_tokens)


def test_the_program_adds_to_a_file_of_one_object_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr("dlm_core.training.distill.ROWS", 4)
    (tmp_path / "corpus.txt").write_text("Tim had a red ball. He lost it. The end.", encoding="utf-8")
    out = tmp_path / "distilled.jsonl.gz"
    arguments = f"distillation --corpus {tmp_path} --length 120 --minutes 0 --out {out}".split()
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    once = gzip.decompress(out.read_bytes())
    main()
    assert once
    assert gzip.decompress(out.read_bytes()) == once * 2
    assert all(json.loads(line)["text"] for line in once.splitlines())

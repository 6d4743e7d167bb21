"""What an operator may set, and what is said of a slip."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from dlm_core.engine.limits import VARIABLES, Limits

ROOT = Path(__file__).parents[1]


def test_every_limit_has_a_variable_and_a_row_in_the_documents():
    document = (ROOT / "docs/operators.md").read_text(encoding="utf-8")
    assert list(VARIABLES) == [field.name for field in fields(Limits)]
    for variable, usual in VARIABLES.values():
        assert f"| `{variable}` | {usual} |" in document


def test_the_page_has_limits_where_nothing_is_set_and_takes_those_that_are():
    assert Limits.of({}) == Limits.of({"UNMASK_MAX_STEPS": ""})
    assert Limits.of({}).steps == VARIABLES["steps"][1]
    assert Limits.of({"UNMASK_MAX_STEPS": " 12 "}).steps == 12


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "ten", "nan", "inf", "1e3", "²", "9" * 5000, "1000001"])
def test_a_wrong_value_is_one_sentence_that_names_the_variable(text):
    with pytest.raises(ValueError, match=r"^UNMASK_MAX_QUEUE must be a whole number between 1 and \d+, got '") as error:
        Limits.of({"UNMASK_MAX_QUEUE": text})
    assert len(str(error.value)) < 150


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("UNMASK_MAX_SECONDS", "soon", "UNMASK_MAX_SECONDS must be a whole number"),
        ("UNMASK_ENGINE", "host:8000", "the address of an engine is like http://host:8000, got 'host:8000'"),
    ],
)
def test_the_page_does_not_start_with_a_wrong_value(monkeypatch, variable, value, sentence):
    monkeypatch.setenv(variable, value)
    ended = subprocess.run([sys.executable, "app.py"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(f"error: {sentence}")
    assert "Traceback" not in ended.stderr

import subprocess
import sys

import pytest

from dlm_core.__main__ import main
from dlm_core.trace import Trace


def test_the_text_goes_to_stdout_the_summary_to_stderr_and_the_run_to_a_file(tmp_path, capsys):
    out = tmp_path / "a.run.jsonl.gz"
    arguments = [
        "Once upon a time",
        "--policy",
        "threshold",
        "--steps",
        "8",
        "--length",
        "16",
        "--seed",
        "1",
        "--out",
        str(out),
    ]
    assert main(arguments) == 0
    text, summary = capsys.readouterr()
    trace = Trace.load(out)
    assert text == trace.text() + "\n"
    assert text.startswith("Once upon a time")
    assert summary.count("\n") == 1
    for word in ("steps", "forwards", "seconds", "tokens per forward", "seed 1"):
        assert word in summary


def test_the_same_seed_prints_the_same_text(capsys):
    texts = []
    for seed in ("4", "4", "5"):
        main(["The cat", "--length", "24", "--steps", "8", "--temperature", "1", "--seed", seed])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--policy", "best"], "unknown policy"),
        (["--steps", "999"], "steps must be between"),
        (["--block-length", "5"], "block length must divide"),
        (["--temperature", "-1"], "temperature must be 0 or more"),
        (["--model", "/nowhere"], "was not found"),
        (["--out", "/nowhere/a.gz"], "does not exist"),
        (["--policy", "eb", "--threshold", "0.5"], "has no parameter 'threshold'"),
    ],
)
def test_what_a_user_gets_wrong_is_one_sentence_and_exit_code_2(arguments, sentence, capsys):
    assert main(["x", *arguments]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert sentence in error
    assert error.count("\n") == 1


def test_an_unknown_policy_is_told_before_anything_heavy_is_imported():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dlm_core", "x", "--policy", "best"],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert "transformers" not in done.stderr.replace("error:", "")


def test_export_writes_one_page_that_holds_the_run_and_asks_for_nothing(trace, tmp_path, capsys):
    trace.save(tmp_path / "a.run.jsonl.gz")
    assert main(["export", str(tmp_path / "a.run.jsonl.gz"), str(tmp_path / "a.html")]) == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "6 steps" in capsys.readouterr().err


def test_export_of_what_is_no_run_is_one_sentence(tmp_path, capsys):
    (tmp_path / "x").write_text("hello", encoding="utf-8")
    assert main(["export", str(tmp_path / "x"), str(tmp_path / "a.html")]) == 2
    assert "not an Unmask run file" in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()

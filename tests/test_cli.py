import io
import json
import os
import subprocess
import sys

import pytest

from dlm_core.__main__ import main
from dlm_core.policies import parameters
from dlm_core.record import from_step_map
from dlm_core.trace import Trace
from dlm_core.unicode import utf8_output
from dlm_core.words import english


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
        (["--policy", "lada"], "unknown policy 'lada' (the nearest is 'llada')"),
        (["--stepps", "8"], "there is no option --stepps (the nearest is '--steps')"),
        (["--policy", "p2", "--set", "num_step=8"], "no parameter 'num_step' (the nearest is 'num_steps')"),
        (["--policy", "p2", "--steps", "8", "--num-steps", "8"], "steps and num_steps are the same parameter"),
        (["--steps", "8", "--set", "steps=8"], "steps is given twice"),
        (["--steps", "many"], "steps must be a whole number between 1 and 96, got 'many'"),
        (["--steps", ""], "steps must be a whole number between 1 and 96, got ''"),
        (["--steps", "null"], "steps must be a whole number between 1 and 96, got nothing"),
        (["--steps", "2.5"], "steps must be a whole number between 1 and 96, got 2.5"),
        (["--steps", "true"], "steps must be a whole number between 1 and 96, got True"),
        (["--steps", "1" + "0" * 5000], "steps must be a whole number between 1 and 96, got '1000"),
        (["--temperature", "NaN"], "temperature must be a number of 0 or more, got nan"),
        (["--temperature", "[1]"], "temperature must be a number of 0 or more, got [1]"),
        (["--exhaust", "yes"], "exhaust must be true or false, got 'yes'"),
        (["--length", "long"], "length must be a whole number between 1 and 255, got 'long'"),
        (["--seed", "1.5"], "seed must be a whole number"),
        (["--cache", "exact"], "argument --cache: invalid choice: 'exact'"),
        (["y"], "unexpected 'y'"),
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


def test_export_to_json_writes_the_step_map_that_makes_the_run_again(trace, tmp_path):
    trace.save(tmp_path / "a.run.jsonl.gz")
    assert main(["export", str(tmp_path / "a.run.jsonl.gz"), str(tmp_path / "a.json")]) == 0
    record = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (record["step_map"], record["ids"]) == (trace.step_map(), trace.canvas(len(trace.steps)).tolist())
    assert len(record["tokens"]) == len(record["ids"])
    again = from_step_map(record["ids"], record["step_map"], mask_token_id=record["mask_token_id"])
    assert again.commit_step().tolist() == trace.commit_step().tolist()


def test_export_of_what_is_no_run_is_one_sentence(tmp_path, capsys):
    (tmp_path / "x").write_text("hello", encoding="utf-8")
    assert main(["export", str(tmp_path / "x"), str(tmp_path / "a.html")]) == 2
    assert "not an Unmask run file" in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("command", [[], ["run"], ["run", "--policy", "p2"], ["export"], ["site"]])
def test_every_command_explains_itself_and_does_nothing_else(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    assert f"usage: python -m dlm_core{' ' if command else ''}{' '.join(command[:1])}" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["site"], ["site", "a", "b"], ["site", "--length", "8"], ["export", "a"], ["run"]])
def test_a_command_that_lacks_something_or_has_too_much_is_a_sentence_and_writes_nothing(
    words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert "--help says what there is" in error
    assert list(tmp_path.iterdir()) == []


def test_without_anything_the_page_is_served(monkeypatch):
    served = []
    monkeypatch.setattr("dlm_core.launch.serve", lambda: served.append(True))
    assert main([]) == 0
    assert served


def test_help_explains_the_parameters_of_the_policy_that_is_named_by_their_own_description(capsys):
    with pytest.raises(SystemExit):
        main(["--help", "--policy", "d3llm", "x"])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["run", "x", "--policy", "d3llm", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for name, one in parameters("d3llm").items():
        assert f"--{name.replace('_', '-')}" in told
        assert one.rule in told
        assert english(f"{one.key}.info") in told
    assert "--kl-threshold" not in told, "of another policy"


def test_run_may_be_said_and_options_may_come_first(capsys):
    texts = set()
    for words in (["run", "The cat"], ["The cat"], ["run", "--seed", "0", "The cat"]):
        assert main([*words, "--length", "8", "--steps", "4.0"]) == 0
        texts.add(capsys.readouterr().out)
    assert main(["--length", "8", "--steps", "4", "The cat"]) == 0
    assert len(texts | {capsys.readouterr().out}) == 1


def test_a_prompt_that_is_called_like_a_command_needs_run_before_it(capsys):
    assert main(["run", "site", "--length", "4", "--steps", "1"]) == 0
    assert capsys.readouterr().out.startswith("site")


def test_any_parameter_is_an_option_with_dashes_or_as_it_is_called(capsys):
    for flag in ("--kl-threshold", "--kl_threshold"):
        assert main(["A", "--policy", "klass", "--length", "8", flag, "0.5"]) == 0
        assert "kl_threshold=0.5" in capsys.readouterr().err


def test_a_policy_for_other_noise_than_the_models_runs_and_says_that_it_is_not_made_for_it(capsys):
    assert main(["A", "--policy", "duo", "--length", "4", "--steps", "2"]) == 0
    _, note = capsys.readouterr().err.splitlines()
    assert note == "note: duo is for models of other noise (random tokens), so the text says little of it"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1:strict", "gbk", "utf-16", "utf-8:strict"])
def test_no_character_is_lost_whatever_the_encoding_of_an_output(encoding, monkeypatch):
    text, (name, _, errors) = "日本 👍 é \ud83d", encoding.partition(":")
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(io.BytesIO(), encoding=name, errors=errors or None))
    utf8_output()
    for stream in (sys.stdout, sys.stderr):
        print(text, file=stream, flush=True)
        assert stream.buffer.getvalue().decode() == "日本 👍 é \\ud83d\n".replace("\n", os.linesep)
    monkeypatch.setattr(sys, "stdout", None)  # as where there is no console
    utf8_output()


def test_text_and_names_come_and_go_as_they_were_typed_where_the_locale_is_ascii(tmp_path):
    out = tmp_path / "日本 #1 100%.run.jsonl.gz"
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "dlm_core", "日本 👍 é", "--length", "8", "--steps", "4", "--out", str(out)],
        env=os.environ | locale, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == Trace.load(out).text() + "\n"
    assert done.stdout.decode().startswith("日本 👍 é")
    wrong = subprocess.run(
        [sys.executable, "-m", "dlm_core", "export", "/nowhere/日本", "a.html"], env=os.environ | locale,
        capture_output=True,
    )  # fmt: skip
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert wrong.stderr.decode().startswith("error: ")

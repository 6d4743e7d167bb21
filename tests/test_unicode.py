"""Half characters, wherever text comes in: replaced in what is run and kept, and nothing ends in a traceback."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.edit import Cell
from dlm_core.engine.remote import pack, unpack
from dlm_core.models import load_model
from dlm_core.trace import Trace
from dlm_core.ui.page import _denoise_api
from dlm_core.ui.streams import stream
from dlm_core.ui.tabs.denoise import next_conversation
from dlm_core.unicode import well_formed

ROOT = Path(__file__).parents[1]
HALF = "\ud83d"  # of an emoji


def run(engine, **asked):
    return Trace.parse("".join(engine.run(Request(**{"length": 8, "params": {"steps": 4}} | asked))).encode())


@given(st.text(st.characters(codec=None), max_size=20))
def test_well_formed_text_can_be_encoded_and_is_left_alone_where_it_could_be(text):
    made = well_formed(text)
    assert made.encode().decode() == made
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert made == text


def test_halves_that_make_a_character_make_it_and_others_are_replaced():
    assert well_formed("\ud83d\udc4d!") == "👍!"
    assert well_formed("\udc4d\ud83d") == "��"
    cells = [Cell(HALF, True), Cell(5, False)]
    assert well_formed({"a": [HALF, 1, None], HALF: cells}) == {"a": ["�", 1, None], "�": [Cell("�", True), cells[1]]}


def test_half_a_character_runs_as_the_sign_that_stands_for_it(bundled, saved):
    engine, chat = LocalEngine(bundled), LocalEngine(load_model(saved("A2D Qwen3")))
    said = [{"role": "user", "content": HALF}, {"role": "assistant", "content": f"a{HALF}"}]
    clean = [{**message, "content": well_formed(message["content"])} for message in said]
    masks = [Cell(bundled.mask_token_id, False)] * 4
    for runs, ours, theirs in (
        (engine, {"prompt": HALF}, {"prompt": "�"}),
        (engine, {"pins": {3: f"b{HALF}"}}, {"pins": {3: "b�"}}),
        (engine, {"cells": [Cell(HALF, True), *masks]}, {"cells": [Cell("�", True), *masks]}),
        (chat, {"prompt": HALF, "conversation": said}, {"prompt": "�", "conversation": clean}),
    ):
        assert run(runs, **ours).header == run(runs, **theirs).header
        assert (
            pack(Request(**ours))
            == pack(Request(**theirs))
            == pack(unpack(json.loads(json.dumps(pack(Request(**ours))))))
        )
    assert bundled.encode_prompt(HALF) == bundled.encode_prompt("�")
    assert engine.lesson(f"The {HALF} cat", "mask", "linear", 1) == engine.lesson("The � cat", "mask", "linear", 1)


def test_what_the_page_and_programs_are_told_has_no_half_characters(bundled, saved):
    engine, chat = LocalEngine(bundled), LocalEngine(load_model(saved("SDAR")))
    for wrong in ({"policy": HALF}, {"params": {HALF: 1}}, {"pins": {99: HALF}}, {"params": {"remasking": HALF}}):
        (told,) = stream(engine, Request(**{"length": 8} | wrong), threading.Event())
        assert json.loads(told.encode())["message"]
    for wrong in ({"policy": HALF}, {"params": {HALF: 1}}, {"conversation": [{"role": HALF, "content": "x"}]}):
        with pytest.raises(gr.Error) as error:
            list(_denoise_api(engine)(**{"length": 8} | wrong))
        assert error.value.message.encode()
    asked = Request(HALF, length=8, params={"steps": 4})
    *_, value = stream(chat, asked, threading.Event())
    assert json.loads(next_conversation(asked, value).encode())[0]["content"] == "�"


def command(*words: bytes) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable.encode(), b"-m", b"dlm_core", *words],
        cwd=ROOT, capture_output=True, env=os.environ | {"LC_ALL": "C.UTF-8"},
    )  # fmt: skip


def test_a_byte_that_is_no_utf_8_on_the_command_line_is_replaced_but_in_the_names_of_files(tmp_path):
    out = bytes(tmp_path) + b"/caf\xe9.run.jsonl.gz"
    done = command(b"caf\xe9", b"--length", b"4", b"--steps", b"2", b"--out", out)
    assert done.returncode == 0, done.stderr
    assert os.listdir(bytes(tmp_path)) == [b"caf\xe9.run.jsonl.gz"]
    assert Trace.load(os.fsdecode(out)).header["prompt"] == "caf�"
    wrong = command(b"x", b"--policy", b"\xe9")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(b"error: ")
    assert b"Traceback" not in wrong.stderr

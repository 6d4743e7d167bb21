"""Conversations: what counts as one, how a model that chats is asked, and what its run file keeps of it."""

import layouts
import pytest
from layouts import IM, IM_END

from dlm_core.__main__ import main
from dlm_core.conversation import MAX_CHARACTERS, MAX_MESSAGES, dump, parse, validate, with_answer, with_system
from dlm_core.engine import LocalEngine, Request, plan
from dlm_core.engine.remote import pack, unpack
from dlm_core.models import load_model
from dlm_core.trace import RunFileError, Trace


def say(*contents, system=None):
    """A conversation of questions and answers in turn."""
    said = [{"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(contents)]
    return with_system(system, said)


@pytest.fixture(scope="module")
def qwen(saved):
    return load_model(saved("A2D Qwen3"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return load_model(layouts.modernbert_chat(tmp_path_factory.mktemp("chat"), silence=2.0))


def run(model, **request):
    return Trace.parse(
        "".join(LocalEngine(model).run(Request(**{"length": 12, "params": {"steps": 4}} | request))).encode()
    )


@pytest.mark.parametrize(
    "said", [[], say("hi", "hello"), say("a", "b", "c", "", system="be kind"), say(system="be kind")], ids=len
)
def test_a_conversation_survives_being_checked_and_written(said):
    assert validate(said) == said
    assert parse(dump(said)) == said


def test_an_answer_joins_what_was_said_without_the_room_around_it():
    said = say("why?", "so", system="be kind")
    assert with_answer(said, "and?", " then\n") == [*said, *say("and?", "then")]
    assert with_system(" ", say("a", "b")) == say("a", "b"), "an empty system text is none"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("hi", "is a list of messages"),
        ([{"role": "user"}], "is a list of messages"),
        ([{"role": "user", "content": 3}], "is a list of messages"),
        (5, "is a list of messages"),
        (say("a"), "each with its answer, got user"),
        (say("a", "b")[::-1], "each with its answer, got assistant, user"),
        ([*say("a", "b"), *say(system="late")], "got user, assistant, system"),
        ([{"role": "tool" * 50, "content": ""}], "got tooltooltooltooltool"),
        (say(*"ab" * MAX_MESSAGES), f"at most {MAX_MESSAGES} messages"),
        (say("a" * MAX_CHARACTERS, "b"), f"at most {MAX_CHARACTERS} characters"),
    ],
)
def test_what_is_no_conversation_is_one_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        validate(wrong)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("text", ["{", "[" * 10_000, '"hi"', '[{"role": "user"}]'])
def test_a_text_that_holds_no_conversation_is_one_sentence(text):
    with pytest.raises(ValueError, match="a conversation is"):
        parse(text)


def test_a_follow_up_is_put_through_the_models_own_template(qwen):
    said = say(f"hi{IM_END}", "hello", system="be kind")
    canvas = plan(qwen, Request("why?", length=8, conversation=said)).canvas
    asked = (
        f"{IM}system\nbe kind{IM_END}\n{IM}user\nhi{IM_END}{IM_END}\n{IM}assistant\nhello{IM_END}\n"
        f"{IM}user\nwhy?{IM_END}\n{IM}assistant\n"
    )
    assert qwen.tokenizer.decode(canvas.ids[canvas.fixed]) == asked
    control = qwen.tokenizer.convert_tokens_to_ids(IM_END)
    assert canvas.ids.tolist().count(control) == 4, "what a visitor types is no control token"


def test_a_run_of_a_conversation_is_repeated_from_its_file_and_its_text_is_the_answer(qwen):
    said = say("hi", "hello", system="be kind")
    trace = run(qwen, prompt="why?", conversation=said, seed=3, params={"steps": 4, "temperature": 1.0})
    header = Trace.parse("".join(f"{line}\n" for line in trace.lines).encode()).header
    assert header["conversation"] == said
    policy = {name: value for name, value in header["policy"].items() if name != "name"}
    again = run(qwen, prompt=header["prompt"], conversation=header["conversation"], seed=header["seed"], params=policy)
    assert [step.after.tolist() for step in again.steps] == [step.after.tolist() for step in trace.steps]
    whole = Trace(trace.header | {"canvas": trace.header["canvas"]}, trace.steps, trace.pieces)
    del whole.header["conversation"]
    assert whole.text().endswith(trace.text())
    assert "why?" in whole.text()
    assert "why?" not in trace.text()
    assert trace.conversation() == with_answer(said, "why?", trace.text())


def test_another_conversation_is_another_canvas(qwen):
    first, other = (run(qwen, prompt="why?", conversation=said) for said in (say("a", "b"), say("a", "c")))
    assert first.header["canvas"] != other.header["canvas"]


def test_a_text_model_takes_no_conversation_and_its_runs_are_none(bundled):
    with pytest.raises(ValueError, match="does not chat"):
        plan(bundled, Request("a", length=4, conversation=say("a", "b")))
    trace = run(bundled, prompt="A cat", length=4)
    assert "conversation" not in trace.header
    with pytest.raises(ValueError, match="is no answer in a conversation"):
        trace.conversation()


def test_a_conversation_that_leaves_no_room_is_told_as_such(qwen):
    with pytest.raises(ValueError, match="the prompt and the conversation before it take"):
        plan(qwen, Request("why?", length=8, conversation=say("long " * 100, "b")))


def test_a_template_that_takes_no_system_text_says_so(qwen, saved, tmp_path):
    text = type(qwen.text)(qwen.tokenizer, template="{{ raise_exception('System role not supported') }}")
    with pytest.raises(ValueError, match=r"does not take this conversation \(System role not supported\)"):
        text.encode("why?")


def test_a_request_with_a_conversation_travels():
    request = Request("why?", conversation=say("a", "b", system="c"), cache="dual")
    assert unpack(pack(request)) == request


def test_a_run_file_whose_conversation_is_none_is_refused(qwen):
    trace = run(qwen, prompt="why?")
    lines = [trace.lines[0].replace('"conversation":[]', '"conversation":[{"role":"user","content":"a"}]')]
    with pytest.raises(RunFileError, match=r"line 1 .*each with its answer"):
        Trace.parse("".join(f"{line}\n" for line in lines).encode())


def test_the_command_line_asks_with_a_system_text_and_asks_on_after_a_run(saved, tmp_path, capsys):
    first, second = tmp_path / "a.run.jsonl.gz", tmp_path / "b.run.jsonl.gz"
    ask = ["--model", str(saved("A2D Qwen3")), "--length", "8"]
    assert main(["hi", *ask, "--system", "be kind", "--out", str(first)]) == 0
    answer = capsys.readouterr().out
    assert answer == Trace.load(first).text() + "\n"
    assert main(["and?", *ask, "--after", str(first), "--out", str(second)]) == 0
    assert Trace.load(second).header["conversation"] == say("hi", answer.strip(), system="be kind")
    assert main(["x", "--system", "be kind"]) == 2
    assert "does not chat" in capsys.readouterr().err
    (tmp_path / "c").write_text("no run", encoding="utf-8")
    assert main(["x", *ask, "--after", str(tmp_path / "c")]) == 2
    assert main(["x", *ask, "--after", str(tmp_path / "nowhere")]) == 2


def test_an_answer_ends_at_its_stop_token_and_what_follows_is_a_tail(bert):
    trace = run(bert, prompt="why?", length=24, params={"steps": 24, "temperature": 1.0})
    ids, end = trace.canvas(len(trace.steps)), trace.end()
    assert bert.tokenizer.sep_token_id in bert.stop_ids
    assert ids[end] in bert.stop_ids
    assert not set(ids[:end][~trace.fixed[:end]].tolist()) & set(bert.stop_ids)
    assert end < len(ids) - 1


def test_an_answer_may_end_in_plain_text_where_no_token_says_it(bert):
    assert bert.tokenizer.decode(bert.ending) == "[/Answer]"
    trace = run(bert, prompt="why? [/Answer]")
    assert trace.header["model"]["ending"] == list(bert.ending)
    answer = bert.text.plain("yes") + list(bert.ending) + bert.text.plain("no")
    start = int(trace.fixed.argmin())
    closed = Trace(dict(trace.header, canvas=[*trace.header["canvas"][:start], *answer]))
    closed.header["fixed"] = [[0, start]]
    closed.pieces.update({token: bert.piece(token) for token in answer})
    assert closed.text() == "yes"

"""Text in and token ids out: chat templates as transformers applies them, and no control token out of what is typed."""

import json

import checkpoints
import pytest
import torch
import transformers
from checkpoints import byte_level
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import IM, IM_END, write
from transformers import AutoTokenizer

from dlm_core.models import ModelError, load_model
from dlm_core.models.registry import CHATML, HEADERS, QUESTIONS
from dlm_core.models.text import Text

THINK = "<think>", "</think>"
# Qwen3's way with earlier answers, in small: what was thought is left out, and a new answer begins without thinking
THINKING = (
    "{%- for m in messages %}{%- set c = m.content %}{%- if m.role == 'assistant' and '</think>' in c %}"
    "{%- set c = c.split('</think>')[-1].lstrip('\n') %}{%- endif %}"
    "{{- '<|im_start|>' + m.role + '\n' + c + '<|im_end|>\n' }}{%- endfor %}"
    "{{- '<|im_start|>assistant\n' }}{%- if not think %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
)
LOOKING = (
    "{% for m in messages %}{% if m.content.startswith('/') %}{{ bos_token }}{% endif %}[{{ m.content | trim }}]"
    "{% if 'no' in m.content %}<|im_end|>{% endif %}{% endfor %}"
)
TEMPLATES = {"chatml": CHATML, "headers": HEADERS, "questions": QUESTIONS, "thinking": THINKING, "looking": LOOKING}
SPECIAL = ["<|endoftext|>", IM, IM_END, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|mask|>"]


def unspecial(folder, *tokens):
    """Have a saved tokenizer call some of its added tokens not special."""
    for file, key in (("tokenizer.json", "added_tokens"), ("tokenizer_config.json", "added_tokens_decoder")):
        said = json.loads((folder / file).read_text(encoding="utf-8"))
        added = said.get(key) or []
        for token in added.values() if isinstance(added, dict) else added:
            token["special"] = token["special"] and token["content"] not in tokens
        (folder / file).write_text(json.dumps(said), encoding="utf-8")


@pytest.fixture(scope="module")
def saved_tokenizer(tmp_path_factory):
    """A byte-level one in which control tokens, and those of thinking, are not all called special."""
    folder = tmp_path_factory.mktemp("tokenizer")
    byte_level(folder, [*SPECIAL, *THINK], bos_token=SPECIAL[0], eos_token=SPECIAL[0])
    unspecial(folder, *THINK, IM, "<|mask|>")
    return folder


@pytest.fixture
def tokenizer(saved_tokenizer):
    return AutoTokenizer.from_pretrained(saved_tokenizer)


def text_of(tokenizer, name, **options):
    control = tokenizer.convert_tokens_to_ids(["<|mask|>", IM_END])
    return Text(tokenizer, (), TEMPLATES[name], options, tuple(control))


def control_of(text):
    """The mask and ends, what the tokenizer calls special, and what the template writes itself."""
    special = (token for token, added in text.tokenizer.added_tokens_decoder.items() if added.special)
    own = [token for token in (IM, *THINK) if token in text.template]
    return {*text.control, *special, *text.tokenizer.convert_tokens_to_ids(own)}


def talk(*contents):
    """A conversation of questions and answers in turn, the last one a question."""
    return [{"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(contents)]


def theirs(text, messages):
    """The ids that transformers makes of a conversation."""
    return text.tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, chat_template=text.template, return_dict=False, **text.template_options
    )


INNOCENT = [
    talk("the cat"), talk("  the cat \n"), talk(""), talk("a | b < c > d"), talk("yes", "no", "why?"),
    talk("one?", "<think>\nhm\n</think>\n\nTwo.", "and?"), talk("\ue000\U000f0000", "é", "你好"), talk("{{ x }}"),
    talk("/x", "y", "z"),
]  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("messages", INNOCENT, ids=str)
def test_an_innocent_conversation_is_encoded_as_transformers_does(tokenizer, name, messages):
    text = text_of(tokenizer, name)
    assert text.encode(messages[-1]["content"], messages[:-1]) == theirs(text, messages)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("token", [*SPECIAL, "<think>", "</think>"])
@pytest.mark.parametrize("around", ["{}", " x {} y ", "{0}{0}", "the cat{}\n", "|{}|", "<{}"])
def test_a_typed_control_token_stays_text_and_the_template_s_own_are_all_there(tokenizer, name, token, around):
    text = text_of(tokenizer, name)
    bare, typed = talk("no"), talk("no" + around.format(token))
    ids, own = text.encode(typed[0]["content"]), theirs(text, bare)
    control = control_of(text)
    assert [each for each in ids if each in control] == [each for each in own if each in control]
    written = tokenizer.apply_chat_template(
        typed, tokenize=False, add_generation_prompt=True, chat_template=text.template
    )
    assert tokenizer.decode(ids) == written


@pytest.mark.parametrize("trick", ["<|im_<think>end|>", "<|im_e</think>nd|>", "<|im_end|", "|>", "<|im_END|>"])
def test_a_template_that_cuts_and_changes_what_is_said_makes_no_control_token_of_it(tokenizer, trick):
    cutting = (
        "<|im_start|>{{ messages[0].content | replace('<think>', '') | replace('</think>', '') | lower }}<|im_end|>"
    )
    text = Text(tokenizer, (), cutting, {}, tuple(tokenizer.convert_tokens_to_ids([IM_END])))
    ids = text.encode(f"a{trick}b")
    assert ids.count(tokenizer.convert_tokens_to_ids(IM_END)) == 1
    assert tokenizer.decode(ids).count("b<|im_end|>") == 1


def test_what_cannot_be_told_from_the_template_s_own_is_refused(tokenizer):
    text = Text(tokenizer, (), "{% if '<|im_end|>' in messages[0].content %}{{ messages[0].content }}{% endif %}!")
    with pytest.raises(ValueError, match=r"chat template looks for '<\|im_end\|>' in what is said: take it out"):
        text.encode("<|im_end|>")
    assert tokenizer.decode(text.encode("hi")) == "!"


def test_what_was_thought_before_is_left_out_although_its_marks_are_tokens(tokenizer):
    text = text_of(tokenizer, "thinking")
    ids = text.encode(f"and {IM_END}?", talk("one?", "<think>\nhm\n</think>\n\nTwo.")[:2])
    assert tokenizer.decode(ids).endswith(
        f"{IM}assistant\nTwo.{IM_END}\n{IM}user\nand {IM_END}?{IM_END}\n{IM}assistant\n<think>\n\n</think>\n\n"
    )
    assert ids.count(tokenizer.convert_tokens_to_ids(IM_END)) == 3
    assert ids.count(tokenizer.convert_tokens_to_ids("</think>")) == 1


@settings(max_examples=30)
@given(st.lists(st.sampled_from([*SPECIAL, *THINK, " ", "\n", "a", "|", "<", "no", "/"]), max_size=8).map("".join))
def test_no_mixture_of_control_tokens_becomes_one(saved_tokenizer, prompt):
    for name in ("chatml", "headers", "questions"):
        text = text_of(AutoTokenizer.from_pretrained(saved_tokenizer), name)
        control = control_of(text)
        kept = [[each for each in text.encode(words) if each in control] for words in (prompt, "x")]
        assert kept[0] == kept[1]
        assert not control.intersection(text.plain(prompt))


def test_a_vocabulary_that_holds_control_tokens_like_any_word_spells_those_that_are_typed(tmp_path):
    checkpoints.metaspace(tmp_path)
    text = Text(AutoTokenizer.from_pretrained(tmp_path))
    ids = text.plain("the </s> cat <mask> <s> <pad>")
    assert not {*text.tokenizer.all_special_ids} - {text.tokenizer.unk_token_id} & set(ids)
    assert text.tokenizer.unk_token_id in text.plain("漢"), "what is not known stays unknown"


def test_control_tokens_have_no_text_whatever_the_tokenizer_calls_them(tokenizer):
    text = text_of(tokenizer, "chatml")
    assert [text.piece(token) for token in text.control] == ["", ""]
    assert text.piece(tokenizer.convert_tokens_to_ids("<think>")) == "<think>", "what is thought is text"


@pytest.mark.parametrize(
    "broken", ["{{ raise_exception('no') }}", "{% for %}", "{{ messages.x.y }}", "{{ 1 / 0 }}", "{{ messages[0] + 1 }}"]
)
def test_a_template_that_fails_is_a_sentence(tokenizer, broken):
    with pytest.raises(ValueError, match="chat template does not take this conversation") as error:
        Text(tokenizer, template=broken).encode("hi")
    assert "\n" not in str(error.value)


# --- named templates --------------------------------------------------------------------------------------------------


@pytest.fixture
def named(tmp_path):
    """Write a checkpoint with chat templates of these names."""

    def build(*names):
        folder = write(tmp_path, "SDAR")
        said = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        said["chat_template"] = [{"name": name, "template": f"{name}: {{{{ messages[0].content }}}}"} for name in names]
        (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
        return folder

    return build


def test_of_several_templates_the_one_called_default_is_used(named):
    model = load_model(named("tool_use", "default"))
    assert model.tokenizer.decode(model.encode_prompt("hi")) == "default: hi"


def test_templates_without_a_default_are_named(named):
    with pytest.raises(ModelError, match=r"chat templates called rag, tool_use and none called default"):
        load_model(named("tool_use", "rag"))


# --- words after words ------------------------------------------------------------------------------------------------

KINDS = {
    "byte-level": lambda folder: byte_level(folder, ["<|a|>"], eos_token="<|a|>"),
    "word pieces": checkpoints.word_pieces,
    "metaspace": checkpoints.metaspace,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_is_set_off_by_a_space_and_punctuation_is_not(tmp_path, kind):
    KINDS[kind](tmp_path)
    text = Text(AutoTokenizer.from_pretrained(tmp_path))
    joined = text.tokenizer.decode([*text.plain("the"), *text.encode_word("cat"), *text.encode_word(".")])
    assert joined.strip() == "the cat."


def test_a_word_of_a_script_without_spaces_follows_at_once(tokenizer):
    text = Text(tokenizer)
    for word in ("猫", "ねこ", "ネコ", "แมว"):
        assert text.tokenizer.decode([*text.plain("a"), *text.encode_word(word)]) == f"a{word}"
    for word in ("кот", "고양이", "قطة", "7"):
        assert text.tokenizer.decode([*text.plain("a"), *text.encode_word(word)]) == f"a {word}"


def test_typed_text_goes_on_as_it_stands(tokenizer):
    text = Text(tokenizer)
    for typed in (" cat", "cat", ", cat", "  cat"):
        assert text.tokenizer.decode([*text.plain("the"), *text.going_on(typed)]) == f"the{typed}"


# --- ends of text -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
@pytest.mark.parametrize("several", [True, False])
def test_a_text_ends_where_any_of_its_files_says(tmp_path, file, several):
    folder = write(tmp_path, "RND1")
    known = load_model(folder).tokenizer.convert_tokens_to_ids
    end, turn, start = map(known, ["<|endoftext|>", IM_END, IM])
    said = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(
        json.dumps(said | {"eos_token_id": [turn, start] if several else turn}), encoding="utf-8"
    )
    model = load_model(folder)
    assert set(model.stop_ids) == {end, turn, *([start] if several else [])}
    logits = model.denoiser(torch.full((1, 4), model.mask_token_id), torch.arange(4))
    assert logits[..., list(model.stop_ids)].isfinite().all(), "an end of a text is never banned"


def test_a_masked_model_that_does_not_chat_has_no_end(tmp_path):
    size = checkpoints.word_pieces(tmp_path)
    config = transformers.BertConfig(
        vocab_size=size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        eos_token_id=3,
    )
    checkpoints.weights(transformers.BertForMaskedLM, config).save_pretrained(tmp_path)
    assert load_model(tmp_path).stop_ids == ()

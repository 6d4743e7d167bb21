"""Any masked language model, from a folder in the published layout."""

import checkpoints
import layouts
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from dlm_core.__main__ import main
from dlm_core.engine import LocalEngine, Request, plan
from dlm_core.models import ModelError, load_model
from dlm_core.trace import Trace

SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)
KINDS = {
    "Bert": (checkpoints.word_pieces, SMALL | {"max_position_embeddings": 40}),
    "Roberta": (checkpoints.metaspace, SMALL | {"max_position_embeddings": 42, "pad_token_id": 1}),
    "XLMRoberta": (checkpoints.metaspace, SMALL | {"max_position_embeddings": 42, "pad_token_id": 1}),
    "ModernBert": (
        checkpoints.word_pieces,
        SMALL | {"max_position_embeddings": 40, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}
        | {"bos_token_id": 2, "eos_token_id": 3, "local_attention": 8},
    ),
    "DistilBert": (
        checkpoints.word_pieces,
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 40},
    ),
    "Albert": (checkpoints.metaspace, SMALL | {"embedding_size": 16, "max_position_embeddings": 40}),
    "Electra": (checkpoints.word_pieces, SMALL | {"embedding_size": 16, "max_position_embeddings": 40}),
    "DebertaV2": (checkpoints.metaspace, SMALL | {"max_position_embeddings": 40}),
    "MPNet": (checkpoints.metaspace, SMALL | {"max_position_embeddings": 42}),
    "Esm": (checkpoints.metaspace, SMALL | {"max_position_embeddings": 42, "pad_token_id": 1, "mask_token_id": 40}),
}  # fmt: skip


def model_class(kind):
    return getattr(transformers, f"{kind}ForMaskedLM")


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Folder by kind, made once."""
    made = {}

    def build(kind):
        if kind not in made:
            folder = made[kind] = tmp_path_factory.mktemp("masked") / kind
            tokenizer, fields = KINDS[kind]
            size = tokenizer(folder)
            checkpoints.weights(
                model_class(kind), model_class(kind).config_class(vocab_size=size, **fields)
            ).save_pretrained(folder)
        return made[kind]

    return build


def run(model, **request):
    return Trace.parse("".join(LocalEngine(model).run(Request(**request))).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_reads_only_the_positions_asked_about_and_says_there_what_the_whole_model_says(saved, kind):
    model = load_model(saved(kind))
    mask = model.mask_token_id
    ids = torch.tensor([[*model.encode_prompt("the cat"), mask, mask, *model.closing]]).repeat(2, 1)
    ids[1, 1] = mask
    ids[1, 2] = model.tokenizer.pad_token_id  # padding in a canvas is what the class itself makes of it
    alone = model_class(kind).from_pretrained(saved(kind)).eval()
    positions = torch.tensor([1, ids.shape[1] - 2])
    with torch.inference_mode():
        whole, asked = alone(input_ids=ids).logits[:, positions], model.denoiser(ids, positions)
    finite = torch.isfinite(asked)
    assert asked.shape == (2, 2, model.denoiser.vocab_size)
    assert torch.allclose(asked[finite], whole[finite], atol=1e-5)
    assert set((~finite[0, 0]).nonzero()[:, 0].tolist()) == set(model.tokenizer.all_special_ids)


@pytest.mark.parametrize("kind", KINDS)
def test_without_its_weights_a_model_begins_the_same_run(saved, kind):
    whole, hollow = load_model(saved(kind)), load_model(saved(kind), device="meta")
    assert {parameter.device.type for parameter in hollow.model.parameters()} == {"meta"}
    request = Request("the cat", length=8)
    assert LocalEngine(hollow).header_line(request) == LocalEngine(whole).header_line(request)
    assert (hollow.context, hollow.revision) == (whole.context, whole.revision)


@pytest.mark.parametrize("kind", ["Bert", "XLMRoberta"])
def test_a_text_stands_between_the_opening_and_the_closing_token_and_neither_is_written(saved, kind):
    model = load_model(saved(kind))
    trace = run(model, prompt="the cat", length=6, params={"steps": 6})
    ids = trace.canvas(len(trace.steps))
    assert [ids[0], ids[-1]] == [model.tokenizer.cls_token_id, model.tokenizer.sep_token_id]
    assert trace.fixed[[0, -1]].all()
    assert not set(ids[1:-1].tolist()) & set(model.tokenizer.all_special_ids)
    assert trace.text().startswith("the cat")


@pytest.mark.parametrize(
    ("kind", "text"),
    [("Bert", "the cat playing, a mat."), ("XLMRoberta", "the cat sat"), ("Bert", "playsed!")],
)
def test_the_pieces_of_a_text_spell_it_spaces_included(saved, kind, text):
    model = load_model(saved(kind))
    spelled = "".join(model.piece(token) for token in model.encode_prompt(text))
    assert spelled.strip() == text


def test_a_mask_in_a_prompt_is_characters(saved):
    model = load_model(saved("Bert"))
    assert model.mask_token_id not in model.encode_prompt("the [MASK] cat")


@pytest.mark.parametrize(("kind", "context"), [("Bert", 40), ("Roberta", 40), ("DistilBert", 40), ("Esm", 40)])
def test_the_context_is_what_the_position_table_holds(saved, kind, context):
    model = load_model(saved(kind))
    assert model.context == context
    longest = context - len(model.encode_prompt("")) - len(model.closing)
    assert run(model, length=longest, params={"steps": 2}).totals["end"] == "finished"
    with pytest.raises(ValueError, match=r"must fit the model's|must be between"):
        plan(model, Request(length=longest + 1))


def test_the_command_line_runs_a_masked_model(saved, capsys):
    assert main(["the cat", "--model", str(saved("Bert")), "--length", "5", "--steps", "5"]) == 0
    assert capsys.readouterr().out.startswith("the cat")


@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_without_its_head_is_refused(saved, tmp_path):
    folder = tmp_path / "headless"
    checkpoints.word_pieces(folder)
    transformers.BertModel.from_pretrained(saved("Bert")).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"no trained masked-language-model head .* the first is cls"):
        load_model(folder)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("t5", "sequence-to-sequence"), ("bart", "sequence-to-sequence"), ("mamba", "not known here"), (3, "not known")],
)
def test_models_of_other_kinds_are_refused_before_their_weights_are_read(tmp_path, kind, sentence):
    checkpoints.rewrite_config(tmp_path, model_type=kind)
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=sentence) as error:
        load_model(tmp_path)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="session")
def chat(tmp_path_factory):
    return load_model(layouts.modernbert_chat(tmp_path_factory.mktemp("hub")))


def test_a_chat_checkpoint_is_asked_through_its_template(chat):
    assert chat.chats
    assert chat.closing == ()
    asked = chat.tokenizer.decode(chat.encode_prompt("why?"))
    assert asked == "[Question]\nwhy?\n[/Question]\n\n[Answer]\n"
    said = [
        {"role": "system", "content": "be kind"}, {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]  # fmt: skip
    ids = chat.encode_prompt("[SEP]", said)
    assert chat.tokenizer.decode(ids).startswith(
        "[SYS]\nbe kind\n[/SYS]\n\n[Question]\na\n[/Question]\n\n[Answer]\nb\n"
    )
    assert not set(ids) & set(chat.tokenizer.all_special_ids)
    assert run(chat, prompt="why?", length=6, params={"steps": 3}).totals["end"] == "finished"


def test_a_chat_checkpoint_decodes_with_its_authors_sampler_in_blocks_of_32(chat):
    assert (chat.policy, chat.length) == ("dllm_mdlm", 128)
    assert chat.windows(7, 80) == [(7, 39), (39, 71), (71, 80)]
    assert chat.windows(7, 80, 73) == [(7, 80)], "any order where it is asked for"


def test_a_text_model_is_not_given_a_conversation(saved):
    with pytest.raises(ValueError, match="does not chat"):
        load_model(saved("Bert")).encode_prompt("b", [{"role": "user", "content": "a"}])


def test_pickled_weights_are_refused_even_beside_a_whole_config(saved, tmp_path):
    (tmp_path / "config.json").write_text((saved("Bert") / "config.json").read_text(encoding="utf-8"), encoding="utf-8")
    torch.save(load_file(saved("Bert") / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \.safetensors file"):
        load_model(tmp_path)

"""Repositories of the hub, with stand-ins for the hub: what is fetched, what goes wrong, whose code runs."""

import errno

import checkpoints
import httpx
import huggingface_hub
import pytest
import torch
import transformers
from huggingface_hub import constants, errors
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from dlm_core.engine import LocalEngine, Request
from dlm_core.models import PINS, ModelError, load_model
from dlm_core.models.hub import sentence
from dlm_core.trace import Trace

COMMIT = "0123456789" * 4


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A folder as snapshot_download leaves it: .../snapshots/<commit>."""
    folder = tmp_path_factory.mktemp("hub") / "models--owner--tiny-bert" / "snapshots" / COMMIT
    size = checkpoints.word_pieces(folder)
    config = transformers.BertConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    checkpoints.weights(transformers.BertForMaskedLM, config).save_pretrained(folder)
    return folder


@pytest.fixture
def hub(monkeypatch):
    """Answers for snapshot_download: a folder, or an error; keeps what it was asked."""

    def answer(result):
        asked = []

        def snapshot_download(name, **options):
            asked.append((name, options))
            if isinstance(result, BaseException):
                raise result
            return str(result)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        return asked

    return answer


def test_a_repository_is_fetched_without_code_and_without_weights_that_could_run_any(bert, hub):
    asked = hub(bert)
    model = load_model("owner/tiny-bert", revision="main")
    [(name, options)] = asked
    assert (name, options["revision"]) == ("owner/tiny-bert", "main")
    files = [
        "model.safetensors",
        "config.json",
        "vocab.txt",
        "pytorch_model.bin",
        "modeling.py",
        "a.pkl",
        "x.pt",
        "onnx/a.json",
    ]
    kept = huggingface_hub.utils.filter_repo_objects(
        files, allow_patterns=options["allow_patterns"], ignore_patterns=options["ignore_patterns"]
    )
    assert list(kept) == files[:3]
    assert (model.name, model.revision) == ("owner/tiny-bert", COMMIT)


def test_what_is_in_the_hub_s_cache_loads_without_a_network(bert, monkeypatch):
    refs = bert.parents[1] / "refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(bert.parents[2]))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model("owner/tiny-bert").revision == COMMIT
    with pytest.raises(ModelError, match="the hub cannot be reached: connect to the network, or give a folder"):
        load_model("owner/another")


def http(kind, status):
    return kind("no", response=httpx.Response(status, request=httpx.Request("GET", "https://hub")))


def after(first, then):
    """An error that came while another was handled, as the hub's client raises them."""
    then.__cause__ = first
    return then


WRONG = {
    "accept its terms": http(errors.GatedRepoError, 403),
    "no revision 'v9'": http(errors.RevisionNotFoundError, 404),
    "or is private": http(errors.RepositoryNotFoundError, 401),
    "does not fit on the disk": OSError(errno.ENOSPC, "No space left on device"),
    "cannot be reached": after(httpx.ConnectError("no route"), errors.LocalEntryNotFoundError("not in the cache")),
    "cannot be reached ": httpx.ReadTimeout("slow"),
    "restore its files": RuntimeError("something\nlong"),
}


@pytest.mark.parametrize("told", WRONG)
def test_what_the_hub_refuses_is_one_sentence_that_says_what_to_do(told, hub):
    hub(WRONG[told])
    with pytest.raises(ModelError, match=told.strip()) as error:
        load_model("owner/name", revision="v9")
    assert "\n" not in str(error.value)
    assert "'owner/name'" in str(error.value)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")])  # fmt: skip  # noqa: E501
def test_too_little_memory_says_so(error):
    assert "needs more memory than there is" in sentence("the model 'x'", error)


def test_memory_that_runs_out_on_the_way_to_the_device_says_so(bert, monkeypatch):
    def full(self, *a):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB\nmore")

    monkeypatch.setattr(transformers.BertForMaskedLM, "to", full)
    with pytest.raises(ModelError, match="needs more memory"):
        load_model(bert)


@pytest.mark.parametrize("name", ["../../no-such-folder", "a/b/c", "", "/nowhere/x", "a b"])
def test_a_name_that_cannot_be_a_repository_never_reaches_the_hub(name, hub):
    asked = hub(AssertionError("the hub was asked"))
    with pytest.raises(ModelError, match="was not found"):
        load_model(name)
    assert not asked


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"device": "toaster"}, "the device 'toaster' cannot be used here"),
        ({"dtype": "int8"}, "the dtype must be"),
        ({"dtype": "nonsense"}, "the dtype must be"),
        ({"revision": "main"}, "is a folder and has no revisions"),
    ],
)
def test_devices_and_dtypes_that_are_not_there_are_named(bert, options, told):
    with pytest.raises(ModelError, match=told):
        load_model(bert, **options)


def test_the_dtype_asked_for_is_the_dtype_of_the_weights_and_answers_are_float32(bert):
    assert load_model(bert).model.dtype == torch.float32
    model = load_model(bert, dtype="bfloat16")
    assert model.model.dtype == torch.bfloat16
    assert model.denoiser(torch.tensor([[2, 4, 3]]), torch.tensor([1])).dtype == torch.float32


CODE = """
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput
import torch
class Config(PreTrainedConfig):
    model_type = "illada"
    vocab_size: int = 0
class ILLaDAForCausalLM(PreTrainedModel):
    config_class = Config
    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Linear(4, config.vocab_size)
        self.post_init()
    def forward(self, input_ids):
        return MaskedLMOutput(logits=self.table(torch.stack([input_ids.float().sin() ** n for n in range(4)], -1)))
"""
ILLADA, PINNED = "GSAI-ML/iLLaDA-8B-Instruct", "5769f04922" + "0" * 30


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """A stand-in for iLLaDA: its mask in neither config nor tokenizer, its class in a file beside it."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "snapshots" / PINNED
    special = ["<|startoftext|>", "<|endoftext|>"]
    size = checkpoints.byte_level(folder, special, bos_token=special[0], eos_token=special[1])
    (folder / "modeling.py").write_text(CODE)
    checkpoints.rewrite_config(
        folder, architectures=["ILLaDAForCausalLM"], model_type="illada", vocab_size=size,
        auto_map={"AutoConfig": "modeling.Config", "AutoModelForCausalLM": "modeling.ILLaDAForCausalLM"},
    )  # fmt: skip
    tensors = {"table.weight": torch.randn(size, 4), "table.bias": torch.randn(size)}
    checkpoints.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_model_s_own_code_runs_only_if_the_operator_allows_it_and_only_at_its_pin(own_code, hub, monkeypatch):
    asked = hub(own_code)
    monkeypatch.delenv("UNMASK_REMOTE_CODE", raising=False)
    with pytest.raises(ModelError, match="start with UNMASK_REMOTE_CODE=1"):
        load_model(ILLADA)
    monkeypatch.setenv("UNMASK_REMOTE_CODE", "1")
    with pytest.raises(ModelError, match="may run only at commit 5769f04922, got revision 'main'"):
        load_model(ILLADA, revision="main")
    with pytest.raises(ModelError, match="no commit of it has been read and pinned"):
        load_model("inclusionAI/LLaDA-MoE-7B-A1B-Instruct")
    assert not asked
    model = load_model(ILLADA)
    assert asked[0][1]["revision"] == "5769f04922"
    assert model.mask_token_id == 5
    assert model.denoiser(torch.tensor([[1, 5, 5]]), torch.tensor([1])).shape == (1, 1, model.denoiser.vocab_size)


def test_code_at_another_commit_than_the_pinned_is_refused(own_code, hub, monkeypatch):
    monkeypatch.setenv("UNMASK_REMOTE_CODE", "1")
    hub(own_code.rename(own_code.parent / COMMIT))
    with pytest.raises(ModelError, match="instead of the pinned"):
        load_model(ILLADA)


def test_the_code_of_a_folder_or_a_repository_that_is_not_listed_never_runs(own_code, hub, monkeypatch):
    monkeypatch.setenv("UNMASK_REMOTE_CODE", "1")
    hub(own_code)
    (own_code / "modeling.py").write_text("raise SystemExit('code ran')")
    for name in (own_code, "someone/iLLaDA-8B-Instruct"):
        with pytest.raises(ModelError, match=r"of a kind \(illada\) that is not known"):
            load_model(name)


OTHER_CODE = """
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.utils.import_utils import is_torch_fx_available
from transformers.modeling_outputs import CausalLMOutputWithPast, MaskedLMOutput
import torch
class Config(PreTrainedConfig):
    model_type = "standin"
    vocab_size: int = 0
    block_size: int = 0
    model_length: int = 64
    attn_backend: str = "flex"
class Model(PreTrainedModel):
    config_class = Config
    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Linear(4, config.vocab_size)
        config.hidden_size, config.num_attention_heads, config.rope_theta = 8, 2, 100.0
        frequencies, scale = ROPE_INIT_FUNCTIONS["default"](config, "cpu")
        assert torch.allclose(frequencies, torch.tensor([1.0, 0.1], device="cpu")) and scale == 1
    def tie_weights(self):
        pass
    def seen(self, input_ids, seen):
        rows = torch.stack([input_ids.float().sin() ** n for n in range(4)], -1)
        return MaskedLMOutput(logits=self.table(seen.float() @ rows))
"""
# how LLaDA2, MDLM and BD3-LM are called, and the bool mask (length, length) that each computes with
FORWARDS = {
    "inclusionAI/LLaDA2.1-mini": """
    def forward(self, input_ids, attention_mask, position_ids):
        assert attention_mask.shape == (len(input_ids), 1, *[input_ids.shape[1]] * 2)
        assert attention_mask.dtype == self.dtype and position_ids.tolist() == [list(range(input_ids.shape[1]))]
        return self.seen(input_ids, attention_mask[0, 0].exp())
""",
    "kuleshov-group/mdlm-no_flashattn-fp32-owt": """
    def forward(self, input_ids, timesteps, return_dict):
        assert timesteps.shape == (len(input_ids),) and not timesteps.any() and return_dict
        return self.seen(input_ids, torch.ones(input_ids.shape[1], input_ids.shape[1]))
""",
    "kuleshov-group/bd3lm-owt-block_size4": """
    def forward(self, input_ids, timesteps, sample_mode, return_dict):
        assert sample_mode and self.config.attn_backend == "sdpa" and timesteps.shape == (len(input_ids),)
        block = torch.arange(input_ids.shape[1]) // self.config.block_size
        return self.seen(input_ids, block[None] <= block[:, None])
""",
}
BLOCK = {"inclusionAI/LLaDA2.1-mini": 32, "kuleshov-group/bd3lm-owt-block_size4": 4}


@pytest.mark.parametrize("name", FORWARDS)
def test_code_of_its_own_is_called_as_its_authors_call_it_at_the_commit_the_operator_names(
    name, tmp_path, hub, monkeypatch
):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    family, folder = PINS[name].family, tmp_path / "snapshots" / COMMIT
    special = ["<|endoftext|>", "<|role_end|>", "<|mask|>"]
    size = checkpoints.byte_level(folder, special, bos_token=special[0], eos_token=special[0])
    vocab = size if family.mask else family.mask_id + 1
    (folder / "modeling.py").write_text(OTHER_CODE + FORWARDS[name])
    checkpoints.rewrite_config(
        folder, architectures=["Model"], model_type="standin", vocab_size=vocab, block_size=4,
        auto_map={"AutoConfig": "modeling.Config", family.model: "modeling.Model"},
    )  # fmt: skip
    weight, bias = torch.randn(vocab, 4), torch.randn(vocab)
    checkpoints.save_file(
        {"table.weight": weight, "table.bias": bias}, folder / "model.safetensors", metadata={"format": "pt"}
    )
    asked = hub(folder)
    monkeypatch.setenv("UNMASK_REMOTE_CODE", "1")
    with pytest.raises(ModelError, match=f"start with UNMASK_REMOTE_CODE={name}@ and its 40 digits"):
        load_model(name)
    assert not asked
    monkeypatch.setenv("UNMASK_REMOTE_CODE", f"1, {name}@{COMMIT}")
    model = load_model(name)
    assert asked[0][1]["revision"] == COMMIT
    assert [each for each, _ in asked[1:]] == ([family.tokenizer] if family.tokenizer else [])
    assert all("*.py" not in options["allow_patterns"] for _, options in asked[1:])
    assert (model.policy, model.block_length) == (family.policy, BLOCK.get(name))
    ids = torch.randint(200, (2, 40), generator=torch.Generator().manual_seed(1))
    ids[:, 9:] = model.mask_token_id
    block, at = torch.arange(40) // BLOCK.get(name, 40), torch.tensor([3, 9, 35])
    rows = torch.stack([ids.float().sin() ** n for n in range(4)], -1)
    expected = ((block[None] <= block[:, None]).float() @ rows @ weight.T + bias)[:, at]
    with torch.inference_mode():
        said = model.denoiser(ids, at)
    finite = torch.isfinite(said)
    assert torch.allclose(said[finite], expected[finite], atol=1e-4)
    assert not finite[..., model.mask_token_id].any()
    lines = "".join(LocalEngine(model).run(Request("the cat", model.policy, 10, params=model.settings)))
    assert Trace.parse(lines.encode()).totals["end"] == "finished"
    assert "default" not in ROPE_INIT_FUNCTIONS, "what older code needs stayed behind"


NEMOTRON = "nvidia/Nemotron-Labs-Diffusion-8B"
# reads in one direction into its cache, answers a block in both directions behind it, and says at once if it is asked
# in another way than its authors do
ENCODER = """
    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Linear(4, config.vocab_size)
        self.encoder = torch.nn.Module()
        self.encoder.layers = torch.nn.ModuleList([torch.nn.Module()])
        self.encoder.layers[0].self_attn = torch.nn.Module()
        self.encoder.layers[0].self_attn.diffusion_lm = True
    def forward(self, input_ids, past_key_values=None, use_cache=True, use_causal_mask=False):
        assert self.encoder.layers[0].self_attn.diffusion_lm is not use_causal_mask and use_cache is use_causal_mask
        before = input_ids[:, :0] if past_key_values is None else past_key_values
        ids = torch.cat([before, input_ids], 1)
        seen = torch.ones(ids.shape[1], ids.shape[1])
        said = self.seen(ids, seen.tril() if use_causal_mask else seen)
        return CausalLMOutputWithPast(logits=said.logits[:, before.shape[1]:], past_key_values=ids)
"""


def test_nemotron_reads_in_one_direction_and_opens_each_block_with_the_reading_s_next_token(tmp_path, hub, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    commit = PINS[NEMOTRON].commit + "0" * 30
    folder, vocab = tmp_path / "snapshots" / commit, 300
    checkpoints.byte_level(folder, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    (folder / "modeling.py").write_text(OTHER_CODE + ENCODER)
    checkpoints.rewrite_config(
        folder, architectures=["Model"], model_type="standin", vocab_size=vocab, block_size=4,
        auto_map={"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model"},
    )  # fmt: skip
    weight, bias = torch.randn(vocab, 4), torch.randn(vocab)
    checkpoints.save_file(
        {"table.weight": weight, "table.bias": bias}, folder / "model.safetensors", metadata={"format": "pt"}
    )
    hub(folder)
    monkeypatch.setenv("UNMASK_REMOTE_CODE", "1")
    model = load_model(NEMOTRON)
    assert (model.policy, model.block_length, model.mask_token_id) == ("threshold", 4, 100)
    assert model.windows(3, 10) == [(3, 4), (4, 7), (7, 8), (8, 10)]

    def said(ids):
        """What stands at the end of `ids`, all of them seen."""
        return torch.stack([ids.float().sin() ** n for n in range(4)], -1).sum(-2) @ weight.T + bias

    ids, denoiser = torch.randint(90, (2, 10), generator=torch.Generator().manual_seed(1)), model.denoiser
    for positions, seen in (([3], 3), ([4, 6], 7), ([7], 7), ([8], 10), ([5], 7)):
        asked = denoiser(ids, torch.tensor(positions))
        finite = torch.isfinite(asked)
        expected = said(ids[:, :seen])[:, None].expand_as(asked)
        assert torch.allclose(asked[finite], expected[finite], atol=1e-4), positions
        assert not finite[..., 100].any()
    with pytest.raises(ValueError, match="one at a time"):
        denoiser(ids, torch.tensor([4, 8]))
    with pytest.raises(ValueError, match="begin with a prompt"):
        model.denoiser(ids, torch.tensor([0]))
    lines = "".join(LocalEngine(model).run(Request("the cat", model.policy, 10)))
    assert Trace.parse(lines.encode()).totals["end"] == "finished"


@pytest.mark.parametrize("said", ["yes", "GSAI-ML/iLLaDA-8B-Instruct@main", f"{ILLADA}@{PINNED[:10]}", "evil/x@1"])
def test_what_allows_code_names_a_whole_commit_or_is_refused(said, hub, monkeypatch):
    asked = hub(AssertionError("the hub was asked"))
    monkeypatch.setenv("UNMASK_REMOTE_CODE", said)
    with pytest.raises(ModelError, match="UNMASK_REMOTE_CODE must be 1, or owner/name@ and the 40 digits"):
        load_model(ILLADA)
    assert not asked

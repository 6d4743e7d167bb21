"""Repositories of the hub, with stand-ins for the hub: what is fetched, and what goes wrong."""

import errno
import shutil

import checkpoints
import httpx
import huggingface_hub
import pytest
import torch
import transformers
from checkpoints import COMMIT
from huggingface_hub import constants, errors

from dlm_core.engine.library import sources_from_environment
from dlm_core.models import ModelError, identity, load_model
from dlm_core.models.hub import sentence
from dlm_core.models.registry import recognise


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
    (refs / "main").write_text(COMMIT, encoding="utf-8")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(bert.parents[2]))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model("owner/tiny-bert").revision == COMMIT
    with pytest.raises(ModelError, match="the hub cannot be reached: connect to the network, or give a folder"):
        load_model("owner/another")


@pytest.mark.parametrize(
    ("path", "name", "revision"),
    [
        (f"hub/models--GSAI-ML--LLaDA-8B-Base/snapshots/{COMMIT}", "GSAI-ML/LLaDA-8B-Base", COMMIT),
        (f"models--gpt2/snapshots/{COMMIT}", "gpt2", COMMIT),
        ("DreamOn-tests/Dream-v0-Instruct-7B", "Dream-v0-Instruct-7B", None),
        ("models--a--b/snapshots/main", "main", None),
        ("my-training/snapshots/step-9000", "step-9000", None),
        (f"datasets--a--b/snapshots/{COMMIT}", COMMIT, None),
    ],
)
def test_a_folder_is_called_as_it_is_and_a_snapshot_as_its_repository(tmp_path, path, name, revision):
    (tmp_path / path).mkdir(parents=True)
    assert identity(tmp_path / path) == (name, revision)
    assert identity(tmp_path / path / "..") != (name, revision)
    (tmp_path / "link").symlink_to(tmp_path / path, target_is_directory=True)
    assert identity(tmp_path / "link") == ((name, revision) if revision else ("link", None))


def test_what_a_model_is_comes_from_its_own_name_and_not_from_the_folders_above(saved, tmp_path):
    def at(family, where):
        return load_model(shutil.copytree(saved(family), tmp_path / where))

    base = at("LLaDA", f"hub/models--GSAI-ML--LLaDA-8B-Base/snapshots/{COMMIT}")
    assert (base.name, base.revision, base.chats) == ("GSAI-ML/LLaDA-8B-Base", COMMIT, False)
    assert at("LLaDA", "all-Base-models/LLaDA-8B-Instruct").chats
    assert at("Dream", "DreamOn-tests/Dream-v0-Instruct-7B").policy == "dream"
    grows = at("DreamOn", f"models--Dream-org--DreamOn-v0-7B/snapshots/{COMMIT}")
    assert (grows.policy, grows.name) == ("dreamon", "Dream-org/DreamOn-v0-7B")
    whole = at("A2D Qwen3", "bd3lm/Qwen3-0.6B-diffusion-mdlm-v0.1")
    assert (whole.attention, len(whole.revision)) == ("full", 12)
    [choice] = sources_from_environment(
        {"UNMASK_MODELS": str(tmp_path / f"hub/models--GSAI-ML--LLaDA-8B-Base/snapshots/{COMMIT}")}
    )
    assert choice.name == base.name, "the menu calls it as its runs do"


@pytest.mark.parametrize("name", ["DreamOn-lab/Dream-v0-Instruct-7B", "Dream-v0-Instruct-7B"])
def test_an_owner_s_name_says_nothing_of_the_family(name):
    assert recognise({"model_type": "Dream"}, name).name == "Dream"


def test_a_snapshot_of_a_model_with_code_of_its_own_is_never_run_from_its_folder(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / f"models--GSAI-ML--iLLaDA-8B-Instruct/snapshots/{COMMIT}")
    with pytest.raises(ModelError, match="never taken from a folder: load it as GSAI-ML/iLLaDA-8B-Instruct"):
        load_model(folder)


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

"""Models whose own code runs: who may allow it, and that their published layouts give the answers they must."""

import json

import own_layouts
import pytest
import torch
from checkpoints import COMMIT
from own_layouts import LAYOUTS, NEMOTRON
from transformers import PreTrainedModel
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from dlm_core.engine import LocalEngine, Request
from dlm_core.models import PINS, ModelError, load_model
from dlm_core.trace import Trace

ILLADA = "GSAI-ML/iLLaDA-8B-Instruct"
PINNED = PINS[ILLADA].commit + "0" * 30


# code of transformers 4 says what transformers 5 calls by another name
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(scope="module", autouse=True)
def modules(tmp_path_factory):
    """One folder for the code that transformers runs: its files import each other by the name of that folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("modules")
        patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder))
        yield


@pytest.fixture
def published(tmp_path, hub, monkeypatch):
    """Write a repository in its layout and let its code run: the folder, what it must answer, what the hub is asked."""

    def write(name):
        commit = PINS[name].commit
        folder = tmp_path / "snapshots" / (commit + "0" * 30 if commit else COMMIT)
        folder.mkdir(parents=True)
        monkeypatch.setenv("UNMASK_REMOTE_CODE", "1" if commit else f"1, {name}@{COMMIT}")
        return folder, own_layouts.write(folder, name), hub(folder)

    return write


def test_a_model_s_own_code_runs_only_if_the_operator_allows_it_and_only_at_its_pin(published, monkeypatch):
    _, _, asked = published(ILLADA)
    monkeypatch.delenv("UNMASK_REMOTE_CODE")
    with pytest.raises(ModelError, match="start with UNMASK_REMOTE_CODE=1"):
        load_model(ILLADA)
    monkeypatch.setenv("UNMASK_REMOTE_CODE", "1")
    with pytest.raises(ModelError, match="may run only at commit 5769f04922, got revision 'main'"):
        load_model(ILLADA, revision="main")
    with pytest.raises(ModelError, match="no commit of it has been read and pinned"):
        load_model("inclusionAI/LLaDA-MoE-7B-A1B-Instruct")
    assert not asked
    assert load_model(ILLADA).mask_token_id == 5, "neither config.json nor the tokenizer says so"
    assert asked[0][1]["revision"] == "5769f04922"


def test_code_at_another_commit_than_the_pinned_is_refused(published, hub):
    folder, _, _ = published(ILLADA)
    hub(folder.rename(folder.parent / COMMIT))
    with pytest.raises(ModelError, match="instead of the pinned"):
        load_model(ILLADA)


def test_the_code_of_a_folder_or_a_repository_that_is_not_listed_never_runs(published):
    folder, _, _ = published(ILLADA)
    (folder / "modeling_illada.py").write_text("raise SystemExit('code ran')", encoding="utf-8")
    for name in (folder, "someone/iLLaDA-8B-Instruct"):
        with pytest.raises(ModelError, match=r"of a kind \(illada\) that is not known"):
            load_model(name)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_that_a_listed_repository_takes_from_another_is_refused(published, file):
    folder, _, _ = published(ILLADA)
    said = json.loads((folder / file).read_text(encoding="utf-8"))
    said["auto_map"] = {"AutoModelForCausalLM": "someone/else--modeling_illada.ILLaDAForCausalLM"}
    (folder / file).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ModelError, match=r"takes code from another repository \(.*\), which no commit pins"):
        load_model(ILLADA)


@pytest.mark.parametrize("said", ["yes", f"{ILLADA}@main", f"{ILLADA}@{PINNED[:10]}", "evil/x@1"])
def test_what_allows_code_names_a_whole_commit_or_is_refused(said, hub, monkeypatch):
    asked = hub(AssertionError("the hub was asked"))
    monkeypatch.setenv("UNMASK_REMOTE_CODE", said)
    with pytest.raises(ModelError, match="UNMASK_REMOTE_CODE must be 1, or owner/name@ and the 40 digits"):
        load_model(ILLADA)
    assert not asked


def canvases(model, rows, length):
    """Text, masks with a word among them, and padding, which is text like any other."""
    ids = torch.randint(6, 90, (rows, length), generator=torch.Generator().manual_seed(1))
    ids[:, 9:] = model.mask_token_id
    ids[:, 14] = 7
    ids[:, -3:] = model.stop_ids[0]
    return ids


def same(asked, expected):
    """Whether the answers are those expected, but for what may not be proposed."""
    finite = torch.isfinite(asked)
    return finite.any() and torch.allclose(asked[finite], expected.float()[finite], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != NEMOTRON])
def test_the_code_of_a_published_layout_gives_the_answers_of_its_weights(published, name):
    _, layout, asked = published(name)
    block_length, family = LAYOUTS[name][1], PINS[name].family
    model = load_model(name)
    assert [each for each, _ in asked[1:]] == ([family.tokenizer] if family.tokenizer else [])
    assert all("*.py" not in options["allow_patterns"] for _, options in asked[1:])
    assert (model.policy, model.block_length) == (family.policy, block_length)
    ids, block = canvases(model, 2, 40), torch.arange(40) // (block_length or 40)
    expected = layout.answers(ids, block[None] <= block[:, None])
    for positions in (torch.arange(40), torch.tensor([3, 9, 35])):
        with torch.inference_mode():
            said = model.denoiser(ids, positions)
        assert same(said, expected[:, positions])
        assert not torch.isfinite(said[..., model.mask_token_id]).any()
    lines = "".join(LocalEngine(model).run(Request("the cat", model.policy, 10, params=model.settings)))
    assert Trace.parse(lines.encode()).totals["end"] == "finished"


def test_nemotron_reads_in_one_direction_and_opens_each_block_with_the_reading_s_next_token(published):
    _, layout, _ = published(NEMOTRON)
    model = load_model(NEMOTRON)
    assert (model.policy, model.block_length, model.mask_token_id) == ("threshold", 4, 100)
    assert model.windows(3, 10) == [(3, 4), (4, 7), (7, 8), (8, 10)]
    ids, denoiser = canvases(model, 2, 24), model.denoiser

    def answers(lo, hi):
        """Of `ids[:, :hi]`: each position before `lo` sees what is before it, those behind see everything."""
        seen = torch.ones(hi, hi, dtype=torch.bool).tril()
        seen[lo:] = True
        return layout.answers(ids[:, :hi], seen)

    for positions, lo, hi in (([3], 3, 7), ([4, 6], 3, 7), ([7], 7, 11), ([8, 10], 7, 11), ([5], 3, 7), ([9], 7, 11)):
        whole = answers(lo, hi)
        expected = torch.stack([whole[:, lo - 1 if at == lo else at] for at in positions], 1)
        with torch.inference_mode():
            said = denoiser(ids, torch.tensor(positions))
        assert same(said, expected), positions
        assert not torch.isfinite(said[..., 100]).any()
    with pytest.raises(ValueError, match="one at a time"):
        denoiser(ids, torch.tensor([4, 8]))
    with pytest.raises(ValueError, match="begin with a prompt"):
        model.denoiser(ids, torch.tensor([0]))
    lines = "".join(LocalEngine(model).run(Request("the cat", model.policy, 10)))
    assert Trace.parse(lines.encode()).totals["end"] == "finished"


def test_what_older_code_needs_to_load_stays_behind(published):
    _, _, _ = published("inclusionAI/LLaDA2.1-mini")
    before = {name: getattr(PreTrainedModel, name) for name in dir(PreTrainedModel)}
    load_model("inclusionAI/LLaDA2.1-mini")
    assert "default" not in ROPE_INIT_FUNCTIONS
    assert {name: getattr(PreTrainedModel, name) for name in before} == before


def test_the_operator_is_told_how_to_allow_code_of_which_no_commit_was_read(published, monkeypatch):
    name = "inclusionAI/LLaDA2.1-mini"
    _, _, asked = published(name)
    monkeypatch.setenv("UNMASK_REMOTE_CODE", "1")
    with pytest.raises(ModelError, match=f"start with UNMASK_REMOTE_CODE={name}@ and its 40 digits"):
        load_model(name)
    assert not asked
    monkeypatch.setenv("UNMASK_REMOTE_CODE", f"1, {name}@{COMMIT}")
    load_model(name)
    assert asked[0][1]["revision"] == COMMIT

import json

import pytest
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer

from dlm_core.models import BUNDLED, load_model
from dlm_core.training import plan, train
from dlm_core.training.data import is_held_out


@pytest.fixture
def small(tmp_path):
    """A folder with the tokenizer of the bundled model and a config of a tiny one."""
    AutoConfig.from_pretrained(
        BUNDLED, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, layer_types=["full_attention"],
    ).save_pretrained(tmp_path / "small")  # fmt: skip
    AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(tmp_path / "small")
    return tmp_path / "small"


@pytest.fixture
def corpus(tmp_path):
    """A file with some held-out stories and some others."""
    texts = [f"Tim had {number} red balls. He lost one of them. Then he went home. The end." for number in range(400)]
    chosen = [t for t in texts if is_held_out(t)][:4] + [t for t in texts if not is_held_out(t)][:20]
    file = tmp_path / "stories.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in chosen), encoding="utf-8")
    return file


def test_one_call_trains_measures_and_writes_small_shards(small, corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "SHARD", "100KB")
    few = "--device cpu --minutes 0.002 --tokens 1024 --documents 3 --no-compile --no-sudoku"
    plan.main(["--corpus", str(corpus), "--out", str(tmp_path / "out"), "--init", str(small), *few.split()])
    found = json.loads((tmp_path / "out/measured.json").read_text(encoding="utf-8"))
    assert list(found) == ["stories.jsonl: autoregressive", "stories.jsonl: diffusion, a bound"]
    assert all(nats > 0 for nats in found.values())
    assert json.loads(capsys.readouterr().out) == found
    shards = sorted((tmp_path / "out/story").glob("*.safetensors"))
    assert len(shards) > 1
    assert sum(len(load_file(shard)) for shard in shards) > 10
    assert load_model(tmp_path / "out/story").ar_logits is not None
    log = (tmp_path / "out/log/log.csv").read_text(encoding="utf-8").splitlines()
    assert log, "at least one step was made"


def test_sudoku_gets_its_part_of_the_time_on_the_same_device(small, corpus, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(plan.train, "main", lambda words: asked.append(words))
    monkeypatch.setattr(plan.sudoku, "main", lambda words: asked.append(words))
    monkeypatch.setattr(plan, "measured", lambda *given: {})
    (tmp_path / "out").mkdir()
    plan.main(["--corpus", str(corpus), "--out", str(tmp_path / "out"), "--minutes", "10", "--device", "cuda"])
    minutes = [float(words[words.index("--minutes") + 1]) for words in asked]
    assert minutes == pytest.approx([7, 1, 1])
    assert all(words[words.index("--device") + 1] == "cuda" and "--bf16" in words for words in asked)
    assert ["--twin" in words for words in asked] == [False, False, True]


def test_the_documented_command_fits_where_one_command_may_be_short():
    documented = (plan.__doc__ or "").split("\n\n")[1].strip()
    assert documented.startswith("python -m dlm_core.training.plan ")
    assert len(documented) < 2000
    plan.parser().parse_args(documented.split()[3:])

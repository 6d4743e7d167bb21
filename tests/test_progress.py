"""Loading that tells how far it is and ends when told to: fetched from a hub of one's own, read from shards."""

import checkpoints
import pytest
import torch
from hub_server import COMMIT, Hub
from huggingface_hub import constants

from dlm_core.models import Cancelled, ModelError, load_model, loading, memory, requirements
from dlm_core.models.files import shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Dream checkpoint in several shards."""
    return checkpoints.dream(tmp_path_factory.mktemp("dream") / "Dream-tiny")


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    hub = Hub("owner/Dream-tiny", folder, piece=4096)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
    yield hub
    hub.close()


def test_shards_are_read_in_bytes_that_only_grow_to_what_their_files_hold(folder):
    told = []
    load_model(folder, on_progress=told.append)
    read = [progress for progress in told if progress.what == "read"]
    assert [progress.bytes for progress in read] == sorted(progress.bytes for progress in read)
    held = {name: (folder / name).stat().st_size for name in shards(folder)}
    assert len(held) > 2
    assert sum(held.values()) * 0.9 < read[-1].all_bytes == read[-1].bytes < sum(held.values())
    assert (read[-1].files, read[-1].all_files) == (len(held), len(held))
    assert [progress.files for progress in read] == sorted(progress.files for progress in read)
    checked = [progress for progress in told if progress.what == "check"]
    assert checked[-1].bytes == checked[-1].all_bytes == sum(held.values())


@pytest.mark.parametrize("stage", ["read", "check"])
def test_a_watch_ends_a_loading_and_leaves_the_next_one_whole(folder, stage):
    def on_progress(progress):
        if progress.what == stage and progress.bytes:
            raise Cancelled

    with pytest.raises(Cancelled):
        load_model(folder, on_progress=on_progress)
    assert load_model(folder).mask_token_id is not None


def test_what_is_fetched_is_told_and_can_be_ended_and_taken_up_again(folder, hub, capfd):
    told = []

    def on_progress(progress):
        told.append(progress)
        if progress.bytes > 20_000:
            raise Cancelled

    with pytest.raises(Cancelled):
        load_model("owner/Dream-tiny", on_progress=on_progress)
    told.clear()
    assert load_model("owner/Dream-tiny", on_progress=told.append).revision == COMMIT
    fetched = [progress for progress in told if progress.what == "fetch"]
    sizes = [file.stat().st_size for file in folder.iterdir()]
    assert fetched[-1].files == fetched[-1].all_files == len(sizes)
    assert fetched[-1].bytes == fetched[-1].all_bytes <= sum(sizes)
    assert "Fetching" not in capfd.readouterr().err


def test_what_does_not_fit_the_memory_is_refused_before_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(loading, "available", lambda: 10_000)
    with pytest.raises(
        ModelError, match=r"needs 0\.0 GB of memory and 0\.0 GB are free: choose a smaller model"
    ) as told:
        load_model(folder, on_progress=lambda progress: pytest.fail("it was read"))
    assert "\n" not in str(told.value)


def test_memory_is_what_the_container_leaves_of_what_the_machine_has(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 90 kB\nMemAvailable:   9000 kB\n", encoding="utf-8")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available() == 9000 * 1024
    for name, text in {"max": "5000", "current": "1500", "stat": "anon 9\ninactive_file 500\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text, encoding="utf-8")
    assert memory.available() == 4000
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert memory.available() == 9000 * 1024
    (tmp_path / "meminfo").unlink()
    assert memory.available() is None


def test_a_cpu_takes_float32_unless_it_has_units_for_bfloat16_and_the_model_is_large(monkeypatch):
    cpu = torch.device("cpu")
    for units, weights, kind in [(True, 2e9, "bfloat16"), (True, 1e8, "float32"), (False, 2e9, "float32")]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda units=units: {"avx2": True, "amx_bf16": units})
        assert loading._dtype("auto", cpu, weights) == getattr(torch, kind)


def test_needs_come_from_files_that_are_here_and_from_the_registry_otherwise(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})
    here = requirements(str(folder))
    assert here.memory == 4 * sum(tensor.numel() for tensor in load_model(folder).model.parameters())
    assert here.gpu is False
    assert requirements("GSAI-ML/LLaDA-8B-Instruct") == (32_000_000_000, True, "MIT")
    assert requirements("somebody/something") == (None, None, None)

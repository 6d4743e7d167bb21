"""Fixtures: a denoiser with known answers, a run recorded from it, and the bundled model."""

from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from hypothesis import settings
from layouts import write
from oracle import oracle
from stand_ins import MASK, VOCAB, elastic, record

from dlm_core.canvas import Canvas
from dlm_core.denoiser import Banned, Denoiser, TableDenoiser
from dlm_core.models import LoadedModel, load_model
from dlm_core.trace import Trace

torch.set_num_threads(min(2, torch.get_num_threads()))
# A law holds on a machine that is slow, too.  `make test` tries the same cases each time, so that what it says depends
# on the commit alone; `make explore` tries new ones.
settings.register_profile("laws", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("laws")


@pytest.fixture(scope="session")
def network() -> Callable[[int], Denoiser]:
    """A denoiser whose answers depend on the neighbourhood, and which never proposes the mask."""

    def build(seed: int = 1, gain: int = 12) -> Denoiser:
        def table(ids: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(oracle(ids.numpy(), seed=seed, vocab=VOCAB, gain=gain))

        return Banned(TableDenoiser(table, VOCAB, MASK), [MASK])

    return build


@pytest.fixture
def trace(network: Callable[[int], Denoiser]) -> Trace:
    """A finished run: 4 fixed positions, 12 masks, 6 steps."""
    run = record(network(), Canvas.from_prompt([1, 2, 3, 4], 12, MASK), steps=6)
    run.finish("finished")
    return run


@pytest.fixture
def grown(network: Callable[[int], Denoiser]) -> Trace:
    """A finished run whose gap grew by one position and lost one."""
    return elastic(network())


@pytest.fixture(scope="session")
def bundled() -> LoadedModel:
    return load_model("bundled")


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny checkpoint in the layout of a family, made once."""
    made: dict[str, Path] = {}

    def build(family: str) -> Path:
        if family not in made:
            made[family] = write(tmp_path_factory.mktemp("mapped"), family)
        return made[family]

    return build


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

"""How far the loading of a model is, in bytes and files, and its end on demand.

A loader calls `on_progress(Progress)` often; what `on_progress` raises ends the loading.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huggingface_hub.utils import tqdm
from transformers.utils import logging

from dlm_core.models.files import shards


class Progress(NamedTuple):
    """So many bytes of so many, in so many whole files of so many; 0 of 0 while nothing is known."""

    what: Literal["fetch", "read", "check"]  # from the hub to the disk, from the disk into memory, for a fingerprint
    bytes: int = 0
    all_bytes: int = 0
    files: int = 0
    all_files: int = 0


ProgressCallback = Callable[[Progress], None]


class Cancelled(BaseException):
    """Raised by an `on_progress` to end the loading; like an interrupt, it is no error that anything may handle."""


def download_bar(on_progress: ProgressCallback) -> type[tqdm]:
    """Return a progress bar for the hub's client that draws nothing and reports bytes and files to `on_progress`."""
    bytes_bar: list[tqdm] = []
    files_bar: list[tqdm] = []

    class ProgressBar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # of its three bars, one counts bytes on the network, which may be fewer than those of the files
            if kwargs.get("name") == "huggingface_hub.snapshot_download":
                bytes_bar.append(self)
            elif kwargs.get("unit", "it") == "it":
                files_bar.append(self)
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            done, files = (bar[-1] if bar else None for bar in (bytes_bar, files_bar))
            on_progress(
                Progress(
                    "fetch", int(done.n if done else 0), int(done.total or 0) if done else 0,
                    int(files.n if files else 0), int(files.total or 0) if files else 0,
                )
            )  # fmt: skip

    return ProgressBar


@contextmanager
def reading_progress(folder: Path, on_progress: ProgressCallback | None) -> Iterator[None]:
    """Report the weights that transformers reads meanwhile to `on_progress`; one loading at a time."""
    if on_progress is None:
        yield
        return

    def hook(factory: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        bar = factory(*args, **options)
        return _counted(bar, shards(folder), on_progress) if options.get("desc") == "Loading weights" else bar

    before = logging.set_tqdm_hook(hook)
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)


def _counted(weights: Iterable[Any], files: dict[str, dict[str, Any]], on_progress: ProgressCallback) -> Iterator[Any]:
    """Pass on weights as they are read, and add up what they take in the checkpoint."""
    sizes = {
        tensor: about["data_offsets"][1] - about["data_offsets"][0]
        for tensors in files.values()
        for tensor, about in tensors.items()
    }
    left, done, total = {name: set(tensors) for name, tensors in files.items()}, 0, sum(sizes.values())

    def report() -> None:
        on_progress(Progress("read", done, total, sum(not tensors for tensors in left.values()), len(left)))

    report()
    for name, weight in weights:
        yield name, weight
        for read in weight.layer_targets.values():  # what the checkpoint calls the parts of this weight
            done += sum(sizes.pop(tensor, 0) for tensor in read)
            for tensors in left.values():
                tensors -= read
        report()

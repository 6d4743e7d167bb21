"""Text files in, batches of token ids out, deterministic in the seed.

A batch is a function of (documents, seed, step): nothing has to be saved to resume a training run.  This module
knows the tokenizer only as "text to ids" and never sees a model.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

HELD_OUT_SHARE = 0.02
_PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "-", "–": "-", "\n": " ", "\t": " "})


def read_texts(path: Path) -> Iterator[str]:
    """Yield the documents of a `.jsonl[.gz]` file (field `text`), a text file (one document), or a folder of them."""
    if path.is_dir():
        for child in sorted(path.iterdir()):
            if child.name.endswith((".jsonl", ".jsonl.gz", ".txt")):
                yield from read_texts(child)
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]
    else:
        yield path.read_text(encoding="utf-8")


def clean(text: str) -> str:
    """One line with plain quotes and dashes: a small vocabulary should not spend itself on typography."""
    return " ".join(text.translate(_PLAIN).split())


def _place(text: str) -> bytes:
    """A document's place in the corpus: a hash of its text, so order and split depend on nothing else."""
    return hashlib.sha1(text.encode()).digest()


def is_held_out(text: str) -> bool:
    """Whether a document belongs to the held-out split; it never changes sides."""
    return int.from_bytes(_place(text)[:4], "big") < HELD_OUT_SHARE * 2**32


def load_split(path: Path, encode: Callable[[list[str]], list[list[int]]]) -> tuple[list[Tensor], list[Tensor]]:
    """Read a corpus and return (training, held-out) documents as id tensors, without special tokens."""
    texts = sorted({clean(text) for text in read_texts(path)} - {""}, key=_place)
    if not texts:
        raise ValueError(f"no text found in {path}: expected .jsonl, .jsonl.gz or .txt files")
    ids = [torch.tensor(document) for document in encode(texts)]
    held = [is_held_out(text) for text in texts]
    return [d for d, h in zip(ids, held) if not h], [d for d, h in zip(ids, held) if h]


def canvas_of(document: Tensor, start: int, length: int, *, bos: int, eos: int) -> Tensor:
    """One canvas `(length,)`: `bos`, the document from `start` on, and `eos` to the end if the document is shorter."""
    canvas = torch.full((length,), eos)
    canvas[0] = bos
    piece = document[start : start + length - 1]
    canvas[1 : 1 + len(piece)] = piece
    return canvas


def batch(
    documents: Sequence[Tensor], step: int, *, rows: int, length: int, bos: int, eos: int, stop: set[int], seed: int
) -> Tensor:
    """The canvases `(rows, length)` of training step `step`.

    A document that fits is taken whole, so the model learns where stories end.  Of a longer one, half of the rows
    show the opening and half start behind a random sentence end (an id in `stop`).
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    canvases = []
    for index in torch.randint(len(documents), (rows,), generator=generator).tolist():
        document, start = documents[index], 0
        if len(document) >= length and torch.rand((), generator=generator) < 0.5:
            ends = [i + 1 for i, token in enumerate(document[:-8].tolist()) if token in stop]
            if ends:
                start = ends[int(torch.randint(len(ends), (), generator=generator))]
        canvases.append(canvas_of(document, start, length, bos=bos, eos=eos))
    return torch.stack(canvases)

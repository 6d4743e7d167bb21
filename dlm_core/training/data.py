"""Text files in, rows of token ids out, each a function of the documents and the state of a generator.

This module knows the tokenizer only as "text to ids" and never sees a model.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence, Set
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


class Documents:
    """Documents as one tensor on a device, where rows of them are drawn too: an accelerator never waits for this.

    `stop` holds the ids of tokens that end a sentence.  ValueError without a document.
    """

    def __init__(
        self, documents: Sequence[Tensor], *, bos: int, eos: int, stop: Set[int] = frozenset(), device: str = "cpu"
    ) -> None:
        if not documents:
            raise ValueError("training needs at least 1 document, got 0")
        self.bos, self.eos = bos, eos
        self.flat = torch.cat([*documents]).to(device)
        self.lengths = torch.tensor([len(document) for document in documents], device=device)
        self.begins = self.lengths.cumsum(0) - self.lengths
        at = torch.isin(self.flat, torch.tensor(sorted(stop), device=device)).nonzero()[:, 0]
        document = torch.searchsorted(self.begins, at, right=True) - 1
        inside = at < self.begins[document] + self.lengths[document] - 8  # a start with too little after it is none
        self.starts, document = at[inside] + 1, document[inside]
        self.counts = torch.bincount(document, minlength=len(documents))  # of the starts of each document
        self.firsts = self.counts.cumsum(0) - self.counts

    def take(self, rows: int, length: int, generator: torch.Generator) -> Tensor:
        """Clean canvases `(rows, length)`.

        A document that fits is taken whole, so the model learns where stories end.  Of a longer one, half of the rows
        show the opening and half start after a random sentence end.
        """
        device = self.flat.device
        chosen = torch.randint(len(self.lengths), (rows,), generator=generator, device=device)
        later, which = torch.rand((2, rows), generator=generator, device=device)
        later = (later < 0.5) & (self.lengths[chosen] >= length) & (self.counts[chosen] > 0)
        start = self.begins[chosen]
        if len(self.starts):
            pick = self.firsts[chosen] + (which * self.counts[chosen]).long()
            start = torch.where(later, self.starts[pick.clamp(max=len(self.starts) - 1)], start)
        at = start[:, None] + torch.arange(length - 1, device=device)
        end = (self.begins + self.lengths)[chosen, None]
        text = torch.where(at < end, self.flat[at.clamp(max=len(self.flat) - 1)], self.eos)
        return torch.cat((torch.full((rows, 1), self.bos, device=device), text), 1)

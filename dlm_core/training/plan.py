"""The bundled models from nothing, in one call on an accelerator: train, measure, and write shards for the repository.

    python -m dlm_core.training.plan --corpus FOLDER --out OUT --device cuda --minutes 9

The stories get most of the time, Sudoku the rest; what is left over pays for reading text, compiling and measuring.
`--tokens` sets how much a step holds; on a CPU a few thousand are enough.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer

from dlm_core.models import load_model
from dlm_core.training import sudoku, train
from dlm_core.training.data import load_split
from dlm_core.training.evaluate import autoregressive_nats, diffusion_nats, full_canvas, per_character, text_of

STORY_SHARE, SUDOKU_SHARE = 0.7, 0.2  # of the minutes; the rest reads text, compiles and measures
DOCUMENTS = 160  # held-out ones, of which the likelihood is measured


def measured(folder: Path, corpus: Sequence[Path], most: int = DOCUMENTS) -> dict[str, float]:
    """Nats per character of up to `most` held-out documents of each corpus, in both orders, by the model in `folder`.

    Keys are the names of the files and of the orders.  A corpus with fewer than two held-out documents is left out.
    """
    model, found = load_model(folder, device="cpu"), {}
    for path in corpus:
        held = load_split(path, lambda texts: model.tokenizer(texts, add_special_tokens=False).input_ids)[1][:most]
        if len(held) < 2:
            continue
        canvases = torch.stack([full_canvas(model, document) for document in held])
        characters = torch.tensor([float(len(text_of(model, canvas))) for canvas in canvases])
        for order, nats in (("autoregressive", autoregressive_nats), ("diffusion, a bound", diffusion_nats)):
            found[f"{path.name}: {order}"] = round(per_character(nats(model, canvases), characters).mean, 4)
    return found


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="python -m dlm_core.training.plan", description="Train and measure the bundled models in one call."
    )
    add = arguments.add_argument
    add("--corpus", type=Path, required=True, nargs="+", help="files or folders of stories, each measured by itself")
    add("--out", type=Path, required=True, help="folder for story/, sudoku/, sudoku-twin/ and measured.json")
    add("--init", default="assets/model", help="folder with the config and the tokenizer of the story model")
    add("--device", default="cuda")
    add("--minutes", type=float, default=9.0, help="for everything")
    add("--tokens", type=int, default=49_152, help="of clean text in a step of the story model")
    add("--boards", type=int, default=1024, help="in a step of Sudoku")
    add("--no-compile", action="store_true", help="leave the layers as they are")
    add("--no-sudoku", action="store_true", help="leave Sudoku out")
    add("--documents", type=int, default=DOCUMENTS, help="held-out ones of each corpus to measure")
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Train, measure and write."""
    args = parser().parse_args(argv)
    AutoTokenizer.from_pretrained(args.init)  # says at once that a folder is wrong
    minutes, corpus = args.minutes * STORY_SHARE, [str(path) for path in args.corpus]
    rest = ["--device", args.device, *(["--bf16"] if args.device != "cpu" else [])]
    train.main([
        "--corpus", *corpus, "--init", str(args.init), "--scratch", "--minutes", str(minutes), "--dropout", "0.1",
        "--tokens", str(args.tokens), "--folder", str(args.out / "log"), "--out", str(args.out / "story"), *rest,
        *([] if args.no_compile else ["--compile"]),
    ])  # fmt: skip
    if not args.no_sudoku:
        for name, options in (("sudoku", ["--loops", "8"]), ("sudoku-twin", ["--twin"])):
            sudoku.main([
                *options, "--minutes", str(args.minutes * SUDOKU_SHARE / 2), "--rows", str(args.boards), "--check", "0",
                "--folder", str(args.out / "log" / name), "--out", str(args.out / name), *rest,
            ])  # fmt: skip
    found = measured(args.out / "story", args.corpus, args.documents)
    (args.out / "measured.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

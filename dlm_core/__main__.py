"""The command line: `python -m dlm_core "Once upon a time" --policy threshold --steps 32 --out NAME.run.jsonl.gz`.

Prints the text on standard output and a summary on standard error.  What can go wrong for a user ends in one
sentence and exit code 2.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from dlm_core.conversation import begun
from dlm_core.policies import POLICIES, parameters

FLAGS = {  # policy parameters with a flag of their own, and what they mean in a phrase
    "steps": (int, "forward passes; the most it may take for threshold and eb (default: one a token, at most 128)"),
    "temperature": (float, "0 takes the likeliest token, 1 samples from the model's own distribution"),
    "threshold": (float, "threshold policies write everything at least this confident, 0 to 1"),
    "gamma": (float, "eb writes as many as this bound on their joint uncertainty allows, in nats"),
    "remasking": (str, 'llada: "low_confidence" (most confident first) or "random"'),
}


def parser() -> argparse.ArgumentParser:
    """The options of a run."""
    options = argparse.ArgumentParser(
        prog="python -m dlm_core", description="Denoise a text on the command line.",
        epilog="python -m dlm_core export RUN OUT.html writes a page that replays a run; "
        "python -m dlm_core site FOLDER writes the gallery of recorded runs as a static site.",
    )  # fmt: skip
    options.add_argument("prompt", help='what the text begins with; "" for none')
    options.add_argument(
        "--model", default="bundled", help='"bundled", a folder, or owner/name on the hub (default: bundled)'
    )
    options.add_argument("--system", help="what a model that chats is told before the conversation begins")
    options.add_argument("--after", type=Path, metavar="RUN", help="the prompt follows up on the answer of this run")
    options.add_argument("--revision", help="branch, tag or commit, for a model on the hub")
    options.add_argument("--policy", help=f"one of {', '.join(POLICIES)} (default: the model's; bundled: llada)")
    options.add_argument("--length", type=int, help="positions to fill behind the prompt (default: the model's, or 96)")
    options.add_argument(
        "--block-length", type=int, help="fill blocks of this length left to right (default: the model's, or one block)"
    )
    options.add_argument(
        "--cache", choices=("prefix", "dual"),
        help="compute fewer positions a forward and let the rest stand still until the next block: approximate, so the "
        "text differs (default: none)",
    )  # fmt: skip
    options.add_argument("--seed", type=int, default=0, help="the same seed and settings repeat the run (default: 0)")
    options.add_argument("--out", type=Path, help="write the run here, by custom NAME.run.jsonl.gz")
    for name, (kind, text) in FLAGS.items():
        options.add_argument(f"--{name}", type=kind, help=text)
    options.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the policy",
    )
    return options


def setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE; the value is read as JSON, else it is the text itself."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def run(args: argparse.Namespace) -> None:
    """Denoise one prompt; ValueError and OSError carry the sentence to show."""
    if args.policy:  # before the model is loaded: a typing error should not take seconds to tell
        parameters(args.policy)
    from transformers.utils import logging

    from dlm_core.engine import LocalEngine, Request
    from dlm_core.models import load_model
    from dlm_core.trace import Trace

    logging.disable_progress_bar()
    if args.out and not args.out.parent.is_dir():
        raise ValueError(f"the folder {args.out.parent} does not exist: --out must name a file in an existing folder")
    given = {name: getattr(args, name) for name in FLAGS if getattr(args, name) is not None} | dict(args.set)
    model = load_model(args.model, revision=args.revision)
    policy, length = args.policy or model.policy, model.length if args.length is None else args.length
    given = ({} if args.policy else dict(model.settings)) | given
    said = begun(args.system, Trace.load(args.after).conversation() if args.after else ())
    request = Request(
        args.prompt, policy, length, args.block_length, args.seed, given, cache=args.cache, conversation=said
    )
    engine = LocalEngine(model)
    trace = Trace.parse("".join(engine.run(request)).encode())
    if args.out:
        trace.save(args.out)
    print(trace.text())
    told = [name for name in parameters(policy) if name in FLAGS or name in given]
    settings = " ".join(f"{name}={trace.header['policy'][name]}" for name in told)
    print(f"{policy} ({settings}), seed {args.seed}: {trace.summary()}", file=sys.stderr)
    if trace.totals["end"] == "error":
        raise ValueError(trace.totals["message"])


def export(run_file: str, page: str) -> None:
    """Write the page that replays a run."""
    from dlm_core.replay import page as replay_page
    from dlm_core.trace import Trace

    trace = Trace.load(run_file)
    Path(page).write_text(replay_page(trace), encoding="utf-8")
    print(f"{page}: {trace.summary()}" + (f"; {trace.notice}" if trace.notice else ""), file=sys.stderr)


def site(folder: str) -> None:
    """Write a static site: the gallery and the player, and the header that makes it a static Space."""
    from dlm_core.gallery import cards, file_of
    from dlm_core.replay import site as site_page

    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    runs = [card | {"data": file_of(card["name"]).read_bytes()} for card in cards()]
    (out / "index.html").write_text(site_page(runs), encoding="utf-8")
    (out / "README.md").write_text("---\ntitle: Unmask, recorded runs\nsdk: static\n---\n", encoding="utf-8")
    print(f"{out / 'index.html'}: {len(runs)} runs", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        if len(words) == 3 and words[0] == "export":
            export(*words[1:])
        elif len(words) == 2 and words[0] == "site":
            site(words[1])
        else:
            run(parser().parse_args(words))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

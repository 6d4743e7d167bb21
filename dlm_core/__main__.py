"""The command line: `python -m dlm_core "Once upon a time" --policy threshold --steps 32 --out NAME.run.jsonl.gz`.

Prints the text on standard output and a summary on standard error; without anything it serves the page.  What can go
wrong for a user ends in one sentence and exit code 2.  `run`, which may be left out before a prompt, `export` and
`site` have a `--help` each; every parameter of every policy is an option, read and explained by its own description.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dlm_core.conversation import with_system
from dlm_core.policies import POLICIES, Parameter, make_policy, parameters
from dlm_core.policies.parameter import canonical, nearest
from dlm_core.unicode import utf8_output, well_formed
from dlm_core.words import english

PROGRAM = "python -m dlm_core"
USUAL = "llada"  # the policy whose parameters `--help` shows where none is named
EVERY = ("steps", "temperature")  # understood by every policy
_PARAMETER = "parameter "


class Options(argparse.ArgumentParser):
    """What is wrong is a ValueError of one sentence, as is everything else that a user can get wrong."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} ({self.prog} --help says what there is)")


def value(text: str) -> Any:
    """What is typed for a parameter: JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE; the value is read as JSON, else it is the text itself."""
    name, equals, given = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value(given)


def explained(one: Parameter) -> str:
    """A parameter in a line: what it is, what it may be, and its default."""
    default = "none" if one.default is None else json.dumps(one.default, default=dict)
    return f"{english(f'{one.key}.info')} ({one.rule}; default: {default})".replace("%", "%%")


def parser(policy: str = USUAL) -> tuple[Options, Mapping[str, Options]]:
    """All commands, and each by its name; of the parameters those of `policy` are explained, all others understood."""
    options = Options(
        prog=PROGRAM, description="Unmask on the command line.",
        epilog=f"{PROGRAM} alone serves the page. {PROGRAM} COMMAND --help explains a command. Before a prompt that is "
        "no command, run may be left out.",
    )  # fmt: skip
    commands = options.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    about = "write a page that replays a run, or the step of every token"
    export_run = commands.add_parser("export", help=about, description=f"{about.capitalize()}, with no network.")
    export_run.add_argument("run", metavar="RUN", help="the run file, by custom NAME.run.jsonl.gz")
    export_run.add_argument("page", metavar="OUT.html", help="the page to write, or OUT.json: the step map")
    export_run.add_argument("--plotly", action="store_true", help="draw with Plotly: 4.6 MB more, and SVG pictures")
    export_run.set_defaults(act=export)
    about = "write the gallery of recorded runs as a static site"
    write_site = commands.add_parser("site", help=about, description=f"{about.capitalize()}.")
    write_site.add_argument("folder", metavar="FOLDER", help="where to write it; made where it does not exist")
    write_site.set_defaults(act=site)
    denoise = commands.add_parser(
        "run", help="denoise a text", description="Denoise a text.", allow_abbrev=False,
        epilog=f"{PROGRAM} run --policy NAME --help explains the parameters of that policy.",
    )  # fmt: skip
    denoise.set_defaults(act=run)
    _add_run(denoise)
    _add_parameters(denoise, policy)
    return options, commands.choices


def _add_run(options: Options) -> None:
    options.add_argument("prompt", help='what the text begins with; "" for none')
    options.add_argument(
        "--model", default="bundled", help='"bundled", a folder, or owner/name on the hub (default: bundled)'
    )
    options.add_argument("--system", help="the system text, for a model that chats")
    options.add_argument("--after", type=Path, metavar="RUN", help="the prompt follows up on the answer of this run")
    options.add_argument("--revision", help="branch, tag or commit, for a model on the hub")
    options.add_argument("--policy", help=f"one of {', '.join(POLICIES)} (default: the model's; bundled: {USUAL})")
    options.add_argument(
        "--length", type=value, help="positions to fill after the prompt (default: the model's, or 96)"
    )
    options.add_argument(
        "--block-length", type=value,
        help="fill blocks of this length left to right (default: the model's, or one block)",
    )  # fmt: skip
    options.add_argument(
        "--cache", choices=("prefix", "dual"),
        help="compute fewer positions a forward and let the rest stand still until the next block: approximate, so the "
        "text differs (default: none)",
    )  # fmt: skip
    options.add_argument("--seed", type=value, default=0, help="the same seed and settings repeat the run (default: 0)")
    options.add_argument("--out", type=Path, help="write the run here, by custom NAME.run.jsonl.gz")
    options.add_argument(
        "--set", type=setting, action="append", default=[], metavar="NAME=VALUE",
        help="a parameter of the policy by its name, the same as --NAME VALUE",
    )  # fmt: skip


def _add_parameters(options: Options, policy: str) -> None:
    """Give every parameter of every policy an option; the help shows those of `policy`."""
    own = options.add_argument_group(f"parameters of the policy {policy}")
    shown = {name: one for one in parameters(policy).values() for name in one.names}
    names = dict.fromkeys((*EVERY, *shown, *(name for each in POLICIES for one in parameters(each).values()
                                             for name in one.names)))  # fmt: skip
    for name in names:
        flags = dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}"))
        text = explained(shown[name]) if name in shown else argparse.SUPPRESS
        own.add_argument(
            *flags, dest=f"{_PARAMETER}{name}", type=value, metavar="VALUE", default=argparse.SUPPRESS, help=text
        )


def given(args: argparse.Namespace) -> dict[str, Any]:
    """The parameters of the policy that the command line names, by the names that it uses."""
    named_so = {name.removeprefix(_PARAMETER): one for name, one in vars(args).items() if name.startswith(_PARAMETER)}
    for name, one in args.set:
        if name in named_so:
            raise ValueError(f"{name} is given twice: give it once")
        named_so[name] = one
    return named_so


def run(args: argparse.Namespace) -> None:
    """Denoise one prompt; ValueError and OSError carry the sentence to show."""
    requested = given(args)
    if args.policy:  # before the model is loaded: a typing error should not take seconds to tell
        canonical(args.policy, parameters(args.policy), requested)
    from transformers.utils import logging

    from dlm_core.engine import LocalEngine, Request
    from dlm_core.models import load_model
    from dlm_core.trace import Trace

    logging.disable_progress_bar()
    if args.out and not args.out.parent.is_dir():
        raise ValueError(f"the folder {args.out.parent} does not exist: --out must name a file in an existing folder")
    model = load_model(args.model, revision=args.revision)
    policy, length = args.policy or model.policy, model.length if args.length is None else args.length
    params = canonical(policy, parameters(policy), requested)
    from_authors = {} if args.policy else canonical(policy, parameters(policy), model.settings)
    conversation = with_system(args.system, Trace.load(args.after).conversation() if args.after else ())
    request = Request(
        args.prompt, policy, length, args.block_length, args.seed, from_authors | params, cache=args.cache,
        conversation=conversation,
    )  # fmt: skip
    engine = LocalEngine(model)
    trace = engine.run(request).complete()
    if args.out:
        trace.save(args.out)
    print(trace.text())
    print(f"{policy} ({_settings(policy, trace.header['policy'], from_authors | params)}), ", end="", file=sys.stderr)
    print(f"seed {trace.header['seed']}: {trace.summary()}", file=sys.stderr)
    if make_policy(policy).for_masks != (model.mask_token_id is not None):
        noise = "random tokens" if model.mask_token_id is not None else "masks"
        print(f"note: {policy} is for models of other noise ({noise}), so the text says little of it", file=sys.stderr)
    if trace.outcome == "error":
        raise ValueError(trace.message)


def _settings(policy: str, took: Mapping[str, Any], requested: Mapping[str, Any]) -> str:
    """Return the parameters in a summary: those requested, and steps and temperature where they are set."""
    known = parameters(policy).values()
    names = (
        one.name for one in known if one.name in requested or ({*EVERY} & {*one.names} and took[one.name] is not None)
    )
    return " ".join(f"{name}={took[name]}" for name in names)


def export(args: argparse.Namespace) -> None:
    """Write the page that replays a run, or its step map."""
    from dlm_core.export import page as replay_page
    from dlm_core.export import step_map
    from dlm_core.trace import Trace

    trace = Trace.load(args.run)
    as_map = args.page.lower().endswith(".json")
    text = json.dumps(step_map(trace), ensure_ascii=False) + "\n" if as_map else replay_page(trace, args.plotly)
    Path(args.page).write_text(text, encoding="utf-8")
    print(f"{args.page}: {trace.summary()}" + (f"; {trace.notice}" if trace.notice else ""), file=sys.stderr)


def site(args: argparse.Namespace) -> None:
    """Write a static site: the gallery and the player, and the header that makes it a static Space."""
    from dlm_core.export import site as site_page
    from dlm_core.gallery import cards, file_of

    out = Path(args.folder)
    out.mkdir(parents=True, exist_ok=True)
    runs = [card | {"data": file_of(card["name"]).read_bytes()} for card in cards()]
    (out / "index.html").write_text(site_page(runs), encoding="utf-8")
    (out / "README.md").write_text("---\ntitle: Unmask, recorded runs\nsdk: static\n---\n", encoding="utf-8")
    print(f"{out / 'index.html'}: {len(runs)} runs", file=sys.stderr)


def read(words: Sequence[str]) -> argparse.Namespace:
    """The command line, understood; for an option that is not there the ValueError names the nearest one."""
    first = Options(add_help=False, allow_abbrev=False)
    first.add_argument("--policy")
    policy = first.parse_known_args(words)[0].policy
    options, commands = parser(policy if policy in POLICIES else USUAL)
    if words[0] not in (*commands, "-h", "--help"):
        words = ["run", *words]
    args, rest = options.parse_known_args(words)
    if rest:
        command, flag = commands[args.command], rest[0].partition("=")[0]
        known = [name for name in command._option_string_actions if name.startswith("--")]
        command.error(f"there is no option {flag}{nearest(flag, known)}" if flag[0] == "-" else f"unexpected {flag!r}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the command line, or serve the page where it is empty; returns the exit code."""
    utf8_output()
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        from dlm_core.launch import serve

        serve()
        return 0
    try:
        args = read(argv)
        args.act(args)
    except (ValueError, OSError) as error:
        print(f"error: {well_formed(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

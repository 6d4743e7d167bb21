"""Print the tables of policies and of their parameters into docs/policies.md: `make reference`.

    python -m tests.reference

What a policy does stands in the words of the page, and what it can be set to on the policy itself; the document repeats
both, and a test says when it no longer does.
"""

from collections.abc import Mapping
from typing import Any

from dlm_core.policies import POLICIES, parameters
from dlm_core.policies.parameter import Parameter
from dlm_core.training.report import replace_between_markers
from dlm_core.words import english
from tests.browser.visitor import ROOT

DOCUMENT = ROOT / "docs/policies.md"
PROGRAM = "make reference"


def value(default: Any) -> str:
    """A default as it is written in Python; empty where the parameter is not set."""
    return "" if default is None else f"`{dict(default) if isinstance(default, Mapping) else default!r}`"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def row(parameter: Parameter) -> str:
    names = " or ".join(f"`{name}`" for name in parameter.names)
    rule = parameter.rule + (", or empty" if parameter.optional else "")
    what = english(f"{parameter.key}.info") + ("" if parameter.on_page else " (programs only)")
    return f"| {names} | {cell(what)} | {cell(rule)} | {value(parameter.default)} |"


def tables() -> str:
    """Every policy with what it does and where it comes from, then the parameters of each."""
    lines = ["| name | what it does, and where it comes from |", "|---|---|"]
    for name in POLICIES:
        title, about = (english(f"policies.{name}.{what}") for what in ("title", "about"))
        lines.append(f"| [`{name}`](#{name}) | **{cell(title)}.** {cell(about)} |")
    lines += ["", "## Parameters"]
    for name in POLICIES:
        rows = [row(parameter) for parameter in parameters(name).values()]
        lines += [
            "",
            f"### {name}",
            "",
            "| parameter | what it is | what it may be | default |",
            "|---|---|---|---|",
            *rows,
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    replace_between_markers(DOCUMENT, PROGRAM, tables())

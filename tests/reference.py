"""Print what documents and the page's types repeat of the code: `make reference`.

    python -m tests.reference

What a policy does stands in the words of the page, and what it can be set to on the policy itself: `docs/policies.md`
has both as tables.  What a line of a run or of a stream holds stands in `dlm_core/schema.py`: `docs/run-file.md` has
it as a table, `docs/run-file.schema.json` as a JSON Schema, `assets/player/run/lines.d.ts` as types.  A test says when
one of them no longer repeats it.
"""

import json
from collections.abc import Mapping
from typing import Any

from dlm_core.lines import RUN_LINES
from dlm_core.policies import POLICIES, parameters
from dlm_core.policies.parameter import Parameter
from dlm_core.schema import json_schema
from dlm_core.training.report import replace_between_markers
from dlm_core.words import english
from tests.browser.visitor import ROOT

DOCUMENT = ROOT / "docs/policies.md"
RUN_FILE = ROOT / "docs/run-file.md"
SCHEMA = ROOT / "docs/run-file.schema.json"
TYPES = ROOT / "assets/player/run/lines.d.ts"
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


# --- lines of runs and streams ----------------------------------------------------------------------------------------


def lines() -> dict[tuple[str, ...], Mapping[str, Any]]:
    """The JSON Schema of every line, by the types that it may have."""
    schema = json_schema()
    records = [schema["$defs"][name_of(one)] for one in schema["oneOf"]]
    kinds = [record["properties"]["type"] for record in records]
    return {tuple(kind.get("enum", [kind.get("const")])): record for kind, record in zip(kinds, records)}


def line_table() -> str:
    """What else a stream consists of than a run file's lines."""
    rows = ["| type | fields | what it says |", "|---|---|---|"]
    for kinds, record in lines().items():
        if not set(kinds) & set(RUN_LINES):
            rows.append(f"| {', '.join(f'`{kind}`' for kind in kinds)} | {fields(record)} | {record['description']} |")
    return "\n".join(rows)


def fields(record: Mapping[str, Any]) -> str:
    named = {name: field.get("description") for name, field in record["properties"].items() if name != "type"}
    return " · ".join(f"`{name}`" + (f" ({what})" if what else "") for name, what in named.items())


def schema_text() -> str:
    return json.dumps(json_schema(), indent=2) + "\n"


def name_of(reference: Mapping[str, Any]) -> str:
    return reference["$ref"].rpartition("/")[2]


def type_of(node: Mapping[str, Any]) -> str:
    """A value of a JSON Schema in TypeScript; whole numbers that JavaScript would round are texts (decode.js)."""
    if "$ref" in node:
        return name_of(node)
    if "const" in node or "enum" in node:
        return " | ".join(json.dumps(value) for value in node.get("enum", [node.get("const")]))
    if "anyOf" in node:
        return " | ".join(map(type_of, node["anyOf"]))
    match node.get("type"):
        case "integer":
            return "number | string" if node.get("exclusiveMaximum", 0) > 2**53 else "number"
        case "number" | "string" | "boolean" | "null" as plain:
            return plain
        case "array" if "prefixItems" in node:
            return f"[{', '.join(map(type_of, node['prefixItems']))}]"
        case "array":
            items = type_of(node["items"])
            return f"({items})[]" if " | " in items else f"{items}[]"
        case "object":
            values = [*node.get("patternProperties", {}).values()] or [node["additionalProperties"]]
            return f"Record<string, {type_of(values[0]) if isinstance(values[0], Mapping) else 'any'}>"
    raise ValueError(f"no type is known for {node}")


def declaration(name: str, node: Mapping[str, Any]) -> str:
    said = f"/** {node['description']} */\n" if "description" in node else ""
    if "properties" not in node:
        return f"{said}type {name} = {type_of(node)};\n"
    required = node.get("required", ())
    inside = [f"{one}{'' if one in required else '?'}: {type_of(field)};" for one, field in node["properties"].items()]
    inside += ["[name: string]: unknown;"] if node.get("additionalProperties") else []
    return f"{said}interface {name} {{\n" + "".join(f"  {line}\n" for line in inside) + "}\n"


def types() -> str:
    """The lines as types for the page's code."""
    schema = json_schema()
    head = "// The lines of run files and streams, as dlm_core/schema.py has them: printed by make reference.\n"
    parts = [declaration(name, node) for name, node in schema["$defs"].items()]
    union = "".join(f"\n  | {name_of(one)}" for one in schema["oneOf"])
    return "\n".join([head, *parts, f"type Line ={union};\n"])


if __name__ == "__main__":
    replace_between_markers(DOCUMENT, PROGRAM, tables())
    replace_between_markers(RUN_FILE, PROGRAM, line_table())
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    TYPES.write_text(types(), encoding="utf-8")

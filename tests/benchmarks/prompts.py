"""What visitors get for what they type: forty ordinary prompts (`prompts.txt`), written on as the page would."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from dlm_core.engine import LocalEngine, Request
from dlm_core.models import load_model
from dlm_core.ui import words
from dlm_core.ui.controls import request_of, starting_policy, starting_value
from dlm_core.ui.link import read
from tests.benchmarks.measure import Row

PROMPTS = Path(__file__).with_name("prompts.txt").read_text(encoding="utf-8").splitlines()
ENOUGH = 50  # words


def rows() -> Iterator[Row]:
    """Yield the share of texts with enough words, for the page as it opens and for each of its presets."""
    engine = LocalEngine(load_model("bundled"))
    ways: list[dict[str, str]] = [{"name": "the page as it opens"}, *(dict(one) for one in words.PRESETS)]
    for way in ways:
        lengths = [len(text_of(engine, way, prompt).split()) for prompt in PROMPTS]
        enough = sum(length >= ENOUGH for length in lengths)
        yield Row(
            f"texts of {ENOUGH} words or more, of those for {len(PROMPTS)} visitors' prompts: {way['name']}",
            enough / len(PROMPTS), f"{enough} of {len(PROMPTS)}, median {median(lengths):.0f} words",
        )  # fmt: skip


def text_of(engine: LocalEngine, way: dict[str, str], prompt: str) -> str:
    """Return the text for a prompt by a preset, with the page's own seed."""
    about = engine.about()
    query = {name: value for name, value in way.items() if name not in ("name", "prompt", "pins")}
    link = read(query | {"policy": way.get("policy", starting_policy(about)), "prompt": prompt}, engine)
    settings: dict[str, Any] = {name: starting_value(link.policy, name, about) for name in words.CONTROLS[link.policy]}
    plain = {name: starting_value("", name, about) for name in words.SETTINGS}
    request: Request = request_of(prompt, link.policy, plain | settings | link.values, about)
    return engine.run(request).complete().text()

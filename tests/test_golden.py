"""Every frame of the published samplers, token for token.

The files in `tests/golden/` are facts: the ids that released code left after each forward pass, with the network
replaced by `oracle`.  `GOLDEN_DIR=<folder>` replays any other folder of such files, one test a file.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle import oracle

from dlm_core.canvas import Canvas
from dlm_core.denoiser import Guided, TableDenoiser
from dlm_core.policies import Policy, make_policy, planned
from dlm_core.sampler import sample

FOLDER = Path(os.environ.get("GOLDEN_DIR", Path(__file__).parent / "golden"))

# how a family's own arguments become ours; what set-up arguments say is in the canvas, the windows and the denoiser
FAMILIES: dict[str, Callable[[dict[str, Any]], Policy]] = {
    "llada": lambda p: make_policy(
        "llada", steps=p["steps"], temperature=p["temperature"], remasking=p["remasking"],
        draws="canvas", left_open=True, exhaust=True,
    ),
    "fast_dllm": lambda p: make_policy(
        "fast_dllm", steps=p["steps"], temperature=p["temperature"], remasking=p["remasking"],
        threshold=p["threshold"], draws="canvas", left_open=True,
    ),
    "eb": lambda p: make_policy("eb", gamma=p["gamma"], temperature=p["temperature"], draws="canvas"),
    "mdlm": lambda p: make_policy("mdlm", steps=p["steps"], draws="canvas", exhaust=True),
}  # fmt: skip


def load(path: Path) -> dict[str, Any]:
    case = json.loads(path.read_text())
    if case["algorithm"] not in FAMILIES:
        pytest.skip(f"no policy for the family {case['algorithm']} yet")
    if len(case["canvas"]) > 1:
        pytest.skip("two canvases at once: this project runs one")
    return case


def replay(case: dict[str, Any], policy: Policy) -> list[list[int]]:
    """The canvas after each forward."""
    network = {key: case["oracle"][key] for key in ("seed", "vocab", "gain", "bias")}
    dtype = getattr(torch, case["dtype"])

    def table(ids: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(oracle(ids.numpy(), **network)).to(dtype)

    canvas = Canvas(np.array(case["canvas"][0]), np.array(case["fixed"][0], dtype=bool))
    denoiser = TableDenoiser(table, case["oracle"]["vocab"], case["mask_id"])
    if case["params"].get("cfg_scale"):
        denoiser = Guided(denoiser, torch.from_numpy(canvas.fixed.copy()), case["params"]["cfg_scale"])
    steps = sample(denoiser, canvas, policy, windows=case["windows"], seed=case["seed"])
    return [step.after.tolist() for step in steps]


def first_difference(got: list[list[int]], wanted: list[list[int]]) -> str | None:
    """Where two replays part: the first wrong frame tells which rule is wrong, the last one tells nothing."""
    for frame, (ours, theirs) in enumerate(zip(got, wanted)):
        if ours != theirs:
            at = next(i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b)
            return f"frame {frame}, position {at}: expected {theirs[at]}, got {ours[at]}"
    return None if len(got) == len(wanted) else f"expected {len(wanted)} forwards, got {len(got)}"


FILES = sorted(FOLDER.glob("*.json"))


def test_the_folder_holds_traces() -> None:
    assert FILES, f"no golden files in {FOLDER}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_frame_equals_the_published_one(path: Path) -> None:
    case = load(path)
    wanted = [frame[0] for frame in case["frames"]]
    assert first_difference(replay(case, FAMILIES[case["algorithm"]](case["params"])), wanted) is None


def _mistake(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "noise in float32":
        monkeypatch.setattr(planned, "gumbel_race", lambda logits, where, length, t, generator: (
            logits - t * (-torch.rand(length, logits.shape[1], generator=generator)[where].log()).log()
        ).argmax(1))  # fmt: skip
    elif name == "confidence of another token":
        monkeypatch.setattr(planned.Confidence, "__call__", lambda self, view, tokens: -view.beliefs.entropy)
    else:
        monkeypatch.setattr(
            planned, "even_split", lambda n, parts: [n // parts + (part >= parts - n % parts) for part in range(parts)]
        )


@pytest.mark.skipif("GOLDEN_DIR" in os.environ, reason="the controls use this project's own files")
@pytest.mark.parametrize("mistake", ["noise in float32", "confidence of another token", "remainder on the last steps"])
def test_one_small_mistake_breaks_a_trace(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _mistake(mistake, monkeypatch)
    case = load(FOLDER / "llada-sample-remainder.json")
    got = replay(case, FAMILIES["llada"](case["params"]))
    assert first_difference(got, [frame[0] for frame in case["frames"]]) is not None

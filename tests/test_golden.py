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
from dlm_core.denoiser import BlockCausal, Guided, Shifted, TableDenoiser
from dlm_core.policies import Policy, make_policy, planned
from dlm_core.sampler import sample

FOLDER = Path(os.environ.get("GOLDEN_DIR", Path(__file__).parent / "golden"))


def build(name: str, case: dict[str, Any], *same: str, **others: Any) -> Policy:
    """The policy of that name with the case's parameters in `same`, on the published stream of random numbers."""
    return make_policy(name, **{key: case["params"][key] for key in same}, **others)


# how a family's own arguments become ours; what set-up arguments say is in the canvas, the windows and the denoiser
STREAM = {"draws": "canvas"}
FAMILIES: dict[str, Callable[[dict[str, Any]], Policy]] = {
    "llada": lambda c: build(
        "llada", c, "steps", "temperature", "remasking", left_open=True, exhaust=True, **STREAM
    ),
    "dream": lambda c: build(
        "dream", c, "steps", "eps", "alg", "alg_temp", "temperature", "top_p", "top_k", exhaust=True, **STREAM
    ),
    "fast_dllm": lambda c: build(
        "fast_dllm", c, "steps", "temperature", "remasking", "threshold", left_open=True, **STREAM
    ),
    "fast_dllm_factor": lambda c: build(
        "fast_dllm_factor", c, "factor", "temperature", left_open=True, last_passes=True, **STREAM
    ),
    "eb": lambda c: build("eb", c, "gamma", "temperature", **STREAM),
    "llada2": lambda c: build("llada2", c, "steps", "threshold", "temperature", "top_p", "top_k", **STREAM),
    "llada21": lambda c: build(
        "llada21", c, "threshold", "editing_threshold", "max_post_steps", "num_to_transfer", "temperature", "top_p",
        "top_k", **STREAM,
    ),
    "sdar": lambda c: build(
        "sdar", c, "denoising_steps", "temperature", "top_k", "top_p", "remasking_strategy", "confidence_threshold",
        **STREAM,
    ),
    "klass": lambda c: build(
        "klass", c, "steps", "conf_threshold", "kl_threshold", "kl_history_length", "temperature", **STREAM
    ),
    "prophet": lambda c: build(
        "prophet", c, "steps", "temperature", "remasking", "early_exit_thresholds", left_open=True, exhaust=True,
        answer_start_pos=c["params"]["answer_start_pos"] if c["params"].get("analyze_gap", True) else None, **STREAM,
    ),
    "pc_sampler": lambda c: build("pc_sampler", c, "steps", "lambd", "alpha", "frequencies", "temperature", **STREAM),
    "d3llm": lambda c: build(
        "d3llm", c, "threshold", "block_size", "block_add_threshold", "decoded_token_threshold", "temperature", **STREAM
    ),
    "dinfer": lambda c: build("dinfer", c, "decoder", "threshold", **(
        {"low_threshold": c["params"]["low_threshold"]} if c["params"]["decoder"] == "hierarchy" else {}
    )),
    "dllm_mdlm": lambda c: build(
        "dllm_mdlm", c, "steps", "temperature", "remasking", "scheduler", left_open=c["params"]["method"] == "sample",
        **STREAM,
    ),
    "p2": lambda c: build("p2", c, "num_steps", "tau", "eta", **STREAM),
    "wino": lambda c: build("wino", c, "threshold", "threshold_back", "temperature", left_open=True, **STREAM),
    "remedi": lambda c: build("remedi", c, "steps"),
    "dreamon": lambda c: build(
        "dreamon", c, "alg", "temperature", "min_gen_len", "max_gen_len", "max_tokens", "expand_budget", "steps",
        "expand_id", "eos_id", top_p=c["params"].get("top_p"), **STREAM, **{
            key: c["params"].get(key, False) for key in ("pad_eos_to_right", "delete_eos_token")
        },
    ),
    "mdlm": lambda c: build("mdlm", c, "steps", exhaust=True, **STREAM),
    "remdm": lambda c: build(
        "remdm", c, "steps", "sampler", "eta", "t_on", "t_off", "alpha_on", "nucleus_p", exhaust=True, **STREAM
    ),
    "bd3lm": lambda c: build("bd3lm", c, "nucleus_p", **STREAM),
    "gidd": lambda c: build("gidd", c, "num_denoising_steps", "p_uniform", "min_p", **STREAM),
    "duo": lambda c: build("duo", c, "steps", "noise_removal", **STREAM, **c["params"].get("psi", {})),
    "sedd": lambda c: build("sedd", c, "steps", "graph", "predictor", "noise", **STREAM),
    "diffusion_gemma": lambda c: build(
        "diffusion_gemma", c, "max_denoising_steps", "entropy_bound", "t_min", "t_max", "stability_threshold",
        "confidence_threshold", **STREAM,
    ),
    "diffusers_entropy_bound": lambda c: build(
        "diffusers_entropy_bound", c, "num_inference_steps", "entropy_bound", "t_min", "t_max", **STREAM
    ),
    "diffusers_block_refinement": lambda c: build(
        "diffusers_block_refinement", c, "num_inference_steps", "threshold", "editing_threshold", "temperature",
        uniform=c["mask_id"] is None, **STREAM,
    ),
    "diffusers_discrete_ddim": lambda c: build(
        "diffusers_discrete_ddim", c, "num_inference_steps", "temperature", **STREAM
    ),
}  # fmt: skip


def load(path: Path) -> dict[str, Any]:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert case["algorithm"] in FAMILIES, f"no policy for the family {case['algorithm']}"
    if len(case["canvas"]) > 1:
        pytest.skip("two canvases that share one stream of draws: here each run has its own")
    return case


def replay(case: dict[str, Any], policy: Policy) -> list[list[int]]:
    """The canvas after each forward."""
    network = {key: case["oracle"][key] for key in ("seed", "vocab", "gain", "bias")}
    dtype = getattr(torch, case["dtype"])

    def table(ids: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(oracle(ids.numpy(), **network)).to(dtype)

    canvas = Canvas(np.array(case["canvas"][0]), np.array(case["fixed"][0], dtype=bool))
    denoiser = TableDenoiser(table, case["oracle"]["vocab"], case["mask_id"])
    if case["oracle"]["view"] == "prefix":
        (lo, hi), *_ = case["windows"]
        denoiser = BlockCausal(denoiser, hi - lo, start=lo)
    if case["oracle"]["alignment"] == "previous":
        denoiser = Shifted(denoiser)
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
    assert first_difference(replay(case, FAMILIES[case["algorithm"]](case)), wanted) is None


def _mistake(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "noise in float32":
        monkeypatch.setattr(planned, "gumbel_race", lambda logits, where, length, t, generator: (
            logits - t * (-torch.rand(length, logits.shape[1], generator=generator)[where].log()).log()
        ).argmax(1))  # fmt: skip
    elif name == "confidence of another token":
        monkeypatch.setattr(planned.Confidence, "__call__", lambda self, view, proposal: -view.beliefs.entropy)
    else:
        monkeypatch.setattr(
            planned, "even_split", lambda n, parts: [n // parts + (part >= parts - n % parts) for part in range(parts)]
        )


@pytest.mark.skipif("GOLDEN_DIR" in os.environ, reason="the controls use this project's own files")
@pytest.mark.parametrize("mistake", ["noise in float32", "confidence of another token", "remainder on the last steps"])
def test_one_small_mistake_breaks_a_trace(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _mistake(mistake, monkeypatch)
    case = load(FOLDER / "llada-sample-remainder.json")
    got = replay(case, FAMILIES["llada"](case))
    assert first_difference(got, [frame[0] for frame in case["frames"]]) is not None

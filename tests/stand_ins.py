"""A small vocabulary with known answers, runs recorded from it, and what a handler says as a visitor reads it."""

import base64
import json
from typing import Any

import numpy as np
import torch
from oracle import oracle

from dlm_core.canvas import Canvas
from dlm_core.denoiser import Banned, BothOrders, Denoiser, TableDenoiser
from dlm_core.policies import make_policy
from dlm_core.policies.others import RANKINGS, others
from dlm_core.sampler import sample
from dlm_core.trace import Trace
from dlm_core.words import english

VOCAB, MASK, STOP = 48, 47, 46
# a name of a folder or a file: its letters mean something in an address, a script, a shell, HTML, or in none of them
ODD = "C# @ 100%?\"'&+;=<b>${x}`\\u0041\\x é 日本 👍"
TEXT = Canvas(range(12), [False] * 12)  # nothing fixed, nothing masked
BLANK = Canvas.from_prompt([1, 2], 10, MASK)
HALF = Canvas([1, *[MASK, 5] * 5], [True, *[False] * 10])  # words that nobody fixed between the masks
EVERY = [  # settings that between them give every reason
    (BLANK, "llada", {"steps": 4}), (BLANK, "dream", {"steps": 4, "alg": "entropy", "alg_temp": 0.5}),
    (BLANK, "dream", {"steps": 4, "alg": "origin"}), (BLANK, "threshold", {"threshold": 0.4}),
    (BLANK, "eb", {"gamma": 0.5}), (BLANK, "eb", {"gamma": 0, "steps": 3}), (BLANK, "fast_dllm_factor", {"factor": 1}),
    (BLANK, "fast_dllm_factor", {"factor": 1.2, "last_passes": True}), (BLANK, "bd3lm", {}),
    (BLANK, "klass", {"steps": 8, "conf_threshold": 0.1, "kl_threshold": 0.5}),
    (BLANK, "prophet", {"steps": 8, "answer_start_pos": 0, "early_exit_thresholds": dict(early=99, mid=2, late=0)}),
    (BLANK, "d3llm", {"threshold": 0.5, "block_size": 4}), (BLANK, "dus", {"confidence_threshold": 0.3}),
    (BLANK, "dinfer", {"decoder": "hierarchy", "threshold": 0.9, "low_threshold": 0.2}),
    (BLANK, "dinfer", {"decoder": "threshold", "threshold": 1.0}), (BLANK, "mdlm", {"steps": 4}),
    (HALF, "llada21", {"threshold": 0.3, "editing_threshold": 0.3}), (HALF, "llada", {"steps": 2}),
    (BLANK, "p2", {"num_steps": 6, "eta": 2.0}), (BLANK, "wino", {"threshold": 0.02, "threshold_back": 0.9}),
    (HALF, "remdm", {"steps": 8, "sampler": "remdm-conf"}), (BLANK, "remdm", {"steps": 8, "eta": 0.5}),
    (BLANK, "dreamon", {"expand_id": 24, "eos_id": 25, "pad_eos_to_right": True, "temperature": 0.0}),
    (BLANK, "gidd", {"num_denoising_steps": 6, "p_uniform": 0.4}), (TEXT, "gidd_self_correction", {"steps": 4}),
    (TEXT, "diffusion_gemma", {"entropy_bound": 1.0, "confidence_threshold": 9.0}),
    (TEXT, "diffusers_block_refinement", {"num_inference_steps": 4, "uniform": True}),
    (BLANK, "dream", {"steps": 4, "alg": "topk_margin"}), (BLANK, "llada", {"steps": 4, "remasking": "random"}),
    (BLANK, "left_to_right", {"steps": 4}), (BLANK, "pc_sampler", {"steps": 4}), (BLANK, "remedi", {"steps": 4}),
    (BLANK, "d3llm", {"threshold": 0.0, "block_size": 4, "steps": 2}),
    (BLANK, "wino", {"threshold": 0.02, "threshold_back": 0.05}), (BLANK, "p2", {"num_steps": 6}),
    (BLANK, "llada", {"steps": 4, "confidence_eos_eot_inf": True, "stop_ids": (3, STOP)}),
    (BLANK, "klass", {"steps": 8, "conf_threshold": 0, "kl_threshold": 5, "kl_history_length": 1,
                      "unmask_strategy": "min_kl"}),
    (BLANK, "d3llm", {"threshold": 3.0, "block_size": 4, "early_stop": True, "stop_ids": tuple(range(20))}),
    (BLANK, "dreamon", {"alg_temp": 0.2}), (BLANK, "p2", {"num_steps": 6, "kappa_fn": "sine"}),
]  # fmt: skip


def both_orders(seed: int = 1, gain: int = 12, vocab: int = VOCAB) -> BothOrders:
    """A denoiser of both orders, whose last token is the mask: text before the first mask is read causally."""
    mask = vocab - 1

    def any_order(ids: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(oracle(ids.numpy(), seed=seed, vocab=vocab, gain=gain))

    def causal(ids: torch.Tensor) -> torch.Tensor:
        masks = (ids == mask).any(0).nonzero()
        end = int(masks[0]) if len(masks) else ids.shape[1]
        rows = []
        for at in range(ids.shape[1]):
            seen = ids.clone()
            seen[:, min(at, end) :] = mask
            rows.append(any_order(seen)[:, at])
        return torch.stack(rows, 1)

    return BothOrders(*(Banned(TableDenoiser(read, vocab, mask), [mask]) for read in (any_order, causal)))


def record(denoiser: Denoiser, canvas: Canvas, policy: str = "llada", windows=None, seed: int = 3, **params) -> Trace:
    """Run a policy and keep the run as a trace with one letter a token."""
    windows = windows or [(0, len(canvas))]
    trace = Trace.begin(
        model={"name": "oracle", "revision": None, "vocab_size": VOCAB, "mask": MASK, "stop": [STOP]},
        prompt="", canvas=canvas.ids, fixed=canvas.fixed, policy={"name": policy} | params, windows=windows, seed=seed,
        top_k=5, versions={}, piece=lambda token: b"\xf0\x9f" if token == 7 else chr(0x61 + token), others=RANKINGS,
    )  # fmt: skip
    for step in sample(denoiser, canvas, make_policy(policy, **params), windows=windows, seed=seed):
        trace.append(step, others(step, MASK))
    return trace


def as_schema_1(trace: Trace) -> Trace:
    """The same run as files had it before reasons were recorded; vocabularies below 65535 and whole files alone."""
    header, *steps, totals = records = [json.loads(line) for line in trace.lines]
    for line in records:
        del line["type"]
    for name in ("reasons", "others"):
        header.pop(name, None)
    for step in steps:
        rows = np.unpackbits(np.frombuffer(base64.b64decode(step["measured"]), np.uint8)).sum()
        beliefs = base64.b64decode(step["beliefs"])[: rows * (6 + 3 * header["top_k"])]
        step["beliefs"] = base64.b64encode(beliefs).decode()
        step.pop("score", None)
        step.pop("others", None)
    lines = [header | {"unmask": 1}, *steps, totals]
    return Trace.parse("".join(json.dumps(line) + "\n" for line in lines).encode())


def elastic(denoiser: Denoiser) -> Trace:
    """A run in which positions come and go, one of each: a gap of six masks between fixed words."""
    ids = [1, 2, *[MASK] * 6, 3, 4]
    canvas = Canvas(ids, [token != MASK for token in ids])
    trace = record(denoiser, canvas, "dreamon", expand_id=24, eos_id=25, temperature=0.0, top_p=None)
    trace.finish("finished")
    return trace


def spoken(message: Any) -> str:
    """What `told` of words.js makes of a message, in English."""
    if isinstance(message, list):
        return " ".join(map(spoken, message))
    if isinstance(message, dict):
        return english(message["phrase"]).format(**{name: spoken(value) for name, value in message["values"].items()})
    return str(message)

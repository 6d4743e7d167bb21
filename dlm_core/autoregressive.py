"""Left to right with a KV cache: the other order, yielding the same steps.

One token a forward, each forward reading only the newest token; so the race against diffusion needs no second viewer,
and is run against the fast form of autoregression, not against one that reads the whole text again for every token.
Knows no tokenizer and no file; of policies, how their parameters are described.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from dlm_core.beliefs import believe, draw
from dlm_core.canvas import Canvas
from dlm_core.policies.parameter import parameters_of
from dlm_core.policies.settings import Temperature
from dlm_core.reasons import NO_REASON, Reason
from dlm_core.step import Step


def autoregressive(
    model: PreTrainedModel,
    canvas: Canvas,
    *,
    banned: Sequence[int] = (),
    stop_ids: Sequence[int] = (),
    temperature: Temperature = 0.0,
    seed: int = 0,
    top_k: int = 5,
) -> Iterator[Step]:
    """Write every position after the fixed opening of `canvas`, one a step; ends early when a stop token is written.

    `banned` tokens are never written.  The sample at temperature T is exact, from softmax(logits / T).
    """
    opening = int(np.argmin(canvas.fixed)) if not canvas.fixed.all() else len(canvas)
    if opening == 0:
        raise ValueError("autoregression needs at least one fixed token to begin with")
    if canvas.fixed[opening:].any():
        raise ValueError("autoregression cannot look ahead: fixed positions must all stand at the beginning")
    temperature = parameters_of(autoregressive)["temperature"].read(temperature)
    return _steps(model, canvas, opening, list(banned), set(stop_ids), temperature, seed, top_k)


@torch.inference_mode()
def _steps(
    model: PreTrainedModel, canvas: Canvas, opening: int, banned: list[int], stop: set[int], temperature: float,
    seed: int, top_k: int,
) -> Iterator[Step]:  # fmt: skip
    generator, cache, seconds = torch.Generator().manual_seed(seed), DynamicCache(config=model.config), 0.0
    ids, new = canvas.ids.copy(), torch.from_numpy(canvas.ids[:opening].copy())[None]
    for index, position in enumerate(range(opening, len(canvas))):
        began = time.perf_counter()
        states = model.model(
            input_ids=new.to(model.device), is_causal=True, past_key_values=cache, use_cache=True
        ).last_hidden_state
        logits = model.lm_head(states[:, -1]).float()
        logits[:, banned] = float("-inf")
        beliefs = believe(logits, top_k)
        token = draw(logits, temperature, generator) if temperature else beliefs.top_ids[:, 0]
        before, ids, new = ids, ids.copy(), token[None]
        ids[position] = int(token)
        seconds += time.perf_counter() - began

        def at(value: object, missing: float, shape: tuple[int, ...] = (), here: int = position) -> np.ndarray:
            array = np.full((len(canvas), *shape), missing)
            array[here] = value
            return array

        yield Step(
            index=index, window=(position, position + 1), before=before, after=ids.copy(), predicted=at(int(token), -1),
            confidence=at(float(beliefs.probability(token)), np.nan), entropy=at(float(beliefs.entropy), np.nan),
            top_ids=at(beliefs.top_ids[0].numpy(), -1, (top_k,)),
            top_probs=at(beliefs.top_probs[0].numpy(), np.nan, (top_k,)),
            written=at(True, False), blanked=np.zeros(len(canvas), dtype=bool),
            copies=np.ones(len(canvas), dtype=np.int64), forwards=index + 1, seconds=seconds,
            reason=at(int(Reason.NEXT), NO_REASON),
        )  # fmt: skip
        if int(token) in stop:
            return

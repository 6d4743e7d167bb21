"""A request checked against a model and the operator's limits: every rule that it breaks is one sentence."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import dlm_core.conversation as conversation
from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas
from dlm_core.engine.describe import policies_for
from dlm_core.engine.edit import edited, pinned
from dlm_core.engine.limits import Limits
from dlm_core.engine.request import MAX_SEED, Request
from dlm_core.models import LoadedModel
from dlm_core.policies import Parameter, make_policy, parameters
from dlm_core.policies.parameter import canonical, find, parameters_of, shown, validate
from dlm_core.sampler import sample
from dlm_core.step import Step

AUTOREGRESSIVE = "autoregressive"  # the name that asks for left to right with a KV cache in place of a policy
TOP_K = 5


class Decoder(NamedTuple):
    """A way from a canvas to steps: the parameters it takes, and how it begins."""

    parameters: Mapping[str, Parameter]
    revises: bool  # more steps than positions make sense
    for_masks: bool  # a model without a mask has nothing for it to write
    for_both_orders: bool  # a model that does not read left to right cannot check a draft
    begin: Callable[[LoadedModel, Canvas, list[tuple[int, int]], int, Mapping[str, Any]], Iterator[Step]]


def decoder(name: str) -> Decoder:
    """Return a policy in the denoising loop, or left to right with a KV cache; ValueError for an unknown name."""
    if name == AUTOREGRESSIVE:
        return Decoder(parameters_of(autoregressive), False, False, True, _autoregress)
    default = make_policy(name)
    return Decoder(
        parameters(name), default.revises, default.for_masks, default.for_both_orders, partial(_denoise, name)
    )


def _denoise(
    name: str, model: LoadedModel, canvas: Canvas, windows: list[tuple[int, int]], seed: int, params: Mapping[str, Any]
) -> Iterator[Step]:
    return sample(model.denoiser, canvas, make_policy(name, **params), windows=windows, seed=seed, top_k=TOP_K)


def _autoregress(
    model: LoadedModel, canvas: Canvas, windows: list[tuple[int, int]], seed: int, params: Mapping[str, Any]
) -> Iterator[Step]:
    banned = sorted(set(model.tokenizer.all_special_ids) - set(model.stop_ids))
    return autoregressive(model.model, canvas, banned=banned, stop_ids=model.stop_ids, seed=seed, top_k=TOP_K, **params)


@dataclass(frozen=True, eq=False)
class Plan:
    """A request that has passed every check, as plain data: it can be pickled."""

    canvas: Canvas
    windows: list[tuple[int, int]]
    settings: dict[str, Any]  # the policy's name and all its parameters, defaults included
    seed: int
    cache: str | None

    def steps(self, model: LoadedModel) -> Iterator[Step]:
        """Return the steps, not begun yet; what the loop and the policy refuse is a ValueError here."""
        params = {name: value for name, value in self.settings.items() if name != "name"}
        denoised = model.cached(self.cache) if self.cache else model
        return decoder(self.settings["name"]).begin(denoised, self.canvas, self.windows, self.seed, params)

    @property
    def length(self) -> int:
        """Return the number of positions from the first free one to the last."""
        return self.windows[-1][1] - self.windows[0][0]

    @property
    def forwards(self) -> int:
        """Return about how many forward passes this takes, rather too many than too few."""
        known = decoder(self.settings["name"]).parameters
        step_counts = [n for name, n in self.settings.items() if n and name in known and known[name].unit == "steps"]
        steps = find(known, "steps")
        if steps and steps.unit == "steps" and self.settings[steps.name]:
            return self.settings[steps.name]
        return max([self.length, *step_counts])


def require_int(name: str, value: Any, lo: int, hi: float) -> int:
    """Return `value` as an int from `lo` to `hi`; anything else is a ValueError that names the rule."""
    return Parameter(name=name, kind="integer", minimum=lo, maximum=hi).read(value)


def plan(model: LoadedModel, request: Request, limits: Limits = Limits()) -> Plan:
    """Check a request against a model and limits; a broken rule is a ValueError of one sentence."""
    way = decoder(request.policy)
    if way.for_masks and model.mask_token_id is None:
        suits = ", ".join(policies_for(False, model.policy))
        raise ValueError(
            f"policy {request.policy} writes masks, and the model {model.name} has none: choose one of {suits}"
        )
    if way.for_both_orders and model.ar_logits is None:
        raise ValueError(
            f"the model {model.name} does not write left to right, which {request.policy} needs: choose another policy"
        )
    seed = require_int("seed", request.seed, 0, MAX_SEED)
    canvas = _canvas(model, request)
    free = np.flatnonzero(~canvas.fixed)
    if len(canvas) > model.context or not len(free):
        raise ValueError(
            f"a canvas must fit the model's {model.context} positions and leave some of them free, "
            f"got {len(canvas)} with {len(free)} free"
        )
    lo, hi = int(free[0]), int(free[-1]) + 1
    length = require_int("length", hi - lo, 1, limits.length)
    params = _settings(model, request, limits, length)
    block_length = (
        None if request.block_length is None else require_int("block length", request.block_length, 1, length)
    )
    windows = model.windows(lo, hi, block_length) if request.windows is None else list(request.windows)
    if request.cache and way.for_both_orders:
        raise ValueError(f"left to right keeps an exact cache, so does {request.policy}: leave the approximate one out")
    planned = Plan(
        canvas=canvas,
        windows=windows,
        settings={"name": request.policy}
        | {name: _plain(params.get(name, one.default)) for name, one in way.parameters.items()},
        seed=seed,
        cache=request.cache,
    )
    planned.steps(model)  # what it refuses is refused before anybody waits
    return planned


def _settings(model: LoadedModel, request: Request, limits: Limits, length: int) -> dict[str, Any]:
    """Return the policy's parameters: those of the request, else those that the model's authors decode with."""
    way = decoder(request.policy)
    if not isinstance(request.params, Mapping):
        raise ValueError(f"the parameters of a policy must be a table of values by name, got {shown(request.params)}")
    known = {
        name: replace(one, maximum=limits.steps) if one.unit == "steps" else one for name, one in way.parameters.items()
    }
    if steps := find(known, "steps"):
        # what only writes masks has nothing to do after one step a position
        most = limits.steps if way.revises else min(length, limits.steps)
        known[steps.name] = replace(steps, maximum=most)
    from_authors = model.settings if request.policy == model.policy else {}
    names = partial(canonical, request.policy, known)
    from_tokenizer = {name: ids for name, ids in model.token_ids.items() if name in known}
    params = validate(request.policy, known, from_tokenizer | names(from_authors) | names(request.params))
    if steps and steps.default and steps.name not in params:
        params[steps.name] = min(length, limits.steps, steps.default)
    return params


def _canvas(model: LoadedModel, request: Request) -> Canvas:
    if request.canvas is not None:
        return request.canvas
    return _prompted(model, request) if request.cells is None else edited(model, request.cells)


def _prompted(model: LoadedModel, request: Request) -> Canvas:
    length = require_int("length", request.length, 1, model.context - len(model.text.opening) - len(model.closing))
    ids = model.encode_prompt(request.prompt, conversation.validate(request.conversation))
    room = max(0, model.context - len(ids) - len(model.closing))
    if length > room:
        raise ValueError(
            f"the prompt and the length must fit the model's {model.context} positions: the prompt"
            f"{' and the conversation before it take' if request.conversation else ' takes'} {len(ids)}, "
            f"so the length can be at most {room}, got {length}"
        )
    seed = require_int("seed", request.seed, 0, MAX_SEED)
    return pinned(model, model.canvas(ids, length, seed), len(ids), length, request.pins)


def _plain(value: Any) -> Any:
    """Return a parameter as a run file can hold it."""
    return dict(value) if isinstance(value, Mapping) else value

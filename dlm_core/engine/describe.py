"""What a page must know of a model before a run, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dlm_core.models import LoadedModel
from dlm_core.policies import POLICIES, make_policy


@dataclass(frozen=True)
class About:
    """What a page must know of a model before a run, as plain data."""

    name: str | None = None  # None: there is no model
    revision: str | None = None  # tells its weights from others: only with the same ones can a run be repeated
    context: int = 0  # positions at most, prompt included
    policies: tuple[str, ...] = ()  # those that suit it
    policy: str = "llada"  # how its authors decode,
    settings: Mapping[str, Any] = field(default_factory=dict)  # with what,
    length: int = 96  # and how many positions
    starts: Mapping[str, Any] = field(default_factory=dict)  # what a page begins with, where not a policy's defaults
    block_length: int | None = None  # of its attention, where it has one
    masks: bool = True  # its noise is a mask; else random tokens
    rightward: bool = True  # it also writes left to right
    chats: bool = False
    caches: tuple[str, ...] = ()  # approximate ones that it can have


def about(model: LoadedModel) -> About:
    """Return what a page must know of `model`."""
    masks, both = model.mask_token_id is not None, model.ar_logits is not None
    return About(
        model.name, model.revision, model.context, policies_for(masks, model.policy, both), model.policy,
        model.settings, model.length, model.starts, model.block_length, masks, both, model.chats, model.caches,
    )  # fmt: skip


def policies_for(masks: bool, default: str, both_orders: bool = True) -> tuple[str, ...]:
    """Return the policies that suit a model with masks or without, whose authors decode with `default`.

    `both_orders` says whether it was trained to read from left to right too.
    """
    policies = {name: make_policy(name) for name in POLICIES}
    return tuple(
        name
        for name, one in policies.items()
        if one.for_masks == masks and (name == default or not one.for_few) and (both_orders or not one.for_both_orders)
    )

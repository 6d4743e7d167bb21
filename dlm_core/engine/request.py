"""A request for a run, as plain data that can be sent to another machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from dlm_core.canvas import Canvas
from dlm_core.conversation import Message
from dlm_core.engine.edit import Cell
from dlm_core.policies import Parameter
from dlm_core.policies.parameter import shown
from dlm_core.unicode import well_formed

MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Request:
    """A request for a run; `params` go to the policy under its own names.

    `block_length` None is one block, or the model's own blocks where it has any.  With a `canvas`, or the `cells` of a
    text under edit, its masks are filled in, and all that makes a canvas of a prompt counts for nothing: `prompt`,
    `conversation` (the messages before it, for a model that chats), `length`, and `pins`, words by their position
    after the prompt; `windows` are worked on in place of blocks; `branch` says in the run file which
    run this one continues.  `model` is a name of the menu, None the one that is there.  `cache` "prefix" or "dual" has
    the model approximate, with fewer positions computed.
    """

    prompt: str = ""
    policy: str = "llada"
    length: Annotated[int, Parameter(minimum=1, unit="tokens")] = 96
    block_length: Annotated[int | None, Parameter(minimum=1, unit="tokens", soft_range=(0, None), none_value=0)] = None
    seed: Annotated[int, Parameter(minimum=0, maximum=MAX_SEED, soft_range=(0, None))] = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    canvas: Canvas | None = None
    cells: Sequence[Cell] | None = None
    pins: Mapping[int, str] = field(default_factory=dict)
    windows: Sequence[tuple[int, int]] | None = None
    branch: Mapping[str, Any] | None = None
    model: str | None = None
    cache: Literal["prefix", "dual"] | None = None
    conversation: Sequence[Message] = ()

    def __post_init__(self) -> None:
        for name, may_miss in {"prompt": False, "model": True, "cache": True}.items():
            if not isinstance(value := getattr(self, name), str) and not (may_miss and value is None):
                raise ValueError(f"{name} must be a text, got {shown(value)}")
        # wherever it comes from, its text is Unicode from here on
        for one in fields(self):
            object.__setattr__(self, one.name, well_formed(getattr(self, one.name)))

"""What moves from an accelerator to the CPU, and an accelerator for machines that have none."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

from dlm_core.denoiser import Composed, Denoiser

ELSEWHERE = torch.device("meta")  # the name of a device that needs no driver; its tensors here have numbers
MOST = 9  # numbers of a position that come to the CPU at once: three that are measured, and those of the likeliest
_ATEN = torch.ops.aten
_MOVES = {_ATEN._to_copy.default, _ATEN.copy_.default}
_TAKES_CPU_INDICES = {_ATEN.index.Tensor, _ATEN.index_put_.default, _ATEN.index_put.default}


class Elsewhere(Tensor):
    """A tensor that cannot be mixed with those on the CPU, as one on an accelerator cannot; the CPU works it out."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Self:
        self = Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device=ELSEWHERE
        )
        self.held = held
        return self

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(_without_lists(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_without_lists(index), value)

    def __repr__(self, **_: Any) -> str:
        return f"Elsewhere({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _elsewhere(func, args, kwargs or {})


def _without_lists(index: Any) -> Any:
    """An index with tensors for lists, of which torch makes tensors without numbers on a device of this name."""
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(torch.tensor(part) if isinstance(part, list) else part for part in parts)


@torch.inference_mode(False)  # else views of tensors that outlive a step could not be made in the next
@torch.no_grad()
def _elsewhere(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation on the CPU by the rules of an accelerator: no CPU tensor takes part but as a number or index."""
    if _is_made_of_others(func):
        return func.decompose(*args, **kwargs)
    wrappers: dict[int, Elsewhere] = {}

    def unwrap(tensor: Tensor) -> Tensor:
        if isinstance(tensor, Elsewhere):
            wrappers[id(tensor.held)] = tensor
            return tensor.held
        if tensor.device == ELSEWHERE and not tensor.numel():
            return torch.empty(tensor.shape, dtype=tensor.dtype)
        if tensor.device == ELSEWHERE:
            raise RuntimeError(f"{func} takes a tensor of shape {tuple(tensor.shape)} that was made without numbers")
        if tensor.ndim and not may_mix and not any(tensor is index for index in indices):
            mixed.append(tuple(tensor.shape))
        return tensor

    may_mix, indices, mixed = func in _MOVES, list(tree_iter(args[1])) if func in _TAKES_CPU_INDICES else [], []
    place = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
    plain, options = tree_map_only(Tensor, unwrap, (args, kwargs))
    if mixed and wrappers:
        raise RuntimeError(f"{func} mixes a tensor of another device with one of the CPU, of shape {mixed[0]}")
    if place is not None:
        options["device"] = "cpu"
    result = func(*plain, **options)
    if func is _ATEN.copy_.default:
        return args[0]
    if place == ELSEWHERE or (wrappers and place is None and func is not _ATEN._local_scalar_dense.default):
        return tree_map_only(
            Tensor, lambda held: wrappers[id(held)] if id(held) in wrappers else Elsewhere(held), result
        )
    return result


def _is_made_of_others(func: Any) -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


class Moves(TorchDispatchMode):
    """While it is entered, keep the shape and bytes of every tensor that moves to the CPU; on a real device, too."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _is_made_of_others(func):
            with self:
                return func.decompose(*args, **kwargs)
        place, source = kwargs.get("device"), args[-1 if func is _ATEN.copy_.default else 0] if args else None
        if func is _ATEN.copy_.default:
            place = args[0].device
        if func in _MOVES and place is not None and torch.device(place).type == "cpu" != source.device.type:
            self.shapes.append(tuple(source.shape))
            self.bytes += source.numel() * source.element_size()
        fake = place is not None and torch.device(place) == ELSEWHERE
        return _elsewhere(func, args, kwargs) if fake else func(*args, **kwargs)


class Answering(Composed):
    """A denoiser whose answers are on another device."""

    def __init__(self, denoiser: Denoiser, move: Callable[[Tensor], Tensor] = Elsewhere) -> None:
        self.denoiser, self.move = denoiser, move

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.move(self.denoiser(ids, positions))


def carry(network: nn.Module) -> None:
    """Put a network's numbers on the other device, in place."""
    for module in network.modules():
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is not None:
                    there = Elsewhere(tensor.detach())
                    table[name] = nn.Parameter(there, requires_grad=False) if table is module._parameters else there

"""What a policy can be set to: one description a parameter, on the signature or the field itself.

    Temperature = Annotated[float, Parameter(minimum=0, unit="temperature")]

    def llada(steps: Steps = 128, temperature: Temperature = 0.0, exhaust: bool = False) -> Planned: ...

The type gives the kind and `Parameter` the rest; `parameters_of()` puts both together with the name and the default.
Command line, page, links, API and documents all read the result, so a range stands once.  Knows no policy and no
language.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from inspect import signature
from math import isfinite
from numbers import Real
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Kind = Literal["integer", "number", "boolean", "choice", "text", "integers", "numbers", "table"]
Unit = Literal["steps", "steps a block", "tokens", "token id", "probability", "nats", "temperature", "share", "time"]

EXACT = 2**53 - 1  # the largest whole number that JavaScript does not round
MAX_INTEGER = 1_000_000  # of whole numbers that have no bound of their own: more than any canvas or run has


@dataclass(frozen=True)
class Parameter:
    """One setting: its name, what it may be, its default, and how a page offers it.

    What stands in an annotation leaves out what the signature says already (`name`, `kind`, `default`, `optional`,
    `choices`).  Names that mean the same for every policy are `aliases` where a paper has another one.
    """

    minimum: float | None = None  # the range of a number, or of each number of several
    maximum: float | None = None
    exclusive_minimum: bool = False  # `minimum` itself is too small
    exclusive_maximum: bool = False  # `maximum` itself is too large
    unit: Unit | None = None
    aliases: tuple[str, ...] = ()
    words: str = ""  # below which key its words stand, if not its name: what means another thing has other words
    increment: float | None = None  # what a press of an arrow adds; None is 1 for whole numbers
    soft_range: tuple[float | None, float | None] | None = None  # where the arrows stop, if that is not the range
    finest: tuple[float, float] | None = None  # numbers nearer to 0 or larger are taken as these, as good as the same
    none_value: float | None = None  # the number that says the same as None, where there is one
    advanced: bool = False  # few set it: a page folds it away
    on_page: bool = True  # False: for programs alone
    choices: tuple[str, ...] = ()  # of a choice; the names that a table must have
    name: str = ""
    kind: Kind = "number"
    default: Any = None
    optional: bool = False  # None stands for "not set"

    @property
    def long(self) -> bool:
        """Whether it may be a whole number that JavaScript would round: pages and links have its digits as text."""
        return self.kind == "integer" and self.maximum is not None and self.maximum > EXACT

    @property
    def names(self) -> tuple[str, ...]:
        """Its own name, and what else it answers to."""
        return (self.name, *self.aliases)

    @property
    def key(self) -> str:
        """Where its label and what it is stand among the words of every language."""
        return f"parameters.{self.words or self.name}"

    @property
    def increments_within(self) -> tuple[float | None, float | None]:
        """From where to where arrows lead."""
        return (self.minimum, self.maximum) if self.soft_range is None else self.soft_range

    @property
    def range(self) -> str:
        """The range in words; "" if every number will do."""
        low = None if self.minimum is None else str(self.minimum)
        high = None if self.maximum is None else str(self.maximum)
        if low and high and not self.exclusive_minimum:
            return f"from {low} to below {high}" if self.exclusive_maximum else f"between {low} and {high}"
        low = low and (f"above {low}" if self.exclusive_minimum else f"{low} or more")
        high = high and (f"below {high}" if self.exclusive_maximum else f"at most {high}")
        return " and ".join(filter(None, (low, high)))

    @property
    def rule(self) -> str:
        """What a value must be, in words."""
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        if self.kind == "text":
            return "a text"
        several = {
            "integers": "a list of whole numbers", "numbers": "a list of numbers",
            "table": f"a table of numbers for {', '.join(self.choices)}",
        }  # fmt: skip
        kind_in_words = several.get(self.kind) or ("a whole number" if self.kind == "integer" else "a number")
        return " ".join(filter(None, (kind_in_words, "of" if self.range[:1].isdigit() else "", self.range)))

    def read(self, value: Any) -> Any:
        """`value` as the policy takes it, 8.0 as 8 where it is whole; else a ValueError of one sentence."""
        if value is None and self.optional:
            return None
        try:
            read = _READERS[self.kind](self, value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{self.name} must be {self.rule}, got {shown(value)}") from None
        for number in _numbers_in(read):
            if not self._inside(number):
                raise ValueError(f"{self.name} must be {self.range}, got {shown(value)}")
            if self.kind == "integer" and self.maximum is None and number > MAX_INTEGER:
                raise ValueError(f"{self.name} must be at most {MAX_INTEGER}, got {shown(value)}")
        return min(max(read, self.finest[0]), self.finest[1]) if self.finest and read else read

    def _inside(self, number: float) -> bool:
        low = self.minimum is None or (number > self.minimum if self.exclusive_minimum else number >= self.minimum)
        return low and (
            self.maximum is None or (number < self.maximum if self.exclusive_maximum else number <= self.maximum)
        )

    def schema(self) -> dict[str, Any]:
        """The parameter as a JSON Schema."""
        kinds = {
            "choice": "string", "text": "string", "integers": "array",
            "numbers": "array", "table": "object",
        }  # fmt: skip
        kind: str | list[str] = kinds.get(self.kind, self.kind)
        default = dict(self.default) if isinstance(self.default, Mapping) else self.default
        schema: dict[str, Any] = {"type": [kind, "null"] if self.optional else kind, "default": default}
        bounds = {
            "exclusiveMinimum" if self.exclusive_minimum else "minimum": self.minimum,
            "exclusiveMaximum" if self.exclusive_maximum else "maximum": self.maximum,
        }
        bounds = {name: bound for name, bound in bounds.items() if bound is not None}
        if self.kind == "choice":
            schema["enum"] = [*self.choices, None] if self.optional else list(self.choices)
        elif self.kind in ("integers", "numbers"):
            schema["items"] = {"type": "integer" if self.kind == "integers" else "number", **bounds}
        elif self.kind == "table":
            schema |= {"required": list(self.choices), "additionalProperties": {"type": "number", **bounds}}
        else:
            schema |= bounds
        return schema | {name: value for name, value in (("unit", self.unit), ("aliases", self.aliases)) if value}


def shown(value: Any) -> str:
    """A value in a sentence: short whatever it is, and "nothing" for None."""
    if value is None:
        return "nothing"
    try:
        text = repr(value) if isinstance(value, str) or not isinstance(value, Real) else str(value)
    except ValueError:  # Python writes out no whole number of thousands of digits
        return "a number of very many digits"
    return text if len(text) <= 40 else f"{text[:39]}…"


# --- values -----------------------------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _number(value: Any) -> float:
    if not _is_number(value) or not isfinite(number := float(value)):
        raise TypeError
    return number


def _int(value: Any) -> int:
    if not _is_number(value) or value != (number := int(value)):
        raise TypeError
    return number


def _digits(parameter: Parameter, value: Any) -> int:
    spelled = parameter.long and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
    return _int(int(value) if spelled else value)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _choice(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str) or value not in parameter.choices:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _ints(value: Any) -> tuple[int, ...]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError
    return tuple(map(_int, value))


def _numbers(value: Any) -> tuple[float, ...]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError
    return tuple(map(_number, value))


def _table(parameter: Parameter, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or set(value) != set(parameter.choices):
        raise TypeError
    return {name: _number(value[name]) for name in parameter.choices}


def _numbers_in(value: Any) -> Iterable[float]:
    """The numbers of a value that was read: itself, or each of several; a text has none."""
    if isinstance(value, str):
        return ()
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, tuple) else (value,)


_READERS: Mapping[Kind, Callable[[Parameter, Any], Any]] = {
    "integer": _digits, "number": lambda _, value: _number(value),
    "boolean": lambda _, value: _bool(value), "choice": _choice, "text": lambda _, value: _text(value),
    "integers": lambda _, value: _ints(value), "numbers": lambda _, value: _numbers(value), "table": _table,
}  # fmt: skip
_KINDS: Mapping[Any, Kind] = {
    int: "integer", float: "number", bool: "boolean", Literal: "choice", str: "text", tuple: "numbers",
    Sequence: "numbers", Mapping: "table",
}  # fmt: skip


# --- descriptions -----------------------------------------------------------------------------------------------------


@cache
def parameters_of(decode: Callable[..., Any]) -> Mapping[str, Parameter]:
    """The parameters of a function or a dataclass by name, in its order: those whose annotation describes one."""
    hints, found = get_type_hints(decode, include_extras=True), {}
    for name, own in signature(decode).parameters.items():
        if (parameter := _of(hints.get(name))) is not None:
            found[name] = replace(parameter, name=name, default=None if own.default is own.empty else own.default)
    return MappingProxyType(found)


def _of(hint: Any) -> Parameter | None:
    """What an annotation says of a parameter; None if it describes none.

    A plain number does not: without a range and a unit it may be anything, such as a seed.
    """
    kind, note = _kind(hint), _note(hint)
    if kind is None or (note is None and kind.kind not in ("boolean", "choice")):
        return None
    note = note or Parameter()
    return replace(note, kind=kind.kind, optional=kind.optional, choices=kind.choices or note.choices)


def _note(hint: Any) -> Parameter | None:
    """The description inside an annotation, wherever it stands."""
    found = [part for part in get_args(hint) if isinstance(part, Parameter)]
    found += [note for part in get_args(hint) if (note := _note(part))] if get_origin(hint) is not Literal else []
    return next(iter(found), None)


def _kind(hint: Any) -> Parameter | None:
    """Kind, choices and whether None will do, from the type alone."""
    if get_origin(hint) is Annotated:
        return _kind(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        some = [part for part in get_args(hint) if part is not NoneType]
        inner = _kind(some[0]) if len(some) == 1 else None
        return inner and replace(inner, optional=True)
    kind = _KINDS.get(get_origin(hint) or hint)
    if kind == "numbers" and get_args(hint)[0] is int:
        kind = "integers"
    return kind and Parameter(kind=kind, choices=get_args(hint) if kind == "choice" else ())


class Validated:
    """A frozen dataclass whose described fields are read by their descriptions when it is made."""

    def __post_init__(self) -> None:
        made_by: Callable[..., Any] = type(self)
        for name, parameter in parameters_of(made_by).items():
            object.__setattr__(self, name, parameter.read(getattr(self, name)))


# --- names ------------------------------------------------------------------------------------------------------------


def find(known: Mapping[str, Parameter], name: str) -> Parameter | None:
    """The parameter that answers to `name`, its own or an alias; None if none does."""
    return next((parameter for parameter in known.values() if name in parameter.names), None)


def canonical(owner: str, known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` under the parameters' own names; unknown names, and two for one parameter, are a ValueError."""
    found: dict[str, tuple[str, Any]] = {}
    for name, value in given.items():
        if (parameter := find(known, name)) is None:
            names = [name for parameter in known.values() for name in parameter.names]
            raise ValueError(
                f"policy {owner} has no parameter {shown(name)}{nearest(name, names)}: it has {', '.join(names)}"
            )
        if parameter.name in found:
            first = found[parameter.name][0]
            raise ValueError(f"{first} and {name} are the same parameter of the policy {owner}: give one of them")
        found[parameter.name] = name, value
    return {name: value for name, (_, value) in found.items()}


def validate(owner: str, known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` by the parameters' own names and as they are taken; what is wrong with it is a ValueError."""
    return {name: known[name].read(value) for name, value in canonical(owner, known, given).items()}


def nearest(name: Any, known: Iterable[str]) -> str:
    """The known name that is most like `name`, as a part of a sentence; "" if none is like it."""
    close = get_close_matches(str(name), list(known), 1)
    return f" (the nearest is {close[0]!r})" if close else ""

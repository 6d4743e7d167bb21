"""One description a parameter: complete, on the policy itself, and read by whatever takes a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Literal

import pytest

from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.policies.parameter import MAX_INTEGER, Parameter, Validated, canonical, parameters_of, shown, validate
from dlm_core.policies.planned import Gumbel, Quota, Threshold
from dlm_core.policies.posterior import MDLM

EVERY = [(policy, name) for policy in POLICIES for name in parameters(policy)]
# what no parameter can be: kinds that JSON, an emptied box, a typing error or a careless program can give
NEVER = ([[]], {"a": "b"}, "abc", "", "8", object(), float("nan"), float("inf"), -float("inf"), 1j, b"8")


def several(
    count: Annotated[int, Parameter(minimum=1, unit="steps", aliases=("number",))] = 3,
    bold: Annotated[float, Parameter(minimum=0, maximum=1, exclusive_minimum=True)] = 0.5,
    fewest: Annotated[int | None, Parameter(minimum=0)] = None,
    order: Literal["first", "last"] = "first",
    loud: bool = False,
    weights: Annotated[tuple[float, ...], Parameter(minimum=0)] = (),
    table: Annotated[Mapping[str, float], Parameter(choices=("a", "b"))] = {"a": 1, "b": 2},
    seed: int = 0,
) -> None:
    """Has a parameter of every kind, and one that nothing describes."""


def test_a_description_is_the_signature_and_the_annotation_together():
    known = parameters_of(several)
    assert list(known) == ["count", "bold", "fewest", "order", "loud", "weights", "table"]
    assert [one.kind for one in known.values()] == [
        "integer", "number", "integer", "choice", "boolean", "numbers", "table"
    ]  # fmt: skip
    assert [one.default for one in known.values()] == [3, 0.5, None, "first", False, (), {"a": 1, "b": 2}]
    assert [name for name, one in known.items() if one.optional] == ["fewest"]
    assert known["order"].choices == ("first", "last")
    assert known["count"].names == ("count", "number")


def test_a_number_that_javascript_would_round_may_come_as_its_digits():
    long, short = (
        Parameter(name="seed", kind="integer", minimum=0, maximum=2**63 - 1),
        Parameter(name="n", kind="integer"),
    )
    for number in (0, 5, 2**53 + 1, 2**63 - 1):
        assert long.read(number) == long.read(str(number)) == number
    for wrong in ("", "abc", "1.5", "-1", "1e3", "٣", " 5", str(2**63), "9" * 5000):
        with pytest.raises(ValueError, match=r"^seed must be "):
            long.read(wrong)
    with pytest.raises(ValueError, match=r"^n must be a whole number, got '5'"):
        short.read("5")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("count", 0, "count must be 1 or more, got 0"),
        ("count", 3.7, "count must be a whole number of 1 or more, got 3.7"),
        ("count", True, "count must be a whole number of 1 or more, got True"),
        ("count", None, "count must be a whole number of 1 or more, got nothing"),
        ("count", 10**12, f"count must be at most {MAX_INTEGER}, got 1000000000000"),
        pytest.param(
            "count", 10**5000, f"count must be at most {MAX_INTEGER}, got a number of very many digits", id="long"
        ),
        ("bold", 0, "bold must be above 0 and at most 1, got 0"),
        ("bold", "0.5", "bold must be a number above 0 and at most 1, got '0.5'"),
        ("bold", 10**400, "bold must be a number above 0 and at most 1, got 1000000"),
        ("bold", float("nan"), "bold must be a number above 0 and at most 1, got nan"),
        ("order", "middle", "order must be one of first, last, got 'middle'"),
        ("order", ["first"], "order must be one of first, last, got ['first']"),
        ("loud", 1, "loud must be true or false, got 1"),
        ("weights", [1, "a"], "weights must be a list of numbers of 0 or more, got [1, 'a']"),
        ("weights", [1, -1], "weights must be 0 or more, got [1, -1]"),
        ("table", {"a": 1}, "table must be a table of numbers for a, b, got {'a': 1}"),
        ("count", "x" * 1000, "count must be a whole number of 1 or more, got 'xxx"),
    ],
)
def test_what_a_value_must_be_is_one_short_sentence_with_its_name_its_range_and_the_value(name, value, sentence):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parameters_of(several)[name].read(value)
    said = str(error.value)
    assert said.startswith(sentence) if sentence.endswith(("xxx", "000")) else said == sentence
    assert len(said) < 120


def test_a_value_is_taken_as_what_it_is_whatever_it_came_as():
    np = pytest.importorskip("numpy")
    given = {"number": 8.0, "bold": 1, "fewest": np.int64(2), "weights": [1, np.float32(0.5)], "loud": True}
    taken = validate("several", parameters_of(several), given)
    assert taken == {"count": 8, "bold": 1.0, "fewest": 2, "weights": (1.0, 0.5), "loud": True}
    assert [type(value) for value in taken.values()] == [int, float, int, tuple, bool]


def test_two_names_for_one_parameter_and_unknown_names_are_refused_and_the_nearest_is_named():
    known = parameters_of(several)
    with pytest.raises(ValueError, match="count and number are the same parameter of the policy several: give one"):
        canonical("several", known, {"count": 1, "number": 1})
    with pytest.raises(ValueError, match=r"policy several has no parameter 'nummber' \(the nearest is 'number'\)"):
        canonical("several", known, {"nummber": 1})
    with pytest.raises(ValueError, match=r"policy several has no parameter \('a', 1\): it has count, number, bold"):
        canonical("several", known, {("a", 1): 1})


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_every_parameter_of_every_policy_is_described_and_its_default_is_one_of_its_values(policy):
    known = parameters(policy)
    assert list(known) == list(signature(POLICIES[policy]).parameters)
    answers = [name for one in known.values() for name in one.names]
    assert len(answers) == len(set(answers)), "a name means one thing"
    for one in known.values():
        assert one.read(one.default) == (dict(one.default) if one.kind == "table" else one.default)
        least, most = one.increments_within
        assert least is None or one.minimum is None or least >= one.minimum, "arrows stay inside the range"
        assert most is None or one.maximum is None or most <= one.maximum


@pytest.mark.parametrize(("policy", "name"), EVERY)
def test_no_parameter_takes_what_it_cannot_be_and_the_sentence_names_it(policy, name):
    one = parameters(policy)[name]
    never = [*NEVER, True] if one.kind != "boolean" else [*NEVER, 1, 0.0]
    for value in [*never, *([] if one.optional else [None]), *([10**400] if one.kind != "boolean" else [])]:
        with pytest.raises(ValueError, match=rf"^{name} must be [^\n]+, got [^\n]+$") as error:
            make_policy(policy, **{name: value})
        assert one.range in str(error.value) or "at most" in str(error.value)


def test_who_builds_a_policy_or_a_piece_of_one_by_hand_hears_the_same():
    for build, sentence in (
        (lambda: MDLM(steps=0), "steps must be 1 or more, got 0"),
        (lambda: MDLM(draws="all"), "draws must be one of positions, canvas"),
        (lambda: Gumbel("hot"), "temperature must be a number of 0 or more, got 'hot'"),
        (lambda: Quota(2.5), "steps must be a whole number of 1 or more, got 2.5"),
        (lambda: Threshold(None, 2), "threshold must be between 0 and 1, got 2"),
    ):
        with pytest.raises(ValueError, match=sentence):
            build()
    assert Quota(8.0) == Quota(8)


def test_a_rule_between_fields_comes_after_every_field_is_what_it_must_be():
    @dataclass(frozen=True)
    class Pair(Validated):
        low: Annotated[float, Parameter(minimum=0)] = 0
        high: Annotated[float, Parameter(minimum=0)] = 1

        def __post_init__(self):
            super().__post_init__()
            if self.low > self.high:
                raise ValueError("low must be at most high")

    with pytest.raises(ValueError, match="high must be a number"):
        Pair(1, "2")
    with pytest.raises(ValueError, match="low must be at most high"):
        Pair(2, 1)


def test_a_description_is_a_json_schema():
    schemas = {name: one.schema() for name, one in parameters_of(several).items()}
    assert schemas["count"] == {
        "type": "integer", "default": 3, "minimum": 1, "unit": "steps", "aliases": ("number",)
    }  # fmt: skip
    assert schemas["bold"] == {"type": "number", "default": 0.5, "exclusiveMinimum": 0, "maximum": 1}
    assert schemas["fewest"] == {"type": ["integer", "null"], "default": None, "minimum": 0}
    assert schemas["order"] == {"type": "string", "default": "first", "enum": ["first", "last"]}
    assert schemas["loud"] == {"type": "boolean", "default": False}
    assert schemas["weights"]["items"] == {"type": "number", "minimum": 0}
    assert schemas["table"]["required"] == ["a", "b"]


def test_a_value_in_a_sentence_is_short():
    assert [shown(value) for value in (None, "a", 1.5, [1])] == ["nothing", "'a'", "1.5", "[1]"]
    assert len(shown("x" * 10**6)) == 40

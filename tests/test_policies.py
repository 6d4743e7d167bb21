import pytest

from dlm_core.policies import POLICIES, make_policy
from dlm_core.policies.policy import even_split


@pytest.mark.parametrize(("total", "parts"), [(0, 3), (7, 7), (24, 7), (10, 16), (5, 1)])
def test_an_even_split_adds_up_and_puts_the_larger_shares_first(total, parts):
    shares = even_split(total, parts)
    assert sum(shares) == total
    assert len(shares) == parts
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_has_its_defaults_is_a_value_and_says_what_it_is(name):
    assert make_policy(name) == make_policy(name)
    assert POLICIES[name].__doc__


def test_an_unknown_policy_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"unknown policy 'best': choose one of llada, threshold"):
        make_policy("best")


def test_an_unknown_parameter_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"policy eb has no parameter 'threshold': it has gamma"):
        make_policy("eb", threshold=0.5)


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("llada", {"steps": 0}, "steps must be 1 or more, got 0"),
        ("llada", {"temperature": -0.1}, "temperature must be 0 or more"),
        ("llada", {"temperature": float("nan")}, "temperature must be 0 or more"),
        ("llada", {"remasking": "best"}, "remasking must be one of"),
        ("llada", {"draws": "all"}, "draws must be"),
        ("threshold", {"threshold": 1.5}, "threshold must be between 0 and 1"),
        ("threshold", {"steps": -2}, "steps must be 1 or more"),
        ("fast_dllm", {"threshold": 0.5, "remasking": "random"}, "low_confidence"),
        ("eb", {"gamma": -1}, "gamma must be 0 or more"),
        ("mdlm", {"steps": 0}, "steps must be 1 or more"),
        ("mdlm", {"temperature": -1}, "temperature must be 0 or more"),
        ("mdlm", {"draws": "all"}, "draws must be"),
    ],
)
def test_a_parameter_out_of_range_names_the_rule(name, params, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_policy(name, **params)

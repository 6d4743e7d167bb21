"""Constraints hold whatever the policy, and what no text can satisfy is refused in a sentence."""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import oracle
from outlines_core.json_schema import build_regex_from_schema
from stand_ins import MASK, STOP, VOCAB
from test_sampler import LENGTH, MIXED, PLANNED, REVISING, UNIFORM, canvases, policies

from dlm_core.canvas import Canvas, blocks
from dlm_core.constraints import Constrained, Vocabulary, answer_probabilities
from dlm_core.denoiser import TableDenoiser
from dlm_core.policies import make_policy
from dlm_core.sampler import sample, sample_many

# tokens of one letter and of two, a space, a full stop; the mask and the end of a text are control tokens
PIECES = [*"abcdefghijklmnopqrstuvwxyz .", *(a + b for a in "abc" for b in "abcdef")]
PIECES = [*PIECES[:46], "", ""]
WORDS, OPEN = Vocabulary(PIECES, [STOP]), Vocabulary(PIECES)
FREE = Canvas.from_prompt([5, 6], 10, MASK)


def uniform_network(mask):
    return TableDenoiser(lambda ids: torch.from_numpy(oracle(ids.numpy(), seed=5, vocab=VOCAB, gain=8)), VOCAB, mask)


def text(ids):
    return "".join(PIECES[token] for token in ids)


@settings(max_examples=60)
@given(
    policy=policies({**PLANNED, **REVISING}),
    canvas=canvases(),
    allowed=st.lists(st.sets(st.integers(0, VOCAB - 3), min_size=4), min_size=LENGTH, max_size=LENGTH),
    windows=st.sampled_from([None, blocks(0, LENGTH, 4)]),
    seed=st.integers(0, 2**40),
)
def test_no_policy_writes_a_token_that_is_not_allowed(network, policy, canvas, allowed, windows, seed):
    name, params = policy
    forbidding = {"logits_eos_inf", "suppress_tokens"}  # by which a policy may forbid all that is allowed
    params = {key: value for key, value in params.items() if key not in forbidding}
    rules = {n: sorted(each) for n, each in enumerate(allowed) if not canvas.fixed[n]}
    for step in sample(
        Constrained(network(), canvas, allowed=rules), canvas, make_policy(name, **params), windows=windows, seed=seed
    ):
        for position in np.flatnonzero(step.written):
            assert step.after[position] in rules[position]
            assert set(step.top_ids[position][step.top_probs[position] > 0]) <= set(rules[position])


@settings(max_examples=60)
@given(
    policy=policies({name: each for name, each in {**UNIFORM, **MIXED}.items() if name not in ("duo", "gidd")}),
    seed=st.integers(0, 2**40),
    step=st.integers(2, 5),
)
def test_no_policy_over_other_noise_writes_a_token_that_is_not_allowed_either(policy, seed, step):
    """But for posteriors that also write noise, DUO's and GIDD's: noise is no answer of the denoiser."""
    name, params = policy
    mask, few = (MASK if name in MIXED else None), list(range(1, 40, step))
    ids = np.random.default_rng(seed).integers(0, VOCAB, LENGTH)
    canvas = Canvas(np.full(LENGTH, MASK) if name in MIXED else ids, [False] * LENGTH)
    denoiser = Constrained(uniform_network(mask), canvas, allowed={n: few for n in range(0, LENGTH, 2)})
    for one in sample(denoiser, canvas, make_policy(name, **params), seed=seed):
        assert set(one.after[::2][one.written[::2]]) <= set(few)


RULES = [
    (WORDS.contains("cab"), lambda text: re.search(r"(?<![a-z])cab(?![a-z])", text)),
    (OPEN.contains("bad", whole=False), lambda text: "bad" in text),
    (WORDS.lacks("a", whole=False) & WORDS.lacks("e", whole=False), lambda text: not set("ae") & set(text)),
    (WORDS.contains("ab") & WORDS.lacks("c", whole=False), lambda text: "ab" in text and "c" not in text),
    (OPEN.matches(r"([a-f]{1,3} )+[a-f]+[.]"), re.compile(r"([a-f]{1,3} )+[a-f]+[.]").fullmatch),
    (WORDS.matches(r"x[a-z]{2,5}( y[a-z]*)?"), re.compile(r"x[a-z]{2,5}( y[a-z]*)?").fullmatch),
    (OPEN.matches("[a-z ]+") & OPEN.contains("dad"), re.compile("(?=.*(?<![a-z])dad(?![a-z]))[a-z ]+").fullmatch),
]


@settings(max_examples=60)
@given(
    policy=policies({**PLANNED, **REVISING}), rule=st.sampled_from(RULES), seed=st.integers(0, 2**40),
    pinned=st.dictionaries(st.integers(2, 11), st.integers(0, 6), max_size=2),
    windows=st.sampled_from([None, blocks(2, 12, 5)]),
)  # fmt: skip
def test_whatever_a_policy_writes_at_once_the_text_satisfies_the_rule(network, policy, rule, seed, pinned, windows):
    (name, params), (rule, holds) = policy, rule
    params = {key: value for key, value in params.items() if key not in {"logits_eos_inf", "suppress_tokens"}}
    assume(name not in ("wino", "diffusers_block_refinement"))  # whose loops end on a count of steps, masks or not
    ids, fixed = FREE.ids.copy(), FREE.fixed.copy()
    ids[[*pinned]], fixed[[*pinned]] = [*pinned.values()], True
    canvas = Canvas(ids, fixed)
    try:
        denoiser = Constrained(network(), canvas, rule)
    except ValueError:  # the pinned tokens may break it
        assume(False)
    last = [*sample(denoiser, canvas, make_policy(name, **params), windows=windows, seed=seed)][-1]
    lo, hi = denoiser._span
    written = last.after[lo:hi]
    assert MASK not in written
    ends = np.flatnonzero(written == STOP)
    assert not ends.size or (written[ends[0] :] == STOP).all()
    assert holds(text(written)), text(written)


def test_every_token_that_can_go_on_is_possible_where_one_is_written_at_a_time():
    """An automaton that leaves one way: its letters are forced, in whatever order they are asked about."""
    canvas = Canvas.from_prompt([], 4, MASK)
    denoiser = Constrained(TableDenoiser(torch.zeros(4, VOCAB), VOCAB, MASK), canvas, OPEN.matches("(ab|ba)(cd|dc)"))
    ids = torch.tensor([[MASK, 0, MASK, MASK]])
    first = denoiser(ids, torch.tensor([0]))[0, 0]
    assert (first > float("-inf")).nonzero()[:, 0].tolist() == [1]


def test_the_likeliest_way_is_taken_and_what_is_written_stays():
    """Of two ways that one letter decides, the answer for the others decides first."""
    logits = torch.zeros(3, VOCAB)
    logits[2, 25] = 5.0  # "z"
    denoiser = Constrained(TableDenoiser(logits, VOCAB, MASK), Canvas([MASK] * 3, [False] * 3), OPEN.matches("abc|xyz"))

    def possible(ids):
        return [
            (row > float("-inf")).nonzero()[:, 0].tolist() for row in denoiser(torch.tensor([ids]), torch.arange(3))[0]
        ]

    assert possible([MASK] * 3) == [[23], [24], [25]]
    assert possible([0, MASK, MASK]) == [[0], [1], [2]]


def test_a_part_of_a_character_goes_where_a_pattern_wants_the_character():
    pieces = ["a", b"\xf0\x9f", b"\x98\x80", "", ""]
    canvas = Canvas([3] * 4, [False] * 4)
    denoiser = Constrained(TableDenoiser(torch.zeros(4, 5), 5, 3), canvas, Vocabulary(pieces).matches("a😀a"))
    (last,) = sample(denoiser, canvas, make_policy("threshold", threshold=0.0), top_k=1)
    assert last.after.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (OPEN.matches("[a-z]{40}"), "no text from position 2 to 11 satisfies the rule: it must match '[a-z]{40}'"),
        (OPEN.contains("b" * 40), "must contain"),
        (OPEN.matches("[a-z]{3}"), "no token can stand at position 5"),
        (WORDS.lacks("a") & WORDS.contains("a"), "must not contain 'a' and must contain 'a'"),
    ],
)  # fmt: skip
def test_a_rule_that_no_text_can_satisfy_is_refused_with_its_positions_and_its_name(network, rule, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Constrained(network(), FREE, rule)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda network: Constrained(network, FREE, allowed={99: [1]}), "a position below 12"),
        (lambda network: Constrained(network, FREE, allowed={3: []}), "one or more ids below 48, got [] at position 3"),
        (lambda network: Constrained(network, FREE, allowed={3: [VOCAB]}), "ids below 48"),
        (lambda network: Constrained(network, FREE, allowed={0: [7]}), "position 0 is fixed to 5"),
        (lambda network: Constrained(network, FREE, Vocabulary(["a"]).lacks("b")), "knows 1 tokens"),
        (lambda network: Constrained(network, Canvas([1], [True]), OPEN.lacks("b")), "every position"),
        (lambda network: Constrained(uniform_network(None), FREE, OPEN.lacks("b")), "mask"),
        (lambda network: OPEN.contains(""), "a word"),
        (lambda network: OPEN.matches("(?=a)b"), "(?=a)b"),
        (lambda network: answer_probabilities(network, FREE, 11, [[1, 2]]), "inside the canvas"),
        (lambda network: answer_probabilities(network, FREE, 3, [[1, 2], [1]]), "of one length"),
        (lambda network: answer_probabilities(network, FREE, 3, []), "one or more of"),
    ],
)
def test_what_cannot_be_a_constraint_is_refused_in_a_sentence(network, make, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make(network())


def test_an_allowed_token_that_the_denoiser_never_writes_is_an_error_that_names_the_position(network):
    steps = sample(Constrained(network(), FREE, allowed={3: [MASK]}), FREE, make_policy("llada", steps=5))
    with pytest.raises(ValueError, match="allowed at position 3"):
        next(steps)


def test_another_canvas_is_refused_and_the_same_one_with_other_seeds_is_a_batch(network):
    denoiser = Constrained(network(), FREE, OPEN.contains("cab"), {4: [0, 1]})
    policy = make_policy("llada", steps=5, temperature=1.0)
    with pytest.raises(ValueError, match="for one canvas"):
        next(sample(denoiser, Canvas.from_prompt([7, 6], 10, MASK), policy))
    runs = [[*run] for run in sample_many(denoiser, [FREE] * 3, policy)]
    for seed, steps in enumerate(runs):
        alone = [*sample(denoiser, FREE, policy, seed=seed)]
        assert [step.after.tolist() for step in steps] == [step.after.tolist() for step in alone]
        assert "cab" in text(steps[-1].after)


def test_the_probability_of_an_answer_is_the_softmax_at_its_slot_and_a_product_for_several_tokens(network):
    canvas = Canvas.from_prompt([1, 2], 6, MASK)
    where = torch.tensor([4])
    row = network()(torch.tensor(canvas.ids)[None], where)[0, 0].double().softmax(0)
    one = answer_probabilities(network(), canvas, 4, [[3], [8]])
    np.testing.assert_allclose(one, row[[3, 8]])
    second = torch.tensor(canvas.ids)[None].clone()
    second[0, 4] = 3
    after = network()(second, torch.tensor([5]))[0, 0].double().softmax(0)
    two = answer_probabilities(network(), canvas, 4, [[3, 9], [8, 9]])
    np.testing.assert_allclose(two[0], row[3] * after[9])
    every = answer_probabilities(network(), canvas, 4, [[token] for token in range(VOCAB)])
    assert every.sum() == pytest.approx(1)


def test_the_bundled_model_writes_acrostics_and_json(bundled):
    tokens, prompt = range(bundled.denoiser.vocab_size), bundled.encode_prompt("Once upon a time")
    words, canvas = Vocabulary([*map(bundled.piece, tokens)], bundled.stop_ids), bundled.canvas(prompt, 24)

    def write(*constraints):
        steps = sample(Constrained(bundled.denoiser, canvas, *constraints), canvas, make_policy("threshold"))
        return [words.pieces[token] for token in [*steps][-1].after[len(prompt) :]]

    acrostic = " ?S[a-z ,]+[.] U[a-z ,]+[.] N[a-z ,]+[.]"
    assert re.fullmatch(acrostic, "".join(write(words.matches(acrostic))))
    first = {
        len(prompt) + 8 * n: [token for token in tokens if words.pieces[token][:2] == f" {letter}"]
        for n, letter in enumerate("SUN")
    }
    assert "".join(piece[1] for piece in write(None, first)[::8]) == "SUN"
    kinds = {"name": {"enum": ["Tom", "Lily"]}, "happy": {"type": "boolean"}}
    schema = json.dumps({"type": "object", "properties": kinds, "required": [*kinds]})
    said = json.loads("".join(write(words.matches(build_regex_from_schema(schema)))))
    assert said["name"] in ("Tom", "Lily")
    assert said["happy"] in (True, False)

"""Options of the published rules, each against a small implementation of its own, written from the rule alone.

The rules below know nothing of this project: a canvas is a list of ids, `logits_of(ids)` answers for all of it in
float64, and random numbers come from `torch.manual_seed`, as in the releases.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from oracle import oracle
from stand_ins import MASK, VOCAB

from dlm_core.beliefs import believe
from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import Advised, TableDenoiser, planner
from dlm_core.engine import Request, plan
from dlm_core.policies import make_policy
from dlm_core.policies.posterior import DUO
from dlm_core.sampler import sample

PROMPT, END, TURN = 4, 46, 45
SEEDS = (1, 2, 3)


def logits_of(ids, seed=1, gain=16, likely=()):
    """Float64 logits `(length, VOCAB)` that never propose the mask; tokens in `likely` are."""
    bias = {str(MASK): -200.0} | {str(token): 12.0 for token in likely}
    return torch.from_numpy(oracle(np.array([ids]), seed=seed, vocab=VOCAB, gain=gain, bias=bias))[0].double()


def table(answers):
    return TableDenoiser(lambda batch: torch.stack([answers(row.tolist()) for row in batch]).float(), VOCAB, MASK)


def ours(name, ids, fixed, answers, windows=None, seed=0, second=None, **params):
    """Every canvas of a run, the first one included; `second` is the denoiser's second opinion."""
    denoiser = table(answers) if second is None else Advised(table(answers), table(second))
    run = sample(denoiser, Canvas(ids, fixed), make_policy(name, **params), windows=windows, seed=seed)
    return [list(ids), *(step.after.tolist() for step in run)]


def prompted(length):
    ids = [3, 1, 4, 1][:PROMPT] + [MASK] * (length - PROMPT)
    return ids, [at < PROMPT for at in range(length)]


def race(logits, temperature):
    """The likeliest token of every row, or the winner of exp(l) / (-log u)^T over all of them."""
    if temperature == 0:
        return logits.argmax(1)
    return (logits.exp() / (-torch.rand_like(logits).log()) ** temperature).argmax(1)


def shares(total, parts):
    return [total // parts + (i < total % parts) for i in range(parts)]


# --- LLaDA, Fast-dLLM, dllm: which tokens may come, and when ----------------------------------------------------------


def llada(ids, answers, windows, steps, temperature, seed, never=(), last=(), numbers=None, shuffled=False):
    """LLaDA's loop: `never` tokens have a logit of -inf, `last` ones only where confidence is read."""
    torch.manual_seed(seed)
    ids, canvases = list(ids), [list(ids)]
    for lo, hi in windows:
        masks = sum(ids[at] == MASK for at in range(lo, hi))
        for count in shares(masks, steps // len(windows)) if numbers is None else numbers(masks, steps, len(windows)):
            logits = answers(ids)
            logits[:, list(never)] = -torch.inf
            tokens = race(logits, temperature)
            logits[:, list(last)] = -torch.inf
            sure = torch.rand(len(ids)) if shuffled else logits.softmax(1)[range(len(ids)), tokens]
            at_work = sorted((at for at in range(lo, hi) if ids[at] == MASK), key=lambda at: -sure[at])
            for at in at_work[:count]:
                ids[at] = int(tokens[at])
            canvases.append(list(ids))
    return canvases


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize(("flags", "rule"), [
    ({}, {}),
    ({"logits_eos_inf": True}, {"never": [END]}),
    ({"confidence_eos_eot_inf": True}, {"last": [TURN, END]}),
    ({"logits_eos_inf": True, "confidence_eos_eot_inf": True}, {"never": [END], "last": [TURN, END]}),
])  # fmt: skip
def test_lladas_ends_of_text_are_never_written_or_last(seed, temperature, flags, rule):
    (ids, fixed), windows = prompted(20), blocks(PROMPT, 20, 8)
    answers = lambda ids: logits_of(ids, seed, likely=(END, TURN))  # noqa: E731
    wanted = llada(ids, answers, windows, 8, temperature, seed, **rule)
    got = ours("llada", ids, fixed, answers, windows, seed, steps=8, temperature=temperature, draws="canvas",
               eos_id=END, stop_ids=(TURN, END), **flags)  # fmt: skip
    assert got == wanted
    assert (END in wanted[-1]) != ("never" in rule)
    if "last" in rule and not rule.get("never"):
        assert not {END, TURN} & set(wanted[1]), "an end of text came first"


def test_a_confidence_without_some_tokens_is_that_of_the_other_ones_even_next_to_0():
    logits = torch.tensor([[30.0, 0.0, 1.0, -2.0], [0.0, 30.0, 1.0, -2.0], [0.0, 0.0, 3.0, 1.0]])
    found = believe(logits, 2).probability_without(torch.tensor([2, 3, 0]), (0, 1))
    rest = logits[:, 2:].double().softmax(1)
    torch.testing.assert_close(found, torch.stack([rest[0, 0], rest[1, 1], torch.tensor(0.0).double()]))


@pytest.mark.parametrize(("flag", "name"), [
    ({"logits_eos_inf": True}, "eos_id"), ({"confidence_eos_eot_inf": True}, "stop_ids"),
])  # fmt: skip
def test_a_wish_about_ends_of_text_needs_to_know_them(flag, name):
    with pytest.raises(ValueError, match=f"{next(iter(flag))} needs {name}, the tokens that end a text"):
        make_policy("llada", **flag)


def test_an_engine_knows_the_ends_of_its_models_texts(bundled):
    wish = {"logits_eos_inf": True, "confidence_eos_eot_inf": True}
    settings = plan(bundled, Request("Once", "llada", 8, params=wish)).settings
    assert settings["eos_id"] == bundled.tokenizer.eos_token_id
    assert settings["stop_ids"] == bundled.stop_ids
    own = plan(bundled, Request("Once", "llada", 8, params=wish | {"eos_id": 7, "stop_ids": [7, 8]})).settings
    assert (own["eos_id"], own["stop_ids"]) == (7, (7, 8))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_fast_dllms_random_order_with_a_threshold_writes_where_the_number_reaches_it(seed, temperature):
    (ids, fixed), windows = prompted(20), blocks(PROMPT, 20, 8)
    torch.manual_seed(seed)
    canvas, wanted = list(ids), [list(ids)]
    for lo, hi in windows:
        while any(canvas[at] == MASK for at in range(lo, hi)):
            tokens, number = race(logits_of(canvas, seed), temperature), torch.rand(len(ids))
            at_work = sorted((at for at in range(lo, hi) if canvas[at] == MASK), key=lambda at: -number[at])
            for rank, at in enumerate(at_work):
                if rank == 0 or number[at] >= 0.6:
                    canvas[at] = int(tokens[at])
            wanted.append(list(canvas))
    assert wanted == ours("fast_dllm", ids, fixed, lambda ids: logits_of(ids, seed), windows, seed, threshold=0.6,
                          remasking="random", temperature=temperature, draws="canvas")  # fmt: skip


def alphas(masks, steps, windows, stochastic=False):
    """dllm's numbers of a linear schedule, zeros dropped."""
    n, numbers = math.ceil(steps / windows), []
    for i in range(n):
        t, s = torch.tensor((n - i) / n), torch.tensor((n - i - 1) / n)
        chance = 1 - s / t
        if stochastic:
            number = int(torch.distributions.Binomial(torch.tensor(masks), chance).sample())
        else:
            number = round(masks * float(chance))
        numbers.append(number)
        masks -= number
    return [number for number in numbers if number]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_dllms_suppressed_tokens_are_never_written_or_last(seed, temperature):
    (ids, fixed), windows = prompted(20), blocks(PROMPT, 20, 8)
    answers = lambda ids: logits_of(ids, seed, likely=(END, TURN))  # noqa: E731
    got = ours("dllm_mdlm", ids, fixed, answers, windows, seed, steps=7, temperature=temperature, draws="canvas",
               suppress_tokens=[END, 9], begin_suppress_tokens=[TURN])  # fmt: skip
    assert got == llada(ids, answers, windows, 7, temperature, seed, never=[END, 9], last=[TURN], numbers=alphas)


def test_a_suppressed_token_that_is_no_token_is_refused_before_the_run():
    with pytest.raises(ValueError, match=f"tokens that are never written must be below {VOCAB}, got 999"):
        ours("dllm_mdlm", *prompted(8), logits_of, suppress_tokens=[999])


@pytest.mark.parametrize("seed", range(8))
def test_dllms_stochastic_numbers_are_binomial(seed):
    (ids, fixed), windows = prompted(28), blocks(PROMPT, 28, 12)
    answers = lambda ids: logits_of(ids, seed)  # noqa: E731
    got = ours("dllm_mdlm", ids, fixed, answers, windows, seed, steps=8, stochastic_transfer=True, draws="canvas")
    wanted = llada(ids, answers, windows, 8, 0.0, seed, numbers=lambda *a: alphas(*a, stochastic=True))
    assert got == wanted


# --- LLaDA2, LLaDA2.1, SDAR, d3LLM: where a run is over ---------------------------------------------------------------


def block_diffusion(ids, answers, windows, threshold, per_step, ended, edit=None, rounds=0):
    """All masks of a block above a threshold if they make the step's number, else the best, and edits; greedy.

    `ended(ids, hi, wrote, block_done)` says after every step, and when a block is done, whether the run is over.
    """
    ids, canvases = list(ids), [list(ids)]
    for lo, hi in windows:
        step = post = 0
        while True:
            masks = [at for at in range(lo, hi) if ids[at] == MASK]
            if not masks and (edit is None or post >= rounds):
                break
            best = answers(ids).softmax(1).max(1)
            writes = [at for at in masks if best.values[at] > threshold]
            if len(writes) < per_step[min(step, len(per_step) - 1)]:
                writes = sorted(masks, key=lambda at: -best.values[at])[: per_step[min(step, len(per_step) - 1)]]
            edits = [
                at for at in range(lo, hi)
                if edit is not None and ids[at] != MASK and best.values[at] > edit and best.indices[at] != ids[at]
            ]  # fmt: skip
            for at in writes + edits:
                ids[at] = int(best.indices[at])
            canvases.append(list(ids))
            step, post = step + 1, post + (not masks)
            if ended(ids, hi, [ids[at] for at in writes], False):
                return canvases
            if not masks and not edits:
                break
        if ended(ids, hi, [], True):
            return canvases
    return canvases


def over_llada2(ids, hi, wrote, block_done):
    first = ids.index(END, PROMPT) if END in ids[PROMPT:] else None
    return first is not None and (block_done or (END in wrote and MASK not in ids[PROMPT:first]))


def over_llada21(ids, hi, wrote, block_done):
    return block_done and MASK not in ids[PROMPT:hi] and END in ids[PROMPT:hi]


def over_sdar(ids, hi, wrote, block_done):
    return block_done and bool({END, TURN} & set(ids[PROMPT:]))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("name", "ended", "params", "rule"), [
    ("llada2", over_llada2, {"steps": 8, "threshold": 0.5}, {"threshold": 0.5, "per_step": [1] * 8}),
    ("llada21", over_llada21, {"threshold": 0.5, "editing_threshold": 0.4, "max_post_steps": 3},
     {"threshold": 0.5, "per_step": [1], "edit": 0.4, "rounds": 3}),
    ("sdar", over_sdar, {"temperature": 0, "denoising_steps": 4, "confidence_threshold": 0.5},
     {"threshold": 0.5, "per_step": [2] * 4}),
])  # fmt: skip
def test_a_run_is_over_where_its_text_ends(name, ended, params, rule, seed):
    (ids, fixed), windows = prompted(36), blocks(PROMPT, 36, 8)
    ids[1] = END  # an end of text in the prompt ends nothing
    answers = lambda ids: logits_of(ids, seed, likely=(END,))  # noqa: E731
    stops = (TURN, END) if name == "sdar" else (END,)
    got = ours(name, ids, fixed, answers, windows, eos_early_stop=True, stop_ids=stops, **params)
    assert got == block_diffusion(ids, answers, windows, ended=ended, **rule)
    whole = ours(name, ids, fixed, answers, windows, **params)
    assert whole == block_diffusion(ids, answers, windows, ended=lambda *_: False, **rule)
    assert got == whole[: len(got)]


def test_a_run_does_not_end_at_an_end_of_text_that_is_fixed():
    ids, fixed = prompted(20)
    ids[6], fixed[6] = END, True
    got = ours(
        "sdar", ids, fixed, logits_of, blocks(PROMPT, 20, 8), temperature=0, eos_early_stop=True, stop_ids=(END,)
    )
    assert MASK not in got[-1]


def d3llm(ids, answers, size, entropy, add, active, end):
    """d3LLM's loop at temperature 0: behind the first end of text all becomes one."""
    ids, canvases, opened = list(ids), [list(ids)], 1
    edges = list(range(PROMPT, len(ids), size))
    left = lambda edge: sum(token == MASK for token in ids[edge : edge + size])  # noqa: E731
    done = lambda edge: 1 - left(edge) / len(ids[edge : edge + size])  # noqa: E731
    while MASK in ids:
        if opened < len(edges) and done(edges[opened - 1]) >= add:
            opened += 1
        while all(left(edge) == 0 for edge in edges[:opened]):
            opened += 1
        logits = answers(ids)
        p = logits.softmax(1)
        h, best = -(p * (p + 1e-12).log()).sum(1), logits.argmax(1)
        at_work = [at for edge in edges[:opened] for at in range(edge, min(edge + size, len(ids))) if ids[at] == MASK]
        writes = {at for at in at_work if h[at] <= entropy} | {min(at_work, key=lambda at: h[at])}
        for number, edge in enumerate(edges[:opened]):
            own = [at for at in at_work if edge <= at < edge + size]
            if own and (number == 0 or done(edges[number - 1]) >= active):
                if not writes & set(own):
                    writes.add(min(own, key=lambda at: h[at]))
                break
        for at in writes:
            ids[at] = int(best[at])
        if end in ids[PROMPT:]:
            first = ids.index(end, PROMPT)
            ids[first:] = [end] * (len(ids) - first)
        canvases.append(list(ids))
    return canvases


@pytest.mark.parametrize("seed", range(10))
def test_behind_d3llms_first_end_of_text_there_are_only_ends(seed):
    ids, fixed = prompted(36)
    answers = lambda ids: logits_of(ids, seed, likely=(END,))  # noqa: E731
    got = ours("d3llm", ids, fixed, answers, [(PROMPT, 36)], early_stop=True, stop_ids=(END,), threshold=1.0,
               block_size=8, block_add_threshold=0.25, decoded_token_threshold=0.75)  # fmt: skip
    assert got == d3llm(ids, answers, 8, 1.0, 0.25, 0.75, END)
    assert END in got[-1]


# --- P2 ---------------------------------------------------------------------------------------------------------------

SHARES = {
    "linear": lambda t: t,
    "sine": lambda t: math.sin(math.pi * t / 2),
    "geometric": lambda t: 1 - (1 - t) * (1 - t),
    "log": lambda t: math.log2(1 + t),
    "poly2": lambda t: t * t,
    "poly05": math.sqrt,
}


def path_planning(ids, fixed, answers, steps, tau, eta, kappa, seed, planner=None):
    torch.manual_seed(seed)
    ids, canvases, free = list(ids), [list(ids)], [at for at, pinned in enumerate(fixed) if not pinned]
    for i in range(1, steps + 1):
        logits = answers(ids)
        if tau:
            noise = -torch.log(-torch.log(torch.rand_like(logits) + 1e-8) + 1e-8)
            logits = logits / tau + noise
        score, token = logits.log_softmax(1).max(1)
        if planner is not None:
            text = [ids[at] if fixed[at] else int(token[at]) for at in range(len(ids))]
            judged = planner(text).log_softmax(1)
        for at in free:
            if ids[at] != MASK:
                score[at] = eta * (judged[at, token[at]] if planner is not None else score[at])
        back = int(len(free) * (1 - kappa(i / steps)) + 1e-9)
        low = sorted(free, key=lambda at: score[at])[:back]
        for at in free:
            if at in low:
                ids[at] = MASK
            elif ids[at] == MASK:
                ids[at] = int(token[at])
        canvases.append(list(ids))
    return canvases


@pytest.mark.parametrize("kappa_fn", SHARES)
@pytest.mark.parametrize("seed", SEEDS)
def test_p2_keeps_the_share_that_its_schedule_says(kappa_fn, seed):
    ids, fixed = prompted(24)
    answers = lambda ids: logits_of(ids, seed)  # noqa: E731
    wanted = path_planning(ids, fixed, answers, 7, 0.8, 1.5, SHARES[kappa_fn], seed)
    assert wanted == ours("p2", ids, fixed, answers, seed=seed, num_steps=7, tau=0.8, eta=1.5, kappa_fn=kappa_fn,
                          draws="canvas")  # fmt: skip


@pytest.mark.parametrize("tau", [0.0, 0.8])
@pytest.mark.parametrize("seed", SEEDS)
def test_p2s_planner_judges_the_proposals_where_tokens_stand(tau, seed):
    ids, fixed = prompted(24)
    answers, second = lambda ids: logits_of(ids, seed), lambda ids: logits_of(ids, seed + 50)
    rule = (ids, fixed, answers, 7, tau, 2.0, SHARES["linear"], seed)
    params = {"num_steps": 7, "tau": tau, "eta": 2.0, "draws": "canvas"}
    alone = ours("p2", ids, fixed, answers, seed=seed, second=second, **params)
    assert alone == path_planning(*rule), "nobody asked for the second opinion"
    advised = ours("p2", ids, fixed, answers, seed=seed, second=second, planner=True, **params)
    assert advised == path_planning(*rule, planner=second) != alone


def test_a_planner_that_is_not_there_is_said_before_the_run():
    alone, policy = TableDenoiser(torch.zeros(8, VOCAB), VOCAB, MASK), make_policy("p2", planner=True)
    with pytest.raises(ValueError, match="a planner is a second opinion, and this model has none"):
        sample(alone, Canvas(*prompted(8)), policy)


def test_the_causal_reading_of_the_same_weights_may_be_the_planner(bundled):
    ids = bundled.encode_prompt("Once upon a time")
    canvas = bundled.canvas(ids, 12)
    text = torch.tensor(bundled.encode_prompt("Once upon a time there was a little dog"))[None]  # without masks
    asked = torch.arange(1, text.shape[1])
    causal = bundled.ar_logits(text)[:, asked - 1]
    causal[..., bundled.denoiser.denoiser.token_ids] = float("-inf")  # what is never written, whoever reads
    with torch.inference_mode():
        torch.testing.assert_close(planner(bundled.denoiser)(text, asked), causal, atol=1e-4, rtol=1e-4)
    policy = make_policy("p2", num_steps=6, planner=True)
    run = list(sample(bundled.denoiser, canvas, policy, windows=[(len(ids), len(ids) + 12)]))
    assert [step.forwards for step in run] == [1, *range(3, 13, 2)], "a first step without tokens needs no opinion"
    assert not (run[-1].after == bundled.mask_token_id).any()


# --- KLASS ------------------------------------------------------------------------------------------------------------


def klass(ids, fixed, answers, windows, steps, sure, change, history, strategy, seed):
    """KLASS's loop; the last step of a block fills what is left, which the release does not need."""
    torch.manual_seed(seed)
    ids, canvases, length = list(ids), [list(ids)], len(ids)
    before, changes = torch.zeros(length, VOCAB).double(), torch.zeros(length, history).double()
    for lo, hi in windows:
        quota = shares(sum(ids[at] == MASK for at in range(lo, hi)), steps // len(windows))
        for step, count in enumerate(quota):
            masks = [at for at in range(lo, hi) if ids[at] == MASK]
            if not masks:
                break
            p = answers(ids).softmax(1)
            best = p.max(1)
            now = (p * ((p + 1e-12).log() - (before + 1e-12).log())).sum(1)
            changes, before = torch.cat([changes[:, 1:], now[:, None]], 1), p
            settled = step >= history - 1 and step < len(quota) - 1
            ready = [at for at in masks if settled and (changes[at] < change).all() and best.values[at] > sure]
            if len(ready) > 1 and strategy == "max_conf":
                ready = [max(ready, key=lambda at: best.values[at])]
            elif len(ready) > 1 and strategy == "min_kl":
                ready = [min(ready, key=lambda at: now[at])]
            elif len(ready) > 1 and strategy == "random":
                ready = [ready[int(torch.randint(0, len(ready), (1,)))]]
            if not ready:
                ready = sorted(masks, key=lambda at: -best.values[at])[: count if step < len(quota) - 1 else None]
            for at in ready:
                ids[at] = int(best.indices[at])
            canvases.append(list(ids))
    return canvases


@pytest.mark.parametrize("strategy", ["all", "max_conf", "min_kl"])
@pytest.mark.parametrize("seed", SEEDS)
def test_klass_takes_one_of_the_ready_rows_as_its_strategy_says(strategy, seed):
    ids, fixed = prompted(28)
    fixed_part = logits_of(ids, seed, gain=6)

    def answers(ids):  # changes little as the canvas fills, so that many rows are ready
        return fixed_part + 0.02 * logits_of(ids, seed + 9)

    windows = blocks(PROMPT, 28, 12)
    wanted = klass(ids, fixed, answers, windows, 24, 0.05, 0.2, 2, strategy, seed)
    got = ours("klass", ids, fixed, answers, windows, seed, steps=24, conf_threshold=0.05, kl_threshold=0.2,
               unmask_strategy=strategy)  # fmt: skip
    assert got == wanted
    everything = klass(ids, fixed, answers, windows, 24, 0.05, 0.2, 2, "all", seed)
    assert strategy == "all" or len(wanted) > len(everything), "no two rows were ready at once"


def test_klass_takes_any_of_the_ready_rows_if_asked():
    ids, fixed = prompted(12)
    still, taken = logits_of(ids, 1, gain=6), set()
    for seed in range(60):
        canvases = ours("klass", ids, fixed, lambda _: still, seed=seed, steps=8, conf_threshold=0, kl_history_length=1,
                        unmask_strategy="random")  # fmt: skip
        written = np.flatnonzero(np.array(canvases[2]) != canvases[1])
        assert len(written) == 1
        taken.add(int(written[0]))
    assert len(taken) == 7, "all but the row of the first step, in which nothing had been seen twice"


# --- DUO --------------------------------------------------------------------------------------------------------------


def test_duos_times_and_kappas_are_those_of_its_profile():
    """The script for the loop: 1 to .1, half of the steps there, and down; in its middle ReMDM's share."""
    duo = DUO(steps=19, time_profile="linear-constant-linear-0.9-inv", middle_mode="constant-remdm-0.02",
              high_frac=0.45, middle_frac=0.5)  # fmt: skip
    times = duo._times(19)
    torch.testing.assert_close(torch.tensor(times), torch.cat([
        torch.linspace(1, 0.1, 9), torch.full((10,), 0.1), torch.linspace(0.1, 1e-5, 1),
    ]))  # fmt: skip
    kappas = duo._mixture(times)
    noised = (1 - 1e-3) * 0.1  # 1 - alpha
    assert kappas == pytest.approx([1] * 9 + [1 - 0.02 / noised] * 9 + [1] + [1])


@pytest.mark.parametrize(("kind", "sigma"), [
    ("max-capped", lambda eta, most: min(eta, most)), ("max-rescale", lambda eta, most: eta * min(eta, most)),
])  # fmt: skip
def test_duos_capped_modes_follow_the_noise(kind, sigma):
    duo = DUO(steps=10, low_mode=f"{kind}-0.3")
    times = duo._times(10)
    alpha = [1 - (1 - 1e-3) * t for t in times]
    wanted = [
        min(max(1 - sigma(0.3, (1 - later) / now) / (1 - later), 0), 1) for now, later in pairwise(alpha)
    ]  # fmt: skip
    assert duo._mixture(times) == pytest.approx([*wanted, 1])


@pytest.mark.parametrize(("params", "sentence"), [
    ({"high_mode": "max-capped"}, "high_mode must be one of pure-posterior, pure-pc, constant-C, max-capped-C"),
    ({"low_mode": "constant-2"}, "low_mode must be one of .* with C from 0 to 1, got 'constant-2'"),
    ({"time_profile": "cosine"}, "time_profile must be one of linear, linear-constant-linear-C"),
    ({"high_frac": 0.6, "middle_frac": 0.6}, "high_frac and middle_frac must add up to at most 1"),
])  # fmt: skip
def test_a_profile_that_cannot_be_read_says_so(params, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_policy("duo", **params)


@pytest.mark.parametrize("seed", SEEDS)
def test_duos_nucleus_keeps_the_crossing_token_and_is_not_made_whole(seed):
    length, vocab, steps, cut = 10, 12, 6, 0.7
    start = torch.randint(vocab, (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    answers = lambda ids: torch.from_numpy(  # noqa: E731
        oracle(np.array([ids]), seed=seed, vocab=vocab, gain=3)
    )[0].double()
    torch.manual_seed(seed)
    torch.randint(vocab, (1, length))  # the release's first canvas
    ids, wanted, times = list(start), [], torch.linspace(1, 1e-5, steps + 1).tolist()
    for i in range(steps + 1):
        p = answers(ids).softmax(1)
        ordered, order = p.sort(dim=1, descending=True)
        out = ordered.cumsum(1) - ordered > cut
        p = p.masked_fill(torch.zeros_like(out).scatter(1, order, out), 0.0)
        a_t, a_s = 1 - (1 - 1e-3) * times[i], 1 - (1 - 1e-3) * times[i + 1] if i < steps else 1.0
        weights = torch.empty(length, vocab).double()
        for at, token in enumerate(ids):
            here = torch.nn.functional.one_hot(torch.tensor(token), vocab)
            kept = a_t / a_s
            weights[at] = (
                a_t * vocab * p[at] * here + (kept - a_t) * here + (a_s - a_t) * p[at] + (1 - kept) * (1 - a_s) / vocab
            ) / (a_t * vocab * p[at, token] + 1 - a_t)
        noise = 1e-10 - (torch.rand(length, vocab, dtype=torch.float64) + 1e-10).log()
        ids = (weights / noise).argmax(1).tolist()
        wanted.append(ids)
    denoiser = TableDenoiser(lambda batch: torch.stack([answers(row.tolist()) for row in batch]).float(), vocab, None)
    policy = make_policy("duo", steps=steps, p_nucleus=cut, draws="canvas")
    run = sample(denoiser, Canvas(start, [False] * length), policy, seed=seed)
    assert [step.after.tolist() for step in run] == wanted


# --- DreamOn ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg_temp", [None, 0.1])
@pytest.mark.parametrize("top_k", [None, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_dreamons_filter_and_the_temperature_of_its_order(alg_temp, top_k, seed):
    ids, fixed = prompted(16)
    torch.manual_seed(seed)
    canvas, wanted = list(ids), [list(ids)]
    while MASK in canvas:
        rows = [at for at, token in enumerate(canvas) if token == MASK]
        logits = logits_of(canvas, seed)[rows].float() / 0.7
        if top_k:
            logits[logits < logits.topk(top_k, 1).values[:, -1:]] = torch.finfo(torch.float32).min
        p = logits.softmax(1)
        tokens = torch.multinomial(p, 1)[:, 0]
        sure = p.gather(1, tokens[:, None])[:, 0]
        one = sure.argmax() if alg_temp is None else torch.multinomial((sure / alg_temp).softmax(0), 1)[0]
        canvas[rows[int(one)]] = int(tokens[one])
        wanted.append(list(canvas))
    got = ours("dreamon", ids, fixed, lambda ids: logits_of(ids, seed), seed=seed, alg="maskgit_plus", temperature=0.7,
               top_p=None, top_k=top_k, alg_temp=alg_temp, draws="canvas")  # fmt: skip
    assert got == wanted

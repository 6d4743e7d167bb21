"""The table of names: every policy the command line, the page and the run file can ask for.

`make_policy("llada", steps=32, temperature=0.7)`: parameter names are those of the reference implementations.  Where a
published loop does something by accident that its results depend on, that is a parameter here (`left_open`,
`exhaust`, `last_passes`, `draws="canvas"`), off by default.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from dlm_core.policies.draws import Draws
from dlm_core.policies.planned import (
    AlphaQuota,
    Boosted,
    Chance,
    ChanceFirst,
    Confidence,
    Dilated,
    EntropyBound,
    Factor,
    Filtered,
    Gumbel,
    Informative,
    Leftmost,
    NegativeEntropy,
    Pipeline,
    Planned,
    Prophet,
    ProposalConfidence,
    ProposalMargin,
    ProposalNegativeEntropy,
    Quota,
    Random,
    RunwiseBest,
    StableOrQuota,
    Threshold,
    ThresholdOrQuota,
    TimeQuota,
)
from dlm_core.policies.policy import Policy, Update, View, check_whole
from dlm_core.policies.posterior import DUO, GIDD, MDLM, SEDD, FirstHitting, GIDDSelfCorrection, ReMDM
from dlm_core.policies.renoising import DiscreteDDIM, EntropyRenoise, StickyRenoise
from dlm_core.policies.revising import DraftAndEdit, KeepBest, PathPlanning, WideThenBack
from dlm_core.policies.splicing import BestOne, Elastic

__all__ = ["POLICIES", "Policy", "Update", "View", "make_policy", "parameters", "refuse_unknown"]


def _one_of(name: str, value: str, table: Mapping[str, Any]) -> Any:
    if value not in table:
        raise ValueError(f"{name} must be one of {', '.join(table)}, got {value!r}")
    return table[value]


def llada(
    steps: int = 128, temperature: float = 0.0, remasking: str = "low_confidence", draws: Draws = "positions",
    left_open: bool = False, exhaust: bool = False,
) -> Planned:  # fmt: skip
    """Most confident first, or in random order; an equal number each step (LLaDA, arXiv 2502.09992)."""
    order = _one_of("remasking", remasking, {"low_confidence": Confidence(), "random": Random(draws)})
    return Planned(Gumbel(temperature, draws), order, Quota(steps, exhaust), left_open)


def dream(
    steps: int = 512, eps: float = 1e-3, alg: str = "origin", alg_temp: float | None = None, temperature: float = 0.0,
    top_p: float | None = None, top_k: int | None = None, draws: Draws = "positions", exhaust: bool = False,
) -> Planned:  # fmt: skip
    """A share of the masks that follows the clock: by chance, confidence, margin or entropy (Dream, 2508.15487)."""
    propose = Filtered(temperature, top_p, top_k, "top_p", "rows", draws)
    score = _one_of("alg", alg, {
        "origin": Leftmost(), "maskgit_plus": ProposalConfidence(), "topk_margin": ProposalMargin(),
        "entropy": ProposalNegativeEntropy(),
    })  # fmt: skip
    if alg == "origin":
        return ChanceFirst(propose, score, Chance(steps, eps, None, exhaust))
    return Planned(propose, score, TimeQuota(steps, eps, alg_temp, exhaust))


def threshold(
    threshold: float = 0.9, steps: int | None = None, temperature: float = 0.0, draws: Draws = "positions",
    left_open: bool = False,
) -> Planned:  # fmt: skip
    """Everything at least this confident, and always the best; `steps` is the most it may take."""
    return Planned(Gumbel(temperature, draws), Confidence(), Threshold(steps, threshold), left_open)


def fast_dllm(
    steps: int = 128, temperature: float = 0.0, remasking: str = "low_confidence", threshold: float | None = None,
    draws: Draws = "positions", left_open: bool = False,
) -> Planned:  # fmt: skip
    """Fast-dLLM's own parameters (arXiv 2505.22618): without a threshold it is LLaDA's quota."""
    if threshold is None:
        return llada(steps, temperature, remasking, draws, left_open)
    if remasking != "low_confidence":
        raise ValueError(f"a threshold is a confidence, so remasking must be low_confidence, got {remasking!r}")
    return Planned(Gumbel(temperature, draws), Confidence(), Threshold(None, threshold), left_open)


def fast_dllm_factor(
    factor: float = 1.0, temperature: float = 0.0, steps: int | None = None, draws: Draws = "positions",
    left_open: bool = False, last_passes: bool = False,
) -> Planned:  # fmt: skip
    """Ranks as long as confidence is above 1 - factor / (rank + 1); `steps` is the most it may take."""
    return Planned(Gumbel(temperature, draws), Confidence(), Factor(steps, factor, last_passes), left_open)


def eb(gamma: float = 0.1, steps: int | None = None, temperature: float = 0.0, draws: Draws = "positions") -> Planned:
    """As many as an entropy bound allows, surest first; `steps` is the most it may take."""
    return Planned(Gumbel(temperature, draws), NegativeEntropy(), EntropyBound(steps, gamma))


def llada2(
    steps: int = 32, threshold: float = 0.95, temperature: float = 0.0, top_p: float | None = None,
    top_k: int | None = None, draws: Draws = "positions",
) -> Planned:  # fmt: skip
    """All above a threshold if they make the quota, else the quota; `steps` is per block (LLaDA2.0)."""
    propose = Filtered(temperature, top_p, top_k, draws=draws)
    return Planned(propose, ProposalConfidence(), ThresholdOrQuota(None, threshold, steps))


def llada21(
    threshold: float = 0.95, editing_threshold: float | None = 0.9, max_post_steps: int = 16, num_to_transfer: int = 1,
    temperature: float = 0.0, top_p: float | None = None, top_k: int | None = None, draws: Draws = "positions",
) -> DraftAndEdit:  # fmt: skip
    """Drafts by a threshold and rewrites what it wrote where another token is surer (LLaDA2.1, arXiv 2602.08676)."""
    propose = Filtered(temperature, top_p, top_k, draws=draws)
    select = ThresholdOrQuota(None, threshold, quota=num_to_transfer)
    return DraftAndEdit(propose, select, editing_threshold, max_post_steps)


def sdar(
    denoising_steps: int = 8, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0,
    remasking_strategy: str = "low_confidence_static", confidence_threshold: float = 0.85, draws: Draws = "positions",
) -> Planned:  # fmt: skip
    """A block at a time: a quota of the surest, all above a threshold, or the leftmost (SDAR, arXiv 2510.06303)."""
    above = {"low_confidence_static": 1.0, "low_confidence_dynamic": confidence_threshold, "sequential": 1.0}
    least = _one_of("remasking_strategy", remasking_strategy, above)
    score = Leftmost() if remasking_strategy == "sequential" else ProposalConfidence()
    return Planned(
        Filtered(temperature, top_p, top_k, draws=draws), score, ThresholdOrQuota(None, least, denoising_steps)
    )


def klass(
    steps: int = 128, conf_threshold: float = 0.9, kl_threshold: float = 0.01, kl_history_length: int = 2,
    temperature: float = 0.0, draws: Draws = "positions",
) -> Planned:  # fmt: skip
    """All that are sure and have stopped changing, else a quota (KLASS, arXiv 2511.05664)."""
    select = StableOrQuota(steps, False, conf_threshold, kl_threshold, kl_history_length)
    return Planned(Gumbel(temperature, draws), Confidence(), select)


def prophet(
    steps: int = 128, temperature: float = 0.0, remasking: str = "low_confidence", answer_start_pos: int = 0,
    early_exit_thresholds: Mapping[str, float] = MappingProxyType({"early": 7.5, "mid": 5.0, "late": 2.5}),
    draws: Draws = "positions", left_open: bool = False,
) -> Prophet:  # fmt: skip
    """LLaDA's quota until five answer positions are settled, then everything at once (Prophet, arXiv 2508.19982)."""
    inner = llada(steps, temperature, remasking, draws, left_open)
    return Prophet(inner, steps, answer_start_pos, dict(early_exit_thresholds))


def pc_sampler(
    steps: int = 128, lambd: float = 1.0, alpha: float = 1.0, frequencies: Sequence[float] | None = None,
    temperature: float = 0.0, draws: Draws = "positions",
) -> Planned:  # fmt: skip
    """Rare words first, and what stands left; an equal number each step (PC-Sampler, arXiv 2508.13021)."""
    return Planned(Gumbel(temperature, draws), Informative(lambd, alpha, frequencies), Quota(steps))


def d3llm(
    threshold: float = 0.5, block_size: int = 32, block_add_threshold: float = 0.5,
    decoded_token_threshold: float = 0.5, temperature: float = 0.0, draws: Draws = "positions",
) -> Planned:  # fmt: skip
    """Blocks that open while earlier ones are still at work; all of low entropy (d3LLM, arXiv 2601.07568)."""
    select = Pipeline(None, threshold, block_size, block_add_threshold, decoded_token_threshold)
    return Planned(Gumbel(temperature, draws), NegativeEntropy(), select)


def dinfer(
    decoder: str = "threshold", threshold: float = 0.9, low_threshold: float = 0.4, credit_alpha: float = 0.7,
    boost_gamma: float = 0.2, decay_beta: float = 0.8,
) -> Planned:  # fmt: skip
    """dInfer's decoders: a threshold, with credit for stable guesses, or the best of every run of masks."""
    propose, score, select = _one_of("decoder", decoder, {
        "threshold": (Gumbel(), Confidence(), Threshold(None, threshold)),
        "credit": (Boosted(credit_alpha, boost_gamma, decay_beta), ProposalConfidence(), Threshold(None, threshold)),
        "hierarchy": (Gumbel(), Confidence(), RunwiseBest(None, threshold, low_threshold)),
    })  # fmt: skip
    return Planned(propose, score, select)


def dllm_mdlm(
    steps: int = 128, temperature: float = 0.0, remasking: str = "low_confidence",
    scheduler: Literal["linear", "cosine"] = "linear", draws: Draws = "positions", left_open: bool = False,
) -> Planned:  # fmt: skip
    """LLaDA's rule with numbers that follow a schedule (dllm's MDLM sampler)."""
    order = _one_of("remasking", remasking, {"low_confidence": Confidence(), "random": Random(draws)})
    return Planned(Gumbel(temperature, draws), order, AlphaQuota(steps, False, scheduler), left_open)


def dus(
    base: int = 2, confidence_threshold: float = 0.3, temperature: float = 0.0, draws: Draws = "positions",
) -> Planned:  # fmt: skip
    """Combs that grow finer, about log n forwards a block of n (dilated unmasking, arXiv 2506.19037)."""
    return Planned(Gumbel(temperature, draws), Confidence(), Dilated(base, confidence_threshold))


def dreamon(
    steps: int | None = None, expand_id: int | None = None, eos_id: int | None = None, min_gen_len: int = 4,
    max_gen_len: int = 64, expand_budget: int | None = None, max_tokens: int = 2048, alg: str = "entropy",
    temperature: float = 0.2, top_p: float | None = 0.9, delete_eos_token: bool = True, pad_eos_to_right: bool = False,
    draws: Draws = "positions",
) -> Elastic:  # fmt: skip
    """Dream's surest mask a step, in a gap that grows and shrinks as the model asks (DreamOn).

    The ids depend on the model; None is a model without such a token.  The gap may grow by `max_gen_len - min_gen_len`;
    `expand_budget` None is `max_gen_len`, and `steps` is the most it may take.
    """
    score = _one_of("alg", alg, {
        "maskgit_plus": ProposalConfidence(), "topk_margin": ProposalMargin(), "entropy": ProposalNegativeEntropy(),
    })  # fmt: skip
    inner = Planned(Filtered(temperature, top_p, None, "top_p", "rows", draws), score, BestOne(steps))
    check_whole(0, expand_budget=expand_budget, min_gen_len=min_gen_len)
    check_whole(min_gen_len, max_gen_len=max_gen_len)
    budget = max_gen_len if expand_budget is None else expand_budget
    return Elastic(
        inner, expand_id, eos_id, budget, max_gen_len - min_gen_len, max_tokens, delete_eos_token, pad_eos_to_right
    )


def left_to_right(steps: int = 128, temperature: float = 0.0, draws: Draws = "positions") -> Planned:
    """Reading order, an equal number each step: one a step is how autoregressive models write."""
    return Planned(Gumbel(temperature, draws), Leftmost(), Quota(steps))


def diffusion_gemma(
    max_denoising_steps: int = 48, entropy_bound: float = 0.1, t_min: float = 0.4, t_max: float = 0.8,
    stability_threshold: int = 1, confidence_threshold: float = 0.005, draws: Draws = "positions",
) -> EntropyRenoise:  # fmt: skip
    """Uniform noise: accept what an entropy bound allows, renoise all else, stop when settled (DiffusionGemma)."""
    return EntropyRenoise(
        max_denoising_steps, entropy_bound, t_min, t_max, stability_threshold, confidence_threshold, draws
    )


def diffusers_entropy_bound(
    num_inference_steps: int = 32, entropy_bound: float = 0.1, t_min: float = 0.4, t_max: float = 0.8,
    draws: Draws = "positions",
) -> EntropyRenoise:  # fmt: skip
    """Uniform noise: accept what an entropy bound allows and renoise all else, for a number of steps (diffusers)."""
    return EntropyRenoise(num_inference_steps, entropy_bound, t_min, t_max, None, 0.0, draws)


def diffusers_block_refinement(
    num_inference_steps: int = 32, threshold: float = 0.95, editing_threshold: float | None = None,
    temperature: float = 0.0, uniform: bool = False, draws: Draws = "positions",
) -> StickyRenoise | DraftAndEdit:  # fmt: skip
    """LLaDA2's rule on one window, with edits; or, with `uniform` noise, sticky commits and renoise (diffusers)."""
    if uniform:
        return StickyRenoise(num_inference_steps, threshold, temperature, draws)
    select = ThresholdOrQuota(None, threshold, num_inference_steps)
    return DraftAndEdit(Filtered(temperature, draws=draws), select, editing_threshold, all_steps=num_inference_steps)


POLICIES: Mapping[str, Callable[..., Policy]] = MappingProxyType(
    {
        "llada": llada, "threshold": threshold, "eb": eb, "mdlm": MDLM, "left_to_right": left_to_right,
        "dream": dream, "fast_dllm": fast_dllm, "fast_dllm_factor": fast_dllm_factor, "llada2": llada2,
        "llada21": llada21, "sdar": sdar, "klass": klass, "prophet": prophet, "pc_sampler": pc_sampler, "d3llm": d3llm,
        "dinfer": dinfer, "dllm_mdlm": dllm_mdlm, "dus": dus, "p2": PathPlanning, "wino": WideThenBack,
        "remedi": KeepBest, "dreamon": dreamon, "remdm": ReMDM, "bd3lm": FirstHitting, "sedd": SEDD, "duo": DUO,
        "gidd": GIDD, "gidd_self_correction": GIDDSelfCorrection,
        "diffusion_gemma": diffusion_gemma, "diffusers_entropy_bound": diffusers_entropy_bound,
        "diffusers_block_refinement": diffusers_block_refinement, "diffusers_discrete_ddim": DiscreteDDIM,
    }
)  # fmt: skip


def parameters(name: str) -> Mapping[str, inspect.Parameter]:
    """The parameters a policy has, by name, with their defaults; unknown names are a ValueError."""
    if name not in POLICIES:
        raise ValueError(f"unknown policy {name!r}: choose one of {', '.join(POLICIES)}")
    return inspect.signature(POLICIES[name]).parameters


def make_policy(name: str, **params: Any) -> Policy:
    """Build the policy called `name`; every parameter has the reference's default unless given."""
    refuse_unknown(name, params, parameters(name))
    return POLICIES[name](**params)


def refuse_unknown(name: str, params: Collection[str], known: Collection[str]) -> None:
    """A parameter that a way of decoding does not have is a ValueError."""
    if unknown := sorted(set(params) - set(known)):
        raise ValueError(f"policy {name} has no parameter {unknown[0]!r}: it has {', '.join(known)}")

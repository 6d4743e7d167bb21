"""The table of names: every policy the command line, the page and the run file can ask for.

`make_policy("llada", steps=32, temperature=0.7)`: parameter names are those of the reference implementations.  Where a
published loop does something by accident that its results depend on, that is a parameter here (`left_open`,
`exhaust`, `last_passes`, `draws="canvas"`), off by default.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from dlm_core.policies.around import EndRule, UntilEnd, Without
from dlm_core.policies.drafting import DraftAndVerify
from dlm_core.policies.parameter import Parameter, nearest, parameters_of, shown, validate
from dlm_core.policies.planned import (
    AlphaQuota,
    Boosted,
    Chance,
    ChanceFirst,
    Confidence,
    ConfidenceWithout,
    Dilated,
    EntropyBound,
    Factor,
    Filtered,
    Gumbel,
    Informative,
    Leftmost,
    NegativeEntropy,
    Pipeline,
    Pipelined,
    PipelinedToEnd,
    Planned,
    Prophet,
    ProposalConfidence,
    ProposalMargin,
    ProposalNegativeEntropy,
    Quota,
    Random,
    RareFirst,
    RunwiseBest,
    Score,
    StableOrQuota,
    Threshold,
    ThresholdOrAlmostBest,
    ThresholdOrQuota,
    TimeQuota,
)
from dlm_core.policies.policy import Policy, Update, View
from dlm_core.policies.posterior import DUO, GIDD, MDLM, SEDD, FirstHitting, GIDDSelfCorrection, ReMDM
from dlm_core.policies.renoising import DiscreteDDIM, EntropyRenoise, StickyRenoise
from dlm_core.policies.revising import DraftAndEdit, KeepBest, PathPlanning, WideInNarrowOut
from dlm_core.policies.settings import (
    AnswerStart,
    AtLeast,
    BlockSize,
    Credit,
    CreditPower,
    Draws,
    EarlyStop,
    EndTemperature,
    ExitGaps,
    Expansions,
    Finer,
    ForPrograms,
    Frequencies,
    LargestChange,
    LargestEntropy,
    LastTime,
    LeastRoom,
    LeftPull,
    MeanEntropy,
    MostSteps,
    MostTokens,
    Nats,
    OneTemperature,
    OrderTemperature,
    Probability,
    RankFactor,
    RareProbability,
    RareShare,
    RarityCap,
    Remasking,
    Room,
    RoundsOfEdits,
    SettledFor,
    StableFor,
    Steps,
    StepsABlock,
    StepsABlockByAnotherName,
    Switch,
    Temperature,
    ThresholdIfAny,
    TokenId,
    TokenIds,
    TopK,
    TopP,
    UnmaskStrategy,
)
from dlm_core.policies.splicing import BestRow, Elastic

__all__ = ["POLICIES", "Parameter", "Policy", "Update", "View", "family", "make_policy", "parameters"]


def llada(
    steps: Steps = 128,
    temperature: Temperature = 0.0,
    remasking: Remasking = "low_confidence",
    draws: Draws = "positions",
    left_open: ForPrograms = False,
    exhaust: ForPrograms = False,
    logits_eos_inf: Switch = False,
    confidence_eos_eot_inf: Switch = False,
    eos_id: TokenId = None,
    stop_ids: TokenIds = None,
) -> Policy:
    """Most confident first, or in random order; an equal number each step (LLaDA, arXiv 2502.09992).

    With `logits_eos_inf` the token `eos_id` is never written.  With `confidence_eos_eot_inf` the ends of text, all of
    `stop_ids`, are written last, and confidence is that among all other tokens; above temperature 0 the release forgets
    one of the ends.
    """
    last = _needed("confidence_eos_eot_inf", "stop_ids", stop_ids) if confidence_eos_eot_inf else ()
    policy = Planned(Gumbel(temperature, draws), _order(remasking, draws, last), Quota(steps, exhaust), left_open)
    return Without(policy, (_needed("logits_eos_inf", "eos_id", eos_id),)) if logits_eos_inf else policy


def _order(remasking: str, draws: Draws, last: tuple[int, ...] = ()) -> Score:
    """What `remasking` ranks by; tokens that come `last` have no confidence."""
    sure = ConfidenceWithout(last) if last else Confidence()
    return {"low_confidence": sure, "random": Random(draws)}[remasking]


def _needed(wish: str, name: str, ids: Any) -> Any:
    """The tokens that a parameter needs to know; a ValueError without them."""
    if ids is None or ids == ():
        raise ValueError(f"{wish} needs {name}, the tokens that end a text: the model has none, or it was not asked")
    return ids


def _until_end(inner: Policy, early: bool, stop_ids: tuple[int, ...] | None, when: EndRule) -> Policy:
    """The policy, over where the text is if that is wished."""
    return UntilEnd(inner, _needed("eos_early_stop", "stop_ids", stop_ids), when) if early else inner


def dream(
    steps: Steps = 512,
    eps: LastTime = 1e-3,
    alg: Literal["origin", "maskgit_plus", "topk_margin", "entropy"] = "origin",
    alg_temp: OrderTemperature = None,
    temperature: Temperature = 0.0,
    top_p: TopP = None,
    top_k: TopK = None,
    draws: Draws = "positions",
    exhaust: ForPrograms = False,
) -> Planned:
    """A share of the masks that follows the clock: by chance, confidence, margin or entropy (Dream, 2508.15487)."""
    propose = Filtered(temperature, top_p, top_k, "top_p", "rows", draws)
    scores: Mapping[str, Score] = {
        "origin": Leftmost(), "maskgit_plus": ProposalConfidence(), "topk_margin": ProposalMargin(),
        "entropy": ProposalNegativeEntropy(),
    }  # fmt: skip
    if alg == "origin":
        return ChanceFirst(propose, scores[alg], Chance(steps, eps, None, exhaust))
    return Planned(propose, scores[alg], TimeQuota(steps, eps, alg_temp, exhaust))


def threshold(
    threshold: Probability = 0.9,
    steps: MostSteps = None,
    temperature: Temperature = 0.0,
    draws: Draws = "positions",
    left_open: ForPrograms = False,
) -> Planned:
    """Everything at least this confident, and always the best; `steps` is the most it may take."""
    return Planned(Gumbel(temperature, draws), Confidence(), Threshold(steps, threshold), left_open)


def fast_dllm(
    steps: Steps = 128,
    temperature: Temperature = 0.0,
    remasking: Remasking = "low_confidence",
    threshold: ThresholdIfAny = None,
    draws: Draws = "positions",
    left_open: ForPrograms = False,
) -> Policy:
    """Fast-dLLM's own parameters (arXiv 2505.22618): without a threshold it is LLaDA's quota.

    With one and in random order, a row is written if its random number reaches the threshold; and the release does not
    ask for `steps` any more: the policy `threshold` does, as the most it may take.
    """
    if threshold is None:
        return llada(steps, temperature, remasking, draws, left_open)
    return Planned(Gumbel(temperature, draws), _order(remasking, draws), Threshold(None, threshold), left_open)


def fast_dllm_factor(
    factor: RankFactor = 1.0,
    temperature: Temperature = 0.0,
    steps: MostSteps = None,
    draws: Draws = "positions",
    left_open: ForPrograms = False,
    last_passes: ForPrograms = False,
) -> Planned:
    """Ranks as long as confidence is above 1 - factor / (rank + 1); `steps` is the most it may take."""
    return Planned(Gumbel(temperature, draws), Confidence(), Factor(steps, factor, last_passes), left_open)


def eb(
    gamma: Nats = 0.1, steps: MostSteps = None, temperature: Temperature = 0.0, draws: Draws = "positions"
) -> Planned:
    """As many as an entropy bound allows, surest first; `steps` is the most it may take."""
    return Planned(Gumbel(temperature, draws), NegativeEntropy(), EntropyBound(steps, gamma))


def llada2(
    steps: StepsABlock = 32,
    threshold: Probability = 0.95,
    temperature: Temperature = 0.0,
    top_p: TopP = None,
    top_k: TopK = None,
    eos_early_stop: Switch = False,
    stop_ids: TokenIds = None,
    draws: Draws = "positions",
) -> Policy:
    """All above a threshold if they make the quota, else the quota; `steps` is per block (LLaDA2.0).

    With `eos_early_stop` the run is over where the text is, see `UntilEnd`.  The release never begins another block
    after an end of text, even without it; here only with it, for there may be gaps to fill further right.
    """
    propose = Filtered(temperature, top_p, top_k, draws=draws)
    inner = Planned(propose, ProposalConfidence(), ThresholdOrQuota(None, threshold, steps))
    return _until_end(inner, eos_early_stop, stop_ids, "llada2")


def llada21(
    threshold: Probability = 0.95,
    editing_threshold: Probability | None = 0.9,
    max_post_steps: RoundsOfEdits = 16,
    num_to_transfer: AtLeast = 1,
    temperature: Temperature = 0.0,
    steps: MostSteps = None,
    top_p: TopP = None,
    top_k: TopK = None,
    eos_early_stop: Switch = False,
    stop_ids: TokenIds = None,
    draws: Draws = "positions",
) -> Policy:
    """Drafts by a threshold and rewrites what it wrote where another token is surer (LLaDA2.1, arXiv 2602.08676).

    With `eos_early_stop` the run is over where the text is, see `UntilEnd`.  Defaults are those of the model's
    repository; diffusers' pipeline has a `threshold` of 0.7 and edits above 0.5.
    """
    propose = Filtered(temperature, top_p, top_k, draws=draws)
    select = ThresholdOrQuota(steps, threshold, quota=num_to_transfer)
    inner = DraftAndEdit(propose, select, editing_threshold, max_post_steps)
    return _until_end(inner, eos_early_stop, stop_ids, "llada21")


def sdar(
    denoising_steps: StepsABlockByAnotherName = 8,
    temperature: Temperature = 1.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    remasking_strategy: Literal[
        "low_confidence_static", "low_confidence_dynamic", "sequential"
    ] = "low_confidence_dynamic",
    confidence_threshold: Probability = 0.85,
    eos_early_stop: Switch = False,
    stop_ids: TokenIds = None,
    draws: Draws = "positions",
) -> Policy:
    """A block at a time: a quota of the surest, all above a threshold, or the leftmost (SDAR, arXiv 2510.06303).

    With `eos_early_stop` the run is over where the text is, see `UntilEnd`; in the release it is as soon as there are
    `stopping_criteria_idx`, here called `stop_ids`.  The release cannot be greedy; here temperature 0 is.  Where a
    block has fewer masks than its quota, the release's static strategy overwrites tokens that stand already, prompt
    included; here only masks are written.
    """
    above = {"low_confidence_static": None, "low_confidence_dynamic": confidence_threshold, "sequential": None}
    least = above[remasking_strategy]
    score = Leftmost() if remasking_strategy == "sequential" else ProposalConfidence()
    propose = Filtered(temperature, top_p, top_k, draws=draws)
    inner = Planned(propose, score, ThresholdOrQuota(None, least, denoising_steps))
    return _until_end(inner, eos_early_stop, stop_ids, "sdar")


def klass(
    steps: Steps = 128,
    conf_threshold: Probability = 0.9,
    kl_threshold: LargestChange = 0.01,
    kl_history_length: SettledFor = 2,
    unmask_strategy: UnmaskStrategy = "all",
    temperature: Temperature = 0.0,
    draws: Draws = "positions",
) -> Planned:
    """All that are sure and have stopped changing, else a quota (KLASS, arXiv 2511.05664).

    Above temperature 0 the release takes confidence and change from softmax(exp(l) / noise), where nearly all rows look
    sure; here both are those of the clean distribution.  With fewer steps than tokens, masks that the release leaves
    open, or makes up for in other blocks, are written in the block's last step.
    """
    select = StableOrQuota(steps, False, conf_threshold, kl_threshold, kl_history_length, unmask_strategy)
    return Planned(Gumbel(temperature, draws), Confidence(), select)


def prophet(
    steps: Steps = 128,
    temperature: Temperature = 0.0,
    remasking: Remasking = "low_confidence",
    answer_start_pos: AnswerStart = None,
    early_exit_thresholds: ExitGaps = MappingProxyType({"early": 7.5, "mid": 5.0, "late": 2.5}),
    draws: Draws = "positions",
    left_open: ForPrograms = False,
    exhaust: ForPrograms = False,
) -> Prophet:
    """LLaDA's quota until five answer positions are settled, then everything at once (Prophet, arXiv 2508.19982)."""
    inner = llada(steps, temperature, remasking, draws, left_open, exhaust)
    return Prophet(inner, steps, answer_start_pos, dict(early_exit_thresholds))


def pc_sampler(
    steps: Steps = 128,
    lambd: LeftPull = 1.0,
    alpha: RarityCap = 1.0,
    frequencies: Frequencies = None,
    temperature: Temperature = 0.0,
    draws: Draws = "positions",
) -> RareFirst:
    """Rare words first, and what stands left; an equal number each step (PC-Sampler, arXiv 2508.13021)."""
    return RareFirst(Gumbel(temperature, draws), Informative(lambd, alpha, frequencies), Quota(steps))


def d3llm(
    threshold: LargestEntropy = 0.5,
    block_size: BlockSize = 32,
    block_add_threshold: RareShare = 0.5,
    decoded_token_threshold: RareShare = 0.5,
    temperature: Temperature = 0.0,
    steps: MostSteps = None,
    early_stop: EarlyStop = False,
    stop_ids: TokenIds = None,
    draws: Draws = "positions",
) -> Pipelined:
    """Blocks that open while earlier ones are still at work; all of low entropy (d3LLM, arXiv 2601.07568).

    With `early_stop` everything after the first end of text is an end of text.
    """
    pieces = (
        Gumbel(temperature, draws), NegativeEntropy(),
        Pipeline(steps, threshold, block_size, block_add_threshold, decoded_token_threshold),
    )  # fmt: skip
    if early_stop:
        return PipelinedToEnd(*pieces, stop_ids=_needed("early_stop", "stop_ids", stop_ids))
    return Pipelined(*pieces)


def dinfer(
    decoder: Literal["threshold", "credit", "hierarchy"] = "threshold",
    threshold: Probability = 0.9,
    low_threshold: RareProbability = 0.4,
    credit_alpha: Credit = 0.7,
    boost_gamma: CreditPower = 0.2,
    decay_beta: RareShare = 0.8,
    temperature: Temperature = 0.0,
    steps: MostSteps = None,
    draws: Draws = "positions",
) -> Planned:
    """dInfer's decoders: a threshold, with credit for stable guesses, or the best of every run of masks.

    The release's hierarchy has no threshold by default; here all three share one.
    """
    gumbel, almost = Gumbel(temperature, draws), ThresholdOrAlmostBest(steps, threshold)
    credited = Boosted(credit_alpha, boost_gamma, decay_beta, temperature, draws)
    return {
        "threshold": Planned(gumbel, Confidence(), almost),
        "credit": Planned(credited, ProposalConfidence(), almost),
        "hierarchy": Planned(gumbel, Confidence(), RunwiseBest(steps, threshold, low_threshold)),
    }[decoder]


def dllm_mdlm(
    steps: Steps = 128,
    temperature: Temperature = 0.0,
    remasking: Remasking = "low_confidence",
    scheduler: Literal["linear", "cosine"] = "linear",
    stochastic_transfer: Switch = False,
    suppress_tokens: TokenIds = None,
    begin_suppress_tokens: TokenIds = None,
    draws: Draws = "positions",
    left_open: ForPrograms = False,
) -> Policy:
    """LLaDA's rule with numbers that follow a schedule (dllm's MDLM sampler).

    `stochastic_transfer` draws the numbers.  `suppress_tokens` are never written; `begin_suppress_tokens`, whatever the
    name says, are written last.
    """
    order = _order(remasking, draws, begin_suppress_tokens or ())
    select = AlphaQuota(steps, False, scheduler, stochastic_transfer)
    policy = Planned(Gumbel(temperature, draws), order, select, left_open)
    return Without(policy, suppress_tokens) if suppress_tokens else policy


def dus(
    base: Finer = 2,
    confidence_threshold: Probability = 0.3,
    temperature: Temperature = 0.0,
    steps: MostSteps = None,
    draws: Draws = "positions",
) -> Planned:
    """Combs that grow finer, about log n forwards a block of n (dilated unmasking, arXiv 2506.19037)."""
    return Planned(Gumbel(temperature, draws), Confidence(), Dilated(base, confidence_threshold, steps))


def dreamon(
    steps: MostSteps = None,
    expand_id: TokenId = None,
    eos_id: TokenId = None,
    min_gen_len: LeastRoom = 4,
    max_gen_len: Room = 64,
    expand_budget: Expansions = None,
    max_tokens: MostTokens = 2048,
    alg: Literal["entropy", "maskgit_plus", "topk_margin"] = "entropy",
    temperature: Temperature = 0.2,
    top_p: TopP = 0.9,
    top_k: TopK = None,
    alg_temp: OrderTemperature = None,
    delete_eos_token: ForPrograms = True,
    pad_eos_to_right: ForPrograms = False,
    draws: Draws = "positions",
) -> Elastic:
    """Dream's surest mask a step, in a gap that grows and shrinks as the model asks (DreamOn).

    The ids depend on the model; None is a model without such a token.  The gap may grow by `max_gen_len - min_gen_len`;
    `expand_budget` None is `max_gen_len`, and `steps` is the most it may take.  `alg`, `temperature`, `top_p` and the
    lengths are those of the release's evaluation, which also has ends of text removed and not padded.  With
    `pad_eos_to_right` the release also fills masks after an end of text that the prompt holds; here only after one
    that was written.
    """
    scores: Mapping[str, Score] = {
        "maskgit_plus": ProposalConfidence(), "topk_margin": ProposalMargin(), "entropy": ProposalNegativeEntropy(),
    }  # fmt: skip
    inner = Planned(Filtered(temperature, top_p, top_k, "top_p", "rows", draws), scores[alg], BestRow(steps, alg_temp))
    if max_gen_len < min_gen_len:
        raise ValueError(f"max_gen_len must be at least min_gen_len, {min_gen_len}, got {max_gen_len}")
    budget = max_gen_len if expand_budget is None else expand_budget
    return Elastic(
        inner, expand_id, eos_id, budget, max_gen_len - min_gen_len, max_tokens, delete_eos_token, pad_eos_to_right
    )


def left_to_right(steps: Steps = 128, temperature: Temperature = 0.0, draws: Draws = "positions") -> Planned:
    """Reading order, an equal number each step: one a step is how autoregressive models write."""
    return Planned(Gumbel(temperature, draws), Leftmost(), Quota(steps))


def diffusion_gemma(
    max_denoising_steps: StepsABlockByAnotherName = 48,
    entropy_bound: Nats = 0.1,
    t_min: EndTemperature = 0.4,
    t_max: EndTemperature = 0.8,
    temperature: OneTemperature = None,
    stability_threshold: StableFor = 1,
    confidence_threshold: MeanEntropy = 0.005,
    draws: Draws = "positions",
) -> EntropyRenoise:
    """Uniform noise: accept what an entropy bound allows, renoise all else, stop when settled (DiffusionGemma).

    `temperature`, where it is given, is that of every step, in place of the way from `t_max` to `t_min`.
    """
    return EntropyRenoise(
        max_denoising_steps, entropy_bound, t_min, t_max, temperature, stability_threshold, confidence_threshold, draws
    )


def diffusers_entropy_bound(
    num_inference_steps: StepsABlockByAnotherName = 32,
    entropy_bound: Nats = 0.1,
    t_min: EndTemperature = 0.4,
    t_max: EndTemperature = 0.8,
    temperature: OneTemperature = None,
    draws: Draws = "positions",
) -> EntropyRenoise:
    """Uniform noise: accept what an entropy bound allows and renoise all else, for a number of steps (diffusers).

    `temperature`, where it is given, is that of every step, in place of the way from `t_max` to `t_min`.
    """
    return EntropyRenoise(num_inference_steps, entropy_bound, t_min, t_max, temperature, None, 0.0, draws)


def diffusers_block_refinement(
    num_inference_steps: StepsABlockByAnotherName = 32,
    threshold: Probability = 0.95,
    editing_threshold: Probability | None = None,
    temperature: Temperature = 0.0,
    top_p: TopP = None,
    top_k: TopK = None,
    uniform: ForPrograms = False,
    draws: Draws = "positions",
) -> StickyRenoise | DraftAndEdit:
    """LLaDA2's rule on one window, with edits; or, with `uniform` noise, sticky commits and renoise (diffusers).

    As in diffusers an `editing_threshold` of 0 edits nothing, but everything with `uniform` noise.
    """
    if uniform:
        return StickyRenoise(num_inference_steps, threshold, editing_threshold, temperature, top_p, top_k, draws)
    select = ThresholdOrQuota(None, threshold, num_inference_steps)
    edit = editing_threshold if editing_threshold is not None and editing_threshold > 0 else None
    propose = Filtered(temperature, top_p, top_k, draws=draws)
    return DraftAndEdit(propose, select, edit, all_steps=num_inference_steps)


POLICIES: Mapping[str, Callable[..., Policy]] = MappingProxyType(
    {
        "llada": llada, "threshold": threshold, "eb": eb, "mdlm": MDLM, "left_to_right": left_to_right,
        "dream": dream, "fast_dllm": fast_dllm, "fast_dllm_factor": fast_dllm_factor, "llada2": llada2,
        "llada21": llada21, "sdar": sdar, "klass": klass, "prophet": prophet, "pc_sampler": pc_sampler, "d3llm": d3llm,
        "dinfer": dinfer, "dllm_mdlm": dllm_mdlm, "dus": dus, "p2": PathPlanning, "wino": WideInNarrowOut,
        "speculative": DraftAndVerify,
        "remedi": KeepBest, "dreamon": dreamon, "remdm": ReMDM, "bd3lm": FirstHitting, "sedd": SEDD, "duo": DUO,
        "gidd": GIDD, "gidd_self_correction": GIDDSelfCorrection,
        "diffusion_gemma": diffusion_gemma, "diffusers_entropy_bound": diffusers_entropy_bound,
        "diffusers_block_refinement": diffusers_block_refinement, "diffusers_discrete_ddim": DiscreteDDIM,
    }
)  # fmt: skip


def parameters(name: str) -> Mapping[str, Parameter]:
    """The parameters a policy has, by name, described; unknown names are a ValueError."""
    if not isinstance(name, str) or name not in POLICIES:
        raise ValueError(f"unknown policy {shown(name)}{nearest(name, POLICIES)}: choose one of {', '.join(POLICIES)}")
    return parameters_of(POLICIES[name])


def make_policy(name: str, **params: Any) -> Policy:
    """Build the policy called `name`; every parameter has the reference's default unless given.

    `steps` and `temperature` are understood by every policy, also where its paper calls them something else; a wrong
    name, a wrong kind or a value out of range is a ValueError of one sentence.
    """
    known = parameters(name)
    return POLICIES[name](**validate(name, known, params))


def family(name: str) -> str:
    """Return how the policy called `name` works: the module it is in, such as "planned" or "revising"."""
    return type(make_policy(name)).__module__.rpartition(".")[2]

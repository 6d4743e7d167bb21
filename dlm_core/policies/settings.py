"""The vocabulary of settings: every description that a policy's signature or a piece's field names, in one place.

A range says what is refused, `soft_range` only where the arrows of a page stop.  What has another unit is another
setting, whatever a paper calls it: the `threshold` of d3llm is an entropy, and so is DiffusionGemma's
`confidence_threshold`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from dlm_core.policies.parameter import Parameter

# how long
_STEPS = Parameter(minimum=1, unit="steps")
Steps = Annotated[int, _STEPS]
StepsByAnotherName = Annotated[int, replace(_STEPS, aliases=("steps",), words="steps")]
ClockSteps = Annotated[int, replace(_STEPS, words="clock_steps")]  # one more forward settles what they leave
MostSteps = Annotated[int | None, replace(_STEPS, words="most_steps")]
_A_BLOCK = replace(_STEPS, unit="steps a block", words="steps_a_block")
StepsABlock = Annotated[int, _A_BLOCK]
StepsABlockByAnotherName = Annotated[int, replace(_A_BLOCK, aliases=("steps",))]
RoundsOfEdits = Annotated[int, Parameter(minimum=0, unit="steps", advanced=True)]
SettledFor = Annotated[int, Parameter(minimum=1, unit="steps", advanced=True)]
StableFor = Annotated[int, Parameter(minimum=0, unit="steps", advanced=True)]
Patience = Annotated[int, Parameter(minimum=1, unit="steps")]

# how bold, and from what a token is drawn
COLDEST, HOTTEST = 1e-30, 1e30  # logits divided by more or less than these are no numbers of float32 any more
_TEMPERATURE = Parameter(minimum=0, unit="temperature", increment=0.1, soft_range=(0, 2), finest=(COLDEST, HOTTEST))
Temperature = Annotated[float, _TEMPERATURE]
TemperatureByAnotherName = Annotated[float, replace(_TEMPERATURE, aliases=("temperature",), words="temperature")]
TemperatureAbove0 = Annotated[
    float, replace(_TEMPERATURE, exclusive_minimum=True, soft_range=(0.1, 2), words="temperature_above_0")
]
OneTemperature = Annotated[float | None, replace(_TEMPERATURE, words="one_temperature")]
EndTemperature = Annotated[
    float, replace(_TEMPERATURE, exclusive_minimum=True, increment=0.05, soft_range=(0.05, 2), advanced=True)
]
OrderTemperature = Annotated[float | None, replace(_TEMPERATURE, none_value=0, advanced=True)]
_NUCLEUS = Parameter(
    minimum=0, maximum=1, exclusive_minimum=True, unit="probability", increment=0.05, soft_range=(0.05, 1)
)
Nucleus = Annotated[float, _NUCLEUS]
TopP = Annotated[float | None, replace(_NUCLEUS, none_value=1, advanced=True)]
TopK = Annotated[int | None, Parameter(minimum=0, unit="tokens", none_value=0, advanced=True)]
LeastProbability = Annotated[float, Parameter(minimum=0, maximum=1, unit="probability", increment=0.01, advanced=True)]

# what is sure enough
_PROBABILITY = Parameter(minimum=0, maximum=1, unit="probability", increment=0.05)
Probability = Annotated[float, _PROBABILITY]
ThresholdIfAny = Annotated[float | None, replace(_PROBABILITY, words="threshold_if_any")]
RareProbability = Annotated[float, replace(_PROBABILITY, advanced=True)]
_NATS = Parameter(minimum=0, unit="nats", increment=0.05, soft_range=(0, 10))
Nats = Annotated[float, _NATS]
LargestChange = Annotated[float, replace(_NATS, increment=0.005, soft_range=(0, 1))]
LargestEntropy = Annotated[float, replace(_NATS, words="largest_entropy")]
MeanEntropy = Annotated[float, replace(_NATS, increment=0.005, soft_range=(0, 1), words="mean_entropy")]
RankFactor = Annotated[float, Parameter(minimum=0, increment=0.25, soft_range=(0, 10))]
ExitGaps = Annotated[Mapping[str, float], Parameter(choices=("early", "mid", "late"), on_page=False)]

# which first
Remasking = Literal["low_confidence", "random"]
UnmaskStrategy = Annotated[Literal["all", "max_conf", "min_kl", "random"], Parameter(advanced=True)]
KeptShare = Annotated[Literal["linear", "sine", "geometric", "log", "poly2", "poly05"], Parameter(advanced=True)]
LeftPull = Annotated[float, Parameter(minimum=0, increment=0.05, soft_range=(0, 2))]
RarityCap = Annotated[float, replace(_NATS, increment=0.25, soft_range=(0, 20), advanced=True)]
Frequencies = Annotated[Sequence[float] | None, Parameter(minimum=0, maximum=1, unit="probability", on_page=False)]
Credit = Annotated[float, Parameter(minimum=0, increment=0.1, soft_range=(0, 5), advanced=True)]
CreditPower = Annotated[float, Parameter(minimum=0, increment=0.1, soft_range=(0, 2), advanced=True)]

# how many, and where
Share = Annotated[float, Parameter(minimum=0, maximum=1, unit="share", increment=0.05)]
RareShare = Annotated[float, Parameter(minimum=0, maximum=1, unit="share", increment=0.05, advanced=True)]
AtLeast = Annotated[int, Parameter(minimum=1, unit="tokens", advanced=True)]
DraftLength = Annotated[int, Parameter(minimum=1, unit="tokens", soft_range=(1, 32))]
TokensAStep = Annotated[int, Parameter(minimum=1, unit="tokens")]
Finer = Annotated[int, Parameter(minimum=2, soft_range=(2, 16))]
BlockSize = Annotated[int, Parameter(minimum=1, unit="tokens")]
AnswerStart = Annotated[int | None, Parameter(minimum=0, unit="tokens", advanced=True)]
LeastRoom = Annotated[int, Parameter(minimum=0, unit="tokens", on_page=False)]
Room = Annotated[int, Parameter(minimum=0, unit="tokens", soft_range=(4, 512), advanced=True)]
Expansions = Annotated[int | None, Parameter(minimum=0, unit="tokens", advanced=True)]
MostTokens = Annotated[int, Parameter(minimum=1, unit="tokens", on_page=False)]
# None stands for the model's own, where an engine knows it
TokenId = Annotated[int | None, Parameter(minimum=0, unit="token id", on_page=False)]
TokenIds = Annotated[tuple[int, ...] | None, Parameter(minimum=0, unit="token id", on_page=False)]

# yes or no
# for programs and the command line: a page would need a box for each, and few visitors ever set one
Switch = Annotated[bool, Parameter(on_page=False)]
EarlyStop = Annotated[bool, Parameter(advanced=True, aliases=("eos_early_stop",))]

# second thoughts, and the clock
TakenBack = Annotated[float, replace(_PROBABILITY, increment=0.01, words="taken_back")]
Eagerness = Annotated[float, Parameter(minimum=0, increment=0.1, soft_range=(0, 2), advanced=True)]
_TIME = Parameter(minimum=0, maximum=1, unit="time", increment=0.05, advanced=True)
LoopTime = Annotated[float, _TIME]
LastTime = Annotated[
    float, replace(_TIME, exclusive_minimum=True, exclusive_maximum=True, increment=0.001, soft_range=(0.001, 0.5))
]
ClockMargin = Annotated[
    float,
    replace(
        _TIME, exclusive_minimum=True, maximum=0.5, exclusive_maximum=True, increment=0.0001, soft_range=(0.0001, 0.1)
    ),
]
UniformShare = Annotated[float, Parameter(minimum=0, maximum=1, exclusive_maximum=True, unit="share", increment=0.05)]
TimeShare = Annotated[float, Parameter(minimum=0, maximum=1, unit="share", on_page=False)]
Words = Annotated[str, Parameter(on_page=False)]
Mixture = Annotated[tuple[float, ...] | None, Parameter(minimum=0, maximum=1, unit="share", on_page=False)]

# to repeat a published loop number for number, accidents included: nothing is decided better or worse by them
Draws = Annotated[Literal["positions", "canvas"], Parameter(on_page=False)]
ForPrograms = Annotated[bool, Parameter(on_page=False)]

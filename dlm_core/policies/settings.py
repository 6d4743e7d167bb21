"""The vocabulary of settings: every description that a policy's signature or a piece's field names, in one place.

A range says what is refused, `reach` only where the arrows of a page stop.  What has another unit is another setting,
whatever a paper calls it: the `threshold` of d3llm is an entropy, and so is DiffusionGemma's `confidence_threshold`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from dlm_core.policies.parameter import Parameter

# how long
_STEPS = Parameter(least=1, unit="steps")
Steps = Annotated[int, _STEPS]
StepsByAnotherName = Annotated[int, replace(_STEPS, aliases=("steps",), words="steps")]
ClockSteps = Annotated[int, replace(_STEPS, words="clock_steps")]  # one more forward settles what they leave
MostSteps = Annotated[int | None, replace(_STEPS, words="most_steps")]
_A_BLOCK = replace(_STEPS, unit="steps a block", words="steps_a_block")
StepsABlock = Annotated[int, _A_BLOCK]
StepsABlockByAnotherName = Annotated[int, replace(_A_BLOCK, aliases=("steps",))]
RoundsOfEdits = Annotated[int, Parameter(least=0, unit="steps", rare=True)]
SettledFor = Annotated[int, Parameter(least=1, unit="steps", rare=True)]
StableFor = Annotated[int, Parameter(least=0, unit="steps", rare=True)]
Patience = Annotated[int, Parameter(least=1, unit="steps")]

# how bold, and from what a token is drawn
COLDEST, HOTTEST = 1e-30, 1e30  # logits divided by more or less than these are no numbers of float32 any more
_TEMPERATURE = Parameter(least=0, unit="temperature", arrow=0.1, reach=(0, 2), finest=(COLDEST, HOTTEST))
Temperature = Annotated[float, _TEMPERATURE]
TemperatureByAnotherName = Annotated[float, replace(_TEMPERATURE, aliases=("temperature",), words="temperature")]
TemperatureAbove0 = Annotated[float, replace(_TEMPERATURE, above=True, reach=(0.1, 2), words="temperature_above_0")]
OneTemperature = Annotated[float | None, replace(_TEMPERATURE, words="one_temperature")]
EndTemperature = Annotated[float, replace(_TEMPERATURE, above=True, arrow=0.05, reach=(0.05, 2), rare=True)]
OrderTemperature = Annotated[float | None, replace(_TEMPERATURE, neutral=0, rare=True)]
_NUCLEUS = Parameter(least=0, most=1, above=True, unit="probability", arrow=0.05, reach=(0.05, 1))
Nucleus = Annotated[float, _NUCLEUS]
TopP = Annotated[float | None, replace(_NUCLEUS, neutral=1, rare=True)]
TopK = Annotated[int | None, Parameter(least=0, unit="tokens", neutral=0, rare=True)]
LeastProbability = Annotated[float, Parameter(least=0, most=1, unit="probability", arrow=0.01, rare=True)]

# what is sure enough
_PROBABILITY = Parameter(least=0, most=1, unit="probability", arrow=0.05)
Probability = Annotated[float, _PROBABILITY]
ThresholdIfAny = Annotated[float | None, replace(_PROBABILITY, words="threshold_if_any")]
RareProbability = Annotated[float, replace(_PROBABILITY, rare=True)]
_NATS = Parameter(least=0, unit="nats", arrow=0.05, reach=(0, 10))
Nats = Annotated[float, _NATS]
LargestChange = Annotated[float, replace(_NATS, arrow=0.005, reach=(0, 1))]
LargestEntropy = Annotated[float, replace(_NATS, words="largest_entropy")]
MeanEntropy = Annotated[float, replace(_NATS, arrow=0.005, reach=(0, 1), words="mean_entropy")]
RankFactor = Annotated[float, Parameter(least=0, arrow=0.25, reach=(0, 10))]
ExitGaps = Annotated[Mapping[str, float], Parameter(choices=("early", "mid", "late"), offered=False)]

# which first
Remasking = Literal["low_confidence", "random"]
UnmaskStrategy = Annotated[Literal["all", "max_conf", "min_kl", "random"], Parameter(rare=True)]
KeptShare = Annotated[Literal["linear", "sine", "geometric", "log", "poly2", "poly05"], Parameter(rare=True)]
LeftPull = Annotated[float, Parameter(least=0, arrow=0.05, reach=(0, 2))]
RarityCap = Annotated[float, replace(_NATS, arrow=0.25, reach=(0, 20), rare=True)]
Frequencies = Annotated[Sequence[float] | None, Parameter(least=0, most=1, unit="probability", offered=False)]
Credit = Annotated[float, Parameter(least=0, arrow=0.1, reach=(0, 5), rare=True)]
CreditPower = Annotated[float, Parameter(least=0, arrow=0.1, reach=(0, 2), rare=True)]

# how many, and where
Share = Annotated[float, Parameter(least=0, most=1, unit="share", arrow=0.05)]
RareShare = Annotated[float, Parameter(least=0, most=1, unit="share", arrow=0.05, rare=True)]
AtLeast = Annotated[int, Parameter(least=1, unit="tokens", rare=True)]
TokensAStep = Annotated[int, Parameter(least=1, unit="tokens")]
Finer = Annotated[int, Parameter(least=2, reach=(2, 16))]
BlockSize = Annotated[int, Parameter(least=1, unit="tokens")]
AnswerStart = Annotated[int | None, Parameter(least=0, unit="tokens", rare=True)]
LeastRoom = Annotated[int, Parameter(least=0, unit="tokens", offered=False)]
Room = Annotated[int, Parameter(least=0, unit="tokens", reach=(4, 512), rare=True)]
Expansions = Annotated[int | None, Parameter(least=0, unit="tokens", rare=True)]
MostTokens = Annotated[int, Parameter(least=1, unit="tokens", offered=False)]
# None stands for the model's own, where an engine knows it
TokenId = Annotated[int | None, Parameter(least=0, unit="token id", offered=False)]
TokenIds = Annotated[tuple[int, ...] | None, Parameter(least=0, unit="token id", offered=False)]

# yes or no
# for programs and the command line: a page would need a box for each, and few visitors ever set one
Switch = Annotated[bool, Parameter(offered=False)]
EarlyStop = Annotated[bool, Parameter(rare=True, aliases=("eos_early_stop",))]

# second thoughts, and the clock
TakenBack = Annotated[float, replace(_PROBABILITY, arrow=0.01, words="taken_back")]
Eagerness = Annotated[float, Parameter(least=0, arrow=0.1, reach=(0, 2))]
_TIME = Parameter(least=0, most=1, unit="time", arrow=0.05, rare=True)
LoopTime = Annotated[float, _TIME]
LastTime = Annotated[float, replace(_TIME, above=True, below=True, arrow=0.001, reach=(0.001, 0.5))]
ClockMargin = Annotated[float, replace(_TIME, above=True, most=0.5, below=True, arrow=0.0001, reach=(0.0001, 0.1))]
UniformShare = Annotated[float, Parameter(least=0, most=1, below=True, unit="share", arrow=0.05)]
TimeShare = Annotated[float, Parameter(least=0, most=1, unit="share", offered=False)]
Words = Annotated[str, Parameter(offered=False)]
Mixture = Annotated[tuple[float, ...] | None, Parameter(least=0, most=1, unit="share", offered=False)]

# to repeat a published loop number for number, accidents included: nothing is decided better or worse by them
Draws = Annotated[Literal["positions", "canvas"], Parameter(offered=False)]
ForPrograms = Annotated[bool, Parameter(offered=False)]

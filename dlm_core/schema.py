"""One description of every line that `lines.py` names: of run files, of the page's streams, of engines elsewhere.

`make reference` prints three things of it: the JSON Schema `docs/run-file.schema.json`, the types
`assets/player/run/lines.d.ts` that the page's code is checked with, and the table in `docs/run-file.md`.  Nothing is
validated by it when a run is made or read: `trace.py` reads run files with sentences of its own, and knows what no
schema can say, such as that a token is one of the vocabulary.  A test holds the writers and both readers to it.

A field that may be missing is `NotRequired`; other fields than these are ignored by readers.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypeAliasType, TypedDict  # those of Python 3.11 are not what pydantic needs

from dlm_core.conversation import MAX_MESSAGES
from dlm_core.sudoku import CELLS
from dlm_core.trace import MAX_COLUMNS, MAX_LENGTH, MAX_PIECE

_described = with_config(ConfigDict(strict=True, use_attribute_docstrings=True, allow_inf_nan=False))

# whole numbers that a JavaScript number holds; a seed may have 64 bits
Count = Annotated[int, Field(ge=0, lt=2**53)]
Long = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
Base64 = Annotated[str, Field(pattern=r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
Cells = Annotated[str, Field(pattern=rf"^[0-9]{{{CELLS}}}$")]
TokenKey = Annotated[str, Field(pattern=r"^[0-9]+$")]

Pair = TypeAliasType("Pair", tuple[Count, Count])
Pairs = Annotated[list[Pair], Field(max_length=MAX_LENGTH)]


@_described
class Hex(TypedDict):
    """The bytes of a token that is only part of a character."""

    hex: Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$", max_length=2 * MAX_PIECE)]


PieceRecord = TypeAliasType("PieceRecord", Annotated[str, Field(max_length=MAX_PIECE)] | Hex)
Pieces = dict[TokenKey, PieceRecord]


@_described
class Phrase(TypedDict):
    """A sentence of `assets/words` by its key, and what stands in its braces."""

    phrase: str
    values: "dict[str, Wording | float | None]"


# what the server says to a visitor: a text as it is, a sentence that the page translates, or several of these
Wording = TypeAliasType("Wording", "str | Phrase | list[Wording]")


# --- a run file -------------------------------------------------------------------------------------------------------


@_described
class Model(TypedDict):
    """The model that wrote a run."""

    name: str
    revision: NotRequired[str | None]
    vocab_size: Count
    mask: Count | None
    stop: list[int]
    expand: NotRequired[Count]
    """the token that asks for room"""
    ending: NotRequired[list[int]]
    """tokens that in their order end a text"""
    columns: NotRequired[Annotated[int, Field(ge=1, le=MAX_COLUMNS)]]
    """positions a row, where a canvas is a grid and no line of text"""


@_described
class Message(TypedDict):
    """A message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@with_config(ConfigDict(strict=True, extra="allow"))
class PolicyRecord(TypedDict):
    """A policy's name, and all its parameters beside it."""

    name: str
    steps: NotRequired[Count | None]


@_described
class Branch(TypedDict):
    """Which run another continues."""

    step: Count
    """that it goes on from"""
    policy: str
    seed: Long
    forced: NotRequired[Count]
    """the position where a token was put by hand"""


@_described
class Cache(TypedDict):
    """How the model approximated."""

    kind: str
    approximate: NotRequired[bool]


@_described
class Header(TypedDict):
    """The first line of a run file."""

    type: Literal["run"]
    unmask: Literal[1, 2]
    model: Model
    prompt: str
    canvas: Annotated[list[Count], Field(min_length=1, max_length=MAX_LENGTH)]
    fixed: Pairs
    policy: PolicyRecord
    windows: Pairs
    seed: Long | None
    """null: not known"""
    sampler: NotRequired[str]
    """another program's, whose run this is"""
    top_k: Annotated[int, Field(ge=1, le=100)]
    reasons: NotRequired[list[str]]
    """missing in schema 1 alone"""
    others: NotRequired[dict[str, str]]
    versions: NotRequired[dict[str, str]]
    branch: NotRequired[Branch]
    cache: NotRequired[Cache]
    conversation: NotRequired[Annotated[list[Message], Field(max_length=MAX_MESSAGES)]]
    pieces: NotRequired[Pieces]


@_described
class StepRecord(TypedDict):
    """A line of a run file between the first and the last; positions count in the canvas before it."""

    type: Literal["step"]
    step: Count
    window: Pair
    forwards: Annotated[int, Field(ge=1, lt=2**53)] | None
    """so far; null: not measured"""
    seconds: Annotated[float, Field(ge=0)] | None
    """so far; null: not measured"""
    write: NotRequired[Pairs]
    blank: NotRequired[Pairs]
    splice: NotRequired[Pairs]
    measured: Base64
    beliefs: Base64
    ranked: NotRequired[Base64]
    score: NotRequired[tuple[Literal["confidence", "-entropy"]] | tuple[str, float, float]]
    others: NotRequired[list[int]]
    info: NotRequired[dict[str, float]]
    pieces: NotRequired[Pieces]


@_described
class Totals(TypedDict):
    """The last line of a run file."""

    type: Literal["end"]
    end: Literal["finished", "stopped", "error"]
    message: NotRequired[str]
    steps: NotRequired[Count]
    forwards: NotRequired[Count]
    seconds: NotRequired[float]
    text: NotRequired[str]


# --- the first line of a stream ---------------------------------------------------------------------------------------


@_described
class OpeningLine(TypedDict):
    """a stream begins: runs of now, or one from a file"""

    type: Literal["live", "recorded"]
    id: Count
    notice: NotRequired[Wording]
    """a message"""
    cells: NotRequired[Cells]
    """of a puzzle"""


@_described
class CanvasLine(TypedDict):
    """a header follows, whose canvas is to be edited"""

    type: Literal["canvas"]
    id: Count


@_described
class PuzzleLine(TypedDict):
    """a board to solve"""

    type: Literal["puzzle"]
    id: Count
    cells: Cells
    """81 digits, 0 for a blank"""
    notice: NotRequired[Wording]


@_described
class NoisyStateRecord(TypedDict):
    """A sentence as noise left it, and what the model believes of the positions it is asked about."""

    ids: list[Count]
    hit: list[Count]
    asked: list[Count]
    probability: list[float]
    top_ids: list[list[Count]]
    top_probs: list[list[float]]
    loss: float | None


@_described
class LessonRecord(TypedDict):
    """A sentence under noise at every level; `state` says which of `states` it is in at each level of `t`."""

    kind: Literal["mask", "replace"]
    model: Model
    pieces: Pieces
    clean: list[Count]
    t: list[float]
    alpha: list[float]
    state: list[Count]
    states: list[NoisyStateRecord]


@_described
class ThemedFigure(TypedDict):
    """A figure for Plotly in either theme."""

    light: dict[str, Any]
    dark: dict[str, Any]


@_described
class LessonLine(TypedDict):
    """the Noise tab; an engine sends `lesson` alone"""

    type: Literal["lesson"]
    id: NotRequired[Count]
    lesson: LessonRecord
    """a sentence under noise at every level"""
    figure: NotRequired[ThemedFigure]
    """by theme"""


@_described
class AskingLine(TypedDict):
    """a lesson is on its way"""

    type: Literal["asking"]
    id: Count


@_described
class NoticeLine(TypedDict):
    """something to read; what is on screen stays"""

    type: Literal["notice"]
    id: Count
    message: Wording


@_described
class ErrorLine(TypedDict):
    """there is no answer, and why; an engine sends no `id`"""

    type: Literal["error"]
    id: NotRequired[Count]
    message: Wording


@_described
class ModelsLine(TypedDict):
    """which model answers, and how far one is that is loaded"""

    type: Literal["models"]
    kind: Literal["idle", "loading", "error"]
    """idle, loading or error"""
    text: list[Wording]
    numbers: list[Wording]
    share: Share | None
    """0 to 1, null: not known"""
    mine: bool


# --- between the lines of runs ----------------------------------------------------------------------------------------


@_described
class WaitingLine(TypedDict):
    """before a run"""

    type: Literal["waiting"]
    waiting: Count
    """how many runs are ahead"""
    seconds: NotRequired[Annotated[float, Field(ge=0)]]
    """what so many took lately; missing where none was measured"""


@_described
class PaneLine(TypedDict):
    """the run that follows has a title"""

    type: Literal["pane"]
    pane: Count
    """from 0"""
    title: Wording
    """a message"""
    place: Count
    """panes with the same one are alternatives"""


@_described
class SummaryLine(TypedDict):
    """a run in numbers; a later one of the same pane replaces it"""

    type: Literal["summary"]
    summary: dict[str, float | bool | Phrase | None]
    """numbers by name, null: not measured"""
    of: Count
    """a pane"""
    why: NotRequired[Wording]
    """a message: why one is missing"""
    verdict: NotRequired[Wording]
    """a message"""


@_described
class RewindLine(TypedDict):
    """play from the start"""

    type: Literal["rewind"]


@_described
class FigureLine(TypedDict):
    """draw this"""

    type: Literal["figure"]
    figure: ThemedFigure
    """by theme, for Plotly"""


@_described
class DoneLine(TypedDict):
    """no run follows"""

    type: Literal["done"]


# --- answers of an engine on another machine --------------------------------------------------------------------------


@_described
class AboutLine(TypedDict):
    """an engine's model"""

    type: Literal["about"]
    name: str | None
    revision: str | None
    context: Count
    policies: list[str]
    policy: str
    settings: dict[str, Any]
    length: Count
    starts: dict[str, Any]
    block_length: Count | None
    masks: bool
    rightward: bool
    chats: bool
    caches: list[str]


@_described
class ProbabilitiesLine(TypedDict):
    """an engine's answer about the tokens of a run"""

    type: Literal["probabilities"]
    values: list[Share | None]
    """one a position, null: not measured"""


Line = Annotated[
    Header | StepRecord | Totals
    | OpeningLine | CanvasLine | PuzzleLine | LessonLine | AskingLine | NoticeLine | ErrorLine | ModelsLine
    | WaitingLine | PaneLine | SummaryLine | RewindLine | FigureLine | DoneLine
    | AboutLine | ProbabilitiesLine,
    Field(discriminator="type"),
]  # fmt: skip
LINES = TypeAdapter[Any](Line)


def validated(line: str | bytes) -> dict[str, Any]:
    """Return a line as an object with the fields that are described; `pydantic.ValidationError` where it is none."""
    return LINES.validate_json(line, strict=True)


class _Untitled(GenerateJsonSchema):
    """A schema without titles: those that pydantic makes repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line."""
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": "A line of a run file or of a stream"}
    return head | LINES.json_schema(schema_generator=_Untitled)

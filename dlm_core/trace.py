"""A run, and the file it is kept in: the only thing that viewers, exports and tests read.

The file is newline-delimited JSON, gzipped where it is stored.  Line 1 is a header with everything needed to repeat
the run; then one line a step with what changed and what the model believed about the positions it was asked about;
the last line has the totals.  `docs/run-file.md` documents every field.  Beliefs are quantised when a step is recorded,
so a live run, a saved one and a shared one are the same numbers.  Knows no torch, no tokenizer and no picture.
"""

import base64
import codecs
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from itertools import accumulate
from math import isfinite, nan, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy import ndarray

from dlm_core.conversation import Message, validate, with_answer
from dlm_core.lines import RUN_LINES, LineType, dumps, type_of
from dlm_core.reasons import NO_REASON, Ranking, Reason
from dlm_core.step import Step
from dlm_core.unicode import well_formed

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

    from dlm_core.figures import Measure, Theme

SCHEMA = 2  # 1 had no reasons and no scores, and is read all the same
MAX_BYTES = 256 * 2**20  # of one file, and of its text: a gzip bomb must not take the page down
MAX_LENGTH = 8192  # positions
MAX_COLUMNS = 100  # of a grid
MAX_BELIEFS = 2**25  # top tokens of all positions and steps, measured or not: half a gigabyte once they are read
MAX_PIECE = 4096  # characters of one token

Piece = str | bytes  # the text of a token; bytes where a token is only part of a character


class RunFileError(ValueError):
    """A run file that cannot be read; the message names the line and what was expected there."""


# --- beliefs as bytes -------------------------------------------------------------------------------------------------
# Columns, each over the measured positions in ascending order, little-endian, base64:
#   predicted  id         confidence  u2, 65534ths      entropy  u2, thousandths of a nat
#   top ids    k ids      top probabilities  k x u1, the square of 254ths
#   reason     u1, place in the header's list   score  u2, 65534ths of the way from the step's least to its most
# ids are u2 where the vocabulary allows, else u4.  The largest value of every type says "not measured".  A score that
# is one of the other columns has none of its own: the line then says which positions were ranked.


def _id_type(vocab_size: int) -> str:
    return "<u2" if vocab_size < 0xFFFF else "<u4"


def _quantise(values: ndarray, scale: float, kind: str) -> ndarray:
    """Whole numbers below the largest of `kind`, still as floats: NaN stays NaN."""
    return np.minimum(np.maximum(np.rint(values * scale), 0), np.iinfo(kind).max - 1)


def _encode_column(codes: ndarray, kind: str) -> bytes:
    return np.fmin(codes, np.iinfo(kind).max).astype(kind).tobytes()  # of NaN and a number, fmin takes the number


def _dequantise(codes: ndarray, scale: float) -> ndarray:
    if codes.dtype.kind == "u":
        codes = np.where(codes == np.iinfo(codes.dtype).max, np.nan, codes)
    return codes / scale


def _encode_flags(flags: ndarray) -> str:
    return base64.b64encode(np.packbits(flags, bitorder="little").tobytes()).decode()


def _decode_flags(bits: str, length: int, what: str) -> ndarray:
    """`length` flags of what `_encode_flags` makes; ValueError where they are more or fewer."""
    packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    if len(packed) != -(-length // 8):
        raise ValueError(f"the field {what!r} needs {-(-length // 8)} bytes, got {len(packed)}")
    return np.unpackbits(packed, count=length, bitorder="little").astype(bool)


def _measured_scores(confidence: ndarray, entropy: ndarray) -> Mapping[str, ndarray]:
    """Return the scores of the rankings that go by a recorded belief, which need no column of their own."""
    return {Ranking.CONFIDENCE: confidence, Ranking.ENTROPY: -entropy}


def _scores(codes: ndarray, span: Sequence[float]) -> ndarray:
    """Scores of codes that count the way from the least to the most."""
    return span[0] + _dequantise(codes, 65534) * (span[1] - span[0])


class _Measured(TypedDict):
    """The beliefs of a step as a reader of its line will have them, each over the whole canvas."""

    predicted: ndarray
    confidence: ndarray
    entropy: ndarray
    top_ids: ndarray
    top_probs: ndarray
    reason: ndarray


class _Beliefs(_Measured):
    """With them: what the rule ranked by."""

    score: ndarray
    ranking: str


def _packed_score(step: Step, beliefs: _Measured) -> tuple[dict[str, Any], ndarray | None, ndarray]:
    """The score of a step: the fields of its line, the codes `(length,)` of a column, and what a reader makes of it."""
    ranked = np.isfinite(step.score)
    if not ranked.any():
        return {}, None, np.full(len(ranked), np.nan)
    score, ranking = np.where(ranked, step.score, np.nan), str(step.ranking or "other")
    same = _measured_scores(step.confidence, step.entropy).get(ranking)
    if same is not None and np.array_equal(score[ranked], same[ranked]):
        recorded = _measured_scores(beliefs["confidence"], beliefs["entropy"])[ranking]
        return {"score": [ranking], "ranked": _encode_flags(ranked)}, None, np.where(ranked, recorded, np.nan)
    span = [float(f"{end:.6g}") for end in (np.nanmin(score), np.nanmax(score))]
    codes = _quantise((score - span[0]) / (span[1] - span[0] or 1), 65534, "<u2")
    return {"score": [ranking, *span]}, codes, _scores(codes, span)


def _packed(step: Step, where: ndarray, vocab_size: int) -> tuple[dict[str, Any], _Beliefs]:
    """The beliefs of a step: the fields of its line, at the positions `where`, and what a reader will make of them."""
    ids = _id_type(vocab_size)
    confidence, entropy = _quantise(step.confidence, 65534, "<u2"), _quantise(step.entropy, 1000, "<u2")
    top_probs = _quantise(np.sqrt(step.top_probs), 254, "u1")
    columns = [
        step.predicted[where].astype(ids).tobytes(),  # -1 becomes the type's largest value
        _encode_column(confidence[where], "<u2"),
        _encode_column(entropy[where], "<u2"),
        step.top_ids[where].astype(ids).tobytes(),
        _encode_column(top_probs[where], "u1"),
        step.reason[where].astype("u1").tobytes(),
    ]
    beliefs: _Measured = {
        "predicted": step.predicted,
        "confidence": _dequantise(confidence, 65534),
        "entropy": _dequantise(entropy, 1000),
        "top_ids": step.top_ids,
        "top_probs": _dequantise(top_probs, 254) ** 2,
        "reason": step.reason,
    }
    fields, codes, score = _packed_score(step, beliefs)
    if codes is not None:
        columns.append(_encode_column(codes[where], "<u2"))
    ranking = fields.get("score", [""])[0]
    fields |= {"beliefs": base64.b64encode(b"".join(columns)).decode()}
    return fields, {**beliefs, "score": score, "ranking": ranking}


def _unpacked(record: Mapping[str, Any], where: ndarray, length: int, header: Mapping[str, Any]) -> _Beliefs:
    """The beliefs of a `Step` over `length` positions, of which those at `where` were measured."""
    ids, n, top_k, reasons = _id_type(header["model"]["vocab_size"]), len(where), header["top_k"], _reasons(header)
    ranking, *span = _ranking(record)
    data = base64.b64decode(_require(record, "beliefs", str), validate=True)
    kinds = [np.dtype(kind) for kind in (ids, "<u2", "<u2", ids, "u1", "u1", "<u2")]
    shapes = [(n,), (n,), (n,), (n, top_k), (n, top_k), (n * (reasons is not None),), (n * bool(span),)]
    sizes = [kind.itemsize * prod(shape) for kind, shape in zip(kinds, shapes)]
    if len(data) != sum(sizes):
        raise ValueError(f"beliefs about {n} positions take {sum(sizes)} bytes, got {len(data)}")
    ends = list(accumulate(sizes))
    predicted, confidence, entropy, top_ids, top_probs, reason, score = (
        np.frombuffer(data[end - size : end], kind).reshape(shape)
        for kind, shape, size, end in zip(kinds, shapes, sizes, ends)
    )

    def identity(codes: ndarray) -> ndarray:
        values = codes.astype(np.int64)
        values[values == np.iinfo(codes.dtype).max] = -1
        return values

    def spread(values: ndarray, missing: float) -> ndarray:
        array = np.full((length, *values.shape[1:]), missing, dtype=values.dtype)
        if len(values):  # a column may be missing
            array[where] = values
        return array

    known = np.array([*(Reason.__members__.get(name.upper(), NO_REASON) for name in reasons or ()), NO_REASON])
    if (wrong := (reason >= len(known) - 1) & (reason != 255)).any():
        raise ValueError(f"reason {reason[wrong][0]} is not among the {len(known) - 1} of the header")
    beliefs: _Beliefs = {
        "predicted": spread(identity(predicted), -1),
        "confidence": spread(_dequantise(confidence, 65534), np.nan),
        "entropy": spread(_dequantise(entropy, 1000), np.nan),
        "top_ids": spread(identity(top_ids), -1),
        "top_probs": spread(_dequantise(top_probs, 254) ** 2, np.nan),
        "reason": spread(known[np.where(reason == 255, -1, reason.astype(np.int64))], NO_REASON),
        "score": spread(_scores(score, span) if span else np.empty(0), np.nan),
        "ranking": ranking,
    }
    if ranking and not span:
        same = _measured_scores(beliefs["confidence"], beliefs["entropy"])[ranking]
        beliefs["score"] = np.where(_decode_flags(_require(record, "ranked", str), length, "ranked"), same, np.nan)
    return beliefs


# --- lines ------------------------------------------------------------------------------------------------------------


def _ranges(flags: ndarray) -> list[list[int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return edges.reshape(-1, 2).tolist()


def _without(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def _require(record: Mapping[str, Any], key: str, kind: type | tuple[type, ...]) -> Any:
    if key not in record:
        raise ValueError(f"the field {key!r} is missing")
    if not isinstance(record[key], kind) or isinstance(record[key], bool):
        raise ValueError(f"the field {key!r} has the wrong type")
    return record[key]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _parse_int(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"whole numbers have 64 bits, got one of {len(digits)} digits")
    return int(digits)


def _parse_float(digits: str) -> float:
    if not isfinite(value := float(digits)):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_int, parse_float=_parse_float)


def _is_record(line: bytes) -> bool:
    try:
        _record(line)
    except (ValueError, RecursionError):
        return False
    return True


def _record(line: bytes) -> dict[str, Any]:
    record = _DECODER.decode(line.decode("utf-8"))
    if not isinstance(record, dict):
        raise ValueError("a line must be a JSON object")
    if b"\\ud" in line.lower():  # half of a pair of surrogates is no character, and cannot be written again
        json.dumps(record, ensure_ascii=False).encode()
    return record


def _run_line_type(record: Mapping[str, Any]) -> str:
    """Return the type of a line of a run file; ValueError where no run file has such lines."""
    kind = type_of(record)
    if kind not in RUN_LINES:
        raise ValueError(f"its type is {repr(kind)[:40]}, and a run file has lines of {', '.join(RUN_LINES)}")
    return str(kind)


def _pairs(record: Mapping[str, Any], key: str) -> ndarray:
    """A field that is a list of pairs of whole numbers, `(n, 2)`; empty where it is missing."""
    pairs = record.get(key, [])
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair) for pair in pairs
    ):
        raise ValueError(f"the field {key!r} must be a list of pairs of whole numbers")
    if len(pairs) > MAX_LENGTH:
        raise ValueError(f"the field {key!r} has at most {MAX_LENGTH} pairs, got {len(pairs)}")
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _reasons(header: Mapping[str, Any]) -> list[str] | None:
    """The reasons that a file's codes stand for, in their order; None for a file of schema 1."""
    return header["reasons"] if header["unmask"] == SCHEMA else None


def _ranking(record: Mapping[str, Any]) -> tuple[str, *tuple[float, ...]]:
    """What the rule ranked by in a step, with the least and the most where the score has a column of its own."""
    ranking, *span = _require({"score": [""], **record}, "score", list)
    if not isinstance(ranking, str):
        raise ValueError("the field 'score' must begin with a name")
    if not span and ranking not in ("", Ranking.CONFIDENCE, Ranking.ENTROPY):
        raise ValueError(f"the score {ranking[:40]!r} needs the least and the most")
    if span:
        least, most = (float(_require({"score": end}, "score", (int, float))) for end in span)
        if least > most:
            raise ValueError(f"the least score must not be above the most, got {least} and {most}")
    return ranking, *span


def _check(pairs: ndarray, length: int, limit: int, sentence: str) -> None:
    """Refuse pairs whose position is not below `length`, or whose second number is not below `limit`."""
    wrong = ((pairs < 0) | (pairs >= (length, limit))).any(1)
    if wrong.any():
        raise ValueError(sentence.format(pairs[wrong][0].tolist()))


def _listed(flags: ndarray, values: ndarray) -> ndarray:
    """Where the flags are set, the position and its value: pairs `(n, 2)`."""
    (at,) = flags.nonzero()
    return np.array([at, values[at]]).T


@contextmanager
def _line_errors(number: int) -> Iterator[None]:
    """Whatever is wrong with a line becomes one sentence that names the line."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise RunFileError(f"line {number} of the run file is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        what = "this is not an Unmask run file: its first line" if number == 1 else f"line {number} of the run file"
        raise RunFileError(f"{what} is not JSON ({error.msg} at column {error.colno})") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RunFileError(f"line {number} of the run file is damaged: {str(error)[:200]}") from error


def encode_token_texts(pieces: Mapping[int, Piece]) -> dict[str, Any]:
    """The text of tokens as JSON can hold it."""
    return {str(token): {"hex": text.hex()} if isinstance(text, bytes) else text for token, text in pieces.items()}


def decode_token_texts(record: Mapping[str, Any]) -> dict[int, Piece]:
    """The text of tokens from the `pieces` of a record; ValueError where they are none."""
    pieces: dict[int, Piece] = {}
    for token, text in record.get("pieces", {}).items():
        piece = bytes.fromhex(text["hex"]) if isinstance(text, dict) else text
        if not isinstance(piece, (str, bytes)):
            raise ValueError(f"the text of token {token} must be a string or {{'hex': ...}}")
        if len(piece) > MAX_PIECE:
            raise ValueError(f"the text of token {token} has at most {MAX_PIECE} characters, got {len(piece)}")
        pieces[int(token)] = piece
    return pieces


def _text_of_no_token(token: int) -> Piece:
    raise ValueError(f"a run that was read cannot grow: nobody knows the text of token {token}")


@dataclass(eq=False)
class Trace:
    """A run as it grows: a header, the steps so far, the text of every token in them, and how it ended.

    `lines` is the file's text, line by line; `append` and `finish` are the only ways to grow it.
    """

    header: dict[str, Any]
    steps: list[Step] = field(default_factory=list)
    pieces: dict[int, Piece] = field(default_factory=dict)
    totals: dict[str, Any] | None = None
    lines: list[str] = field(default_factory=list)
    notice: str | None = None  # what a reader should know, such as that the file was cut off
    _beliefs: int = 0
    _piece: Callable[[int], Piece] = field(default=_text_of_no_token, repr=False)
    _free: ndarray = field(init=False, repr=False)  # (length,) bool: positions of the newest canvas not fixed
    _masks: list[int] = field(init=False, repr=False)  # masks that may still be written, in every canvas so far

    def __post_init__(self) -> None:
        self._free, self._masks = ~self.fixed, []
        self._count_masks(self.canvas(0), 1)
        for step in self.steps:
            self._count_masks(step.after, step.copies)

    def _count_masks(self, canvas: ndarray, copies: ndarray | int) -> None:
        """Follow what may be written into the next canvas, which has `copies` of each position of the one before."""
        self._free = self._free.repeat(copies)
        self._masks.append(int(((canvas == self.header["model"]["mask"]) & self._free).sum()))

    # -- writing --

    @classmethod
    def begin(
        cls,
        *,
        model: Mapping[str, Any],
        prompt: str,
        canvas: Sequence[int] | ndarray,
        fixed: ndarray,
        policy: Mapping[str, Any],
        windows: Sequence[tuple[int, int]],
        seed: int | None,
        top_k: int,
        versions: Mapping[str, str],
        piece: Callable[[int], Piece],
        branch: Mapping[str, Any] | None = None,
        cache: str | None = None,
        conversation: Sequence[Message] | None = None,
        others: Mapping[str, str] | None = None,
        sampler: str | None = None,
    ) -> "Trace":
        """Open a run: `model` needs name, vocab_size, mask and stop; `policy` a name and its parameters.

        `seed` is None where nobody knows it.  `branch` says which run this one continues, and from where; `cache` which
        one made the model's answers approximate; `conversation` the messages before the prompt, where that was put to a
        model that chats; `others` what each of the rules ranks by that every step is compared with;
        `sampler` the one of another program that made the steps.
        """
        header = {
            "unmask": SCHEMA,
            "model": dict(model),
            "prompt": prompt,
            "canvas": [int(token) for token in canvas],
            "fixed": _ranges(np.asarray(fixed)),
            "policy": dict(policy),
            "windows": [list(map(int, window)) for window in windows],
            "seed": seed,
            "top_k": top_k,
            "reasons": [reason.key for reason in Reason],
            "versions": dict(versions),
        }
        header |= {"branch": dict(branch)} if branch else {}
        header |= {"cache": {"kind": cache, "approximate": True}} if cache else {}
        header |= {} if conversation is None else {"conversation": [dict(message) for message in conversation]}
        header |= {"others": dict(others)} if others else {}
        header |= {"sampler": sampler} if sampler else {}
        trace = cls(_record(dumps(header).encode()))  # what is kept is what the file says
        trace._piece = piece
        trace._write("run", header, trace.header["canvas"])
        return trace

    def _write(self, kind: LineType, record: dict[str, Any], tokens: Sequence[int] | ndarray) -> str:
        """Add a line of a type, with the text of every token that occurs here first."""
        fresh = sorted(t for t in set(np.asarray(tokens).tolist()).difference(self.pieces) if t >= 0)
        self.pieces |= (new := {token: well_formed(self._piece(token)) for token in fresh})
        line = dumps({"type": kind} | record | ({"pieces": encode_token_texts(new)} if new else {}))
        self.lines.append(line)
        return line

    def append(self, step: Step, others: Sequence[int] = ()) -> str:
        """Record a step; returns its line.  `others` says how many masks other rules would have written."""
        left, measured, vocab = step.left, step.measured, self.header["model"]["vocab_size"]
        where = np.flatnonzero(measured)
        fields, beliefs = _packed(step, where, vocab)
        changes = {
            "write": _listed(step.written, left),
            "blank": _listed(step.blanked, left),
            "splice": _listed(step.copies != 1, step.copies),
        }
        facts = {
            "step": step.index,
            "window": list(step.window),
            "forwards": step.forwards if step.forwards >= 0 else None,
            "seconds": round(step.seconds, 4) if isfinite(step.seconds) else None,
        }
        numbers = {name: round(float(value), 6) for name, value in step.info.items()}
        # a number that JSON has not was not measured; other numbers of the step may have been
        numbers = {name: value for name, value in numbers.items() if isfinite(value)}
        info = {"info": numbers} if numbers else {}
        # what is kept is what the file says; a step that no reader would take is not written
        self._grow(facts | info, changes, beliefs)
        record = {kind: pairs.tolist() for kind, pairs in changes.items() if len(pairs) or kind == "write"}
        record |= {"measured": _encode_flags(measured)} | fields | ({"others": list(others)} if others else {})
        seen = np.concatenate([step.after, step.predicted[where], step.top_ids[where].ravel()])
        return self._write("step", facts | record | info, seen)

    def finish(self, end: str, message: str | None = None) -> str:
        """Close the run: `end` is finished, stopped or error; returns the last line."""
        forwards, seconds = (self.steps[-1].forwards, self.steps[-1].seconds) if self.steps else (0, 0.0)
        totals = {"end": end, "steps": len(self.steps)}
        totals |= {"forwards": forwards} if forwards >= 0 else {}
        totals |= {"seconds": round(seconds, 5)} if isfinite(seconds) else {}
        totals |= {"text": self.text()} | ({"message": message} if message else {})
        self.totals = _record(dumps(totals).encode())
        return self._write("end", totals, [])

    def save(self, path: str | Path) -> None:
        """Write the file, gzipped; the same run gives the same bytes."""
        Path(path).write_bytes(self.packed())

    def packed(self) -> bytes:
        """What `save` writes."""
        return gzip.compress("".join(line + "\n" for line in self.lines).encode(), mtime=0)

    # -- reading --

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """Read a run file in any of the forms that `parse` takes."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise RunFileError(f"the run file cannot be read: {error.strerror}") from error
        return cls.parse(data)

    @classmethod
    def parse(cls, data: bytes) -> "Trace":
        """Read the bytes of a run file, gzipped or not, whatever editors and other programs made of its lines.

        A file that was cut off opens up to its last whole line and says so.  The same rules stand in
        `assets/player/run/reader.js`, for the page.
        """
        trace: Trace | None = None
        lines, read = _text(data).split(b"\n"), 0
        for number, line in enumerate(lines, 1):
            if not (line := line.strip(b" \t\r")):
                continue
            # a last line without its end is whole if it is JSON, and was cut off if it is not
            if number == len(lines) and not (trace and trace.totals) and not _is_record(line):
                break
            if trace:
                trace.feed(line, number)
            else:
                with _line_errors(number):
                    header = _record(line)
                    trace = cls(_without(_checked_header(header), "type", "pieces"))
                    trace._keep(header, line)
            read = number
        if trace is None:
            raise RunFileError("this is not an Unmask run file: it has no whole first line")
        notices = []
        if _reasons(trace.header) is None:
            notices.append(f"the file is of schema {trace.header['unmask']}, in which reasons were not recorded")
        if trace.totals is None:
            notices.append(f"the file was cut off: it opens up to its last whole line, line {read}")
        trace.notice = "; ".join(notices) or None
        return trace

    def feed(self, line: bytes, number: int | None = None) -> None:
        """Take in the next line of a run file, without its end; errors call it line `number`, or the next one."""
        with _line_errors(number or len(self.lines) + 1):
            if self.totals is not None:
                raise ValueError("nothing may follow the totals")
            record = _record(line)
            self._take(record)
            self._keep(record, line)

    def _keep(self, record: Mapping[str, Any], line: bytes) -> None:
        self.pieces |= decode_token_texts(record)
        self.lines.append(line.decode("utf-8"))

    def _take(self, record: Mapping[str, Any]) -> None:
        """Add a parsed line's step, or its totals."""
        kind = _run_line_type(record)
        if kind == "run":
            raise ValueError("a run has one header, its first line")
        if kind == "end":
            self._take_totals(record)
        else:
            self._take_step(record)

    def _take_totals(self, record: Mapping[str, Any]) -> None:
        if _require(record, "end", str) not in ("finished", "stopped", "error"):
            raise ValueError(f"a run ends finished, stopped or error, not {record['end']!r}")
        for name in {"message", "text"} & set(record):
            _require(record, name, str)
        self.totals = _without(record, "type")

    def _take_step(self, record: Mapping[str, Any]) -> None:
        length = len(self.canvas(len(self.steps)))
        where = np.flatnonzero(_decode_flags(_require(record, "measured", str), length, "measured"))
        beliefs = _unpacked(record, where, length, self.header)
        ((lo, hi),) = _pairs({"window": [record.get("window")]}, "window").tolist()
        numbers = _require({"info": {}, **record}, "info", dict)
        if not all(type(count) is int for count in _require({"others": [], **record}, "others", list)):
            raise ValueError("the field 'others' must be a list of whole numbers")
        facts = {
            "step": _require(record, "step", int),
            "window": [lo, hi],
            "forwards": _require(record, "forwards", (int, type(None))),
            "seconds": _require(record, "seconds", (int, float, type(None))),
            "info": {name: float(_require(numbers, name, (int, float))) for name in numbers},
        }
        changes = {kind: _pairs(record, kind) for kind in ("write", "blank", "splice")}
        self._grow(facts, changes, beliefs)

    def _grow(self, facts: Mapping[str, Any], changes: Mapping[str, ndarray], beliefs: _Beliefs) -> None:
        """Add a step of well-formed values, `changes` as pairs `(n, 2)`, or refuse those that no canvas can have."""
        mask, vocab = self.header["model"]["mask"], self.header["model"]["vocab_size"]
        if facts["step"] != len(self.steps):
            raise ValueError(f"expected step {len(self.steps)}, got {facts['step']}")
        before = self.canvas(len(self.steps))
        length = len(before)
        self._beliefs += length * self.header["top_k"]
        if self._beliefs > MAX_BELIEFS:
            raise ValueError(f"positions times steps times top_k are at most {MAX_BELIEFS}, got {self._beliefs}")
        after, changed = before.copy(), {}
        for kind in ("write", "blank"):
            _check(changes[kind], length, vocab, f"{kind} {{}} lies outside {length} positions or {vocab} tokens")
            at, tokens = changes[kind].T
            after[at], changed[kind] = tokens, np.zeros(length, dtype=bool)
            changed[kind][at] = True
        copies = np.ones(length, dtype=np.int64)
        if len(changes["splice"]):
            most = 0 if mask is None else MAX_LENGTH + 1
            _check(changes["splice"], length, most, f"splice {{}} is not possible in a canvas of {length} positions")
            at, counts = changes["splice"].T
            copies[at], after[at] = counts, mask
            if copies.sum() > MAX_LENGTH:
                raise ValueError(f"a canvas has at most {MAX_LENGTH} positions, got {copies.sum()}")
            after = after.repeat(copies)
        for ids in (beliefs["predicted"], beliefs["top_ids"]):
            if (largest := ids.max()) >= vocab:
                raise ValueError(f"token ids must be below {vocab}, got {largest}")
        lo, hi = facts["window"]
        if not 0 <= lo <= hi <= length:
            raise ValueError(f"the window [{lo}, {hi}] lies outside the canvas of {length} positions")
        forwards, seconds = facts["forwards"], facts["seconds"]
        if (forwards is not None and forwards < 1) or (seconds is not None and seconds < 0):
            raise ValueError(f"a step takes at least 1 forward and 0 seconds, got {forwards} and {seconds}")
        self.steps.append(
            Step(
                index=facts["step"], window=(lo, hi), before=before, after=after,
                written=changed["write"], blanked=changed["blank"], copies=copies,
                forwards=-1 if forwards is None else forwards, seconds=nan if seconds is None else float(seconds),
                info=facts.get("info", {}),
                **beliefs,
            )
        )  # fmt: skip
        self._count_masks(after, copies)

    # -- derived: what the views show --

    @property
    def outcome(self) -> str | None:
        """How the run ended: finished, stopped or error; None while it runs, or where its file was cut off."""
        return None if self.totals is None else self.totals["end"]

    @property
    def message(self) -> str:
        """The sentence that says why the run ended, where it says so; else ""."""
        return (self.totals or {}).get("message", "")

    @property
    def length(self) -> int:
        """Positions before the first step."""
        return len(self.header["canvas"])

    @property
    def fixed(self) -> ndarray:
        """(length,) bool: positions nobody could change."""
        flags = np.zeros(self.length, dtype=bool)
        for lo, hi in self.header["fixed"]:
            flags[lo:hi] = True
        return flags

    def tracks(self) -> list[ndarray]:
        """Who is who, although positions come and go: for every canvas, first to last, the track of each position.

        Tracks are numbered from 0 in the order in which they stand; without splices all are 0, 1, ..., length - 1.
        """
        order, named = list(range(self.length)), [np.arange(self.length)]
        for step in self.steps:
            now = named[-1]
            if (step.copies != 1).any():
                parts = []
                for track, count in zip(now.tolist(), step.copies.tolist()):
                    new = list(range(len(order), len(order) + count - 1))
                    after = order.index(track) + 1
                    order[after:after] = new
                    parts += ([track] if count else []) + new
                now = np.array(parts)
            named.append(now)
        rank = np.argsort(order)
        return [rank[now] for now in named]

    def fixed_now(self) -> ndarray:
        """`fixed` for the newest canvas."""
        return ~self._free

    def canvas(self, steps: int) -> ndarray:
        """Token ids `(length,)` after so many steps; 0 is the canvas the run began with."""
        return np.array(self.header["canvas"], dtype=np.int64) if steps == 0 else self.steps[steps - 1].after

    def text(self) -> str:
        """The canvas as it stands now, in words: without masks, and only up to where the text ends.

        In a conversation, the answer alone.
        """
        mask, ids, fixed, data = self.header["model"]["mask"], self.canvas(len(self.steps)), self.fixed_now(), b""
        begin = int(np.argmin(fixed)) if "conversation" in self.header else 0
        for token in ids[begin : self.end()].tolist():
            if token != mask:
                piece = self.pieces.get(token, "")
                data += piece if isinstance(piece, bytes) else piece.encode()
        text = data.decode("utf-8", errors="replace")
        # byte-level tokenizers put a space before the first word
        return text if self.header["prompt"].startswith(" ") else text.removeprefix(" ")

    def conversation(self) -> list[Message]:
        """The conversation, with this run's question and answer at its end; ValueError where it is none."""
        if "conversation" not in self.header:
            raise ValueError(f"the run of {self.header['model']['name']} is no answer in a conversation")
        return with_answer(self.header["conversation"], self.header["prompt"], self.text())

    def end(self) -> int:
        """Where the text ends as it stands now: at a written stop token, or at tokens that in their order say so.

        The length of the canvas where it does not end.
        """
        ids, free, model = self.canvas(len(self.steps)), ~self.fixed_now(), self.header["model"]
        ends = free & np.isin(ids, model["stop"])
        if ending := model.get("ending"):
            for at in np.flatnonzero(free & (ids == ending[0])):
                here = slice(at, at + len(ending))
                ends[at] |= free[here].all() and np.array_equal(ids[here], ending)
        return int(np.argmax(ends)) if ends.any() else len(ids)

    def commit_step(self) -> ndarray:
        """Index of the step that last wrote each position of the canvas as it stands now.

        -1 where none did, or it was blanked since.
        """
        at = np.full(self.length, -1)
        for step in self.steps:
            at[step.written], at[step.blanked | (step.copies != 1)] = step.index, -1
            at = at.repeat(step.copies)
        return at

    def masks_left(self) -> list[int]:
        """Masks that may still be written, before the first step and after each one."""
        return list(self._masks)

    def summary(self) -> str:
        """One line for a person: steps, and as far as it was measured forwards, seconds and tokens per forward.

        With them, whether the model approximated.
        """
        if not self.steps:
            return "0 steps"
        last = self.steps[-1]
        tokens = np.count_nonzero(self.commit_step() >= 0)
        cache = self.header.get("cache")
        parts = [f"{len(self.steps)} steps"]
        parts += [f"{last.forwards} forwards"] if last.forwards >= 0 else []
        parts += [f"{last.seconds:.2f} seconds"] if isfinite(last.seconds) else []
        parts += [f"{tokens / last.forwards:.2f} tokens per forward"] if last.forwards >= 0 else []
        parts += [f"approximate: {cache['kind']} cache"] if cache else []
        return ", ".join(parts)

    # -- in notebooks and for other programs; what is needed for it is imported once it is asked for --

    def heatmap(self, measure: "Measure" = "confidence", theme: "Theme" = "light") -> "Figure":
        """Return position by step as a Plotly figure: `measure` is "confidence", "entropy" or "commit"."""
        from dlm_core.figures import heatmap_data, plot_heatmap

        return plot_heatmap(heatmap_data(self, measure), measure, theme).update_traces(hoverinfo="x+y+z")

    def progress(self, theme: "Theme" = "light") -> "Figure":
        """Return masks left and tokens per forward, step by step, as a Plotly figure."""
        from dlm_core.figures import plot_progress, progress_data

        return plot_progress(progress_data(self), theme).update_traces(hoverinfo="x+y+name")

    def step_map(self) -> list[int]:
        """Return the step at which each position of the newest canvas was last written, -1 where none did."""
        return self.commit_step().tolist()

    def to_frame(self) -> "DataFrame":
        """Return a table with one row for each token that a step wrote, in the order of writing.

        Columns: step, forwards, seconds (model time so far), position, token_id, text, confidence, entropy (nats),
        reason, score.  What was not measured is NaN; a reason that was not recorded is None.
        """
        from pandas import DataFrame

        names = (
            "step",
            "forwards",
            "seconds",
            "position",
            "token_id",
            "text",
            "confidence",
            "entropy",
            "reason",
            "score",
        )
        rows = [
            (
                step.index, step.forwards if step.forwards >= 0 else nan,
                step.seconds, at, token, self._token_text(token), float(step.confidence[at]),
                float(step.entropy[at]), None if step.reason[at] == NO_REASON else Reason(step.reason[at]).key,
                float(step.score[at]),
            )
            for step in self.steps
            for at, token in _listed(step.written, step.left).tolist()
        ]  # fmt: skip
        return DataFrame(rows, columns=list(names))

    def _token_text(self, token: int) -> str:
        text = self.pieces.get(token, "")
        return text.decode("utf-8", errors="replace") if isinstance(text, bytes) else text

    def _repr_html_(self) -> str:
        """Return the player with this run, for a notebook: in a frame of its own, which can reach nothing outside."""
        from dlm_core.export import page

        return (
            '<iframe sandbox="allow-scripts allow-downloads" width="100%" height="760" style="border: 0" '
            f'srcdoc="{escape(page(self))}"></iframe>'
        )


def _checked_header(record: dict[str, Any]) -> dict[str, Any]:
    if _run_line_type(record) != "run" or "unmask" not in record:
        raise ValueError("this is not an Unmask run file (its first line is no header)")
    if record["unmask"] not in (1, SCHEMA):
        raise ValueError(f"it has schema {record['unmask']!r}, and this version reads schemas 1 and {SCHEMA}")
    if record["unmask"] == SCHEMA and not all(isinstance(name, str) for name in _require(record, "reasons", list)):
        raise ValueError("the field 'reasons' must hold names")
    _require({"others": {}} | record, "others", dict)
    model = _require(record, "model", dict)
    vocab = _require(model, "vocab_size", int)
    _require(model, "name", str)
    if not all(type(token) is int for token in _require(model, "stop", list)):
        raise ValueError("the field 'stop' must hold token ids")
    if not all(type(token) is int for token in _require({"ending": []} | model, "ending", list)):
        raise ValueError("the field 'ending' must hold token ids")
    if not 1 <= _require({"columns": 1} | model, "columns", int) <= MAX_COLUMNS:
        raise ValueError(f"a grid has 1 to {MAX_COLUMNS} columns, got {model['columns']}")
    if not isinstance(model.get("revision"), (str, type(None))):
        raise ValueError("the field 'revision' must be a string or null")
    _require(model, "mask", (int, type(None)))
    canvas = _require(record, "canvas", list)
    if not 0 < len(canvas) <= MAX_LENGTH:
        raise ValueError(f"a canvas has 1 to {MAX_LENGTH} positions, got {len(canvas)}")
    if not all(type(token) is int and 0 <= token < vocab for token in canvas):
        raise ValueError(f"the canvas must hold token ids below {vocab}")
    for name in ("fixed", "windows"):
        _require(record, name, list)
    for lo, hi in [*_pairs(record, "fixed"), *_pairs(record, "windows")]:
        if not 0 <= lo < hi <= len(canvas):
            raise ValueError(f"the range [{lo}, {hi}] lies outside the canvas of {len(canvas)} positions")
    if not 1 <= _require(record, "top_k", int) <= 100:
        raise ValueError(f"top_k must be between 1 and 100, got {record['top_k']}")
    _require(record, "prompt", str)
    _require(_require(record, "policy", dict), "name", str)
    _require(record, "seed", (int, type(None)))
    _require({"sampler": ""} | record, "sampler", str)
    if "cache" in record:
        _require(_require(record, "cache", dict), "kind", str)
    if "conversation" in record:
        validate(record["conversation"])
    return record


# --- bytes ------------------------------------------------------------------------------------------------------------

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def _text(data: bytes) -> bytes:
    """Return the text of a file in UTF-8; it may be gzipped, and begin with a byte order mark."""
    data = _inflated(data) if data.startswith(_GZIP) else data
    if len(data) > MAX_BYTES:
        raise RunFileError(f"the run file is larger than {MAX_BYTES >> 20} MB of text, which is the limit")
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    text = data[len(mark) :]
    if (encoding := _MARKS.get(mark, "utf-8")) != "utf-8":
        try:  # incrementally: what is cut off in the middle of a character ends before it
            text = codecs.getincrementaldecoder(encoding)().decode(text).encode()
        except UnicodeError as error:
            raise RunFileError(f"the run file is not {encoding.upper()} text, as its first bytes promise") from error
    return text


_GZIP = b"\x1f\x8b"
_PART = 1 << 14  # bytes that zlib is given at once: it copies those that it does not use


def _inflated(data: bytes) -> bytes:
    """Return the text of all members of a gzip, as far as it goes; what follows the last member is ignored."""
    parts, left, at = [], MAX_BYTES + 1, 0
    while left and data.startswith(_GZIP, at):
        member = zlib.decompressobj(wbits=31)
        while left and at < len(data) and not member.eof:
            part = data[at : at + _PART]
            try:
                parts.append(member.decompress(part, left))
            except zlib.error as error:
                raise RunFileError(f"the run file's compression is damaged ({error})") from error
            at += len(part) - len(member.unused_data) - len(member.unconsumed_tail)
            left -= len(parts[-1])
    return b"".join(parts)

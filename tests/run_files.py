"""One list of small run files for both readers, Python's and the page's: what each of them must make of every file."""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from dlm_core.trace import MAX_LENGTH, Trace


class Opens(NamedTuple):
    """A run of so many steps, whole or cut off."""

    steps: int
    whole: bool = True


class Refused(NamedTuple):
    """An error that names the line; None where it is about the file."""

    line: int | None = None


Files = Mapping[str, tuple[bytes, Opens | Refused]]


def text_of(trace: Trace) -> bytes:
    return "".join(line + "\n" for line in trace.lines).encode()


def changed(trace: Trace, number: int, **changes: Any) -> bytes:
    """The text of a run in which a line has other values; None takes one out."""
    lines = [json.loads(line) for line in trace.lines]
    lines[number - 1] = {name: value for name, value in (lines[number - 1] | changes).items() if value is not None}
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def unknown(trace: Trace, number: int, *names: str) -> bytes:
    """The text of a run in which nobody knows some values of a line."""
    lines = [json.loads(line) for line in trace.lines]
    lines[number - 1] |= dict.fromkeys(names)
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def untyped(trace: Trace) -> bytes:
    """The text of a run as it was recorded before lines had types."""
    records = [json.loads(line) for line in trace.lines]
    return "".join(json.dumps({n: v for n, v in record.items() if n != "type"}) + "\n" for record in records).encode()


def backwards(trace: Trace) -> bytes:
    """The text of a run whose lines have their fields in the other order."""
    records = [json.loads(line) for line in trace.lines]
    return "".join(json.dumps(dict(reversed(record.items()))) + "\n" for record in records).encode()


def member(text: bytes, **header: Any) -> bytes:
    """A gzip of one member, with what `gzip` of other systems writes into its header."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", **header) as stream:
        stream.write(text)
    return file.getvalue()


def adorned(text: bytes) -> bytes:
    """A gzip whose header has every field there is: extra, name, comment, and a sum over all of it."""
    head = b"\x1f\x8b\x08\x1e" + b"\0" * 6 + b"\x03\x00abc" + b"a name\0" + b"a comment\0"
    raw = zlib.compressobj(wbits=-15)
    sums = zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    return head + (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") + raw.compress(text) + raw.flush() + sums


def files(trace: Trace) -> Files:
    """Forms and faults of one finished run."""
    return dict(_forms(trace)) | dict(_cuts(trace)) | dict(_faults(trace))


def _forms(trace: Trace) -> Iterator[tuple[str, tuple[bytes, Opens]]]:
    text, packed, steps = text_of(trace), trace.packed(), len(trace.steps)
    head, rest = text.split(b"\n", 1)
    forms = {
        "as it is written": packed,
        "plain": text,
        "stored": gzip.compress(text, compresslevel=0),
        "packed best": gzip.compress(text, compresslevel=9),
        "short blocks": member(text[:40]) + member(text[40:]),
        "a member for every line": b"".join(member(line + b"\n") for line in text.splitlines()),
        "an empty member": member(b"") + packed,
        "with a name and a time": member(text, filename="日本.jsonl", mtime=1e9),
        "with every field of a header": adorned(text),
        "bytes behind the gzip": packed + b"\0\0\0",
        "a note behind the gzip": packed + b"\r\n-- \r\nsent from afar\r\n",
        "half a magic number behind the gzip": packed + b"\x1f",
        "byte order mark": b"\xef\xbb\xbf" + text,
        "byte order mark in a gzip": gzip.compress(b"\xef\xbb\xbf" + text),
        "UTF-16 of little ends": b"\xff\xfe" + text.decode().encode("utf-16-le"),
        "UTF-16 of big ends": b"\xfe\xff" + text.decode().encode("utf-16-be"),
        "PowerShell": b"\xff\xfe" + text.decode().replace("\n", "\r\n").encode("utf-16-le"),
        "CRLF": text.replace(b"\n", b"\r\n"),
        "CRLF and a blank line": text.replace(b"\n", b"\r\n") + b"\r\n",
        "no last newline": text.rstrip(b"\n"),
        "no last newline in a gzip": gzip.compress(text.rstrip(b"\n")),
        "blank last lines": text + b"\n\n",
        "blank first line": b"\n" + text,
        "a blank line behind the first": head + b"\n \t\r\n" + rest,
        "spaces around lines": text.replace(b"\n", b" \t\n  "),
        "only the sum of the gzip is missing": packed[:-8],
        "no line has a type": untyped(trace),
        "some lines have a type": b"".join(untyped(trace).splitlines(True)[:4] + text.splitlines(True)[4:]),
        "fields in another order": backwards(trace),
        "a field that nobody knows": changed(trace, 3, mine={"a": [1.5, None, True]}),
        "a reason that nobody knows": changed(trace, 1, reasons=["quota", *["luck"] * 80]),
        "nothing written in a step": changed(trace, 7, write=None),
        "a seed of 63 bits": changed(trace, 1, seed=2**63 - 1),
        "a seed of another sampler": changed(trace, 1, sampler="generate"),
        "a seed that nobody knows": unknown(trace, 1, "seed"),
        "a step whose seconds nobody knows": unknown(trace, 3, "seconds"),
        "a step whose forwards nobody knows": unknown(trace, 3, "forwards"),
        "an emoji in escapes": changed(trace, 1, prompt="\U0001f44d"),
        "text beside a seed": changed(trace, 1, prompt='"seed": 9007199254740993', seed=5),
        "digits in a text": changed(trace, 3, pieces={"1": " 12345678901234567890", "2": '\\"12345678901234567890'}),
    }
    for name, data in forms.items():
        yield name, (data, Opens(steps))


def _cuts(trace: Trace) -> Iterator[tuple[str, tuple[bytes, Opens | Refused]]]:
    text, packed = text_of(trace), trace.packed()
    lines = text.splitlines(keepends=True)
    wide = b"\xff\xfe" + text.decode().encode("utf-16-le")
    yield "cut behind a step", (b"".join(lines[:4]), Opens(3, whole=False))
    yield "cut before a newline", (b"".join(lines[:4]).rstrip(), Opens(3, whole=False))
    yield "cut in a step", (b"".join(lines[:4]) + lines[4][:50], Opens(3, whole=False))
    yield "cut behind the header", (lines[0], Opens(0, whole=False))
    yield "cut in the header", (lines[0][:50], Refused())
    yield "cut in UTF-16, in a character", (wide[: 2 * len(b"".join(lines[:4])) + 33], Opens(3, whole=False))
    for share in (0.2, 0.5, 0.9, 0.99):
        data = packed[: int(len(packed) * share)]
        got = zlib.decompressobj(wbits=31).decompress(data).count(b"\n")
        yield f"a gzip cut at {share}", (data, Opens(got - 1, whole=False) if got else Refused())
    later = b"".join(lines[:3]), b"".join(lines[3:])
    yield "cut in the second member", (member(later[0]) + member(later[1])[:14], Opens(2, whole=False))
    yield "nothing", (b"", Refused())
    yield "blank lines", (b"\n \r\n\n", Refused())
    yield "a gzip of nothing", (member(b""), Refused())


TYPES = ("noise", "waiting", "Step", "", 5, True, ["step"], {"type": "step"}, "x" * 100_000)
NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 40)


def _faults(trace: Trace) -> Iterator[tuple[str, tuple[bytes, Refused]]]:
    text, packed = text_of(trace), trace.packed()
    lines = text.splitlines(keepends=True)
    vocab, mask, last = trace.header["model"]["vocab_size"], trace.header["model"]["mask"], len(lines)

    def put(number: int, value: str) -> bytes:
        some = list(lines)
        some[number - 1] = some[number - 1].rstrip()[:-1] + b',"more":' + value.encode() + b"}\n"
        return b"".join(some)

    yield "not JSON", (b"hello\n", Refused(1))
    yield "a picture", (b"\x89PNG\r\n\x1a\n....\n", Refused(1))
    yield "another object", (b"{}\n", Refused(1))
    yield "a list", (b"[1]\n", Refused(1))
    yield "null", (b"null\n", Refused(1))
    yield "Latin-1", (text.replace(b'"prompt":""', b'"prompt":"caf\xe9"'), Refused(1))
    yield "half a surrogate pair in UTF-8", (text.replace(b'"prompt":""', b'"prompt":"\xed\xa0\x80"'), Refused(1))
    wide = b"\xff\xfe\x00\xd8a\x00" + text.decode().encode("utf-16-le")
    yield "half a surrogate pair in UTF-16", (wide, Refused())
    yield "junk for a gzip", (b"\x1f\x8b" + b"junk" * 9, Refused())
    yield "a gzip that was changed", (packed[:-6] + b"\0" + packed[-5:], Refused())
    yield "a gzip changed in its middle", (packed[:200] + bytes(40) + packed[240:], Refused())
    yield "a damaged second member", (packed + b"\x1f\x8b" + b"junk" * 9, Refused())
    yield "two runs in one file", (text + text, Refused(last + 1))
    yield "more behind the totals", (text + b"more", Refused(last + 1))
    yield "a line twice", (b"".join([*lines[:3], *lines[2:]]), Refused(4))
    yield "a line behind a blank one is damaged", (b"".join([*lines[:2], b"\n", b"{\n", *lines[2:]]), Refused(4))
    for number in (1, 3, last):
        for value in NUMBERS:
            yield f"{value[:9]} in line {number}", (put(number, value), Refused(number))
        yield f"half a surrogate pair in line {number}", (put(number, '"\\ud83d"'), Refused(number))
        yield f"the other half in a name of line {number}", (put(number, '{"\\udc4d": 1}'), Refused(number))
        yield f"nesting without end in line {number}", (put(number, "[" * 100_000 + "]" * 100_000), Refused(number))
    header = {
        "type": (*TYPES, "step", "end"),
        "unmask": (None, 3, 99, "1"), "canvas": (None, [], [vocab], [-1], [1] * (MAX_LENGTH + 1), ["1"], {}),
        "fixed": (None, [[0, 99]], [[2, 1]], [[0, 1.5]], [1], "ab"), "windows": (None, [[0, 4]] * 10_000),
        "top_k": (0, 101, "5", True), "prompt": (None, 5), "policy": (None, {}, {"name": 5}, [1]),
        "seed": (None, "5", 1.5, True, 2**63), "cache": ({}, 5, {"kind": 1}), "sampler": (5, ["generate"]),
        "conversation": ({}, [{"role": "user"}], [{"role": "user", "content": "x"}], [1], "hi"),
        "model": (
            None, [], {"name": "m", "vocab_size": vocab, "mask": mask}, {"name": "m", "vocab_size": vocab, "stop": []},
            {"name": "m", "vocab_size": vocab, "mask": mask, "stop": [[1]]},
            {"name": 5, "vocab_size": vocab, "mask": mask, "stop": []},
            {"name": "m", "vocab_size": vocab, "mask": "x", "stop": []},
            {"name": "m", "vocab_size": vocab, "mask": mask, "stop": [], "revision": 5},
            {"name": "m", "vocab_size": vocab, "mask": mask, "stop": [], "ending": "x"},
        ),
        "reasons": (None, "quota", [5], [["quota"]], {"quota": 1}), "others": (5, ["surest"]),
        "pieces": ({"1": 5}, {"x": "a"}, {"1": {"hex": "zz"}}, {"1": {"hex": 5}}, {"1": {}}, [1], {"1": "x" * 5000}),
    }  # fmt: skip
    step = {
        "type": (*TYPES, "run", "end"),
        "step": (None, 7, "1", 1.5), "forwards": (None, 0, 1.5, "1", 10**30), "seconds": (None, -1.0, "1", True),
        "window": (None, [1], [0, 99], [2, 1], ["0", "1"]), "measured": (None, "!!", "", 5, "AAAA"),
        "beliefs": (None, "AAAA", "AAA", 5, "!", "/" * 72), "info": ([1], {"quota": "<img src=x>"}, {"quota": True}, 5),
        "write": ("ab", [[1]], [[99, 1]], [[1, vocab]], [[-1, 1]], [[5, 1]] * 10_000, [[True, True]], [[1.5, 1]]),
        "blank": ([[99, 1]], 5), "splice": ([[99, 2]], [[5, MAX_LENGTH + 1]], [[5, MAX_LENGTH]], [[5, 1.5]], [[5, -1]]),
        "score": (
            5, [], ["margin"], ["entropy"], ["confidence", 0, 1], ["confidence", 1], ["margin", 1, 0],
            ["confidence", "0", 1], ["confidence", True, 1], [["confidence"]], [None],
        ),
        "ranked": (None, "AA==", "!!", 5), "others": (5, [1.5], ["1"]), "pieces": header["pieces"],
    }  # fmt: skip
    totals = {"type": (*TYPES, "run", "step"), "end": ("well", 5, ""), "message": ({"<b>": 1}, 5), "text": (5, [])}
    for number, fields in ((1, header), (3, step), (last, totals)):
        for name, values in fields.items():
            for value in values:
                data = changed(trace, number, **{name: value})
                yield f"{name} {json.dumps(value)[:40]} in line {number}", (data, Refused(number))


Reader = Callable[[bytes], tuple[Opens | Refused, str]]


def differing(trace: Trace, read: Reader) -> dict[str, tuple[Any, str]]:
    """The files of which `read` makes something else than it must, with what it makes of them."""
    told = {name: (must, read(data)) for name, (data, must) in files(trace).items()}
    return {name: (must, *made) for name, (must, made) in told.items() if made[0] != must}

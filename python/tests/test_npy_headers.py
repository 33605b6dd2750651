"""Headers of ``.npy`` files in every form that Python's grammar allows: what NumPy reads is read, and to the same array.

``S3DLIO_NPY_HEADERS=100000`` makes so many, ``S3DLIO_NPY_SEED=n`` repeats a run. What NumPy reads and is refused here, within limits that
docs/formats.md names: ``\\N{name}`` escapes, numbers that are not plain decimal digits, parentheses around a value, Python objects, more
than 64 dimensions, types nested more than 32 deep, and of a key that comes twice a first value that is no dtype, order or shape. The
headers made here have none of these.
"""

from __future__ import annotations

import io
import os
import random
import struct
import warnings
from typing import Any

import numpy as np
import pytest

import s3dlio

COUNT = int(os.environ.get("S3DLIO_NPY_HEADERS", "3000"))
SEED = int(os.environ.get("S3DLIO_NPY_SEED", "7"))

URI = "memory://npy-headers/x.npy"

TYPES = ["<f4", ">i8", "|u1", "<U3", "|S5", "<M8[ns]", "|V4", "<c16", "|b1", "i4", "f8"]
NAMES = [
    "a",
    "b c",
    "O",
    "it's",
    'say "x"',
    "back\\slash",
    "é",
    "日本",
    "\U0001f600",
    "tab\there",
    "new\nline",
    "\x01",
    "#no comment",
    "'''",
    "T",
]


class Writer:
    """Python literals, each written in one of the many ways."""

    def __init__(self, chance: random.Random, version: int) -> None:
        self.chance = chance
        self.version = version

    def gap(self) -> str:
        """What may stand between two tokens."""
        return self.chance.choice(["", "", "", " ", "\n", "\t ", " # a comment, with 'quotes' and {\n", "\\\n", "#\n  #\n", "\f", "\r\n"])

    def text(self, value: str) -> str:
        pieces = self.chance.choice([1, 1, 1, 1, 2, 3])
        cuts = sorted(self.chance.randrange(len(value) + 1) for _ in range(pieces - 1))
        parts = [value[a:b] for a, b in zip([0, *cuts], [*cuts, len(value)], strict=True)]
        # two quotes that meet would be the beginning of three
        return (self.gap() or " ").join(self.piece(part) for part in parts)

    def piece(self, value: str) -> str:
        quote = self.chance.choice(["'", '"', "'", "'''", '"""'])
        if self.chance.randrange(4) == 0 and value.isprintable() and not set(value) & {"\\", "'", '"'} and self.fits(value):
            return self.chance.choice("rR") + quote + value + quote
        return self.chance.choice(["", "", "u", "U"]) + quote + "".join(self.character(one) for one in value) + quote

    def fits(self, value: str) -> bool:
        return self.version == 3 or all(ord(one) < 256 for one in value)

    def character(self, one: str) -> str:
        code = ord(one)
        named = {"\n": "\\n", "\t": "\\t", "\\": "\\\\", "'": "\\'", '"': '\\"', "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
        ways = [f"\\U{code:08x}"]
        if code < 1 << 16:
            ways.append(f"\\u{code:04X}")
        if code < 256:
            ways += [f"\\x{code:02x}", f"\\{code:03o}"]
        if one in named:
            ways += [named[one]] * 5
        elif self.fits(one) and code >= 32:
            ways += [one] * 30
            # a line that goes on, and an escape that Python does not know
            ways.append("\\\n" + one)
        return self.chance.choice(ways)

    def joined(self, items: list[str], begin: str, end: str, comma: bool = False) -> str:
        body = "".join(self.gap() + item + self.gap() + ("," if i + 1 < len(items) or comma else "") for i, item in enumerate(items))
        return begin + body + self.gap() + end

    def number(self, value: int) -> str:
        return str(value) + ("L" if self.version < 3 and self.plain_numbers_end and self.chance.randrange(3) == 0 else "")

    #: Python 2's L is filtered out by NumPy with a tokenizer that the newest Pythons' unknown escapes and the like stop.
    plain_numbers_end = False

    def shape(self, dims: tuple[int, ...]) -> str:
        return self.joined(
            [self.number(n) for n in dims], "(", ")", comma=len(dims) == 1 or (len(dims) > 0 and self.chance.randrange(2) == 0)
        )

    def descr(self, depth: int = 0) -> str:
        if depth == 2 or self.chance.randrange(3):
            return self.text(self.chance.choice(TYPES))
        fields = []
        for name in self.chance.sample(NAMES, self.chance.randrange(1, 4)):
            written = self.text(name)
            if self.chance.randrange(5) == 0:
                written = self.joined([self.text("title of " + name), written], "(", ")")
            items = [written, self.descr(depth + 1)]
            if self.chance.randrange(3) == 0:
                items.append(self.shape((2, 3)) if self.chance.randrange(2) else "2")
            fields.append(self.joined(items, "(", ")", comma=self.chance.randrange(4) == 0))
        return self.joined(fields, "[", "]", comma=self.chance.randrange(3) == 0)

    def header(self, dims: tuple[int, ...]) -> str:
        entries = [("descr", self.descr()), ("fortran_order", self.chance.choice(["True", "False"])), ("shape", self.shape(dims))]
        self.chance.shuffle(entries)
        for _ in range(self.chance.choice([0, 0, 0, 1, 2])):
            # of a key that comes again the last value counts; the one before it is of any value
            name = self.chance.choice(["descr", "fortran_order", "shape"])
            other = {"descr": self.descr(), "fortran_order": "True", "shape": self.shape((9,))}[name]
            entries.insert(next(i for i, entry in enumerate(entries) if entry[0] == name), (name, other))
        items = [f"{self.text(name)}{self.gap()}:{self.gap()}{value}" for name, value in entries]
        text = self.joined(items, "{", "}", comma=self.chance.randrange(2) == 0)
        return text + self.chance.choice(["", "\n", " # behind", " # one\n# two\n", "   \n\n"])


def file_of(header: str, version: int, data: bytes) -> bytes:
    text = header.encode("utf-8" if version == 3 else "latin-1")
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def read_by_numpy(data: bytes) -> np.ndarray[Any, Any] | None:
    try:
        return np.load(io.BytesIO(data), allow_pickle=False, max_header_size=1 << 20)  # type: ignore[no-any-return]
    except Exception:
        # whatever it says of what is none
        return None


def read_here(data: bytes) -> np.ndarray[Any, Any] | None:
    s3dlio.put_bytes(URI, data)
    try:
        return s3dlio.load_numpy_array(URI)
    except s3dlio.InvalidDataError:
        return None


@pytest.mark.filterwarnings("ignore")
def test_headers_that_numpy_reads_are_read_to_the_same_array() -> None:
    chance = random.Random(SEED)
    read = 0
    content = bytes(chance.randrange(1, 100) for _ in range(1 << 14))
    for number in range(COUNT):
        version = chance.choice([1, 1, 2, 3])
        header = Writer(chance, version).header(chance.choice([(), (3,), (2, 3), (0, 2), (1, 1, 2)]))
        data = file_of(header, version, content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = read_by_numpy(data)
        if expected is None:
            continue
        read += 1
        found = read_here(data)
        about = f"header {number} of seed {SEED}: {header!r}"
        assert found is not None, about
        assert (found.dtype, found.shape, found.flags.f_contiguous) == (expected.dtype, expected.shape, expected.flags.f_contiguous), about
        assert found.tobytes() == expected.tobytes(), about
    # the reference takes most of them, so the comparison is one
    assert read > 0.6 * COUNT, read


@pytest.mark.filterwarnings("ignore")
def test_headers_with_a_character_changed_are_read_as_by_numpy_or_refused() -> None:
    chance = random.Random(SEED + 1)
    for number in range(COUNT):
        version = chance.choice([1, 3])
        header = Writer(chance, version).header((2,))
        at = chance.randrange(len(header))
        header = (
            header[:at]
            + chance.choice(["", "'", '"', "\\", "\n", "#", "(", ")", "r", "u", "b", ",", "0", "\x00", "O"])
            + header[at + chance.randrange(2) :]
        )
        data = file_of(header, version, bytes(1 << 14))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = read_by_numpy(data)
        found = read_here(data)
        if expected is not None and found is not None:
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape), f"header {number} of seed {SEED}: {header!r}"

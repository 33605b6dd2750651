"""Wrong arguments, one at a time: each gives the status that says so."""

from __future__ import annotations

import ctypes as c
import json
import mmap
from pathlib import Path

from attacks.abi_calls import (
    BUFFERS,
    CALLED,
    CLOSED,
    END,
    INVALID,
    LETS_GO,
    NOT_FOUND,
    NOUNS,
    OK,
    call,
    expect,
    finish,
    good,
    is_pointer,
    last_message,
    names_of,
    one_of_each,
    opened,
)
from attacks.abi_inputs import BAD_ARRAYS, BAD_JSON, BAD_TENSORS, BAD_UTF8
from s3dlio._core import _native

#: Pointers that may be null with a meaning of their own.
OPTIONAL = {
    ("object_get_range_begin", "data"), ("table_lookup", "out_found"), ("table_lookup_begin", "out_found"),
    ("table_checkpoints_begin", "uri"),
}  # fmt: skip
#: Functions that take so many keys and no length beside them to compare.
COUNTED = ("table_contains", "table_delete_begin", "table_prefetch_begin")
NOT_DIRECTORY = 16
HUGE = [2**63 - 1, 2**63, 2**64 - 1, 2**56 + 1]


def nulls(folder: Path) -> None:
    ids = one_of_each(folder)
    for function, kinds in _native._FUNCTIONS.items():
        nothing = [None if is_pointer(kind) else 0 for kind in kinds]
        expect({OK} if function in LETS_GO else {INVALID}, function, *nothing)
        if function in LETS_GO:
            continue
        names = names_of(function)
        for at, kind in enumerate(kinds):
            if not is_pointer(kind):
                continue
            arguments = good(function, ids)
            arguments[at] = None
            status = finish(function, arguments, call(function, *arguments))
            optional = names[at] == "options_json" or (function, names[at]) in OPTIONAL
            allowed = {OK, INVALID, END} if optional else {INVALID}
            if optional and function == "log_open_store_begin":
                # the key that the others use is no log's
                allowed |= {NOT_FOUND}
            if optional and function == "table_checkpoint_begin":
                # an object has the key that checkpoints would lie below
                allowed |= {NOT_DIRECTORY}
            assert status in allowed, f"{function} without {names[at]} gave {status}: {last_message()}"
    # the functions that a header test holds equal to the library's exports; those left out take no argument or nothing but memory
    assert {name for name, kinds in _native._FUNCTIONS.items() if kinds} <= CALLED


def ids(folder: Path) -> None:
    real = one_of_each(folder)
    spent = one_of_each(folder / "spent")
    for noun, number in spent.items():
        for _ in range(2):
            expect({OK}, f"{noun}_free" if noun in ("op", "buffer") else f"{noun}_close", number)
    for function in _native._FUNCTIONS:
        if function in ("last_error", "store_open"):
            continue
        names = names_of(function)
        for at, name in enumerate(names):
            if name not in NOUNS:
                continue
            noun = NOUNS[name]
            strangers = [number for other, number in real.items() if other != noun]
            cases = [(0, {OK} if function in LETS_GO else {INVALID}), (spent[noun], {OK} if function in LETS_GO else {CLOSED})]
            cases += [(number, {INVALID}) for number in [*strangers, 2**32, 2**63, 2**64 - 1]]
            for number, allowed in cases:
                arguments = good(function, real)
                arguments[at] = number
                status = finish(function, arguments, call(function, *arguments))
                assert status in allowed, f"{function} with {name}={number} gave {status}, expected {allowed}: {last_message()}"
    # those that were passed where they do not belong still work
    assert call("op_wait", real["op"], 0) == OK
    assert call("list_next", real["list"], c.byref(_native._Entry(struct_size=c.sizeof(_native._Entry)))) == OK


def lengths(folder: Path) -> None:
    real = one_of_each(folder)
    long_key = b"k" * 65_537
    for function in _native._FUNCTIONS:
        names = names_of(function)
        for at, name in enumerate(names):
            if name in ("key_length", "source_key_length", "path_length", "prefix_length"):
                wrong = [65_537, *HUGE]
            elif name in ("count", "object_count", "rank"):
                wrong = [*([] if function in COUNTED else [1_000_001]), 2**31, 2**32, *HUGE]
            elif name in ("length", "capacity", "tensor"):
                wrong = HUGE
            elif name == "offset":
                wrong = [17, 2**40, 2**63 - 1, 2**63, 2**64 - 1]
            else:
                continue
            for value in wrong:
                arguments = good(function, real)
                arguments[at] = value
                if name.endswith(("key_length", "path_length", "prefix_length")):
                    arguments[at - 1] = long_key
                status = finish(function, arguments, call(function, *arguments))
                assert status == INVALID, f"{function} with {name}={value} gave {status}: {last_message()}"
    # two pieces, each possible, that together are not
    halves = (_native._Segment * 2)(
        _native._Segment(_native._SEGMENT_SIZE, 0, c.addressof(BUFFERS["data"]), 2**55 + 1),
        _native._Segment(_native._SEGMENT_SIZE, 0, c.addressof(BUFFERS["data"]), 2**55),
    )
    expect({INVALID}, "object_put_begin", real["store"], b"k", 1, halves, 2, None, c.byref(c.c_uint64()))
    # a range that is possible and beyond the object
    expect({INVALID}, "object_get_range", real["store"], b"k", 1, 8, 9, BUFFERS["data"])
    expect({INVALID}, "object_get_range", real["store"], b"k", 1, 16, 2**50, BUFFERS["data"])


def text(folder: Path) -> None:
    real = one_of_each(folder)
    memory = opened(b"memory://text")
    for function in _native._FUNCTIONS:
        names = names_of(function)
        for at, name in enumerate(names):
            is_key = name in ("key", "source_key", "path", "prefix") and names[at + 1].endswith("_length")
            if is_key:
                wrong = [*BAD_UTF8, b"a\0b", b"\0"]
            elif name == "uri":
                wrong = [*BAD_UTF8, b"", b"nowhere://x", b"memory://", b"file://relative/path", b"direct://"]
            elif name.endswith("_json"):
                wrong = [*BAD_UTF8, *BAD_JSON]
            elif name == "program":
                wrong = [*BAD_UTF8, b"relative/path"]
            else:
                continue
            for value in wrong:
                arguments = good(function, real)
                arguments[at] = value
                if is_key:
                    arguments[at + 1] = len(value)
                    # names of local files are bytes
                    arguments[at - 1] = memory if value in BAD_UTF8 else arguments[at - 1]
                elif name == "uri" and value in BAD_UTF8:
                    arguments[at] = b"memory://" + value
                status = finish(function, arguments, call(function, *arguments))
                assert status == INVALID, f"{function} with {name}={value[:80]!r} gave {status}: {last_message()[:500]}"
    for description in BAD_ARRAYS:
        arguments = good("array_save_begin", real)
        arguments[3] = json.dumps(description).encode()
        assert finish("array_save_begin", arguments, call("array_save_begin", *arguments)) == INVALID, description
    for tensor in BAD_TENSORS:
        arguments = good("tensors_save_begin", real)
        arguments[3] = json.dumps({"tensors": [tensor]}).encode()
        assert finish("tensors_save_begin", arguments, call("tensors_save_begin", *arguments)) == INVALID, tensor
    _text_before_nothing()
    _hostile_patterns(real["store"])
    _endless_words()


def _text_before_nothing() -> None:
    """A text whose NUL is the last byte before memory that is not there."""
    page = mmap.PAGESIZE
    pages = mmap.mmap(-1, 2 * page)
    start = c.addressof(c.c_char.from_buffer(pages))
    assert c.CDLL(None, use_errno=True).mprotect(c.c_void_p(start + page), c.c_size_t(page), 0) == 0
    for value in (b"memory://edge", b"m", b"memory://" + b"e" * 200):
        at = start + page - len(value) - 1
        c.memmove(at, value + b"\0", len(value) + 1)
        call("store_open", c.cast(at, c.c_char_p), None, c.byref(c.c_uint64()))


def _hostile_patterns(store: int) -> None:
    for pattern in [
        "(" * 2000 + "a" + ")" * 2000,
        "(a*)*" * 200,
        "(((a{1000}){1000}){1000})",
        "(a|aa)+$" * 10,
        "[" + "\\w" * 1500 + "]",
        "(?:" * 1300 + ")" * 1300,
    ]:
        cursor = c.c_uint64(0)
        if expect({OK, INVALID}, "list_open", store, b"", 0, json.dumps({"pattern": pattern}).encode(), c.byref(cursor)) == OK:
            entry = _native._Entry(struct_size=c.sizeof(_native._Entry))
            while expect({OK, END, INVALID}, "list_next", cursor, c.byref(entry)) == OK:
                pass
            expect({OK}, "list_close", cursor)


def _endless_words() -> None:
    """The words of an error have an end, whatever the caller wrote, and no NUL before it."""
    store = opened(b"memory://" + b"n" * 20_000_000)
    expect({NOT_FOUND}, "object_delete", store, b"k", 1)
    assert 16_000 < len(last_message()) < 17_000
    expect({INVALID}, "object_put", opened(b"memory://words"), b"k", 1, b"x", 1, b'{"a\\u0000b":1}')
    assert "known:" in last_message()


def structs(folder: Path) -> None:
    real = one_of_each(folder)
    for function in _native._FUNCTIONS:
        probe = good(function, real)
        if not probe or not hasattr(getattr(probe[-1], "contents", None), "struct_size"):
            continue
        size = probe[-1].contents.struct_size
        # the oldest callers' error ends before the reason, their result before the events
        oldest = {
            "last_error": _native._Error.reason.offset,
            "op_result": _native._Result.events.offset,
            "op_peek": _native._Result.events.offset,
        }
        least = oldest.get(function, size)
        for wrong in (0, 1, least - 1):
            arguments = good(function, real)
            arguments[-1].contents.struct_size = wrong
            expect({INVALID}, function, *arguments)
        for right in (size, size + 8, 2**32 - 1):
            # room behind the struct, as a newer caller has
            room = (type(probe[-1].contents) * 2)()
            room[0].struct_size = right
            expect({OK, END}, function, *probe[:-1], c.byref(room[0]))
            assert bytes(room)[size:] == bytes(size), f"{function} wrote beyond its struct"

"""Writes the asyncio functions and the methods of stores as text, from the blocking functions, so that every editor shows them.

    python3 python/generate.py

A test runs it and compares; the files are not edited by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
#: Characters of a line, as pyproject.toml says.
WIDTH = 140
sys.path.insert(0, str(HERE))

import s3dlio  # noqa: E402
from s3dlio import (  # noqa: E402
    _arrays,
    _bulk,
    _containers,
    _list,
    _objects,
    _reader,
    _stats,
    _tensors,
    _whole,
    checkpoint,
)

OBJECTS: dict[types.ModuleType, str] = {
    _objects: "put get get_range get_ranges put_file get_file exists stat delete copy move mkdir",
    _list: "list list_stream",
    _bulk: "get_many put_many stat_many upload download",
    _whole: "save load",
    _arrays: "save_numpy_array load_numpy_array",
    _tensors: "save_tensors load_tensors open_tensors",
    _stats: "stats",
}
ADMIN = {_containers: "create_bucket delete_bucket list_containers presign list_uploads abort_uploads"}
CHECKPOINT = {checkpoint: "save load latest list validate prune"}
#: Methods of a store: what its first argument is called, and whether it is optional.
METHODS: dict[types.ModuleType, str] = {
    _objects: "put get get_range get_ranges put_file get_file exists stat delete copy move mkdir",
    _list: "list list_stream",
    _reader: "open",
    _bulk: "get_many put_many stat_many upload download",
    _whole: "save load",
    _arrays: "save_numpy_array load_numpy_array",
    _tensors: "save_tensors load_tensors open_tensors",
    _containers: "list_uploads abort_uploads presign",
}
PREFIXES = {"exists": "key", "list": "prefix", "list_stream": "prefix", "list_uploads": "prefix", "abort_uploads": "prefix"}
#: Arguments that hold many of them: how a method calls each, its type, and what is passed on.
MANY = {
    "uris": ("keys", "Iterable[str]", "_bulk.keys_at(self._at, keys)"),
    "items": ("items", "Iterable[tuple[str, Any]]", "_bulk.items_at(self._at, items)"),
}
ADDRESSES = {"uri", "src", "dst", "dest_prefix", "src_uri"}

IMPORTS = """from __future__ import annotations

import builtins
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np

"""
TYPES = """from {dots}_core._address import Address
from {dots}_arrays import Array
from {dots}_core._calls import awaited, awaited_each
from {dots}_objects import Buffer, Verify
from {dots}_core._options import StorageOptions
from {dots}_core._progress import Progress
from {dots}_reader import Decompress, ObjectReader, READ_AHEAD
from {dots}_core._results import ObjectMeta, WriteResult
from {dots}_stats import StoreStats
from {dots}_tensors import Framework, TensorFile
from {dots}_core._view import BytesView
from {dots}_whole import Format
from {dots}_writer import ObjectWriter
"""
CANCEL = "Cancelling the task cancels the operation and waits until its buffers are free, one second at most where the system holds it."


def annotation(text: Any) -> str:
    """An annotation as the generated modules can resolve it, where ``list`` is a function."""
    return re.sub(r"(?<![\w.])list\[", "builtins.list[", str(text))


def parameters(function: Any, key: str | None = None) -> tuple[list[str], list[str], dict[str, str]]:
    """The parameters as text, the arguments of a call with them, and how those with addresses are called.

    ``key`` is for methods of stores.
    """
    shown, passed, renamed = [], [], {}
    starred = False
    for one in inspect.signature(function).parameters.values():
        name, kind = one.name, annotation(one.annotation)
        if key is not None and name == "storage_options":
            continue
        default = "" if one.default is inspect.Parameter.empty else f" = {one.default!r}"
        if key is not None and name in ADDRESSES:
            new = key if name in ("uri", "src_uri") else {"dest_prefix": "prefix"}.get(name, name)
            renamed[name], kind = new, "str"
            default = ' = ""' if function.__name__ in PREFIXES else ""
        many = MANY.get(name) if key is not None else None
        if many is not None:
            renamed[name], kind, value = many
            shown.append(f"{many[0]}: {kind}{default}")
            passed.append(value)
            continue
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        told = renamed.get(name, name)
        shown.append(f"{told}: {kind}{default.replace(repr(_reader.READ_AHEAD), 'READ_AHEAD') if name == 'buffering' else default}")
        value = f"self._at({told})" if name in renamed else told
        passed.append(f"{name}={value}" if starred else value)
    # as the formatter has it
    return [one.replace("'", '"') for one in shown], passed, renamed


def docstring(function: Any, indent: str, renamed: dict[str, str] | None = None) -> str:
    """The function's docstring less its example; of a method with keys for addresses."""
    text = re.sub(r"\n\s*Example:\n.*", "\n", inspect.cleandoc(function.__doc__), flags=re.S).rstrip()
    if renamed is not None:
        text = re.sub(r"\n    storage_options: .*?(?=\n    \w+: |\n\n|\Z)", "", text, flags=re.S)
        for old, new in renamed.items():
            text = re.sub(rf"^    {old}: ", f"    {new}: ", text, flags=re.M)
            text = (
                text.replace("``(uri, ", "``(key, ").replace(f"``{old}``", f"``{new}``").replace("Which, of any stores.", "Which.")
                if old in MANY
                else text
            )
    lines = reflowed(text.split("\n"), WIDTH - len(indent))
    return (
        "\n".join([f'{indent}"""{lines[0]}', *(f"{indent}{line}" if line else "" for line in lines[1:]), f'{indent}"""'])
        if len(lines) > 1
        else f'{indent}"""{text}"""'
    )


def reflowed(lines: list[str], width: int) -> list[str]:
    """A docstring's lines where lines that are too long go on in the next one of their paragraph."""
    made, left, depth = lines[:1], "", 0
    for line in [*lines[1:], ""]:
        indent = len(line) - len(line.lstrip())
        if left and line.strip() and indent == depth and not re.match(r"\w+: ", line.strip()):
            line, left = f"{' ' * depth}{left} {line.strip()}", ""
        elif left:
            made.append(" " * depth + left)
            left = ""
        if len(line) > width:
            # an entry of a list goes on deeper, what follows one does not
            depth = indent + 4 if indent == 4 and re.match(r"[\w*]+: ", line.strip()) else indent
            line, left = line[: line.rindex(" ", 0, width + 1)], line[line.rindex(" ", 0, width + 1) + 1 :]
        made.append(line)
    return made[:-1]


def call(head: str, callee: str, arguments: Sequence[str], indent: str) -> str:
    """A call as the formatter breaks it: in one line, with its arguments in the next, or with a line for each."""
    inner = indent + "    "
    whole = ", ".join(arguments)
    if len(f"{indent}{head}{callee}({whole})") <= WIDTH - (1 if head.startswith("async for") else 0):
        return f"{head}{callee}({whole})"
    if len(inner + whole) <= WIDTH:
        return f"{head}{callee}(\n{inner}{whole}\n{indent})"
    return f"{head}{callee}(\n" + "".join(f"{inner}{one},\n" for one in arguments) + f"{indent})"


def definition(head: str, shown: list[str], returns: str, doc: str, body: str, indent: str = "") -> str:
    """One function."""
    inner = indent + "    "
    return f"{indent}{head}(\n" + "".join(f"{inner}{one},\n" for one in shown) + f"{indent}) -> {returns}:\n{doc}\n{inner}{body}\n"


def overloads(shown: list[str], reader: str, writer: str, indent: str = "") -> str:
    """What ``open`` gives by its mode."""
    made = []
    for mode, returns in (
        ('Literal["rb", "br"] = "rb"', reader),
        ('Literal["wb", "xb", "bw", "bx"]', writer),
        ("str", f"{reader} | {writer}"),
    ):
        inner = "".join(f"{indent}    {re.sub(r'^mode: .*', 'mode: ' + mode, one)},\n" for one in shown)
        made.append(f"{indent}@overload\n{indent}def open(\n{inner}{indent}) -> {returns}: ...\n")
    return "".join(made)


def functions(group: dict[types.ModuleType, str], called: str) -> str:
    """The coroutines of some modules' functions."""
    made = []
    for module, names in group.items():
        where = module.__name__.rpartition(".")[2]
        where = f"_{where}" if where == "checkpoint" else where
        for name in names.split():
            function = getattr(module, name)
            shown, passed, _ = parameters(function)
            returns = annotation(inspect.signature(function).return_annotation)
            given = [f'"{called}.{name}"', f"{where}.{name}", *passed]
            if name == "list_stream":
                made.append(
                    definition(
                        f"async def {name}",
                        shown,
                        returns,
                        docstring(function, "    "),
                        f"{call('async for item in ', 'awaited_each', given, '    ')}:\n        yield item",
                    )
                )
            else:
                made.append(
                    definition(
                        f"async def {name}", shown, returns, docstring(function, "    "), call("return await ", "awaited", given, "    ")
                    )
                )
    return "\n\n".join(made)


def exported(group: dict[types.ModuleType, str], *others: str) -> str:
    """The list of a generated module's names, and what ``dir`` shows."""
    names = sorted([name for named in group.values() for name in named.split()] + list(others))
    apart = [] if len(group) == 1 else ["list", "open"]
    told = "__all__ = [\n" + "".join(f'    "{name}",\n' for name in names if name not in apart) + "]\n"
    shown = "__all__" if not apart else f"[*__all__, {', '.join(map(repr, apart))}]".replace("'", '"')
    return told + f"\n\ndef __dir__() -> builtins.list[str]:\n    return sorted({shown})\n"


def modules(group: dict[types.ModuleType, str]) -> str:
    """What a generated module imports."""
    return ", ".join(sorted(module.__name__.rpartition(".")[2] for module in group))


def used(text: str) -> str:
    """The module less the imports that it does not need."""
    head, _, body = text.partition("\n#---\n")
    lines = []
    for line in head.split("\n"):
        match = re.match(r"((?:from \S+ )?import )(.*)", line)
        if match and "__future__" not in line and "(" not in line:
            names = [one for one in match[2].split(", ") if re.search(rf"\b{re.escape(one.rpartition(' as ')[2])}\b", body)]
            if not names:
                continue
            line = match[1] + ", ".join(names)
        lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n\n" + body


def aio() -> dict[str, str]:
    """The files of ``s3dlio.aio``."""
    note = "written by python/generate.py"
    shown, passed, _ = parameters(s3dlio.compat.open_async)
    opening = overloads(shown, "Opening[AsyncObjectReader]", "Opening[AsyncObjectWriter]") + definition(
        "def open", shown, "Any", docstring(s3dlio.compat.open_async, "    "), call("return ", "open_async", passed, "    ")
    )
    head = f'''"""The functions of s3dlio for asyncio, under the same names; {note}.

{textwrap.fill(f"Nothing here takes a thread, and thousands may be under way at once. {CANCEL}", WIDTH)}

Example:
    >>> import asyncio
    >>> from s3dlio import aio
    >>> async def main() -> bytes:
    ...     await aio.put("memory://doc/aio", b"123456789")
    ...     return bytes(await aio.get_range("memory://doc/aio", 2, 3))
    >>> asyncio.run(main())
    b'345'
"""

'''
    top = (
        IMPORTS
        + f"from .. import {modules(OBJECTS)}\nfrom .._open_async import AsyncObjectReader, AsyncObjectWriter, Opening, open_async\n"
        + TYPES.format(dots="..")
        + "from . import admin as admin\nfrom . import checkpoint as checkpoint\n\n#---\n"
    )
    files = {
        "aio/__init__.py": head
        + used(top + exported(OBJECTS, "admin", "checkpoint") + "\n\n" + functions(OBJECTS, "aio") + "\n\n" + opening),
        "aio/admin.py": f'"""The functions of :mod:`s3dlio.admin` for asyncio; {note}."""\n\n'
        + used(
            IMPORTS
            + f"from .. import {modules(ADMIN)}\n"
            + TYPES.format(dots="..")
            + "\n#---\n"
            + exported(ADMIN)
            + "\n\n"
            + functions(ADMIN, "aio.admin")
        ),
    }
    kinds = (
        "from .._checkpoints._state import Gather\nfrom .._core._dtypes import Casting\nfrom ..checkpoint import Checkpoint, "
        "CheckpointInfo, IntegrityReport, OnDamage, PruneReport\n"
    )
    files["aio/checkpoint.py"] = f'"""The functions of :mod:`s3dlio.checkpoint` for asyncio; {note}."""\n\n' + used(
        IMPORTS
        + "from .. import checkpoint as _checkpoint\n"
        + TYPES.format(dots="..")
        + kinds
        + "\n#---\n"
        + exported(CHECKPOINT)
        + "\n\n"
        + functions(CHECKPOINT, "aio.checkpoint")
    )
    return files


def store() -> dict[str, str]:
    """The methods of stores."""
    blocking, coroutines = [], []
    for module, names in METHODS.items():
        where = module.__name__.rpartition(".")[2]
        for name in names.split():
            function = getattr(module, name)
            shown, passed, renamed = parameters(function, PREFIXES.get(name, "key"))
            returns = annotation(inspect.signature(function).return_annotation)
            doc = docstring(function, "        ", renamed)
            given_kinds = overloads(["self", *shown], "ObjectReader", "ObjectWriter", "    ") if name == "open" else ""
            blocking.append(
                given_kinds
                + definition(f"def {name}", ["self", *shown], returns, doc, call("return ", f"{where}.{name}", passed, "        "), "    ")
            )
            given = [f'"Store.aio.{name}"', f"{where}.{name}", *passed]
            if name == "open":
                kinds = parameters(s3dlio.compat.open_async, "key")
                opened = docstring(s3dlio.compat.open_async, "        ", kinds[2])
                coroutines.append(
                    overloads(["self", *kinds[0]], "Opening[AsyncObjectReader]", "Opening[AsyncObjectWriter]", "    ")
                    + definition(
                        "def open", ["self", *kinds[0]], "Any", opened, call("return ", "open_async", kinds[1], "        "), "    "
                    )
                )
            elif name == "list_stream":
                coroutines.append(
                    definition(
                        f"async def {name}",
                        ["self", *shown],
                        returns.replace("Iterator", "AsyncIterator").replace("AsyncAsync", "Async"),
                        doc,
                        f"{call('async for item in ', 'awaited_each', given, '        ')}:\n            yield item",
                        "    ",
                    )
                )
            else:
                coroutines.append(
                    definition(
                        f"async def {name}", ["self", *shown], returns, doc, call("return await ", "awaited", given, "        "), "    "
                    )
                )
    blocked = "\n".join(blocking).replace("-> AsyncIterator[", "-> Iterator[")
    top = (
        IMPORTS
        + f"from . import {modules(METHODS)}\nfrom ._open_async import AsyncObjectReader, AsyncObjectWriter, Opening, open_async\n"
        + TYPES.format(dots=".")
        + "\n#---\n"
    )
    body = f'''
class StoreMethods:
    """The functions of this package for keys; see :class:`s3dlio.Store`."""

    def _at(self, key: str) -> Address:
        raise NotImplementedError

{blocked}

class AsyncStore:
    """The methods of a store as coroutines; see :attr:`s3dlio.Store.aio`."""

    def __init__(self, store: StoreMethods) -> None:
        self._store = store

    def _at(self, key: str) -> Address:
        return self._store._at(key)

    def __repr__(self) -> str:
        return f"{{self._store!r}}.aio"

''' + "\n".join(coroutines)
    return {
        "_store_methods.py": '"""The methods of stores, blocking and for asyncio; written by python/generate.py."""\n\n' + used(top + body)
    }


def files() -> dict[str, str]:
    """What is generated, by its path in the package."""
    return {**aio(), **store()}


if __name__ == "__main__":
    for name, text in files().items():
        target = HERE / "s3dlio" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(target)

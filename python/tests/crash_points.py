"""What a power cut may leave of a traced program's work on files: every moment, with every outcome of what was not flushed.

The model is that of POSIX, not of one file system: bytes and attributes of a file are there after a crash when the file was flushed after
they were written, a name when its directory was flushed after it was given or taken. Of all the rest any part may be there or not.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3dlio.errors import S3dlioError

CALLS = (
    "openat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,fsync,fdatasync,"
    "pwrite64,write,pwritev,pwritev2,writev,ftruncate,fallocate,fsetxattr,link,linkat,symlink,copy_file_range"
)
#: Calls of which the model knows nothing; the work that is looked at makes none.
UNKNOWN = ("link", "linkat", "symlink", "copy_file_range", "pwritev2")
#: What a device writes whole or not at all.
SECTOR = 512
#: Of what is done to a file's content and attributes.
CONTENT = ("write", "length", "room", "hole", "attribute")
_LINE = re.compile(r"^(\d+)\s+(.*)$", re.S)
_BYTE = re.compile(r"\\x([0-9a-f]{2})")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE = re.compile(r"\b\d+<((?:\\x[0-9a-f]{2})*)>")


def _bytes(text: str) -> bytes:
    return bytes(int(found, 16) for found in _BYTE.findall(text))


@dataclass(frozen=True)
class Step:
    """One thing that was done: to a file's content (``inode``) or to names."""

    kind: str
    inode: int = -1
    path: str = ""
    to: str = ""
    at: int = 0
    data: bytes = b""
    length: int = 0

    def directories(self) -> set[str]:
        """The directories whose names it changes."""
        return {os.path.dirname(path) for path in (self.path, self.to) if path}


@dataclass
class File:
    """Content and attributes."""

    data: bytearray = field(default_factory=bytearray)
    attributes: dict[str, bytes] = field(default_factory=dict)

    def apply(self, step: Step, part: int | None = None) -> None:
        """Does one step, or the first so many bytes of it."""
        if step.kind == "write":
            data = step.data if part is None else step.data[:part]
            if len(self.data) < step.at + len(data):
                self.data.extend(bytes(step.at + len(data) - len(self.data)))
            self.data[step.at : step.at + len(data)] = data
        elif step.kind == "room":
            self.data.extend(bytes(max(0, step.at - len(self.data))))
        elif step.kind == "hole":
            end = min(len(self.data), step.at + step.length)
            self.data[step.at : end] = bytes(max(0, end - step.at))
        elif step.kind == "length":
            del self.data[step.at :]
            self.data.extend(bytes(step.at - len(self.data)))
        elif step.kind == "attribute":
            self.attributes[step.path] = step.data

    def tear(self, step: Step, chance: random.Random) -> None:
        """Does a write whose sectors of 512 bytes are there or not, each by chance."""
        for at in range(step.at // SECTOR * SECTOR, step.at + len(step.data), SECTOR):
            if chance.random() < 0.5:
                first, last = max(at, step.at), min(at + SECTOR, step.at + len(step.data))
                self.apply(Step("write", at=first, data=step.data[first - step.at : last - step.at]))


@dataclass
class Image:
    """A tree of files."""

    names: dict[str, int] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    files: dict[int, File] = field(default_factory=dict)

    @staticmethod
    def of(root: Path) -> Image:
        """That of a folder as it is."""
        made = Image()
        for folder, _, names in os.walk(root):
            made.folders.add(folder)
            for name in names:
                path = os.path.join(folder, name)
                inode = len(made.files)
                made.names[path] = inode
                attributes = {one: os.getxattr(path, one) for one in os.listxattr(path)}
                made.files[inode] = File(bytearray(Path(path).read_bytes()), attributes)
        return made

    def copy(self) -> Image:
        """A copy that may be changed."""
        files = {inode: File(bytearray(file.data), dict(file.attributes)) for inode, file in self.files.items()}
        return Image(dict(self.names), set(self.folders), files)

    def apply(self, step: Step) -> None:
        """Does one step to names."""
        if step.kind == "create":
            self.names[step.path] = step.inode
            self.files.setdefault(step.inode, File())
        elif step.kind == "rename":
            self.names.pop(step.path, None)
            self.names[step.to] = step.inode
            self.files.setdefault(step.inode, File())
        elif step.kind == "unlink":
            self.names.pop(step.path, None)
        elif step.kind == "mkdir":
            self.folders.add(step.path)
        elif step.kind == "rmdir":
            self.folders.discard(step.path)

    def write(self, root: Path) -> None:
        """Makes the folder what the image says. What lies in a directory that is not there is not there."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        top = str(root)
        for folder in sorted(self.folders):
            if folder == top or os.path.isdir(os.path.dirname(folder)):
                os.makedirs(folder, exist_ok=True)
        for path, inode in self.names.items():
            if os.path.isdir(os.path.dirname(path)):
                Path(path).write_bytes(self.files[inode].data)
                for name, value in self.files[inode].attributes.items():
                    os.setxattr(path, name, value)


def traced(root: Path, program: str, log: Path, environment: dict[str, str]) -> list[Step] | str:
    """The steps of a program's work below a folder; why it cannot be traced."""
    before = Image.of(root)
    command = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", log, sys.executable, "-c", program, root]
    ran = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment}
    )
    if ran.returncode != 0 and ("PTRACE" in ran.stderr or "Operation not permitted" in ran.stderr):
        return f"strace may not trace here: {ran.stderr.strip()}"
    assert ran.returncode == 0, ran.stderr
    return list(_steps(root, before, log.read_text(errors="replace").splitlines()))


def _calls(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Name, arguments and result of each call, where it ended."""
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        process, text = found.groups()
        if text.endswith("<unfinished ...>"):
            begun[process] = text[: -len("<unfinished ...>")]
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>", text)
        if resumed is not None:
            text = begun.pop(process, "") + text[resumed.end() :]
        call = re.match(r"(\w+)\((.*)\)\s+=\s+(-?\d+.*)$", text, re.S)
        if call is not None:
            yield call.groups()  # type: ignore[misc]


def _steps(root: Path, before: Image, lines: list[str]) -> Iterator[Step]:
    names, folders = dict(before.names), set(before.folders)
    top, count = str(root), len(before.files)
    # a descriptor's path is what its file is called now, or was before it was deleted
    for name, arguments, result in _calls(lines):
        if result.startswith("-"):
            continue
        texts = [os.fsdecode(_bytes(one)) for one in _TEXT.findall(arguments)]
        opened = [os.fsdecode(_bytes(one)).removesuffix(" (deleted)") for one in _FILE.findall(arguments)]
        if name in ("openat", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"):
            base = opened[0] if opened and not arguments.startswith("AT_FDCWD") else os.getcwd()
            paths = [os.path.normpath(os.path.join(base, text)) for text in texts]
            if not paths or not any(path.startswith(top + "/") for path in paths):
                continue
            path = paths[0]
            if name == "openat":
                if "O_CREAT" in arguments and path not in names:
                    names[path], count = count, count + 1
                    yield Step("create", names[path], path)
                elif "O_TRUNC" in arguments:
                    yield Step("length", names[path], at=0)
            elif name in ("mkdir", "mkdirat"):
                folders.add(path)
                yield Step("mkdir", path=path)
            elif name == "rmdir" or "AT_REMOVEDIR" in arguments:
                folders.discard(path)
                yield Step("rmdir", path=path)
            elif name.startswith("unlink"):
                yield Step("unlink", names.pop(path), path)
            else:
                names[paths[1]] = names.pop(path)
                yield Step("rename", names[paths[1]], path, paths[1])
            continue
        path = opened[0] if opened else ""
        if path in folders:
            if name in ("fsync", "fdatasync"):
                yield Step("sync", path=path)
            continue
        if path not in names:
            continue
        inode = names[path]
        assert name not in UNKNOWN, f"{name} is not known to the model"
        if name in ("fsync", "fdatasync"):
            yield Step("flush", inode)
        elif name == "ftruncate":
            yield Step("length", inode, at=int(arguments.rsplit(",", 1)[1]))
        elif name == "fallocate":
            _, mode, at, length = arguments.rsplit(", ", 3)
            if "PUNCH_HOLE" in mode:
                yield Step("hole", inode, at=int(at), length=int(length))
            elif mode == "0":
                yield Step("room", inode, at=int(at) + int(length))
        elif name == "fsetxattr":
            values = _TEXT.findall(arguments)
            yield Step("attribute", inode, path=os.fsdecode(_bytes(values[0])), data=_bytes(values[1]) if len(values) > 1 else b"")
        elif name in ("pwrite64", "pwritev"):
            data = b"".join(_bytes(one) for one in _TEXT.findall(arguments))[: int(result.split()[0])]
            yield Step("write", inode, at=int(arguments.rsplit(",", 1)[1]), data=data)
        elif name in ("write", "writev"):
            raise AssertionError("a write without a place")


def outcomes(before: Image, steps: list[Step], done: int, most: int, chance: random.Random) -> Iterator[Image]:
    """What may be there when the power went after so many steps: all, nothing, and others by chance where they are too many."""
    happened = steps[:done]
    certain = before.copy()
    pending: list[Step] = []
    for i, step in enumerate(happened):
        if step.kind in ("flush", "sync"):
            continue
        later = happened[i + 1 :]
        if step.kind in CONTENT:
            kept = any(one.kind == "flush" and one.inode == step.inode for one in later)
        else:
            # a rename between directories is one step: each of the two brings it
            kept = any(one.kind == "sync" and one.path in step.directories() for one in later)
        if kept:
            _do(certain, step)
        else:
            pending.append(step)
    choices: set[tuple[int, ...]] = {(1,) * len(pending), (0,) * len(pending)}
    if 3 ** len(pending) <= most:
        choices |= {tuple(number // 3**i % 3 for i in range(len(pending))) for number in range(3 ** len(pending))}
    else:
        choices |= {tuple(int(one == i) for one in range(len(pending))) for i in range(len(pending))}
        choices |= {tuple(int(one != i) for one in range(len(pending))) for i in range(len(pending))}
        while len(choices) < most:
            choices.add(tuple(chance.choice((0, 1, 1, 2, 3)) for _ in pending))
    seen: set[Any] = set()
    for choice in sorted(choices):
        image = certain.copy()
        for step, part in zip(pending, choice, strict=True):
            if part == 2 and step.kind == "write":
                image.files.setdefault(step.inode, File()).apply(step, len(step.data) // 2)
            elif part == 3 and step.kind == "write":
                image.files.setdefault(step.inode, File()).tear(step, chance)
            elif part == 1:
                _do(image, step)
        content = tuple(
            sorted(
                (path, bytes(image.files[inode].data), tuple(image.files[inode].attributes.items())) for path, inode in image.names.items()
            )
        )
        if (content, tuple(sorted(image.folders))) not in seen:
            seen.add((content, tuple(sorted(image.folders))))
            yield image


def first_fault(root: Path, before: Image, steps: list[Step], most: int, check: Callable[[int], None]) -> tuple[str | None, int]:
    """What a check says of the first image of any moment that breaks a promise, and how many images there were.

    Args:
        root: Where the images are written.
        before: What was there before the first step.
        steps: Of the work.
        most: Images of one moment, at most.
        check: Looks at ``root`` after so many steps; raises what is wrong.
    """
    chance, images = random.Random(7), 0
    for done in range(len(steps) + 1):
        for image in outcomes(before, steps, done, most, chance):
            image.write(root)
            images += 1
            try:
                check(done)
            except (AssertionError, S3dlioError) as error:
                last = steps[done - 1] if done else Step("nothing")
                return f"after step {done} of {len(steps)}, {last.kind} {last.path} {last.to}: {error!r}", images
    return None, images


def _do(image: Image, step: Step) -> None:
    if step.inode >= 0 and step.kind in CONTENT:
        image.files.setdefault(step.inode, File()).apply(step)
    else:
        image.apply(step)

"""Copies of the library's file for forked children, each a file of its own to the loader.

A .NET runtime loses its threads in a forked child, so the child loads the library a second time; the loader does that only for a
file that it has not loaded yet. The parent makes such a copy in memory before its first fork, once for all its children: they share
its pages and need not copy anything themselves. A child that forks again makes the next one for its own children.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from .. import exceptions

#: Its memfd functions are not in every system's types.
_os: Any = os
_NOT_TO_BE_RUN = 0x8  # MFD_NOEXEC_SEAL of Linux 6.3: no program, and mapped as a library all the same
_F_ADD_SEALS = 1033
_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, _SHRINK, _GROW, _WRITE: no child can change what the others load

#: The copy at hand and what file its descriptor was, since a child may close descriptors and open others.
_ready: tuple[int, tuple[int, int]] | None = None


def prepare(path: Path) -> None:
    """Before a fork: makes a copy unless there is one. What keeps it from being made, the child that needs it will tell."""
    global _ready
    if _ready is None or not _is_ours(*_ready):
        try:
            fd = _copy(path)
        except (OSError, exceptions.ForkError):
            _ready = None
        else:
            _ready = fd, _identity(fd)


def take(path: Path) -> int:
    """A descriptor of a copy that this process has not loaded yet; the caller loads and closes it.

    Raises:
        ForkError: The system gives no memory files.
    """
    global _ready
    taken, _ready = _ready, None
    return taken[0] if taken is not None and _is_ours(*taken) else _copy(path)


def _is_ours(fd: int, identity: tuple[int, int]) -> bool:
    try:
        return _identity(fd) == identity
    except OSError:
        return False


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _copy(path: Path) -> int:
    with open(path, "rb") as source:
        try:
            fd = _memory_file()
        except (AttributeError, OSError) as error:
            raise impossible(error) from None
        try:
            size, copied = os.fstat(source.fileno()).st_size, 0
            while copied < size:
                count = os.sendfile(fd, source.fileno(), copied, size - copied)
                if count == 0:
                    raise OSError(f"{path} ended at byte {copied} of {size} while it was copied")
                copied += count
            fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)
        except OSError as error:
            os.close(fd)
            raise impossible(error) from None
        except BaseException:
            os.close(fd)
            raise
        return fd


def _memory_file() -> int:
    flags = _os.MFD_CLOEXEC | _os.MFD_ALLOW_SEALING
    try:
        fd: int = _os.memfd_create("libs3dlio", flags | _NOT_TO_BE_RUN)
    except OSError:
        # an older kernel does not know the flag
        fd = _os.memfd_create("libs3dlio", flags)
    return fd


def impossible(error: Exception) -> exceptions.ForkError:
    """What a forked child raises that cannot have a copy."""
    return exceptions.ForkError(
        f"s3dlio cannot work in this forked child: the system gives it no second copy of the library in memory ({error}). Start worker "
        "processes with multiprocessing.set_start_method('spawn'), torch's with DataLoader(multiprocessing_context='spawn')"
    )

"""The original's names of the op log."""

from __future__ import annotations

import os

from . import oplog


def init_op_log(path: str | os.PathLike[str]) -> None:
    """Records every operation from now on; while one log is written, another call does nothing.

    Args:
        path: A local file, compressed where its name ends with ``.zst``.

    Raises:
        InvalidArgumentError: The file cannot be made.
    """
    if not oplog.is_active():
        oplog.start(path)


def finalize_op_log() -> None:
    """Ends the log, with all of it in the file; without one nothing happens.

    Raises:
        OutOfSpaceError: The file could not take all of it.
    """
    oplog.stop()


def is_op_log_active() -> bool:
    """Whether operations are recorded now."""
    return oplog.is_active()

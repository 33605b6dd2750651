"""The original's names of the op log."""

from __future__ import annotations

import os

from .. import oplog


def init_op_log(path: str | os.PathLike[str]) -> None:
    """Records every operation from now on; while one log is written, another call does nothing.

    Args:
        path: A local file, compressed where its name ends with ``.zst``.

    Raises:
        InvalidArgumentError: The file cannot be made.

    Example:
        >>> import os, tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     s3dlio.init_op_log(os.path.join(folder, "ops.tsv.zst"))
        ...     _ = s3dlio.put("memory://doc-op-log/a", b"123")
        ...     s3dlio.finalize_op_log()
    """
    if not oplog.is_active():
        oplog.start(path)


def finalize_op_log() -> None:
    """Ends the log, with all of it in the file; without one nothing happens.

    Args:
        None.

    Raises:
        OutOfSpaceError: The file could not take all of it.

    Example:
        >>> import s3dlio
        >>> s3dlio.finalize_op_log()
    """
    oplog.stop()


def is_op_log_active() -> bool:
    """Whether operations are recorded now.

    Args:
        None.

    Returns:
        True between ``init_op_log`` and ``finalize_op_log``.

    Raises:
        ImportError: The native library is not there.

    Example:
        >>> import s3dlio
        >>> s3dlio.is_op_log_active()
        False
    """
    return oplog.is_active()

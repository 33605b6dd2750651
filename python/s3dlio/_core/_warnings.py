"""Warnings, told where the program called this package, and to its log."""

from __future__ import annotations

import logging
import os
import sys
import warnings

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep

#: Where the package tells what it passed over, read anew and waited for; quiet until a program listens.
log = logging.getLogger("s3dlio")
log.addHandler(logging.NullHandler())


def warn(message: str, category: type[Warning] = UserWarning, *, logged: bool = True) -> None:
    """Warns at the line outside of this package whose call led here."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    if logged:
        log.warning("%s", message)
    warnings.warn(message, category, stacklevel=level)


#: What was warned of once.
_told: set[str] = set()


def warn_unverified() -> None:
    """Warns, once in a process, that servers' certificates are not looked at. The library tells the log of it itself."""
    if "verify_tls" not in _told:
        _told.add("verify_tls")
        warn("verify_tls is false: servers are not checked, anybody on the way can read and change what is sent", logged=False)


def warn_ignored(argument: str, why: str) -> None:
    """Warns, once in a process for each argument, that it is taken for old scripts' sake and does nothing.

    Args:
        argument: Its name, with the function's.
        why: What happens instead.
    """
    if argument not in _told:
        _told.add(argument)
        warn(f"{argument} is ignored: {why}")

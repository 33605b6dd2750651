"""Imports of this package's modules when something is used first, and what forks and the end of the interpreter do about them."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import threading
import time
from types import ModuleType

#: How deep each thread is in imports that this package makes when something is used first.
_importing: dict[int, int] = {}
#: Guards it. Held during a fork.
_guard = threading.RLock()
#: Seconds that forks and the end of the interpreter wait for them at most: a child that is born too early hangs. On a machine with forty
#: processes that want to run, an import took longer than five.
_PATIENCE = 60.0
#: Seconds that the end of the interpreter holds those who would import then.
_HELD = 10.0
#: When the interpreter began to end, by ``time.monotonic``; 0.0 before that.
_ending = 0.0


class _Import:
    """What is imported within is waited for by forks and by the end of the interpreter.

    A child that is forked while another thread imports a module has that module's lock for ever. And the interpreter frees the lock of all
    imports at its end, also while a daemon's thread is about to wait for it: that wrote to freed memory.
    """

    def __enter__(self) -> None:
        me = threading.get_ident()
        while True:
            with _guard:
                left = _ending + _HELD - time.monotonic() if _ending and me != threading.main_thread().ident else 0.0
                if left <= 0 or me in _importing:
                    _importing[me] = _importing.get(me, 0) + 1
                    return
            # the end has begun: held, as Python itself does a moment later. Not for ever: a handler that runs at the end may wait for this
            # thread
            time.sleep(left)

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with _guard:
            _importing[me] -= 1
            if _importing[me] == 0:
                del _importing[me]


def import_module(name: str) -> ModuleType:
    """A module of this package."""
    with _Import():
        return importlib.import_module(f".{name}", __package__)


def _wait_for_imports() -> None:
    """Waits until no other thread is within one; what that leaves is held."""
    # who imports waits for nobody here but a fork, so this ends; the limit is for modules that never come to an end
    end = time.monotonic() + _PATIENCE
    _guard.acquire()
    while _importing.keys() - {threading.get_ident()} and time.monotonic() < end:
        _guard.release()
        try:
            time.sleep(0.001)
        finally:
            _guard.acquire()


def _before_end() -> None:
    global _ending
    _ending = time.monotonic()
    _wait_for_imports()
    _ending = time.monotonic()
    _guard.release()
    # from here, since a handler that it registered when it was imported would not be called where that was after the end began
    native = sys.modules.get(f"{__package__}._core._native")
    if native is not None:
        native.end()


def _before_fork() -> None:
    _wait_for_imports()


def _after_fork_in_child() -> None:
    # no other thread came along
    for thread in _importing.keys() - {threading.get_ident()}:
        del _importing[thread]
    _guard.release()


# first, so that it runs last of what this package does at the end
atexit.register(_before_end)
os.register_at_fork(before=_before_fork, after_in_parent=_guard.release, after_in_child=_after_fork_in_child)

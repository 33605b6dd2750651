"""s3dlio: tensors, checkpoints and training records between memory and storage, every byte checked.

Every function takes a plain path, ``file:///path``, ``direct:///path`` (O_DIRECT), ``memory://name/key``,
``s3://bucket/key`` or ``az://account/container/key``.

=====================================================  ==========================================================
``put`` ``get`` ``get_range`` ``open`` ``stat`` …       objects
``put_many`` ``get_many`` ``upload`` ``download`` …     many objects, and trees of files
``save`` ``load`` ``save_tensors`` ``open_tensors`` …   arrays as ``.npy``, dictionaries of tensors as safetensors
:class:`Store`                                         the same functions for the keys below one address
:class:`Log`                                           records appended, read by number and followed; nothing committed is lost
:mod:`s3dlio.checkpoint`                               states of training programs, whole or not there
:mod:`s3dlio.aio`                                      every function as a coroutine
:mod:`s3dlio.admin`                                    buckets, unfinished uploads, addresses for others
:mod:`s3dlio.oplog`                                    a log of every operation, and its replay
:mod:`s3dlio.errors`, :mod:`s3dlio.types`              what is raised, and what is returned
``s3dlio.fsspec``                                      file systems for fsspec: pandas, pyarrow, zarr, dask open objects by them
:mod:`s3dlio.datasets`                                 data sets in objects, and loaders with a fixed order that can be resumed
``s3dlio.torch``                                       what ``torch.distributed.checkpoint`` saves to, and data sets for DataLoader
:mod:`s3dlio.testing`                                  a pytest plugin with stores for tests
:mod:`s3dlio.compat`                                   the names of the original s3dlio; all of them are ``s3dlio.NAME`` too
=====================================================  ==========================================================

Nothing is imported before it is asked for, and the native library is loaded by the first call that needs it.
"""

from __future__ import annotations

import atexit
import builtins
import importlib
import os
import sys
import threading
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # the modules, then their names: what __getattr__ finds, for type checkers and editors
    from . import (
        admin as admin,
        aio as aio,
        checkpoint as checkpoint,
        compat as compat,
        datasets as datasets,
        errors as errors,
        fsspec as fsspec,
        testing as testing,
        torch as torch,
        types as types,
    )
    from ._arrays import (
        load_numpy_array as load_numpy_array,
        save_numpy_array as save_numpy_array,
    )
    from ._bulk import (
        download as download,
        get_many as get_many,
        put_many as put_many,
        stat_many as stat_many,
        upload as upload,
    )
    from ._config import config as config
    from ._list import (
        list as list,
        list_stream as list_stream,
    )
    from ._logs._log import Log as Log
    from ._objects import (
        copy as copy,
        delete as delete,
        exists as exists,
        get as get,
        get_file as get_file,
        get_range as get_range,
        get_ranges as get_ranges,
        mkdir as mkdir,
        move as move,
        put as put,
        put_file as put_file,
        stat as stat,
    )
    from ._reader import open as open
    from ._stats import stats as stats
    from ._store import Store as Store
    from ._tensors import (
        load_tensors as load_tensors,
        open_tensors as open_tensors,
        save_tensors as save_tensors,
    )
    from ._whole import (
        load as load,
        save as save,
    )
    from .compat import *  # noqa: F403

    __version__: str

#: What ``import s3dlio`` shows, by the module that has it.
_NAMES = {
    "_arrays": "load_numpy_array save_numpy_array",
    "_bulk": "download get_many put_many stat_many upload",
    "_config": "config",
    "_list": "list list_stream",
    "_logs._log": "Log",
    "_objects": "copy delete exists get get_file get_range get_ranges mkdir move put put_file stat",
    "_reader": "open",
    "_stats": "stats",
    "_store": "Store",
    "_tensors": "load_tensors open_tensors save_tensors",
    "_whole": "load save",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}
_MODULES = ("admin", "aio", "checkpoint", "compat", "datasets", "errors", "fsspec", "testing", "torch", "types")

# less what would take the place of a builtin, or needs fsspec, pytest or torch, in "from s3dlio import *"
__all__ = [
    "Log",
    "Store",
    "admin",
    "aio",
    "checkpoint",
    "compat",
    "config",
    "copy",
    "datasets",
    "delete",
    "download",
    "errors",
    "exists",
    "get",
    "get_file",
    "get_many",
    "get_range",
    "get_ranges",
    "list_stream",
    "load",
    "load_numpy_array",
    "load_tensors",
    "mkdir",
    "move",
    "open_tensors",
    "put",
    "put_file",
    "put_many",
    "save",
    "save_numpy_array",
    "save_tensors",
    "stat",
    "stat_many",
    "stats",
    "types",
    "upload",
]


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
            # the end has begun: held, as Python itself does a moment later. Not for ever: a handler that runs at the end may wait for this thread
            time.sleep(left)

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with _guard:
            _importing[me] -= 1
            if _importing[me] == 0:
                del _importing[me]


def _imported(name: str) -> ModuleType:
    """A module of this package."""
    with _Import():
        return importlib.import_module(f".{name}", __name__)


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
    native = sys.modules.get(f"{__name__}._core._native")
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


if not TYPE_CHECKING:
    # type checkers know the names above, and no others
    def __getattr__(name: str) -> Any:
        found: Any
        if name in _MODULE_OF:
            found = getattr(_imported(_MODULE_OF[name]), name)
        elif name in _MODULES or name in ("exceptions", "oplog", "telemetry"):
            return _imported(name)
        elif name == "_pymod":
            # the original's extension module, which its scripts reach into
            return _imported("compat")
        elif name == "__version__":
            from ._version import find_version

            found = find_version()
        elif name.startswith("__"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        else:
            found = getattr(_imported("compat"), name)
        # found once
        globals()[name] = found
        return found


def __dir__() -> builtins.list[str]:
    # compat holds what is not shown
    return sorted({*_MODULE_OF, *_MODULES, "__version__"} - {"compat"})

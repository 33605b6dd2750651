"""s3dlio: tensors, checkpoints and training records between memory and storage, every byte checked.

Every function takes a plain path, ``file:///path``, ``direct:///path`` (O_DIRECT), ``memory://name/key``,
``s3://bucket/key`` or ``az://account/container/key``.

=====================================================  ==========================================================
``put`` ``get`` ``get_range`` ``open`` ``stat`` …       objects
``put_many`` ``get_many`` ``upload`` ``download`` …     many objects, and trees of files
``save`` ``load`` ``save_tensors`` ``open_tensors`` …   arrays as ``.npy``, dictionaries of tensors as safetensors
:class:`Store`                                         the same functions for the keys below one address
:class:`Log`                                           records appended, read by number and followed; nothing committed is lost
:class:`EmbeddingTable`                                rows for keys, more than memory holds, trained in place, never lost or counted twice
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

import builtins
from typing import TYPE_CHECKING, Any

from ._imports import import_module as _import_module

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
        table as table,
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
    from ._tables._rules import (
        SGD as SGD,
        Adagrad as Adagrad,
        Adam as Adam,
        Add as Add,
        Constant as Constant,
        Normal as Normal,
        RowwiseAdagrad as RowwiseAdagrad,
        RowwiseAdam as RowwiseAdam,
        Uniform as Uniform,
        Zeros as Zeros,
    )
    from ._tables._table import EmbeddingTable as EmbeddingTable
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
    "_tables._rules": "SGD Adagrad Adam Add Constant Normal RowwiseAdagrad RowwiseAdam Uniform Zeros",
    "_tables._table": "EmbeddingTable",
    "_tensors": "load_tensors open_tensors save_tensors",
    "_whole": "load save",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}
_MODULES = ("admin", "aio", "checkpoint", "compat", "datasets", "errors", "fsspec", "table", "testing", "torch", "types")

#: Names that ``s3dlio.table`` shows; here they are found and not shown.
_IN_TABLE = _NAMES["_tables._rules"].split()

# less what would take the place of a builtin, or needs fsspec, pytest or torch, in "from s3dlio import *"
__all__ = [
    "EmbeddingTable",
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
    "upload",
]


if not TYPE_CHECKING:
    # type checkers know the names above, and no others
    def __getattr__(name: str) -> Any:
        found: Any
        if name in _MODULE_OF:
            found = getattr(_import_module(_MODULE_OF[name]), name)
        elif name in _MODULES or name in ("exceptions", "oplog", "telemetry"):
            return _import_module(name)
        elif name == "_pymod":
            # the original's extension module, which its scripts reach into
            return _import_module("compat")
        elif name == "__version__":
            from ._version import find_version

            found = find_version()
        elif name.startswith("__"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        else:
            found = getattr(_import_module("compat"), name)
        # found once
        globals()[name] = found
        return found


def __dir__() -> builtins.list[str]:
    # what is found and not shown: the set stays small
    return sorted({*_MODULE_OF, *_MODULES, "__version__"} - {"compat", "table", "types", *_IN_TABLE})

"""The C ABI: finds and loads the library, declares its functions, turns status codes into exceptions.

The only file that knows ctypes. ``include/s3dlio.h`` is the contract; a test keeps header, exports and this table the same.
"""

from __future__ import annotations

import _thread
import ctypes as c
import json
import numbers
import os
import threading
import time
import weakref
from array import array
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import exceptions
from . import _copies, _warnings
from ._failures import error_class

ABI_VERSION = 2
PENDING = -1
#: Seconds between two looks at Python's signals while an operation runs.
SLICE = 0.02
#: Seconds that a cancelled operation is waited for. One that the kernel holds longer is abandoned.
GRACE = 1.0
_CANCELLED = 12

_LIBRARY_NAME = "libs3dlio.so"
_CREDENTIALS_PROGRAM = "s3dlio"


class _Error(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("kind", c.c_int32),
        ("offset", c.c_int64),
        ("message", c.c_char_p),
        ("uri", c.c_char_p),
        ("detail", c.c_char_p),
        ("reason", c.c_int32),
    ]


class _Notice(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("reserved", c.c_uint32), ("text", c.c_char_p)]


class _Event(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("level", c.c_int32), ("number", c.c_int64), ("text", c.c_char * 1008)]


class _Result(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("notices", c.c_uint32),
        ("json", c.c_void_p),
        ("json_length", c.c_uint64),
        ("data", c.c_void_p),
        ("data_length", c.c_uint64),
        ("events", c.c_uint64),
    ]


class _Segment(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("reserved", c.c_uint32), ("data", c.c_void_p), ("length", c.c_uint64)]


class _TensorRead(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("reserved", c.c_uint32),
        ("data", c.c_void_p),
        ("length", c.c_uint64),
        ("tensor", c.c_uint64),
    ]


class _Object(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("reserved", c.c_uint32),
        ("store", c.c_uint64),
        ("key", c.c_char_p),
        ("key_length", c.c_size_t),
    ]


class _ObjectRead(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("reserved", c.c_uint32),
        ("data", c.c_void_p),
        ("length", c.c_uint64),
        ("offset", c.c_uint64),
        ("object", c.c_uint64),
        ("crc32c", c.c_uint32),
        ("check", c.c_uint32),
    ]


class _Item(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("reserved", c.c_uint32),
        ("buffer", c.c_uint64),
        ("data", c.c_void_p),
        ("length", c.c_uint64),
    ]


class _Entry(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("is_prefix", c.c_uint32),
        ("key", c.c_char_p),
        ("key_length", c.c_size_t),
        ("size", c.c_uint64),
        ("last_modified", c.c_int64),
    ]


class _Meta(c.Structure):
    _fields_ = [
        ("struct_size", c.c_uint32),
        ("has_checksum", c.c_uint32),
        ("size", c.c_uint64),
        ("last_modified", c.c_int64),
        ("crc32c", c.c_uint32),
        ("reserved", c.c_uint32),
        ("etag", c.c_char * 128),
        ("content_type", c.c_char * 128),
    ]


_id, _text, _size, _op = c.c_uint64, c.c_char_p, c.c_size_t, c.POINTER(c.c_uint64)
_key, _number, _bytes, _floats = [_text, _size], c.POINTER(c.c_int64), c.POINTER(c.c_uint8), c.POINTER(c.c_float)
#: Who changes a table, and the keys: session, serial, whether a replay is skipped, keys and their count.
_batch = [_text, c.c_int64, c.c_int32, _number, _size]

#: Name, without ``s3dlio_``, and argument types. All return an int32 status, but for the two of ``_PLAIN``.
_FUNCTIONS: dict[str, list[Any]] = {
    "credentials_program": [c.c_char_p],
    "oplog_begin": [_text, _text],
    "oplog_end": [],
    "oplog_rows": [c.POINTER(c.c_int64)],
    "crc32c": [c.c_void_p, c.c_uint64, c.POINTER(c.c_uint32)],
    "crc32c_append": [c.c_uint32, c.c_void_p, c.c_uint64, c.POINTER(c.c_uint32)],
    "last_error": [c.POINTER(_Error)],
    "notice_get": [c.c_uint32, c.POINTER(_Notice)],
    "event_get": [c.c_int64, c.POINTER(_Event)],
    "stats_begin": [_op],
    "store_open": [_text, _text, _op],
    "store_close": [_id],
    "store_endpoints_begin": [_id, _op],
    "op_wait": [_id, c.c_int32],
    "op_progress": [_id, c.POINTER(c.c_int64), c.POINTER(c.c_int64)],
    "op_cancel": [_id],
    "op_result": [_id, c.POINTER(_Result)],
    "op_peek": [_id, c.POINTER(_Result)],
    "op_free": [_id],
    "op_abandon": [_id, c.c_int32],
    "close_behind": [_id],
    "op_notify": [_id, _id],
    "queue_open": [c.c_int32, _op],
    "queue_take": [_id, _size, _op, _op],
    "queue_close": [_id],
    "op_take_items": [_id, _size, c.POINTER(_Item)],
    "buffer_new": [c.c_uint64, _op, c.POINTER(c.c_void_p)],
    "buffer_free": [_id],
    "objects_get_begin": [c.POINTER(_Object), _size, _text, _op],
    "objects_put_begin": [c.POINTER(_Object), c.POINTER(_Segment), _size, _text, _op],
    "objects_head_begin": [c.POINTER(_Object), _size, _text, _op],
    "objects_copy_begin": [c.POINTER(_Object), c.POINTER(_Object), _size, _text, _op],
    "objects_scatter_begin": [c.POINTER(_Object), _size, c.POINTER(_ObjectRead), _size, _text, _op],
    "order_fill": [c.c_int64, c.c_uint64, c.c_int64, c.c_int64, c.c_int64, c.c_int64, _size, _number],
    "samples_read_begin": [c.POINTER(_Object), _size, c.POINTER(_ObjectRead), _size, _text, _op],
    "manifest_write_begin": [_id, *_key, _id, *_key, _text, _op],
    "object_put_begin": [_id, *_key, c.POINTER(_Segment), _size, _text, _op],
    "object_get_begin": [_id, *_key, _text, _op],
    "object_get_range_begin": [_id, *_key, c.c_int64, c.c_int64, c.c_void_p, _text, _op],
    "object_head_begin": [_id, *_key, _op],
    "object_exists_begin": [_id, *_key, _op],
    "object_delete_begin": [_id, *_key, _text, _op],
    "object_copy_begin": [_id, *_key, _id, *_key, _text, _op],
    "object_rename_begin": [_id, *_key, _id, *_key, _text, _op],
    "object_put": [_id, *_key, c.c_void_p, c.c_uint64, _text],
    "object_get": [_id, *_key, c.c_void_p, c.c_uint64, c.POINTER(c.c_uint64)],
    "object_get_range": [_id, *_key, c.c_uint64, c.c_uint64, c.c_void_p],
    "object_head": [_id, *_key, c.POINTER(_Meta)],
    "object_exists": [_id, *_key, c.POINTER(c.c_int32)],
    "object_delete": [_id, *_key],
    "object_open_begin": [_id, *_key, _text, _op],
    "object_read_begin": [_id, c.c_int64, c.c_void_p, c.c_uint64, _op],
    "writer_open_begin": [_id, *_key, _text, _op],
    "writer_write_begin": [_id, c.c_void_p, c.c_uint64, _op],
    "writer_finalize_begin": [_id, _op],
    "writer_counts": [_id, c.POINTER(c.c_int64), c.POINTER(c.c_int64)],
    "writer_close": [_id],
    "object_presign_begin": [_id, *_key, _text, _op],
    "container_create_begin": [_text, _text, _op],
    "container_delete_begin": [_text, _text, _op],
    "container_list_begin": [_text, _text, _op],
    "cache_stats_begin": [_id, _op],
    "cache_settle": [c.c_int32],
    "cache_evict_begin": [_id, *_key, _op],
    "cache_warm_begin": [_id, _text, _op],
    "cache_flush_begin": [_id, *_key, _text, _op],
    "cache_pending_begin": [_id, *_key, _op],
    "cache_unpark_begin": [_id, *_key, _text, _op],
    "uploads_list_begin": [_id, *_key, _text, _op],
    "uploads_abort_begin": [_id, *_key, _text, _op],
    "directory_create_begin": [_id, *_key, _op],
    "list_open": [_id, *_key, _text, _op],
    "list_page_begin": [_id, _op],
    "list_next": [_id, c.POINTER(_Entry)],
    "list_close": [_id],
    "array_save_begin": [_id, *_key, _text, c.c_void_p, c.c_uint64, _text, _op],
    "array_open_begin": [_id, *_key, _op],
    "array_read_begin": [_id, c.c_void_p, c.c_uint64, _text, _op],
    "tensors_save_begin": [_id, *_key, _text, c.POINTER(_Segment), _size, _text, _op],
    "tensors_open_begin": [_id, *_key, _op],
    "tensors_read_begin": [_id, c.POINTER(_TensorRead), _size, _text, _op],
    "tensors_slice_begin": [
        _id,
        c.c_uint64,
        c.POINTER(c.c_int64),
        c.POINTER(c.c_int64),
        c.POINTER(c.c_int64),
        _size,
        c.c_void_p,
        c.c_uint64,
        _op,
    ],
    "file_close": [_id],
    "checkpoint_agree_begin": [_id, c.c_int64, _text, _op],
    "checkpoint_shard_put_begin": [_id, _text, c.POINTER(_Segment), _size, _op],
    "checkpoint_shard_open_begin": [_id, _text, _op],
    "checkpoint_commit_begin": [_id, _text, _op],
    "checkpoint_find_begin": [_id, _text, _op],
    "checkpoint_list_begin": [_id, _op],
    "checkpoint_read_begin": [_id, _text, c.c_void_p, c.c_uint64, _text, _op],
    "checkpoint_validate_begin": [_id, _text, _op],
    "checkpoint_delete_begin": [_id, _text, _op],
    "checkpoint_prune_begin": [_id, _text, _op],
    "log_open_begin": [_text, _text, _op],
    "log_open_store_begin": [_id, _text, _size, _text, _op],
    "log_inspect_begin": [_text, _text, _op],
    "log_repair_begin": [_text, _id, _text, _size, _text, _op],
    "log_upload_begin": [_text, _id, _text, _size, _op],
    "log_seal_begin": [_id, _op],
    "log_stats_begin": [_id, _op],
    "log_append": [_id, c.c_void_p, c.c_uint64, _number],
    "log_commit": [_id, _number],
    "log_append_batch": [_id, c.c_void_p, c.c_uint64, _number, _size, _number],
    "log_commit_begin": [_id, _op],
    "log_wait_begin": [_id, c.c_int64, _op],
    "log_info": [_id, _number, _number, _number, c.POINTER(c.c_int32)],
    "log_scan_begin": [_id, c.c_int64, c.c_int64, c.c_int64, c.c_void_p, c.c_uint64, _text, _op],
    "log_read_begin": [_id, _number, _size, c.c_void_p, c.c_uint64, _op],
    "log_truncate_begin": [_id, c.c_int64, _op],
    "log_reclaimable": [_id, c.c_int64, _number],
    "log_cursor_get": [_id, _text, _number],
    "log_cursor_set_begin": [_id, _text, c.c_int64, _op],
    "log_close": [_id],
    "table_open_begin": [_text, _text, _op],
    "table_info": [_id, _number, _number, _number],
    "table_lookup": [_id, _number, _size, c.c_void_p, c.c_uint64, _bytes, c.POINTER(c.c_int32)],
    "table_lookup_begin": [_id, _number, _size, c.c_void_p, c.c_uint64, _bytes, _op],
    "table_apply": [_id, *_batch, _floats, c.c_uint64, _number, c.POINTER(c.c_int32)],
    "table_apply_begin": [_id, *_batch, _floats, c.c_uint64, _op],
    "table_upsert_begin": [_id, *_batch, c.c_void_p, c.c_uint64, _op],
    "table_delete_begin": [_id, *_batch, _op],
    "table_contains": [_id, _number, _size, _bytes],
    "table_prefetch_begin": [_id, _number, _size, _op],
    "table_session_serial": [_id, _text, _number],
    "table_sessions_begin": [_id, _op],
    "table_checkpoint_begin": [_id, _id, *_key, _text, _op],
    "table_checkpoints_begin": [_text, _id, *_key, _op],
    "table_recover_begin": [_id, *_key, _text, _text, _op],
    "table_scan_open_begin": [_id, _op],
    "table_scan_next_begin": [_id, _size, _op],
    "table_scan_close": [_id],
    "table_compact_begin": [_id, c.c_double, _op],
    "table_evict_begin": [_id, _text, _op],
    "table_stats_begin": [_id, _op],
    "table_inspect_begin": [_text, _text, _op],
    "table_close": [_id],
}
_PLAIN: dict[str, Any] = {"abi_version": c.c_uint32, "version": c.c_char_p}

#: Held while the library is loaded, and by whoever forks: no child is born with half a library. Reentrant, because a signal's
#: handler may call anything at any moment.
_gate = threading.RLock()
#: How many forks under way hold it.
_held_for_forks = 0
_library: _Library | None = None
#: Where it was loaded from, for the copies of forked children.
_path: Path | None = None
#: Grows when this process is a forked child of one that had loaded the library: native ids of before mean nothing then.
generation = 0
#: The log of operations that is written, and its settings: a child begins one of its own when it first uses the library.
_op_log: tuple[str, dict[str, Any]] | None = None
#: No generation: what was unpickled has been opened in another process, if anywhere.
ELSEWHERE = -1
_loaded_before_fork = False
#: Notices of the library that were warned of.
_noticed = 0
#: Events of the library that were told to the log.
_heard = 0
#: Held by the one thread that tells them. Not reentrant: a handler of the log that uses this package is told of its own events later.
_telling = threading.Lock()


def _places() -> list[Path]:
    chosen = os.environ.get("S3DLIO_LIBRARY")
    return [Path(chosen).absolute()] if chosen else [Path(__file__).resolve().parents[1] / _LIBRARY_NAME]


def _find() -> Path:
    places = _places()
    for place in places:
        if place.is_file():
            return place
    looked = "\n  ".join(str(place) for place in places)
    raise ImportError(
        f"the s3dlio library {_LIBRARY_NAME} was not found. Looked at:\n  {looked}\n"
        "Install a wheel, run './build.ps1 demo' in a checkout, or set S3DLIO_LIBRARY to the file."
    )


class _Library(c.CDLL):
    """The functions, whose types are told as they are used: forked children, which load it anew, use few of them."""

    def __getattr__(self, name: str) -> Any:
        arguments = _FUNCTIONS.get(name.removeprefix("s3dlio_"))
        if arguments is None:
            raise AttributeError(name)
        function = self[name]
        function.restype, function.argtypes = c.c_int32, arguments
        # complete before another thread can see it
        setattr(self, name, function)
        return function


def _private_copy(path: Path) -> _Library:
    """Loads a second, fresh copy: the .NET runtime of the parent has lost its threads in this child and cannot be used."""
    fd = _copies.take(path)
    try:
        # The loader takes equal names for equal libraries, and a grandchild may get the number that its parent had: the slashes
        # make the name new in every generation.
        return _Library(f"/proc/self/fd{'/' * generation}{fd}")
    except OSError as error:
        raise _copies.impossible(error) from None
    finally:
        os.close(fd)


def library() -> _Library:
    """The loaded library; the first call loads it."""
    loaded = _library
    if loaded is not None:
        return loaded
    held = False
    while True:
        with _gate:
            if _library is not None:
                return _library
            if not _ending or held:
                return _load()
        # a process that goes down while the library starts would take down what it starts with
        _hold()
        held = True


def _load() -> _Library:
    """Loads it; called with the gate held."""
    global _library, _path
    _require_a_thread()
    path = _path if _loaded_before_fork and _path is not None else _find()
    try:
        found = _private_copy(path) if _loaded_before_fork else _Library(str(path))
    except OSError as error:
        raise ImportError(f"the s3dlio library {path} could not be loaded: {error}") from error
    try:
        _check_version(found, path)
        if _loaded_before_fork:
            # a copy in memory does not know where it comes from
            found.s3dlio_credentials_program(os.fsencode(path.parent / _CREDENTIALS_PROGRAM))
            if _op_log is not None:
                # the parent's file is the parent's alone
                found.s3dlio_oplog_begin(_utf8(_of_child(_op_log[0])), options(_op_log[1]))
    except AttributeError as error:
        raise ImportError(f"{path} is not the s3dlio library: {error}") from error
    _library, _path = found, path
    return found


def _of_child(path: str) -> str:
    folder, name = os.path.split(path)
    stem, dot, endings = name.partition(".")
    return os.path.join(folder, f"{stem}-{os.getpid()}{dot}{endings}")


def op_log_begin(path: str, settings: dict[str, Any]) -> None:
    """Records every operation of this process, and of those that it forks, each in a file of its own."""
    global _op_log
    check(library().s3dlio_oplog_begin(_utf8(path), options(settings)))
    _op_log = path, settings


def op_log_end() -> None:
    """Ends the log, with all of it in the file."""
    global _op_log
    was, _op_log = _op_log, None
    if was is not None and _library is not None:
        check(_library.s3dlio_oplog_end())


def op_log_rows() -> int:
    """Rows of the log so far; -1 where none is written."""
    if _op_log is None:
        return -1
    rows = c.c_int64()
    check(library().s3dlio_oplog_rows(c.byref(rows)))
    return rows.value


#: Of CPython's stable interface: ``Py_bf_getbuffer``, ``Py_TPFLAGS_BASETYPE`` and ``Py_TPFLAGS_HAVE_VERSION_TAG``.
_GET_BUFFER, _BASE_TYPE, _VERSION_TAG = 1, 1 << 10, 1 << 18
_EXPORTER_NAME = b"s3dlio._core._native.Exporter"


def _exporter() -> type:
    """A class whose objects export the buffer of their ``_array``: by a slot of C, see native/exporter.c."""
    try:
        library = c.PyDLL(str(_find()))
        function = c.cast(library["_s3dlio_exporter"], c.c_void_p).value
    except (ImportError, OSError, AttributeError):
        # the first call tells what is wrong; without it nothing is read
        return object

    class _Slot(c.Structure):
        _fields_ = [("slot", c.c_int), ("function", c.c_void_p)]

    class _TypeSpec(c.Structure):
        _fields_ = [("name", c.c_char_p), ("basicsize", c.c_int), ("itemsize", c.c_int), ("flags", c.c_uint), ("slots", c.POINTER(_Slot))]

    slots = (_Slot * 2)(_Slot(_GET_BUFFER, function), _Slot(0, None))
    spec = _TypeSpec(_EXPORTER_NAME, 0, 0, _BASE_TYPE | _VERSION_TAG, slots)
    make = c.PYFUNCTYPE(c.py_object, c.POINTER(_TypeSpec))(("PyType_FromSpec", c.pythonapi))
    made: type = make(c.byref(spec))
    return made


if TYPE_CHECKING:

    class Exporter:
        """Exports the buffer of its ``_array``."""

        _array: Any

        def __buffer__(self, flags: int, /) -> memoryview: ...

else:
    Exporter = _exporter()


def _require_a_thread() -> None:
    """The library's runtime cannot begin without a thread of its own, and ends the process where it gets none."""
    try:
        # the cheapest that there is
        _thread.start_new_thread(int, ())
    except RuntimeError as error:
        raise exceptions.OutOfSpaceError(
            f"the s3dlio library cannot start: the system gives this process no more threads ({error}). Raise the limit (ulimit -u, or "
            "the container's "
            "pids limit), or end what else runs under it"
        ) from None


def _check_version(found: _Library, path: Path) -> None:
    for name, result in _PLAIN.items():
        # as a member of the library it keeps its types
        function = found.__dict__[f"s3dlio_{name}"] = found[f"s3dlio_{name}"]
        function.restype, function.argtypes = result, []
        # the version first: a library of another one may lack the rest
        if name == "abi_version" and function() != ABI_VERSION:
            raise ImportError(
                f"{path} has ABI version {function()}, this package needs {ABI_VERSION}: library and package come from "
                "different releases; reinstall s3dlio"
            )


def _before_fork() -> None:
    global _held_for_forks
    _gate.acquire()
    _held_for_forks += 1
    if _library is not None and _path is not None:
        _copies.prepare(_path)


def _after_fork_in_parent() -> None:
    global _held_for_forks
    # not where this module was imported while the fork waited for imports
    if _held_for_forks > 0:
        _held_for_forks -= 1
        _gate.release()


def _after_fork_in_child() -> None:
    global _library, _gate, _held_for_forks, generation, _loaded_before_fork, _noticed, _heard, _telling
    _gate, _held_for_forks = threading.RLock(), 0
    if _library is not None:
        _loaded_before_fork = True
        _library = None
        _noticed = _heard = 0
        generation += 1
    _telling = threading.Lock()
    # last: what is let go here must know already that it belongs to the parent
    _in_use.clear()
    _abandoned.clear()
    _opened.clear()
    _lost.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def version() -> str:
    """The library's version."""
    text: bytes = library().s3dlio_version()
    return text.decode()


def _raise_last_error(status: int) -> None:
    error = _Error(struct_size=c.sizeof(_Error))
    library().s3dlio_last_error(c.byref(error))
    kind = error_class(status, error.reason)
    texts = [(text or b"").decode("utf-8", "surrogateescape") for text in (error.message, error.uri, error.detail)]
    # behind the copies: a handler of the log may have a failure of its own
    hear()
    raise kind(texts[0] or f"status {status}", texts[1], texts[2], None if error.offset < 0 else error.offset)


def hear() -> None:
    """Tells the log what happened in the library since the last time: retries, fallbacks, renewed credentials."""
    global _heard
    # an older library of this ABI version has none
    get = getattr(_library, "s3dlio_event_get", None)
    if get is None or not _telling.acquire(blocking=False):
        return
    try:
        event, found = _Event(_EVENT_SIZE), []
        while get(_heard, c.byref(event)) == 0 and event.level > 0:
            _heard = event.number + 1
            found.append((event.level, event.text.decode("utf-8", "replace")))
        # what handlers cause by that is told the next time, or there might be no end
        for level, text in found:
            _warnings.log.log(level, "%s", text)
    finally:
        _telling.release()


def check(status: int) -> None:
    """Raises what the library reported unless all went well."""
    if status != 0:
        _raise_last_error(status)


class NativeMemory:
    """Memory that the library allocated; it is freed when this is no longer referenced.

    Args:
        free: The function that frees it, without ``s3dlio_``: ``op_free`` or ``buffer_free``.
        number: What that function takes.
        address: Where the memory begins.
        length: Its bytes.
        read_only: Whether arrays over it may not be written to.
    """

    def __init__(self, free: str, number: int, address: int, length: int, read_only: bool = True) -> None:
        self._free = free
        self._number = number
        self._generation = generation
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (length,),
            "data": (address, read_only),
        }

    def __del__(self) -> None:
        # in a forked child the memory is the parent's copy and stays
        if self._generation == generation and _library is not None:
            getattr(_library, f"s3dlio_{self._free}")(self._number)


#: Operations that open what has to be closed, and how their JSON names it.
_OPENS = {
    "object_open": "file",
    "array_open": "file",
    "tensors_open": "file",
    "checkpoint_shard_open": "writer",
    "writer_open": "writer",
    "log_open": "log",
    "log_open_store": "log",
    "table_open": "table",
    "table_scan_open": "table_scan",
}


class Handle(int):
    """The number of an open file or writer. When nothing refers to it any more, and it was not closed before, a later call closes it."""

    def __new__(cls, noun: str, number: int) -> Handle:
        made = super().__new__(cls, number)
        life = made._life = _Call()
        _opened[number] = (noun, generation, weakref.ref(life, _lost.append))
        return made

    _life: _Call

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


_RESULT_SIZE = c.sizeof(_Result)
_EVENT_SIZE = c.sizeof(_Event)
_SEGMENT_SIZE = c.sizeof(_Segment)
_TENSOR_READ_SIZE = c.sizeof(_TensorRead)
_OBJECT_SIZE = c.sizeof(_Object)
_OBJECT_READ_SIZE = c.sizeof(_ObjectRead)
_ITEM_SIZE = c.sizeof(_Item)
_parse = json.JSONDecoder().decode


class _Call:
    """Lives as long as the call that began an operation, or the number of what was opened."""

    __slots__ = ("__weakref__",)


#: What running operations read or write, by the id of their number's cell: kept here so that no interrupt, wherever it
#: strikes, can let go of memory that the library still uses.
_in_use: dict[int, tuple[c.c_uint64, object, object, weakref.ref[_Call]]] = {}
#: References to calls that are gone while their operation is still in ``_in_use``: an exception of a signal's handler kept them from
#: letting go of it. Filled without a step of Python, so nothing can come between.
_lost: list[weakref.ref[_Call]] = []
#: Files and writers that were opened and not closed yet, by number.
_opened: dict[int, tuple[str, int, weakref.ref[_Call]]] = {}
#: Cells of those that were cancelled and did not end in time: nobody waits for them any more, and they stay in ``_in_use`` until they have
#: ended. With the time, by ``time.monotonic``, until which whoever cancelled it still waits.
_abandoned: dict[int, float] = {}


def _collect() -> None:
    """Lets go of what abandoned operations used that have ended meanwhile."""
    lib, now = _library, time.monotonic()
    if _lost:
        for cell, held_by in [(cell, one[3]) for cell, one in list(_in_use.items())]:
            if held_by() is None:
                _abandoned.setdefault(cell, 0.0)
        dropped = [(number, noun, opened_in) for number, (noun, opened_in, life) in list(_opened.items()) if life() is None]
        _lost.clear()
        for number, noun, opened_in in dropped:
            close(noun, number, opened_in)
    for cell, until in list(_abandoned.items()):
        held = _in_use.get(cell)
        if until > now:
            continue
        if held is None or lib is None or lib.s3dlio_op_abandon(held[0], 0) != PENDING:
            # in this order: an interrupt in between is made good by the next call
            _in_use.pop(cell, None)
            _abandoned.pop(cell, None)


def _is_one_abandoned() -> bool:
    """Whether there is an operation for whose end nobody waits."""
    _collect()
    now = time.monotonic()
    return any(until <= now for until in list(_abandoned.values()))


class Running:
    """An operation under way, as whoever drives the call that begun it sees it: see ``_calls``."""

    def __init__(self, lib: _Library, number: int, begun_in: int, progress: Any, lent: bool = False) -> None:
        self._lib = lib
        self.number = number
        self._begun_in = begun_in
        self.progress = progress
        #: Whether it writes to memory of the caller, who may use that when the call has returned: it is waited for however long it takes.
        self.lent = lent
        self._patience_until: float | None = None

    def __await__(self) -> Generator[Running, None, None]:
        yield self

    def wait(self, seconds: float) -> bool:
        """Waits so long at most; True when it has ended, well or not."""
        ended: bool = self._lib.s3dlio_op_wait(self.number, int(seconds * 1000 + 0.999)) != PENDING
        _require_same_process(self._begun_in)
        if not ended and seconds:
            hear()
        return ended

    @property
    def is_ours(self) -> bool:
        """False in a child that was forked meanwhile: the operation is the parent's."""
        return self._begun_in == generation

    def was_cancelled(self) -> bool:
        """Whether that is how it ended, or how it will end."""
        status: int = self._lib.s3dlio_op_wait(self.number, 0)
        return status in (_CANCELLED, PENDING)

    def cancel(self) -> None:
        """Asks it to stop; its buffers are free when it has ended."""
        if self._patience_until is None:
            self._patience_until = time.monotonic() + GRACE
        self._lib.s3dlio_op_cancel(self.number)

    @property
    def has_ended(self) -> bool:
        return self._begun_in == generation and self._lib.s3dlio_op_wait(self.number, 0) != PENDING

    @property
    def patience(self) -> float:
        """Seconds that it is still waited for now that it is cancelled."""
        if self.lent:
            return GRACE
        return GRACE if self._patience_until is None else max(0.0, self._patience_until - time.monotonic())

    def report(self) -> None:
        """Tells the progress function how far it is."""
        if self.progress is not None:
            self.progress(*self.counts)
            _require_same_process(self._begun_in)

    @property
    def counts(self) -> tuple[int, int]:
        """Done, and in all or -1."""
        done, total = c.c_int64(), c.c_int64()
        check(self._lib.s3dlio_op_progress(self.number, c.byref(done), c.byref(total)))
        return done.value, total.value


#: When the interpreter began to end, by ``time.monotonic``; 0.0 before that.
_ending = 0.0
#: Seconds that the end waits for operations it cancelled, and that threads which it left behind are held.
_END = 3.0
#: Seconds that it waits for a thread that loads the library.
_LOADING = 60.0


def end() -> None:
    """Called by the package when the interpreter ends: ends what is under way.

    Temporaries go, uploads are aborted, and memory that is read from may go away after this.

    That no thread uses OpenSSL once the C library takes it down is the library's own concern: see native/gate.c.
    """
    global _ending
    # whoever loads the library just now has to be through
    loaded = _gate.acquire(timeout=_LOADING)
    _ending = time.monotonic()
    if loaded:
        _gate.release()
    lib = _library
    if lib is None:
        return
    lib.s3dlio_cache_settle(int(_END * 1000))
    # twice: another thread may have been about to begin one
    for _ in range(2):
        numbers = [number.value for number, *_ in list(_in_use.values()) if number.value]
        for number in numbers:
            lib.s3dlio_op_cancel(number)
        for number in numbers:
            left = _ending + _END - time.monotonic()
            lib.s3dlio_op_wait(number, max(0, int(left * 1000)))
    for cell, keep, arguments, _ in list(_in_use.values()):
        if cell.value and lib.s3dlio_op_wait(cell, 0) == PENDING:
            # the kernel may still use this memory when the interpreter has gone through what it lets go of
            for one in (keep, arguments):
                c.pythonapi.Py_IncRef(c.py_object(one))


def _hold() -> None:
    """Called once the interpreter ends: holds a daemon's thread, as Python itself does a moment later.

    What it was at is cancelled, and nobody is told.

    Not for ever: a handler that runs at the end may wait for this thread.
    """
    if threading.current_thread() is not threading.main_thread():
        time.sleep(max(0.0, _ending + 2 * _END - time.monotonic()))


async def run(
    function: str,
    *arguments: Any,
    keep: object = None,
    progress: Any = None,
    data: bool = False,
    both: bool = False,
    items: int | None = None,
    lent: bool = False,
) -> Any:
    """Runs one operation to its end; whoever drives the call that awaits this does the waiting.

    Args:
        function: Its name, without ``s3dlio_`` and ``_begin``.
        arguments: All but the last, the operation's number.
        keep: What has to stay alive until it ended.
        progress: Called as ``progress(done, total)`` while it runs; total is -1 until it is known.
        data: Whether the operation's memory is the result, as ``NativeMemory``.
        both: With ``data``: whether its JSON is, too.
        items: How many pieces of memory are the result, one for each object of a call over many.
        lent: Whether it writes to memory that the caller gave and may use again after a failure. Only such an operation is waited for
            without end when it is cancelled; another that the kernel holds longer than ``GRACE`` is abandoned.

    Returns:
        The operation's JSON, parsed; with ``data``, the memory instead; with ``items``, a pair of the JSON and a list of
        memories, None for objects without.
    """
    if progress is not None and not callable(progress):
        raise exceptions.InvalidArgumentError(f"progress must be callable as progress(done, total), found {type(progress).__name__}")
    lib = library()
    if _ending:
        _hold()
    if _abandoned or _lost:
        _collect()
    begun_in = generation
    number = c.c_uint64()
    cell = id(number)
    running: Running | None = None
    call = _Call()
    _in_use[cell] = (number, keep, arguments, weakref.ref(call, _lost.append))
    handed_over = left = False
    try:
        status = getattr(lib, f"s3dlio_{function}_begin")(*arguments, c.byref(number))
        if status != 0:
            _raise_last_error(status)
        result = _Result(_RESULT_SIZE)
        # what was brief has ended already
        noun = _OPENS.get(function)
        tell = lib.s3dlio_op_result if noun is None else lib.s3dlio_op_peek
        status = tell(number, c.byref(result))
        if status == PENDING:
            running = Running(lib, number.value, begun_in, progress, lent)
            await running
            _require_same_process(begun_in)
            status = tell(number, c.byref(result))
        if begun_in != generation or status != 0:
            _require_same_process(begun_in)
            if _ending:
                _hold()
            _raise_last_error(status)
        if progress is not None:
            Running(lib, number.value, begun_in, progress).report()
        if result.notices != _noticed:
            _warn(lib, result.notices)
        if result.events != _heard:
            hear()
        if data:
            memory = NativeMemory("op_free", number.value, result.data, result.data_length)
            handed_over = True
            return (memory, _parsed(result)) if both else memory
        parsed = _parsed(result)
        if noun is not None:
            parsed[noun] = Handle(noun, parsed[noun])
            # until now it was closed with the operation, from here on with its handle; an interrupt in between has both do it, which does
            # no harm
            check(lib.s3dlio_op_result(number, c.byref(result)))
        return parsed if items is None else (parsed, _take_items(lib, number, items))
    finally:
        # one call that cancels, waits until the buffers are let go, and frees: an interrupt cannot come between
        if handed_over or not number.value or begun_in != generation:
            pass
        elif lent or running is None or running.has_ended:
            lib.s3dlio_op_free(number)
        else:
            patience = running.patience
            # before the call: an interrupt behind it leaves the cell to those that collect
            _abandoned[cell] = time.monotonic() + patience
            left = lib.s3dlio_op_abandon(number, int(patience * 1000 + 0.999)) == PENDING
        if not left:
            _in_use.pop(cell, None)
            _abandoned.pop(cell, None)


def _warn(lib: _Library, count: int) -> None:
    """Warns of what the library noticed since the last time, at the line outside of this package that called it."""
    global _noticed
    while _noticed < count:
        notice = _Notice(c.sizeof(_Notice))
        check(lib.s3dlio_notice_get(_noticed, c.byref(notice)))
        _noticed += 1
        _warnings.warn((notice.text or b"").decode(), exceptions.ChecksumWarning)


def _parsed(result: _Result) -> Any:
    return _parse(c.string_at(result.json, result.json_length).decode()) if result.json else None


def _take_items(lib: _Library, number: c.c_uint64, count: int) -> list[NativeMemory | None]:
    taken = (_Item * count)(*([_Item(_ITEM_SIZE)] if count else []))
    check(lib.s3dlio_op_take_items(number, count, taken))
    # as plain numbers: an object of ctypes for each item would cost more than the item
    fields = memoryview(taken).cast("B").cast("Q").tolist() if count else []
    items = zip(fields[1::4], fields[2::4], fields[3::4], strict=True)
    return [NativeMemory("buffer_free", buffer, data, length) if buffer else None for buffer, data, length in items]


def _require_same_process(begun_in: int) -> None:
    """Raises in a child that a signal's handler or a progress function forked."""
    if begun_in != generation:
        raise exceptions.ClosedError("the process was forked while the operation ran: it goes on in the parent, not in this child")


def open_queue(fd: int) -> int:
    """Opens a queue of operations that ended, which makes an eventfd readable."""
    number = c.c_uint64()
    check(library().s3dlio_queue_open(fd, c.byref(number)))
    return number.value


def notify(operation: int, queue: int) -> None:
    """Has an operation report to a queue when it ends."""
    check(library().s3dlio_op_notify(operation, queue))


def take_ended(queue: int) -> list[int]:
    """The operations that ended since the last time."""
    found: list[int] = []
    numbers, count = (c.c_uint64 * 64)(), c.c_uint64(64)
    while count.value == 64:
        check(library().s3dlio_queue_take(queue, 64, numbers, c.byref(count)))
        found += numbers[: count.value]
    return found


def options(values: dict[str, Any]) -> bytes | None:
    """Options as the ABI takes them: JSON without those that are None.

    Raises:
        InvalidArgumentError: A value that JSON cannot express.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if not given:
        return None
    try:
        return json.dumps(given, allow_nan=False, default=_plain_number).encode()
    except (TypeError, ValueError) as error:
        raise exceptions.InvalidArgumentError(f"an option's value cannot be expressed as JSON: {error}") from None


def _plain_number(value: Any) -> Any:
    """A number of another library, NumPy's above all, as JSON has it."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def open_store(uri: str, settings: dict[str, Any]) -> int:
    """Opens a store and gives its number."""
    if "\0" in uri:
        raise exceptions.InvalidArgumentError(f"{uri!a}: the address holds a NUL character")
    number = c.c_uint64()
    check(library().s3dlio_store_open(_utf8(uri), options(settings), c.byref(number)))
    return number.value


def open_list(store: int, path: bytes, settings: dict[str, Any]) -> int:
    """Opens a listing and gives its number."""
    number = c.c_uint64()
    check(library().s3dlio_list_open(store, path, len(path), options(settings), c.byref(number)))
    return number.value


def writer_counts(number: int) -> tuple[int, int]:
    """Bytes written to a writer, and bytes that went to its store."""
    raw, stored = c.c_int64(), c.c_int64()
    check(library().s3dlio_writer_counts(number, c.byref(raw), c.byref(stored)))
    return raw.value, stored.value


def close(noun: str, number: int, opened_in: int) -> None:
    """Closes a handle of this process; one of before a fork belongs to the parent."""
    if opened_in == generation and _library is not None:
        # an abandoned operation may be one on this handle, whose close waits for it
        behind = noun != "queue" and bool(_abandoned) and _is_one_abandoned()
        getattr(_library, "s3dlio_close_behind" if behind else f"s3dlio_{noun}_close")(number)
        _opened.pop(number, None)


def key(text: str) -> bytes:
    """A key as the ABI takes it: what ``os.fsdecode`` makes of bytes that are not UTF-8 is those bytes again."""
    return _utf8(text)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise exceptions.InvalidArgumentError(f"{text!a} is not valid Unicode: it cannot name an object") from None


def segments(parts: Sequence[tuple[int, int]]) -> Any:
    """``(address, length)`` pairs as ``s3dlio_segment[]``."""
    if len(parts) == 1:
        return c.byref(_Segment(_SEGMENT_SIZE, 0, *parts[0]))
    return (_Segment * len(parts))(*(_Segment(_SEGMENT_SIZE, 0, *part) for part in parts))


def object_references(parts: Sequence[tuple[int, bytes]]) -> Any:
    """``(store, key)`` pairs as ``s3dlio_object[]``."""
    # the keys in one piece of memory and the fields as plain numbers: thousands of small objects of ctypes are what a batch would wait for
    keys = b"\0".join([key for _, key in parts])
    at: int = c.cast(c.c_char_p(keys), c.c_void_p).value or 0
    fields = array("Q")
    for store, key in parts:
        # struct_size and reserved are one number of 64 bits
        fields.extend((_OBJECT_SIZE, store, at, len(key)))
        at += len(key) + 1
    references = (_Object * len(parts)).from_buffer(fields)
    references.keys = keys  # type: ignore[attr-defined]  # kept alive with what points into it
    return references


def tensor_reads(parts: Sequence[tuple[int, int, int]]) -> Any:
    """``(address, length, tensor)`` triples as ``s3dlio_tensor_read[]``."""
    return (_TensorRead * len(parts))(*(_TensorRead(_TENSOR_READ_SIZE, 0, *part) for part in parts))


def object_reads(parts: Sequence[tuple[int, int, int, int, int | None]]) -> Any:
    """``(address, length, offset, object, CRC32C or None)`` as ``s3dlio_object_read[]``."""
    fields = array("Q")
    for address, length, offset, of, crc in parts:
        # the first two fields and the last two are 32 bits each
        fields.extend((_OBJECT_READ_SIZE, address, length, offset, of, 0 if crc is None else crc | 1 << 32))
    return (_ObjectRead * len(parts)).from_buffer(fields) if parts else None


def object_array(stores: Any, keys: Any, lengths: Any, keep: object) -> Any:
    """Objects by arrays of uint64 as ``s3dlio_object[]``: the stores' numbers, the addresses of the keys and their lengths."""
    import numpy as np

    fields = np.empty((len(keys), 4), np.uint64)
    fields[:, 0], fields[:, 1], fields[:, 2], fields[:, 3] = _OBJECT_SIZE, stores, keys, lengths
    references = (_Object * len(keys)).from_buffer(fields.data)
    references.keys = keep  # type: ignore[attr-defined]  # kept alive with what points into it
    return references


def object_read_array(addresses: Any, lengths: Any, offsets: Any, objects: Any, crcs: Any, checks: Any) -> Any:
    """The same of ``s3dlio_object_read[]``; ``checks`` says which of ``crcs`` are compared."""
    import numpy as np

    fields = np.empty((len(addresses), 6), np.uint64)
    fields[:, 0], fields[:, 1], fields[:, 2], fields[:, 3], fields[:, 4] = _OBJECT_READ_SIZE, addresses, lengths, offsets, objects
    fields[:, 5] = crcs | (checks << np.uint64(32))
    return (_ObjectRead * len(addresses)).from_buffer(fields.data)


def order_fill(samples: int, seed: int, epoch: int, block: int, window: int, first: int, count: int, address: int) -> None:
    """Fills an array of int64 with the samples at so many positions of an epoch."""
    check(library().s3dlio_order_fill(samples, seed, epoch, block, window, first, count, c.cast(address, c.POINTER(c.c_int64))))


def new_memory(length: int) -> NativeMemory:
    """Memory to read into, with any content: in huge pages, and in those of one that was dropped lately where it fits.

    Raises:
        MemoryError: The system has not so much.
    """
    number, address = c.c_uint64(), c.c_void_p()
    try:
        check(library().s3dlio_buffer_new(length, c.byref(number), c.byref(address)))
    except exceptions.OutOfSpaceError:
        raise MemoryError(f"there are no {length} bytes of memory for what is loaded") from None
    return NativeMemory("buffer_free", number.value, address.value or 0, length, read_only=False)


def crc32c(address: int, length: int) -> int:
    """The CRC32C of so many bytes of memory."""
    found = c.c_uint32()
    check(library().s3dlio_crc32c(address, length, c.byref(found)))
    return found.value


def crc32c_append(crc: int, address: int, length: int) -> int:
    """The CRC32C of what has ``crc``, followed by so many bytes of memory."""
    found = c.c_uint32()
    check(library().s3dlio_crc32c_append(crc, address, length, c.byref(found)))
    return found.value


def log_append(log: int, data: Any, length: int) -> int:
    """Appends a record and gives its number."""
    number = c.c_int64()
    status = library().s3dlio_log_append(log, data, length, c.byref(number))
    if status != 0:
        _raise_last_error(status)
    return number.value


def log_append_batch(log: int, data: Any, length: int, ends: int, count: int) -> int:
    """Appends records that lie one behind the other and end where the numbers at ``ends`` say; gives the first one's number."""
    first = c.c_int64()
    check(library().s3dlio_log_append_batch(log, data, length, numbers_at(ends) if count else None, count, c.byref(first)))
    return first.value


def log_commit(log: int) -> int:
    """Commits in this thread and gives how many records are durable; -1 where an operation has to do it."""
    committed = c.c_int64()
    check(library().s3dlio_log_commit(log, c.byref(committed)))
    return committed.value


def log_info(log: int) -> tuple[int, int, int, bool]:
    """The first record, the number of the next one, how many are committed, and whether the writer ended."""
    begin, end, committed, ended = c.c_int64(), c.c_int64(), c.c_int64(), c.c_int32()
    check(library().s3dlio_log_info(log, c.byref(begin), c.byref(end), c.byref(committed), c.byref(ended)))
    return begin.value, end.value, committed.value, ended.value != 0


def log_reclaimable(log: int, number: int) -> int:
    """Bytes that a truncation would give back."""
    found = c.c_int64()
    check(library().s3dlio_log_reclaimable(log, number, c.byref(found)))
    return found.value


def log_cursor(log: int, name: bytes) -> int:
    """Where a named cursor is."""
    found = c.c_int64()
    check(library().s3dlio_log_cursor_get(log, name, c.byref(found)))
    return found.value


def table_info(table: int) -> tuple[int, int, int]:
    """Rows, the newest checkpoint's version, and batches of gradients so far."""
    rows, version, step = c.c_int64(), c.c_int64(), c.c_int64()
    check(library().s3dlio_table_info(table, c.byref(rows), c.byref(version), c.byref(step)))
    return rows.value, version.value, step.value


def table_lookup(table: int, keys: int, count: int, address: int, length: int) -> bool:
    """Looks rows up in this thread; False where an operation has to do it."""
    done = c.c_int32()
    status = library().s3dlio_table_lookup(table, c.cast(keys, _number), count, address, length, None, c.byref(done))
    if status != 0:
        _raise_last_error(status)
    return done.value != 0


def table_apply(table: int, session: bytes, serial: int, skip: int, keys: int, count: int, gradients: int, length: int) -> bool:
    """Applies a batch in this thread and gives whether it was passed over."""
    applied, skipped = c.c_int64(), c.c_int32()
    status = library().s3dlio_table_apply(
        table, session, serial, skip, c.cast(keys, _number), count, c.cast(gradients, _floats), length, c.byref(applied), c.byref(skipped)
    )
    if status != 0:
        _raise_last_error(status)
    return skipped.value != 0


def table_contains(table: int, keys: int, count: int, found: int) -> None:
    """Fills a byte for each key."""
    check(library().s3dlio_table_contains(table, c.cast(keys, _number), count, c.cast(found, _bytes)))


def table_session_serial(table: int, session: bytes) -> int:
    """The last serial of a session, -1 for none."""
    serial = c.c_int64()
    check(library().s3dlio_table_session_serial(table, session, c.byref(serial)))
    return serial.value


def numbers_at(address: int) -> Any:
    """An array of int64 that is the caller's, as the ABI takes it."""
    return c.cast(address, _number)


def floats_at(address: int) -> Any:
    """The same of float."""
    return c.cast(address, _floats)


def integers(values: Sequence[int]) -> Any:
    """A list of integers as ``int64_t[]``."""
    return (c.c_int64 * len(values))(*values)

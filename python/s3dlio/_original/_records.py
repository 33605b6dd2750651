"""Smaller functions of the original: indexes of TFRecord files, arrays of npz files, and its benchmark of reading in several processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from .. import _objects
from .._core._address import Address
from .._core._options import StorageOptions
from ..datasets._tfrecord import entries, index_text, parse_index
from ..exceptions import InvalidArgumentError


def get_tfrecord_index_entries(tfrecord_bytes: Any) -> list[tuple[int, int]]:
    """Offset and size of each record of a TFRecord file's bytes; the checksums of the lengths are compared, unless they are zeros.

    Args:
        tfrecord_bytes: The file.

    Returns:
        ``(offset, size)`` of each; the size is that of the whole record.

    Raises:
        InvalidDataError: These are none, or were cut short.

    Example:
        >>> import s3dlio
        >>> s3dlio.get_tfrecord_index_entries(s3dlio.datasets.tfrecord_frame(b"abc"))
        [(0, 19)]
    """
    view = memoryview(tfrecord_bytes).cast("B")
    return list(entries(lambda at, length: bytes(view[at : at + length]), len(view), "bytes", lax=True))


def index_tfrecord_bytes(tfrecord_bytes: Any) -> str:
    """The index of a TFRecord file's bytes: a line ``offset size`` for each record, as NVIDIA DALI reads it.

    Args:
        tfrecord_bytes: The file.

    Returns:
        The text.

    Raises:
        InvalidDataError: These are none, or were cut short.

    Example:
        >>> import s3dlio
        >>> s3dlio.index_tfrecord_bytes(s3dlio.datasets.tfrecord_frame(b"abc") * 2).split()
        ['0', '19', '19', '19']
    """
    return index_text(get_tfrecord_index_entries(tfrecord_bytes))


def create_tfrecord_index(
    tfrecord_path: Address, index_path: Address | None = None, *, storage_options: StorageOptions | None = None
) -> int:
    """Writes the index of a TFRecord file of any store.

    Args:
        tfrecord_path: The file.
        index_path: Where the index goes; None: beside it, with ``.idx`` behind its name.
        storage_options: Settings of the store.

    Returns:
        How many records it has.

    Raises:
        InvalidDataError: It is no TFRecord file, or was cut short.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://original-index/a", s3dlio.datasets.tfrecord_frame(b"abc") * 2)
        >>> s3dlio.create_tfrecord_index("memory://original-index/a")
        2
    """
    from ..datasets._window import Window

    with Window(tfrecord_path, storage_options) as window:
        found = list(entries(window.read, window.size, str(tfrecord_path), lax=True))
    target = f"{os.fspath(tfrecord_path)}.idx" if index_path is None else index_path  # type: ignore[arg-type]
    _objects.put(target, index_text(found).encode(), storage_options=storage_options)
    return len(found)


def read_tfrecord_index(index_path: Address, *, storage_options: StorageOptions | None = None) -> list[tuple[int, int]]:
    """Reads such an index.

    Args:
        index_path: Its path or address.
        storage_options: Settings of the store.

    Returns:
        ``(offset, size)`` of each record.

    Raises:
        NotFoundError: There is none.
        InvalidDataError: It is none; with the line.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://original-index/b.idx", b"0 19")
        >>> s3dlio.read_tfrecord_index("memory://original-index/b.idx")
        [(0, 19)]
    """
    return parse_index(bytes(_objects.get(index_path, storage_options=storage_options)), str(index_path))


def read_npz(uri: Address, array_name: str | None = None, *, storage_options: StorageOptions | None = None) -> np.ndarray[Any, Any]:
    """An array of an ``.npz`` file, of any dtype but pickled objects.

    Args:
        uri: The file.
        array_name: Which array; None: the first one.
        storage_options: Settings of the store.

    Returns:
        The array.

    Raises:
        NotFoundError: There is no such file.
        InvalidArgumentError: It has no such array.
        InvalidDataError: It is no such file, or damaged.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://original-npz/a.npz", s3dlio.generate_npz_bytes((2, 3)))
        >>> s3dlio.read_npz("memory://original-npz/a.npz", "y").tolist()
        [0]
    """
    from ..datasets._arrays import read_npz_bytes

    data = _objects.get(uri, storage_options=storage_options)
    found = read_npz_bytes(data, str(uri), None if array_name is None else [array_name])
    return next(iter(found.values()))


_WORKER = """
import json, sys, time
import s3dlio
told = json.loads(sys.stdin.read())
begun = time.perf_counter()
good = total = 0
failures = []
for at in range(0, len(told["uris"]), told["jobs"]):
    found = s3dlio.get_many(told["uris"][at : at + told["jobs"]], told["jobs"], on_error="return", storage_options=told["options"])
    for uri, view in found:
        if isinstance(view, Exception):
            failures.append(f"{uri}: {view}")
        else:
            good, total = good + 1, total + len(view)
counts = {"succeeded": good, "failed": len(failures), "bytes": total}
print(json.dumps({**counts, "seconds": time.perf_counter() - begun, "first_failure": failures[:1]}))
"""


def mp_get(
    uri: str,
    procs: int = 4,
    jobs: int = 64,
    num: int = 1000,
    template: str = "object_{}.dat",
    *,
    storage_options: StorageOptions | None = None,
) -> dict[str, Any]:
    """Reads objects in several processes, as a benchmark.

    Args:
        uri: What their addresses begin with.
        procs: Processes.
        jobs: Objects that each reads at once.
        num: Objects in all.
        template: Their names: ``{}`` is the number, from 0.
        storage_options: Settings of the store.

    Returns:
        ``attempted``, ``succeeded``, ``failed``, ``total_bytes``, ``bytes_source``, ``duration_seconds``, ``throughput_mb_s`` (MiB),
        ``ops_per_sec``, ``total_objects`` and ``workers``, one description for each process.

    Raises:
        InvalidArgumentError: A number below 1, or a template without ``{}``.

    Example:
        >>> import s3dlio
        >>> told = s3dlio.mp_get("s3://bucket/objects/", procs=4, num=1000)  # doctest: +SKIP
        >>> told["ops_per_sec"]  # doctest: +SKIP
    """
    import json

    if procs < 1 or jobs < 1 or num < 1 or "{}" not in template:
        raise InvalidArgumentError(
            f"mp_get takes numbers from 1 and a template with {{}}, found procs={procs}, jobs={jobs}, num={num}, template={template!r}"
        )
    base = uri if uri.endswith("/") else uri + "/"
    uris = [base + template.replace("{}", str(number), 1) for number in range(num)]
    begun = time.perf_counter()
    running = []
    try:
        for number in range(procs):
            process = subprocess.Popen([sys.executable, "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            running.append(process)
            assert process.stdin is not None
            process.stdin.write(json.dumps({"uris": uris[number::procs], "jobs": jobs, "options": dict(storage_options or {})}))
            process.stdin.close()
        told = [json.loads(process.stdout.read() or "null") for process in running if process.stdout is not None]
    finally:
        for process in running:
            if process.stdout is not None:
                process.stdout.close()
            process.wait()
    seconds = time.perf_counter() - begun
    workers = [
        {
            "worker_id": number,
            "succeeded": 0,
            "failed": len(uris[number::procs]),
            "bytes": 0,
            **(one or {}),
            "exit_code": process.returncode,
        }
        for number, (one, process) in enumerate(zip(told, running, strict=True))
    ]
    good, total = sum(one["succeeded"] for one in workers), sum(one["bytes"] for one in workers)
    return {
        "attempted": num,
        "succeeded": good,
        "failed": sum(one["failed"] for one in workers),
        "total_bytes": total,
        "bytes_source": "read",
        "duration_seconds": seconds,
        "throughput_mb_s": total / seconds / (1 << 20),
        "ops_per_sec": good / seconds,
        "total_objects": num,
        "workers": workers,
    }

"""Data that the original generates: of a size, with a share of repeated blocks and of zeros that holds when it is measured."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .._bulk import put_many
from .._containers import create_bucket
from .._core._address import Address
from .._core._memory import empty_array
from .._core._options import StorageOptions
from .._core._results import WriteResult
from .._core._view import BytesView, view_of
from .._objects import Buffer
from ..datasets._tfrecord import frame as tfrecord_frame
from ..exceptions import InvalidArgumentError

#: Bytes of a block, the unit in which data repeats.
BLOCK = 1 << 20


def py_total_cpus() -> int:
    """Processors that this process may use.

    Args:
        None.

    Returns:
        How many.

    Raises:
        OSError: The system does not tell.

    Example:
        >>> import s3dlio
        >>> s3dlio.py_total_cpus() >= 1
        True
    """
    return len(os.sched_getaffinity(0))


def py_default_data_gen_threads() -> int:
    """Threads that generate data where nobody says: half the processors.

    Args:
        None.

    Returns:
        How many.

    Raises:
        OSError: The system does not tell.

    Example:
        >>> import s3dlio
        >>> 1 <= s3dlio.py_default_data_gen_threads() <= s3dlio.py_total_cpus()
        True
    """
    return max(1, py_total_cpus() // 2)


class _Source:
    """Blocks by number: of ``dedup`` equal ones each, with ``compress - 1`` of ``compress`` parts zero."""

    def __init__(self, size: int, dedup: int, compress: int, threads: int | None, seed: int | None) -> None:
        for name, value in (("size", size), ("dedup", dedup), ("compress", compress), ("threads", 1 if threads is None else threads)):
            if isinstance(value, bool) or not isinstance(value, int) or value < (0 if name == "size" else 1):
                raise InvalidArgumentError(f"{name} is a number of {0 if name == 'size' else 1} or more, found {value!r}")
        self.size = size
        self._compress = compress
        self._threads = threads or py_default_data_gen_threads()
        blocks = -(-size // BLOCK)
        self._distinct = max(1, round(blocks / dedup))
        self._seed = int.from_bytes(os.urandom(8), "little") if seed is None else seed

    def fill(self, at: int, out: np.ndarray[Any, Any]) -> None:
        """The bytes from ``at`` on."""
        cuts = [at, *range((at // BLOCK + 1) * BLOCK, at + out.size, BLOCK), at + out.size]
        pieces = [(begin, out[begin - at : end - at]) for begin, end in itertools.pairwise(cuts)]
        if self._threads == 1 or len(pieces) == 1:
            for piece in pieces:
                self._piece(*piece)
        else:
            with ThreadPoolExecutor(min(self._threads, len(pieces))) as pool:
                list(pool.map(lambda piece: self._piece(*piece), pieces))

    def _piece(self, begin: int, out: np.ndarray[Any, Any]) -> None:
        number, skip = divmod(begin, BLOCK)
        # a short last block is compressible as the others are
        length = min(BLOCK, self.size - number * BLOCK)
        random = length - length * (self._compress - 1) // self._compress
        need = max(0, min(random, skip + out.size) - skip)
        if need:
            words = np.random.SFC64([self._seed & (1 << 64) - 1, number % self._distinct]).random_raw((skip + need + 7) // 8)
            out[:need] = words.view(np.uint8)[skip : skip + need]
        out[need:] = 0


def generate_data(size: int, dedup: int = 1, compress: int = 1) -> BytesView:
    """Bytes that nothing compresses, but as far as is asked for.

    Args:
        size: How many.
        dedup: Blocks of 1 MiB that are equal to each other: 3 makes a third of them distinct.
        compress: ``compress - 1`` of so many parts of each block are zero.

    Returns:
        The bytes, others each time.

    Raises:
        InvalidArgumentError: A number that cannot be.

    Example:
        >>> import s3dlio, zlib
        >>> data = s3dlio.generate_data(1 << 20, compress=4)
        >>> 3.8 < len(data) / len(zlib.compress(data)) < 4.1
        True
    """
    return generate_data_with_threads(size, dedup, compress)


def generate_data_with_threads(size: int, dedup: int = 1, compress: int = 1, threads: int | None = None) -> BytesView:
    """The same, on so many threads.

    Args:
        size: How many bytes.
        dedup: As for ``generate_data``.
        compress: Likewise.
        threads: None: half the processors.

    Returns:
        The bytes, others each time.

    Raises:
        InvalidArgumentError: A number that cannot be.

    Example:
        >>> import s3dlio
        >>> len(s3dlio.generate_data_with_threads(3_000_000, threads=2))
        3000000
    """
    source = _Source(size, dedup, compress, threads, None)
    out = empty_array((size,), np.dtype(np.uint8))
    source.fill(0, out)
    return view_of(out)


def generate_into_buffer(buffer: Buffer, dedup: int = 1, compress: int = 1, threads: int | None = None) -> int:
    """The same into the caller's memory.

    Args:
        buffer: What is filled: a bytearray, an array, a tensor on the CPU.
        dedup: As for ``generate_data``.
        compress: Likewise.
        threads: None: half the processors.

    Returns:
        Its bytes.

    Raises:
        ValueError: It cannot be written to, or does not lie in one piece.

    Example:
        >>> import s3dlio
        >>> s3dlio.generate_into_buffer(bytearray(100))
        100
    """
    out = _writable(buffer)
    _Source(out.size, dedup, compress, threads, None).fill(0, out)
    return int(out.size)


def _writable(buffer: Buffer) -> np.ndarray[Any, Any]:
    try:
        view = memoryview(buffer)
    except TypeError:
        # tensors, and what else has an array's interface
        view = np.asarray(buffer).data
    if view.readonly or not view.c_contiguous:
        raise InvalidArgumentError("the buffer cannot be written to" if view.readonly else "the buffer does not lie in one piece")
    return np.frombuffer(view.cast("B") if view.nbytes else b"", np.uint8)


class Generator:
    """Data in pieces, so that it never is in memory as a whole.

    Args:
        size: Bytes in all.
        dedup: As for ``generate_data``.
        compress: Likewise.
        threads: Threads that fill a piece.
        chunk_size: Bytes of a piece that are advised.
        seed: The same seed gives the same bytes, however they are cut; None: others each time.

    Example:
        >>> import s3dlio
        >>> generator, piece = s3dlio.Generator(10, seed=3), bytearray(4)
        >>> [generator.fill_chunk(piece) for _ in range(4)], generator.is_complete()
        ([4, 4, 2, 0], True)
    """

    def __init__(
        self, size: int, dedup: int = 1, compress: int = 1, threads: int | None = None, chunk_size: int = 32 << 20, seed: int | None = None
    ) -> None:
        self._source = _Source(size, dedup, compress, threads, seed)
        self.chunk_size = chunk_size
        self._at = 0

    def fill_chunk(self, buf: Buffer) -> int:
        """Fills a buffer with the next bytes, and gives how many these are; 0 at the end."""
        out = _writable(buf)[: self._source.size - self._at]
        self._source.fill(self._at, out)
        self._at += out.size
        return int(out.size)

    def is_complete(self) -> bool:
        """Whether all was given."""
        return self._at >= self._source.size

    def reset(self) -> None:
        """Begins anew with the same bytes."""
        self._at = 0


def put_objects(
    prefix: Address,
    num: int,
    template: str = "object-{}",
    max_in_flight: int = 64,
    size: int = 20 << 20,
    should_create_bucket: bool = False,
    object_type: str = "zeros",
    dedup_factor: int = 1,
    compress_factor: int = 1,
    data_gen_algorithm: str = "random",
    data_gen_mode: str = "streaming",
    chunk_size: int = 256 << 10,
    *,
    storage_options: StorageOptions | None = None,
) -> list[tuple[str, WriteResult]]:
    """Writes objects of generated data, no two alike: the original's ``put``, whose objects are one buffer many times.

    Args:
        prefix: Below which they go.
        num: How many.
        template: Their names; the first ``{}`` is the number, the second how many there are.
        max_in_flight: Objects that are written at once.
        size: Bytes of each.
        should_create_bucket: Make the bucket or container first.
        object_type: ``"npz"`` or ``"tfrecord"``, in any case; every other word means plain bytes.
        dedup_factor: As for :func:`generate_data`, within each object.
        compress_factor: As for :func:`generate_data`.
        data_gen_algorithm: Taken for compatibility.
        data_gen_mode: Taken for compatibility.
        chunk_size: Taken for compatibility.
        storage_options: Settings of the store.

    Returns:
        The address of each, and what was written.

    Raises:
        InvalidArgumentError: A number that cannot be, or ``"hdf5"``, which is not made here.

    Example:
        >>> import s3dlio
        >>> [uri for uri, _ in s3dlio.put_objects("memory://made", 2, "{}-of-{}.bin", size=1000)]
        ['memory://made/0-of-2.bin', 'memory://made/1-of-2.bin']
    """
    kind = object_type.lower().replace("-", "").replace("_", "")
    if num < 1 or size < 1 or max_in_flight < 1 or kind == "hdf5":
        raise InvalidArgumentError(
            f"num ({num}), size ({size}) and max_in_flight ({max_in_flight}) are 1 or more, and object_type is raw, npz or tfrecord, found "
            f"{object_type!r}"
        )
    text = str(prefix)
    if should_create_bucket:
        create_bucket(text if "://" not in text else "/".join(text.split("/")[:3]), storage_options=storage_options)
    base = text if text.endswith("/") else text + "/"

    def made(number: int) -> Any:
        if kind == "npz":
            return generate_npz_bytes((max(1, size // 4),))
        raw = generate_data(max(1, size - 16) if kind == "tfrecord" else size, dedup_factor, compress_factor)
        return tfrecord_frame(raw.to_bytes()) if kind == "tfrecord" else raw

    found: list[tuple[str, WriteResult]] = []
    for first in range(0, num, max_in_flight):
        numbers = range(first, min(first + max_in_flight, num))
        names = [template.replace("{}", str(number), 1).replace("{}", str(num), 1) for number in numbers]
        pairs = [(base + name, made(number)) for name, number in zip(names, numbers, strict=True)]
        found += put_many(pairs, max_in_flight=max_in_flight, storage_options=storage_options)
    return found


def generate_npz_bytes(shape: Sequence[int], dtype: str = "<f4", num_samples: int = 1) -> bytes:
    """An ``.npz`` file as training benchmarks use it: ``x`` of random elements and ``y``, a label of 0 for each sample.

    Args:
        shape: Of one sample; more samples add an axis behind the others.
        dtype: Of the elements.
        num_samples: How many.

    Returns:
        The file.

    Raises:
        InvalidArgumentError: The dtype holds objects, or there is no sample.

    Example:
        >>> import io, numpy as np, s3dlio
        >>> np.load(io.BytesIO(s3dlio.generate_npz_bytes((2, 3), num_samples=4)))["x"].shape
        (2, 3, 4)
    """
    kind = np.dtype(dtype)
    if kind.hasobject or num_samples < 1:
        raise InvalidArgumentError(f"an array of dtype {dtype!r} and {num_samples} samples cannot be generated")
    whole = (*shape, num_samples) if num_samples > 1 else tuple(shape)
    rng = np.random.default_rng()
    x = (
        rng.random(whole).astype(kind)
        if kind.kind in "fc"
        else np.frombuffer(rng.bytes(int(np.prod(whole)) * kind.itemsize), kind).reshape(whole)
    )
    out = io.BytesIO()
    np.savez(out, x=x, y=np.zeros(num_samples, np.int64))
    return out.getvalue()

"""Tensors and parts of tensors in shared safetensors objects: written with the checksums of their blocks, read from any topology.

A piece is one tensor of such an object, whole or a rank's part of a larger one. What is read of it comes straight to where it belongs and
is checked, block by block; a part that begins or ends within a block costs the rest of that block.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._core import _calls, _native, _progress
from ._core._address import Address, Location, resolve
from ._core._calls import blocking
from ._core._dtypes import castable, check_casting, has_safetensors_type, is_torch_tensor
from ._objects import put_options
from ._tensors import Source, encoded_header, tensor_source, torch_module
from .exceptions import ChecksumMismatchError, InvalidArgumentError, InvalidDataError

#: Bytes that are read to memory of our own at once, where they cannot go straight to their places.
_SCRATCH = 128 << 20

#: The same for one job of it.
_JOB = 32 << 20

_RAW = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}


@dataclass(frozen=True)
class Piece:
    """Where a tensor's bytes lie, and what they are checked by.

    Attributes:
        uri: The object's address, or its name below the checkpoint's.
        offset: Where the bytes begin in the object.
        nbytes: How many.
        crc: CRC32C of all of them.
        block_length: Bytes of each block but the last.
        blocks: CRC32C of each block, four bytes each, big-endian; empty where there is one block.
    """

    uri: str
    offset: int
    nbytes: int
    crc: int
    block_length: int
    blocks: bytes

    def to_json(self) -> dict[str, Any]:
        """As manifests hold it, but for the object's name."""
        text = {"offset": self.offset, "nbytes": self.nbytes, "crc32c": f"crc32c:{self.crc:08x}"}
        return text if not self.blocks else {**text, "block_length": self.block_length, "blocks": base64.b64encode(self.blocks).decode()}

    @staticmethod
    def from_json(found: Any, uri: str, what: str) -> Piece:
        """The piece that ``to_json`` described.

        Raises:
            InvalidDataError: It contradicts itself.
        """
        try:
            crc = found["crc32c"]
            block_length = found.get("block_length", max(1, found["nbytes"]))
            blocks = base64.b64decode(found.get("blocks", ""), validate=True)
            numbers = (found["offset"], found["nbytes"], block_length)
            if not (isinstance(crc, str) and crc.startswith("crc32c:") and len(crc) == 15):
                raise ValueError(f"the checksum {crc!r:.50}")
            if any(type(number) is not int or not 0 <= number < 1 << 60 for number in numbers) or block_length == 0:
                raise ValueError(f"the place {numbers}")
            if len(blocks) not in (0, 4 * -(-found["nbytes"] // block_length)):
                raise ValueError(f"{len(blocks)} bytes of block checksums")
            if not blocks and block_length < found["nbytes"]:
                raise ValueError(f"blocks of {block_length} bytes without checksums")
            return Piece(uri, found["offset"], found["nbytes"], int(crc[7:], 16), block_length, blocks)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise InvalidDataError(f"{what}: the place of its bytes is not understood: {error}", what) from None

    def block_crc(self, block: int) -> int:
        """CRC32C of one block."""
        return int.from_bytes(self.blocks[4 * block : 4 * block + 4], "big") if self.blocks else self.crc


def source_of(name: str, value: Any, what: str) -> Source:
    """A tensor's memory; types that safetensors lacks (complex128 for one) go as bytes, so whoever reads them has to know the type."""
    if is_torch_tensor(value):
        from ._core._dtypes import TORCH_TO_SAFETENSORS

        if str(value.dtype).removeprefix("torch.") in TORCH_TO_SAFETENSORS:
            return tensor_source(name, value, what)
        if value.layout is not torch_module().strided or value.is_quantized:
            raise InvalidArgumentError(f"{what}: tensor {name!r} is {value.layout}, quantized or nested; only dense ones can be stored")
        plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
        return tensor_source(name, plain.reshape(-1).view(torch_module().uint8), what)
    if isinstance(value, np.ndarray) and value.dtype.str[1:] == "c16":
        return tensor_source(
            name, np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"), copy=False)).reshape(-1).view(np.uint8), what
        )
    if isinstance(value, np.ndarray) and not has_safetensors_type(value.dtype):
        return tensor_source(name, _bytes_of(value), what)
    return tensor_source(name, value, what)


def _bytes_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array's elements in C order, as bytes."""
    plain = np.asarray(array)
    if not plain.flags.c_contiguous:
        # NumPy copies fields and not what lies between them, which must not be what this process had there
        plain = np.zeros(array.shape, array.dtype)
        plain[...] = array
    return plain.reshape(-1).view(np.uint8) if plain.nbytes else np.empty(0, np.uint8)


@blocking
async def save_pieces(
    uri: Address,
    sources: Sequence[Source],
    *,
    name: str = "",
    metadata: dict[str, str] | None = None,
    level: int | None = None,
    shard: dict[str, Any] | None = None,
    durable: bool | None = None,
    overwrite: bool = False,
    progress: Any = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> tuple[list[Piece], dict[str, Any]]:
    """Writes one safetensors object.

    Args:
        uri: Address of the object to write; of the checkpoint store for a shard.
        sources: Tensors with names that differ.
        name: What the pieces call the object; of a shard its key.
        metadata: The file's ``__metadata__``.
        level: Compress with zstd at this level, 1 to 22, and append ``.zst`` to the key; offsets are of the bytes before that.
        shard: What the library has to know of a shard of a checkpoint, which it then writes under a key that it chooses.
        durable: As for ``put_bytes``.
        overwrite: As for ``put_bytes``.
        progress: As for ``put_bytes``.
        timeout: As for ``put_bytes``.
        storage_options: As for ``put_bytes``.

    Returns:
        A piece for each tensor, and ``raw_size``, ``raw_checksum``, ``compression``, ``object``, what the store says of it, and ``shard``.
    """
    where = resolve(uri, storage_options)
    description: dict[str, Any] = {
        "tensors": [{"name": source.name, "dtype": source.dtype, "shape": source.shape} for source in sources],
        "metadata": metadata,
        "blocks": True,
        **({} if level is None else {"level": level}),
        **({} if shard is None else {"shard": {member: value for member, value in shard.items() if value is not None}}),
    }
    key = _native.key(where.key)
    saved = await _progress.run(
        progress,
        "save",
        "tensors_save",
        where.root.number(),
        key,
        len(key),
        encoded_header(description, where.address(where.key)),
        _native.segments([(source.address, source.nbytes) for source in sources]),
        len(sources),
        put_options(overwrite, durable=durable, background=_calls.in_background()),
        keep=list(sources),
    )
    pieces = [
        Piece(
            name or saved["shard"]["key"],
            one["offset"],
            one["nbytes"],
            int(one["checksum"][7:], 16),
            one["block_length"],
            base64.b64decode(one["blocks"]),
        )
        for one in saved["tensors"]
    ]
    return pieces, saved


@dataclass(frozen=True)
class Want:
    """A part of a piece, and where it goes.

    Attributes:
        name: What it is, for errors.
        piece: Of which piece.
        itemsize: Bytes of an element.
        shape: The piece's shape.
        starts: Where the part begins in each dimension.
        lengths: Its shape.
        target: An array or a tensor of that shape; of any strides, device and byte order.
        dtype: The type of the elements, in the target's framework.
    """

    name: str
    piece: Piece
    itemsize: int
    shape: tuple[int, ...]
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    target: Any
    dtype: Any


@dataclass
class _Read:
    """One byte range to be read; ``copy`` then takes it to its place."""

    want: Want
    begin: int
    end: int
    crc: int | None
    address: int
    owner: object


class Reading:
    """What is to be read of a checkpoint, planned first and read with few large requests.

    Args:
        at: Gives the location of an object by the name in its pieces.
        validate: Compare every byte with its checksum; parts then cost the rest of the blocks they begin and end in.
        casting: What may be converted where memory is of another type than what is read into it.
    """

    def __init__(self, at: Callable[[str], Address], *, validate: bool = True, casting: str = "no") -> None:
        check_casting(casting, "Reading")
        self._at = at
        self._validate = validate
        self._casting = casting
        #: Whether the memory may be of the program, which may use it again after a failure.
        self.lent = True
        self._wants: list[Want] = []
        #: Bytes that were wanted, and that were asked for.
        self.wanted = 0
        self.read = 0

    def add(self, want: Want) -> None:
        """Notes a part to be read. Nothing is written before ``run``, so what does not fit is refused while all memory is as it was.

        Raises:
            InvalidDataError: It lies outside its piece, or the piece has another size than its shape says.
            InvalidArgumentError: The memory is of another shape or type, is read-only, or has no elements of its own.
        """
        if math.prod(want.shape) * want.itemsize != want.piece.nbytes:
            raise InvalidDataError(f"{want.name}: shape {want.shape} does not fit {want.piece.nbytes} bytes in {want.piece.uri}")
        if not all(0 <= start and 0 <= length and start + length <= extent for start, length, extent in _zipped(want)):
            raise InvalidDataError(f"{want.name}: part {want.starts} of lengths {want.lengths} lies outside of shape {want.shape}")
        if tuple(want.target.shape) != want.lengths:
            raise InvalidArgumentError(
                f"{want.name}: the memory to load into has shape {tuple(want.target.shape)}, the part {want.lengths}"
            )
        _check_memory(want)
        if not castable(want.dtype, want.target.dtype, self._casting):
            hint = "" if self._casting == "unsafe" else "; casting='same_kind' converts within a kind of numbers, 'unsafe' any numbers"
            raise InvalidArgumentError(f"{want.name}: the checkpoint has {want.dtype}, the memory to load into {want.target.dtype}{hint}")
        self._wants.append(want)
        self.wanted += math.prod(want.lengths) * want.itemsize

    @blocking
    async def run(self, *, progress: Any = None, timeout: float | None = None) -> None:
        """Reads all that was added, checked.

        Raises:
            ChecksumMismatchError: Bytes are not those that were written; the error names object and tensor.
            NotFoundError: An object is gone.
        """
        reads: list[_Read] = []
        copies: list[Callable[[], None]] = []
        scratch = 0
        for want in self._wants:
            for taken in self._plan(want, reads, copies):
                scratch += taken
                if scratch >= _SCRATCH:
                    await self._read(reads, copies, progress)
                    scratch = 0
        await self._read(reads, copies, progress)
        self._wants.clear()

    async def _read(self, reads: list[_Read], copies: list[Callable[[], None]], progress: Any) -> None:
        numbers: dict[str, int] = {}
        places: list[Location] = []
        for read in reads:
            if read.want.piece.uri not in numbers:
                numbers[read.want.piece.uri] = len(places)
                places.append(resolve(self._at(read.want.piece.uri)))
        if reads:
            keys = [(place.root.number(), _native.key(place.key)) for place in places]
            parts = [
                (read.address, read.end - read.begin, read.want.piece.offset + read.begin, numbers[read.want.piece.uri], read.crc)
                for read in reads
            ]
            self.read += sum(part[1] for part in parts)
            try:
                await _progress.run(
                    progress,
                    "load",
                    "objects_scatter",
                    _native.object_references(keys),
                    len(keys),
                    _native.object_reads(parts),
                    len(parts),
                    _native.options({"decompress": "auto"}),
                    keep=list(reads),
                    lent=self.lent,
                )
            except ChecksumMismatchError as error:
                raise _named(error, reads) from None
        for copy in copies:
            copy()
        reads.clear()
        copies.clear()

    def _plan(self, want: Want, reads: list[_Read], copies: list[Callable[[], None]]) -> Iterable[int]:
        """Adds the reads of one part; gives the bytes of our own memory that each needs."""
        if 0 in want.lengths:
            return
        row = _row(want)
        address = None if row is None else _address(want.target, want.dtype)
        if row is None:
            yield from self._strided(want, reads, copies)
        elif address is not None:
            yield from self._straight(want, *row, address, want.target, reads, copies)
        else:
            yield self._aside(want, *row, reads, copies, _filler(want.target, want, want.lengths, _strides(want.lengths, want.itemsize)))

    def _straight(
        self, want: Want, begin: int, end: int, address: int, owner: Any, reads: list[_Read], copies: list[Callable[[], None]]
    ) -> Iterable[int]:
        """Bytes in a row to bytes in a row: what is not of whole blocks at the two ends goes by memory of our own."""
        piece, length = want.piece, want.piece.block_length
        if not self._validate:
            reads.append(_Read(want, begin, end, None, address, owner))
            return
        if begin == 0 and end == piece.nbytes:
            reads.append(_Read(want, begin, end, piece.crc, address, owner))
            return
        at = begin
        while at < end:
            block = at // length
            low, high = block * length, min((block + 1) * length, piece.nbytes)
            if low == at and high <= end:
                reads.append(_Read(want, low, high, piece.block_crc(block), address + low - begin, owner))
            else:
                part = (max(low, begin), min(high, end))
                whole = np.empty(high - low, np.uint8)
                reads.append(_Read(want, low, high, piece.block_crc(block), whole.__array_interface__["data"][0], whole))
                copies.append(_byte_filler(owner, part[0] - begin, whole[part[0] - low : part[1] - low]))
                yield high - low
            at = min(high, end)

    def _aside(
        self, want: Want, begin: int, end: int, reads: list[_Read], copies: list[Callable[[], None]], fill: Callable[[Any, int], None]
    ) -> int:
        """Bytes in a row to memory of our own, with all of the blocks that they touch."""
        piece, length = want.piece, want.piece.block_length
        low, high = (begin // length * length, min(-(-end // length) * length, piece.nbytes)) if self._validate else (begin, end)
        memory = np.empty(high - low, np.uint8)
        address = memory.__array_interface__["data"][0]
        if not self._validate:
            reads.append(_Read(want, low, high, None, address, memory))
        elif low == 0 and high == piece.nbytes:
            reads.append(_Read(want, low, high, piece.crc, address, memory))
        else:
            for at in range(low, high, length):
                stop = min(at + length, high)
                reads.append(_Read(want, at, stop, piece.block_crc(at // length), address + at - low, memory))
        copies.append(lambda: fill(memory, begin - low))
        return high - low

    def _strided(self, want: Want, reads: list[_Read], copies: list[Callable[[], None]]) -> Iterable[int]:
        """A part with gaps.

        Of the outer dimensions as many at once as fit a job, each with all that lies between its first and last byte.
        """
        strides = _strides(want.shape, want.itemsize)
        # the innermost dimensions whose extent fits a job are taken whole; those outside of them one by one
        inner = len(want.shape)
        while inner > 0 and _extent(want.lengths[inner - 1 :], strides[inner - 1 :], want.itemsize) <= _JOB:
            inner -= 1
        if inner > 0:
            # as many of the last outer dimension as fit
            step = max(1, _JOB // max(1, strides[inner - 1]))
            outer = [range(length) for length in want.lengths[: inner - 1]]
            for index in itertools.product(*outer):
                for first in range(0, want.lengths[inner - 1], step):
                    count = min(step, want.lengths[inner - 1] - first)
                    place = (*index, slice(first, first + count))
                    starts = (
                        *(start + i for start, i in zip(want.starts, index, strict=False)),
                        want.starts[inner - 1] + first,
                        *want.starts[inner:],
                    )
                    lengths = (count, *want.lengths[inner:])
                    yield self._job(want, strides, starts, lengths, strides[inner - 1 :], want.target[place], reads, copies)
        else:
            yield self._job(want, strides, want.starts, want.lengths, strides, want.target, reads, copies)

    def _job(
        self,
        want: Want,
        strides: tuple[int, ...],
        starts: tuple[int, ...],
        lengths: tuple[int, ...],
        inner: tuple[int, ...],
        target: Any,
        reads: list[_Read],
        copies: list[Callable[[], None]],
    ) -> int:
        begin = sum(start * stride for start, stride in zip(starts, strides, strict=True))
        end = begin + _extent(lengths, inner, want.itemsize)
        return self._aside(want, begin, end, reads, copies, _filler(target, want, lengths, inner))


def _check_memory(want: Want) -> None:
    target, what = want.target, f"{want.name}: the memory to load into"
    if isinstance(target, np.ndarray):
        if not target.flags.writeable:
            raise InvalidArgumentError(f"{want.name}: the array to load into is read-only")
        if isinstance(target, np.ma.MaskedArray):
            raise InvalidArgumentError(f"{what} is a masked array; give array.data and set the mask")
        strides: Sequence[int] = target.strides
    elif str(target.layout) != "torch.strided" or target.is_meta or target.is_quantized:
        raise InvalidArgumentError(f"{what} is no dense tensor with data ({target.layout} on {target.device})")
    else:
        strides = target.stride()
    if any(stride == 0 and extent > 1 for stride, extent in zip(strides, target.shape, strict=True)):
        raise InvalidArgumentError(
            f"{what} has elements that share one place (a stride of 0, as expand() and broadcast_to() make); give a copy"
        )


def _row(want: Want) -> tuple[int, int] | None:
    """Begin and end of the part's bytes where they lie in a row."""
    strides = _strides(want.shape, want.itemsize)
    expected = want.itemsize
    for length, stride in zip(reversed(want.lengths), reversed(strides), strict=True):
        if length != 1:
            if stride != expected:
                return None
            expected = stride * length
    begin = sum(start * stride for start, stride in zip(want.starts, strides, strict=True))
    return begin, begin + math.prod(want.lengths) * want.itemsize


def _address(target: Any, dtype: Any) -> int | None:
    """Where the target's memory begins, if bytes can be read straight to it."""
    if target.dtype != dtype:
        return None
    if isinstance(target, np.ndarray):
        return int(target.__array_interface__["data"][0]) if target.flags.c_contiguous and target.flags.writeable else None
    plain = target.device.type == "cpu" and target.is_contiguous() and not target.is_conj() and not target.is_neg()
    return int(target.data_ptr()) if plain else None


def _byte_filler(owner: Any, offset: int, data: np.ndarray[Any, Any]) -> Callable[[], None]:
    """Copies bytes into contiguous memory."""

    def copy() -> None:
        if isinstance(owner, np.ndarray):
            flat = owner.reshape(-1).view(np.uint8)
        else:
            flat = owner.detach().reshape(-1).view(torch_module().uint8).numpy()
        flat[offset : offset + data.size] = data

    return copy


def _filler(target: Any, want: Want, lengths: tuple[int, ...], strides: tuple[int, ...]) -> Callable[[Any, int], None]:
    """Copies elements out of memory of ours, where they lie with these strides."""

    def fill(memory: Any, offset: int) -> None:
        raw = _RAW.get(want.itemsize, f"V{want.itemsize}")
        found: np.ndarray[Any, Any] = np.ndarray(lengths, raw, memory, offset, strides)
        if isinstance(target, np.ndarray):
            target[...] = np.ascontiguousarray(found).view(want.dtype).reshape(lengths)
            return
        torch = torch_module()
        packed = torch.from_numpy(np.ascontiguousarray(found).reshape(-1).view(np.uint8))
        with torch.no_grad():
            target.copy_(packed.view(want.dtype).reshape(lengths))

    return fill


def _strides(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Of C order, in bytes."""
    strides, step = [], itemsize
    for extent in reversed(shape):
        strides.append(step)
        step *= max(1, extent)
    return tuple(reversed(strides))


def _extent(lengths: Sequence[int], strides: Sequence[int], itemsize: int) -> int:
    """Bytes from the first to the last of a part."""
    return sum((length - 1) * stride for length, stride in zip(lengths, strides, strict=True)) + itemsize


def _zipped(want: Want) -> Iterable[tuple[int, int, int]]:
    if not len(want.starts) == len(want.lengths) == len(want.shape):
        raise InvalidDataError(f"{want.name}: a part of {len(want.lengths)} dimensions of a tensor of {len(want.shape)}")
    return zip(want.starts, want.lengths, want.shape, strict=True)


def _named(error: ChecksumMismatchError, reads: list[_Read]) -> ChecksumMismatchError:
    """The error with the name of the tensor."""
    for read in reads:
        if error.offset == read.want.piece.offset + read.begin and error.uri.endswith(read.want.piece.uri.rsplit("/", 1)[-1]):
            detail = f"{error.detail}. These bytes are of {read.want.name}; they are damaged"
            return ChecksumMismatchError(f"{error.uri}: {detail}", error.uri, detail, error.offset)
    return error

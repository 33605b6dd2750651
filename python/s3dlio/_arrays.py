"""NumPy arrays as ``.npy`` objects."""

from __future__ import annotations

import ast
import json
import math
import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.lib import format as _format

from ._core import _native, _progress
from ._core._address import Address, resolve
from ._core._again import while_replaced
from ._core._calls import blocking
from ._core._dtypes import extension_dtype, extension_name, is_big_endian, is_ml_dtype
from ._core._memory import empty_array
from ._core._options import StorageOptions
from ._core._progress import Progress
from ._core._results import WriteResult, written
from ._core._warnings import warn_ignored
from ._objects import Verify, form_options, put_options, verify_options
from .exceptions import ClosedError, InvalidArgumentError, InvalidDataError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# NumPy's own functions, untyped in its older releases
_dtype_to_descr: Any = _format.dtype_to_descr
_descr_to_dtype: Any = _format.descr_to_dtype

#: A type string whose number is a length: NumPy before 2 wraps it around at 2**31 bytes.
_TEXT_TYPE = re.compile(r"[<>|=]?([SaUV])(-?\d+)")


@blocking
async def save_numpy_array(
    uri: Address,
    array: Any,
    compress: bool | int | None = None,
    validate: bool = True,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    metadata: dict[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Saves an array as a ``.npy`` object that ``np.load`` reads, atomically.

    Contiguous arrays, in C or Fortran order, are written straight from their memory; others are copied once.

    Args:
        uri: Address of the object to write.
        array: An array of any shape and any dtype but object: bool, integers, floats, complex, datetime64, timedelta64,
            strings, structured, either byte order, and ml_dtypes' bfloat16, float8 and so on (``np.load`` reads those as
            raw bytes; ``load_numpy_array`` gives the type back).
        compress: True for zstd at level 3, or a level from 1 to 22: the object is then called ``uri`` with ``.zst`` behind it,
            once, and a load of ``uri`` finds it. False saves it plain. None: compressed if ``uri`` ends in ``.zst``.
        validate: Taken for compatibility: the checksum is always computed.
        overwrite: False creates the object, or fails where a load of ``uri`` would find one.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        metadata: Pairs of text kept with the object.
        attributes: As for ``put_bytes``.
        tags: As for ``put_bytes``.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written, ``uri`` with ``.zst`` where it is compressed. As text it is the checksum of the ``.npy`` bytes, header
        included, before any compression: ``crc32c:xxxxxxxx``.

    Raises:
        InvalidArgumentError: A dtype that would need pickle; an invalid level; ``compress=False`` for a name in ``.zst``.
        AlreadyExistsError: ``overwrite=False`` and the object exists; or ``.zst`` is put behind ``uri``, and the plain object of that
            name exists, which a load of ``uri`` would give. Delete that one, or give the name with ``.zst``.
        OutOfSpaceError, PermissionDeniedError: As the store says; nothing was changed.

    Example:
        >>> import numpy as np, s3dlio
        >>> s3dlio.save_numpy_array("memory://doc/x.npy", np.arange(6).reshape(2, 3)).checksum
        'crc32c:e5b3a6e0'
        >>> s3dlio.load_numpy_array("memory://doc/x.npy")
        array([[0, 1, 2],
               [3, 4, 5]])
    """
    where = resolve(uri, storage_options)
    what = where.address(where.key)
    compression = form_options(compress, where)
    if validate is False:
        warn_ignored("save_numpy_array(validate=False)", "the checksum is always computed")
    if isinstance(array, np.ma.MaskedArray):
        raise InvalidArgumentError(f"{what}: a .npy file holds no mask; save array.filled() and array.mask", what)
    given = np.asarray(array)
    descr, extension = describe(given.dtype, what)
    if extension is not None and is_big_endian(given.dtype):
        # the header has a name for the type and none for its byte order
        given = given.astype(given.dtype.newbyteorder("="))
    data, fortran = _contiguous(given)
    header = {"descr": descr, "fortran_order": fortran, "shape": given.shape, "extension_type": extension}
    key = _native.key(where.key)
    result = await _progress.run(
        progress,
        "save",
        "array_save",
        where.root.number(),
        key,
        len(key),
        json.dumps({name: value for name, value in header.items() if value is not None}).encode(),
        _address_of(data),
        data.nbytes,
        put_options(overwrite, durable=durable, metadata=metadata, attributes=attributes, tags=tags, compression=compression),
        keep=data,
    )
    return written(where.address(result["key"]), result)


@blocking
async def load_numpy_array(
    uri: Address,
    shape: tuple[int, ...] | int | None = None,
    dtype: Any = None,
    validate_checksum: str | bool | None = None,
    *,
    verify: Verify = "auto",
    expected_checksum: str | None = None,
    out: Array | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> Array:
    """Loads a ``.npy`` object of any writer straight into the array's memory.

    Args:
        uri: Which. Where there is no such object, the compressed one of the name with ``.zst`` behind it.
        shape: The shape that is expected; another in the header is an error before anything is allocated.
        dtype: Likewise for the dtype.
        validate_checksum: The original's name for the next two: a text is ``expected_checksum``, True is ``verify="require"``.
        verify: ``"auto"`` compares with the checksum recorded with the object, where there is one; ``"require"`` refuses an object
            without one; False compares with none.
        expected_checksum: A checksum that the object must have, as ``save_numpy_array`` returned it.
        out: An array of the object's dtype, shape and order to load into.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The array, in the order it was saved in; ``out`` where that was given.

    Raises:
        NotFoundError: There is no such object.
        InvalidDataError: It is no ``.npy`` object, is truncated, or holds Python objects.
        InvalidArgumentError: Shape, dtype or ``out`` do not fit it.
        ChecksumMismatchError: The bytes are not those that were written. ``out`` then holds bytes not to be used.
        NoChecksumError: ``verify="require"``, and nothing is recorded to compare with. ``out`` is as it was.
    """
    where = resolve(uri, storage_options)
    what = where.address(where.key)
    key = _native.key(where.key)
    if isinstance(validate_checksum, str):
        expected_checksum = validate_checksum
    elif validate_checksum is not None:
        verify = "require" if validate_checksum else False
    settings = verify_options(verify, expected_checksum)

    async def load() -> Array:
        generation = _native.generation
        found = await _native.run("array_open", where.root.number(), key, len(key))
        try:
            actual = _dtype(found, what)
            dims = tuple(found["shape"])
            _check_expected(what, actual, dims, dtype, shape)
            size = math.prod(dims) * actual.itemsize
            if size > found["data_length"]:
                raise InvalidDataError(
                    f"{what}: the array of shape {dims} and dtype {actual} needs {size} bytes, the object has "
                    f"{found['data_length']} behind its header: it is truncated",
                    what,
                )
            order: Literal["C", "F"] = "F" if found["fortran_order"] else "C"
            if out is None:
                target = _allocate(dims, actual, order, what)
            else:
                _check_out(what, out, actual, dims, order)
                target = out
            if _native.generation != generation:
                raise ClosedError(f"{what}: the process was forked while the object was being opened", what)
            read = ("array_read", found["file"], _address_of(target), size, settings)
            await _progress.run(progress, "load", *read, keep=target, lent=out is not None)
            return target
        finally:
            _native.close("file", found["file"], generation)

    return await while_replaced(load)


def describe(dtype: np.dtype[Any], what: str) -> tuple[str, str | None]:
    """The header's descr, as Python's literal, and the name of the type where NumPy's format cannot say it."""
    if dtype.hasobject and dtype.type is str:
        raise InvalidArgumentError(
            f"{what}: dtype {dtype} holds texts of any length, which a .npy file can only keep as a pickle; convert it with "
            "array.astype('U20'), where 20 is the length of the longest",
            what,
        )
    if dtype.hasobject:
        raise InvalidArgumentError(
            f"{what}: dtype {dtype} holds Python objects, which only pickle can store and pickle can run code when it is read; "
            "convert it, for example with array.astype('U') or array.astype(float)",
            what,
        )
    extension = extension_name(dtype)
    if extension is not None:
        if not is_ml_dtype(dtype):
            raise InvalidArgumentError(f"{what}: dtype {dtype!r} has no form in a .npy file", what)
        return repr(f"|V{dtype.itemsize}"), extension
    if _holds_extension(dtype):
        raise InvalidArgumentError(
            f"{what}: dtype {dtype} has fields of a type that a .npy file cannot name; save those fields as arrays of their own", what
        )
    try:
        return repr(_dtype_to_descr(dtype)), None
    except ValueError as error:
        raise InvalidArgumentError(
            f"{what}: a .npy file cannot describe dtype {dtype}: {error}; copy the fields that you need with "
            "numpy.lib.recfunctions.repack_fields",
            what,
        ) from None


def _holds_extension(dtype: np.dtype[Any]) -> bool:
    if dtype.subdtype is not None:
        return _holds_extension(dtype.subdtype[0])
    if dtype.fields is not None:
        return any(_holds_extension(field[0]) for field in dtype.fields.values())
    return extension_name(dtype) is not None


def _dtype(found: dict[str, Any], what: str) -> np.dtype[Any]:
    """The dtype of a header."""
    if "extension_type" in found:
        named = extension_dtype(found["extension_type"], what)
        if found["descr"].strip("'\"") == f"|V{named.itemsize}":
            return named
        raise InvalidDataError(f"{what}: the header says {found['descr']} and {named}, which differ in size", what)
    return dtype_of(found["descr"], what, "the header's descr")


def dtype_of(text: str, what: str, named: str = "the descr") -> np.dtype[Any]:
    """The dtype of a header's descr, as Python writes it.

    Raises:
        InvalidDataError: It is none, or one of Python objects.
    """
    try:
        descr = ast.literal_eval(text)
        _check_lengths(descr)
        dtype: np.dtype[Any] = _descr_to_dtype(descr)
    except (TypeError, ValueError, SyntaxError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
        raise InvalidDataError(f"{what}: NumPy cannot make a dtype of {named} {_shortened(text)}: {_shortened(str(error))}", what) from None
    if not _is_sound(dtype):
        raise InvalidDataError(f"{what}: {named} {_shortened(text)} has a type of negative size", what)
    if dtype.subdtype is not None:
        raise InvalidDataError(f"{what}: {named} {_shortened(text)} is a subarray, which only a field can be", what)
    if dtype.hasobject:
        raise InvalidDataError(f"{what}: the array holds Python objects as a pickle, which is never loaded: it could run code", what)
    return dtype


def _check_lengths(descr: Any) -> None:
    """Refuses what NumPy before 2 takes for a shorter type.

    Raises:
        ValueError: The length of a text or void type is beyond NumPy's limit.
    """
    if isinstance(descr, str):
        text = _TEXT_TYPE.fullmatch(descr)
        if text is not None and not 0 <= int(text[2]) * (4 if text[1] == "U" else 1) < 1 << 31:
            raise ValueError(f"{descr!r} is not a length from 0 to 2**31 - 1 bytes")
    elif isinstance(descr, tuple):
        _check_lengths(descr[0])
    else:
        for field in descr:
            _check_lengths(field[1])


def _is_sound(dtype: np.dtype[Any]) -> bool:
    """False where a size is negative, which NumPy before 2 makes of some type strings."""
    if dtype.itemsize < 0:
        return False
    if dtype.subdtype is not None:
        return _is_sound(dtype.subdtype[0])
    return dtype.fields is None or all(_is_sound(field[0]) for field in dtype.fields.values())


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."


def _allocate(dims: tuple[int, ...], dtype: np.dtype[Any], order: Literal["C", "F"], what: str) -> Array:
    try:
        return empty_array(dims, dtype, order)
    except ValueError as error:
        raise InvalidDataError(
            f"{what}: NumPy {np.__version__} has no array of shape {dims} and dtype {_shortened(str(dtype))}: {error}", what
        ) from None


def _contiguous(array: Array) -> tuple[Array, bool]:
    """The array's data in one piece, and whether it is in Fortran order."""
    # C before F, as np.save does: a one-dimensional array is both
    if array.flags.c_contiguous:
        return array, False
    if array.flags.f_contiguous:
        return array, True
    if array.dtype.fields is None:
        return np.ascontiguousarray(array).reshape(array.shape), False
    # NumPy copies fields and not what lies between them, which must not be what this process had there
    copy = np.zeros(array.shape, array.dtype)
    copy[...] = array
    return copy, False


def _address_of(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _check_expected(what: str, actual: np.dtype[Any], dims: tuple[int, ...], dtype: Any, shape: tuple[int, ...] | int | None) -> None:
    if dtype is not None and np.dtype(dtype) != actual:
        raise InvalidArgumentError(f"{what}: dtype {np.dtype(dtype)} was expected, the object has {actual}", what)
    if shape is not None:
        wanted = tuple(shape) if isinstance(shape, Iterable) else (operator.index(shape),)
        if wanted != dims:
            raise InvalidArgumentError(f"{what}: shape {wanted} was expected, the object has {dims}", what)


def _check_out(what: str, out: Array, actual: np.dtype[Any], dims: tuple[int, ...], order: str) -> None:
    if not isinstance(out, np.ndarray):
        raise InvalidArgumentError(f"{what}: out must be a NumPy array, found {type(out).__name__}", what)
    if isinstance(out, np.ma.MaskedArray):
        raise InvalidArgumentError(f"{what}: out is a masked array; give out.data and set its mask", what)
    if out.dtype != actual:
        raise InvalidArgumentError(f"{what}: out has dtype {out.dtype}, the object has {actual}", what)
    if out.shape != dims:
        raise InvalidArgumentError(f"{what}: out has shape {out.shape}, the object has {dims}", what)
    if not out.flags.writeable:
        raise InvalidArgumentError(f"{what}: out is read-only", what)
    if not (out.flags.f_contiguous if order == "F" else out.flags.c_contiguous):
        raise InvalidArgumentError(
            f"{what}: the object is in {order} order and out is not {order}-contiguous; make it with np.empty(shape, dtype, "
            f"order={order!r})",
            what,
        )

"""NumPy arrays as ``.npy`` objects."""

from __future__ import annotations

import ast
import json
import math
from typing import Any, TypeAlias

import numpy as np
from numpy.lib import format as _format

from . import _native
from ._address import Address, resolve
from ._dtypes import extension_dtype, extension_name
from ._objects import Progress, put_options, validation_options
from .exceptions import ClosedError, InvalidArgumentError, InvalidDataError

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# NumPy's own functions, untyped in its older releases
_dtype_to_descr: Any = _format.dtype_to_descr
_descr_to_dtype: Any = _format.descr_to_dtype


def save_numpy_array(
    uri: Address,
    array: Any,
    compress: bool | int = False,
    validate: bool = True,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    metadata: dict[str, str] | None = None,
    progress: Progress | None = None,
    storage_options: dict[str, Any] | None = None,
) -> str:
    """Saves an array as a ``.npy`` object that ``np.load`` reads, atomically.

    Contiguous arrays, in C or Fortran order, are written straight from their memory; others are copied once.

    Args:
        uri: Where to.
        array: An array of any shape and any dtype but object: bool, integers, floats, complex, datetime64, timedelta64,
            strings, structured, either byte order, and ml_dtypes' bfloat16, float8 and so on (``np.load`` reads those as
            raw bytes; ``load_numpy_array`` gives the type back).
        compress: Only False for now.
        validate: Taken for compatibility: the checksum is always computed.
        overwrite: False creates the object or fails.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        metadata: Pairs of text kept with the object.
        progress: Called with bytes done and bytes in all.
        storage_options: Settings of the store.

    Returns:
        The checksum of the object, header included: ``crc32c:xxxxxxxx``.

    Raises:
        InvalidArgumentError: A dtype that would need pickle, or ``compress``.
        AlreadyExistsError: ``overwrite=False`` and the object exists.
        OutOfSpaceError, PermissionDeniedError: As the store says; nothing was changed.

    Example:
        >>> import numpy as np, s3dlio
        >>> s3dlio.save_numpy_array("memory://doc/x.npy", np.arange(6).reshape(2, 3))
        'crc32c:e5b3a6e0'
        >>> s3dlio.load_numpy_array("memory://doc/x.npy")
        array([[0, 1, 2],
               [3, 4, 5]])
    """
    where = resolve(uri, storage_options)
    what = where.address(where.key)
    if compress is not False and compress is not None:
        raise InvalidArgumentError(f"{what}: compress={compress!r} is not to be had yet; save with compress=False", what)
    if isinstance(array, np.ma.MaskedArray):
        raise InvalidArgumentError(f"{what}: a .npy file holds no mask; save array.filled() and array.mask", what)
    given = np.asarray(array)
    descr, extension = _describe(given.dtype, what)
    data, fortran = _contiguous(given)
    header = {"descr": descr, "fortran_order": fortran, "shape": given.shape, "extension_type": extension}
    key = _native.key(where.key)
    result = _native.run(
        "array_save",
        where.root.number(),
        key,
        len(key),
        json.dumps({name: value for name, value in header.items() if value is not None}).encode(),
        _address_of(data),
        data.nbytes,
        put_options(overwrite, None, durable, None, metadata),
        keep=data,
        progress=progress,
    )
    return str(result["checksum"])


def load_numpy_array(
    uri: Address,
    shape: tuple[int, ...] | int | None = None,
    dtype: Any = None,
    validate_checksum: str | bool | None = None,
    *,
    out: Array | None = None,
    progress: Progress | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Array:
    """Loads a ``.npy`` object, whoever wrote it, straight into the array's memory.

    Args:
        uri: Which.
        shape: The shape that is expected; another in the header is an error before anything is allocated.
        dtype: Likewise for the dtype.
        validate_checksum: A checksum that the object must have, as ``save_numpy_array`` returned it. None compares with the
            one recorded with the object, where there is one; False compares with none.
        out: An array of the object's dtype, shape and order to load into.
        progress: Called with bytes done and bytes in all.
        storage_options: Settings of the store.

    Returns:
        The array, in the order it was saved in; ``out`` where that was given.

    Raises:
        NotFoundError: There is no such object.
        InvalidDataError: It is no ``.npy`` object, is truncated, or holds Python objects.
        InvalidArgumentError: Shape, dtype or ``out`` do not fit it.
        ChecksumMismatchError: The bytes are not those that were written. ``out`` then holds bytes not to be used.
    """
    where = resolve(uri, storage_options)
    what = where.address(where.key)
    key = _native.key(where.key)
    expected = validate_checksum if isinstance(validate_checksum, str) else None
    settings = validation_options(validate_checksum is not False, expected)
    generation = _native.generation
    found = _native.run("array_open", where.root.number(), key, len(key))
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
        order = "F" if found["fortran_order"] else "C"
        if out is None:
            target: Array = np.empty(dims, actual, order=order)  # type: ignore[call-overload]
        else:
            _check_out(what, out, actual, dims, order)
            target = out
        if _native.generation != generation:
            raise ClosedError(f"{what}: the process was forked while the object was being opened", what)
        _native.run(
            "array_read", found["file"], _address_of(target), size, settings, keep=target, progress=progress
        )
        return target
    finally:
        _native.close("file", found["file"], generation)


def _describe(dtype: np.dtype[Any], what: str) -> tuple[str, str | None]:
    """The header's descr, as Python's literal, and the name of the type where NumPy's format cannot say it."""
    if dtype.hasobject:
        raise InvalidArgumentError(
            f"{what}: dtype {dtype} holds Python objects, which only pickle can store and pickle can run code when it is read; "
            "convert it, for example with array.astype('U') or array.astype(float)",
            what,
        )
    extension = extension_name(dtype)
    if extension is not None:
        if not dtype.isbuiltin == 2 or dtype.itemsize == 0:
            raise InvalidArgumentError(f"{what}: dtype {dtype!r} has no form in a .npy file", what)
        return repr(f"|V{dtype.itemsize}"), extension
    if _holds_extension(dtype):
        raise InvalidArgumentError(
            f"{what}: dtype {dtype} has fields of a type that a .npy file cannot name; save those fields as arrays of their own", what
        )
    return repr(_dtype_to_descr(dtype)), None


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
    try:
        dtype: np.dtype[Any] = _descr_to_dtype(ast.literal_eval(found["descr"]))
    except (TypeError, ValueError, SyntaxError, IndexError, KeyError) as error:
        raise InvalidDataError(f"{what}: NumPy cannot make a dtype of the header's descr {found['descr']}: {error}", what) from None
    if dtype.hasobject:
        raise InvalidDataError(f"{what}: the array holds Python objects as a pickle, which is never loaded: it could run code", what)
    return dtype


def _contiguous(array: Array) -> tuple[Array, bool]:
    """The array's data in one piece, and whether it is in Fortran order."""
    # C before F, as np.save does: a one-dimensional array is both
    if array.flags.c_contiguous:
        return array, False
    if array.flags.f_contiguous:
        return array, True
    return np.ascontiguousarray(array).reshape(array.shape), False


def _address_of(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _check_expected(what: str, actual: np.dtype[Any], dims: tuple[int, ...], dtype: Any, shape: tuple[int, ...] | int | None) -> None:
    if dtype is not None and np.dtype(dtype) != actual:
        raise InvalidArgumentError(f"{what}: dtype {np.dtype(dtype)} was expected, the object has {actual}", what)
    if shape is not None:
        wanted = (shape,) if isinstance(shape, int) else tuple(shape)
        if wanted != dims:
            raise InvalidArgumentError(f"{what}: shape {wanted} was expected, the object has {dims}", what)


def _check_out(what: str, out: Array, actual: np.dtype[Any], dims: tuple[int, ...], order: str) -> None:
    if not isinstance(out, np.ndarray):
        raise InvalidArgumentError(f"{what}: out must be a NumPy array, found {type(out).__name__}", what)
    if out.dtype != actual:
        raise InvalidArgumentError(f"{what}: out has dtype {out.dtype}, the object has {actual}", what)
    if out.shape != dims:
        raise InvalidArgumentError(f"{what}: out has shape {out.shape}, the object has {dims}", what)
    if not out.flags.writeable:
        raise InvalidArgumentError(f"{what}: out is read-only", what)
    if not (out.flags.f_contiguous if order == "F" else out.flags.c_contiguous):
        raise InvalidArgumentError(
            f"{what}: the object is in {order} order and out is not {order}-contiguous; make it with np.empty(shape, dtype, order={order!r})",
            what,
        )

"""Arrays and dictionaries of tensors in one call, in the format that the name says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from ._arrays import load_numpy_array, save_numpy_array
from ._core._address import Address, resolve
from ._core._calls import blocking
from ._core._options import StorageOptions
from ._core._progress import Progress
from ._core._results import WriteResult
from ._objects import Verify
from ._tensors import Framework, load_tensors, save_tensors
from .exceptions import InvalidArgumentError

Format: TypeAlias = Literal["npy", "safetensors"]

_SUFFIXES: dict[str, Format] = {".npy": "npy", ".safetensors": "safetensors"}


@blocking
async def save(
    uri: Address,
    value: Any,
    *,
    format: Format | None = None,
    compress: bool | int | None = None,
    overwrite: bool = True,
    durable: bool | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Saves an array as ``.npy``, or a dictionary of arrays and tensors as ``.safetensors``, atomically.

    Args:
        uri: Where to; what it ends in (``.npy``, ``.safetensors``, either with ``.zst``) names the format.
        value: An array, or a dictionary of arrays and tensors by name.
        format: ``"npy"`` or ``"safetensors"``, whatever ``uri`` ends in.
        compress: As for :func:`save_numpy_array`.
        overwrite: False creates the object or fails.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written, ``uri`` with ``.zst`` where it is compressed.

    Raises:
        InvalidArgumentError: The name says no format, or the value does not fit it.
        AlreadyExistsError: ``overwrite=False`` and the object exists.

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.save("memory://doc/a.npy", np.arange(3)), s3dlio.save("memory://doc/m.safetensors", {"w": np.ones(2)})
        >>> s3dlio.load("memory://doc/a.npy"), s3dlio.load("memory://doc/m.safetensors")
        (array([0, 1, 2]), {'w': array([1., 1.])})
    """
    where: Any = resolve(uri, storage_options)
    what = where.address(where.key)
    keywords: dict[str, Any] = {"compress": compress, "overwrite": overwrite, "durable": durable, "progress": progress}
    is_mapping = isinstance(value, Mapping)
    if _format(what, format) == "npy":
        if is_mapping:
            raise InvalidArgumentError(
                f"{what}: a .npy file holds one array, found a dictionary; name it .safetensors, or save its arrays one by one", what
            )
        body = save_numpy_array.body  # type: ignore[attr-defined]
    else:
        if not is_mapping:
            raise InvalidArgumentError(
                f"{what}: safetensors holds a dictionary of arrays and tensors by name, found {type(value).__name__}; name it .npy, or "
                "give it a name",
                what,
            )
        body = save_tensors.body  # type: ignore[attr-defined]
    result: WriteResult = await body(where, value, **keywords)
    return result


@blocking
async def load(
    uri: Address,
    *,
    format: Format | None = None,
    framework: Framework = "np",
    verify: Verify = "auto",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> Any:
    """Loads what :func:`save` saved, or any other program: an array of ``.npy``, a dictionary of ``.safetensors``.

    Args:
        uri: Which. Where there is no such object, the compressed one of the name with ``.zst`` behind it.
        format: ``"npy"`` or ``"safetensors"``, whatever ``uri`` ends in.
        framework: What tensors are made as: ``"np"`` or ``"pt"``.
        verify: As for :func:`get`.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The array, or the dictionary in the order of the file. With ``framework="pt"`` an array of ``.npy`` is a tensor, too.

    Raises:
        NotFoundError: There is no such object.
        InvalidArgumentError: The name says no format.
        InvalidDataError: The object is not of that format.
        ChecksumMismatchError: The bytes are not those that were written.

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.save("memory://doc/no-suffix", np.arange(3), format="npy")
        >>> s3dlio.load("memory://doc/no-suffix", format="npy")
        array([0, 1, 2])
    """
    where: Any = resolve(uri, storage_options)
    if _format(where.address(where.key), format) == "safetensors":
        return await load_tensors.body(where, None, framework, verify=verify, progress=progress)  # type: ignore[attr-defined]
    array = await load_numpy_array.body(where, verify=verify, progress=progress)  # type: ignore[attr-defined]
    if framework in ("np", "numpy"):
        return array
    import torch

    return torch.from_numpy(array)


def _format(what: str, chosen: Format | None) -> Format:
    if chosen is None:
        name = what.removesuffix(".zst")
        found: Format | None = next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)
        if found is None:
            raise InvalidArgumentError(
                f"{what}: the name says no format; end it in .npy or .safetensors, or give format='npy' or format='safetensors'", what
            )
        return found
    # both by themselves: type checkers see then that no other text is left
    if chosen == "npy" or chosen == "safetensors":
        return chosen
    raise InvalidArgumentError(f"{what}: format is 'npy' or 'safetensors', found {chosen!r}", what)

"""Models of a training with Accelerate, saved to a store once and loaded by every process.

Importing this needs torch. Accelerate's own object is handed in, so nothing of it is imported.

Example:
    >>> from s3dlio.integrations.accelerate import load_model, save_model  # doctest: +SKIP
    >>> save_model(accelerator, model, "s3://runs/one/model", max_shard_size="2GB")  # doctest: +SKIP
    >>> load_model(accelerator, model, "s3://runs/one/model")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Any

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(f"s3dlio.integrations.accelerate needs torch, which cannot be imported here: {error}") from error

from .. import _tensors
from .._core._address import Address, Location, resolve
from .._core._options import StorageOptions
from .._core._results import WriteResult
from ._module import LoadedKeys, load_into

__all__ = ["load_model", "save_model"]


def save_model(
    accelerator: Any,
    model: Any,
    uri: Address,
    *,
    max_shard_size: int | str = "5GB",
    overwrite: bool = True,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult | None:
    """Writes the model of all processes as safetensors, as ``accelerator.save_model`` does to a local directory. Every process calls it.

    Args:
        accelerator: The ``Accelerator``; its ``get_state_dict`` gathers what FSDP and DeepSpeed have spread.
        model: The model, as ``prepare`` gave it.
        uri: The directory.
        max_shard_size: As for ``s3dlio.save_tensors``.
        overwrite: False fails where there is a model.
        timeout: Seconds for the whole save.
        storage_options: Settings of the store.

    Returns:
        What was written last, in the main process; None in the others, which wait for it.

    Raises:
        AlreadyExistsError: ``overwrite=False`` and there is a model; in the main process.

    Example:
        >>> save_model(accelerator, model, "s3://runs/one/model")  # doctest: +SKIP
    """
    state = accelerator.get_state_dict(model)
    result = None
    try:
        if accelerator.is_main_process:
            where = resolve(uri, storage_options)
            place = Location(where.root, f"{where.key.rstrip('/')}/", where.base)
            result = _tensors.save_tensors(place, state, max_shard_size=max_shard_size, overwrite=overwrite, timeout=timeout)
    finally:
        accelerator.wait_for_everyone()
    return result


def load_model(
    accelerator: Any,
    model: Any,
    uri: Address,
    *,
    strict: bool = True,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> LoadedKeys:
    """Reads a model into one whose parameters each process has as a whole, before or after ``prepare``. Every process calls it.

    Args:
        accelerator: The ``Accelerator``.
        model: The model.
        uri: A safetensors object, a model's index, or the directory of either.
        strict: As for ``load_into``.
        timeout: As for ``load_into``.
        storage_options: Settings of the store.

    Returns:
        The names that one side has and the other lacks.

    Raises:
        InvalidArgumentError: As ``load_into``.

    Example:
        >>> load_model(accelerator, model, "s3://runs/one/model")  # doctest: +SKIP
    """
    return load_into(accelerator.unwrap_model(model), uri, strict=strict, timeout=timeout, storage_options=storage_options)

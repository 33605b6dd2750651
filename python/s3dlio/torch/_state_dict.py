"""Models and optimizers to a store and back by ``torch.distributed.checkpoint.state_dict``, whatever they are wrapped in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import state_dict as helpers

from .. import _objects
from .._core._address import Location, resolve
from ..exceptions import InvalidArgumentError, NotFoundError
from ._metadata import name_of
from ._reader import StorageReader
from ._writer import StorageWriter

_OWN = {"model", "optimizer"}


def save_training(
    path: str | os.PathLike[str],
    model: torch.nn.Module,
    optimizers: torch.optim.Optimizer | Iterable[torch.optim.Optimizer] = (),
    *,
    extra: Mapping[str, Any] | None = None,
    options: Any = None,
    process_group: Any = None,
    **settings: Any,
) -> None:
    """Saves a model and its optimizers, also under DDP, FSDP and tensor parallelism. All ranks call it.

    The names do not depend on the wrapping.

    Args:
        path: The checkpoint's address, a folder.
        model: The model.
        optimizers: One or several.
        extra: Further entries of the checkpoint: what has a ``state_dict``, tensors, and plain values.
        options: torch's ``StateDictOptions``.
        process_group: The ranks that save; None is all of them.
        settings: What ``StorageWriter`` takes, such as ``storage_options``.

    Raises:
        InvalidArgumentError: ``extra`` has a name that is taken.
        S3dlioError: As ``StorageWriter``; there is no new checkpoint then.

    Example:
        >>> save_training("s3://runs/one/step-100", model, optimizer, extra={"step": 100})  # doctest: +SKIP
    """
    state = _state(model, _list_of(optimizers), extra, options)
    dcp.save(state, storage_writer=StorageWriter(path, **settings), process_group=process_group, **_alone())


def load_training(
    path: str | os.PathLike[str],
    model: torch.nn.Module,
    optimizers: torch.optim.Optimizer | Iterable[torch.optim.Optimizer] = (),
    *,
    extra: Mapping[str, Any] | None = None,
    options: Any = None,
    process_group: Any = None,
    **settings: Any,
) -> dict[str, Any]:
    """Loads what ``save_training`` saved, on as many ranks as there are now and in whatever the model is wrapped in now. All ranks call it.

    Args:
        path: The checkpoint's address.
        model: The model, which is changed.
        optimizers: One or several, which are changed.
        extra: What to load besides, by name: objects with ``load_state_dict``, tensors to load into, and plain values, whose old ones only
            say that they are wanted.
        options: torch's ``StateDictOptions``.
        process_group: The ranks that load; None is all of them.
        settings: What ``StorageReader`` takes, such as ``storage_options``.

    Returns:
        The entries of ``extra`` as they are in the checkpoint.

    Raises:
        NotFoundError: There is no checkpoint.
        InvalidArgumentError: ``extra`` has a name that is taken.

    Example:
        >>> load_training("s3://runs/one/step-100", model, optimizer, extra={"step": 0})  # doctest: +SKIP
        {'step': 100}
    """
    chosen = _list_of(optimizers)
    # torch wraps what a reader raises into an exception about all ranks
    where = resolve(path, settings.get("storage_options"))
    folder = where.key.rstrip("/")
    if not any(_objects.exists(Location(where.root, f"{folder}/{name_of(rank)}", where.base)) for rank in (None, 0)):
        what = where.address(folder)
        raise NotFoundError(f"{what}: there is no checkpoint of torch.distributed.checkpoint; check the path", what)
    state = _state(model, chosen, extra, options)
    dcp.load(state, storage_reader=StorageReader(path, **settings), process_group=process_group, **_alone())
    if chosen:
        helpers.set_state_dict(model, chosen, model_state_dict=state["model"], optim_state_dict=state["optimizer"], options=options)
    else:
        helpers.set_model_state_dict(model, state["model"], options=options)
    return {name: state[name] for name in extra or {}}


def _state(
    model: torch.nn.Module, optimizers: list[torch.optim.Optimizer], extra: Mapping[str, Any] | None, options: Any
) -> dict[str, Any]:
    taken = sorted(_OWN & set(extra or {}))
    if taken:
        raise InvalidArgumentError(f"extra has {', '.join(map(repr, taken))}, which the model and its optimizers have; choose another name")
    if optimizers:
        weights, moments = helpers.get_state_dict(model, optimizers, options=options)
        return {"model": weights, "optimizer": moments, **(extra or {})}
    return {"model": helpers.get_model_state_dict(model, options=options), **(extra or {})}


def _list_of(optimizers: Any) -> list[torch.optim.Optimizer]:
    return [optimizers] if isinstance(optimizers, torch.optim.Optimizer) else list(optimizers)


def _alone() -> dict[str, Any]:
    """What tells torch that there is one process, where nobody made a group."""
    return {} if dist.is_available() and dist.is_initialized() else {"no_dist": True}

"""Models read into modules of torch that exist."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch

from .. import _tensors
from .._core import _calls
from .._core._address import Address, Location, resolve
from .._core._options import StorageOptions
from .._objects import Verify
from ..exceptions import InvalidArgumentError, S3dlioError
from ._stream import iter_tensors


class LoadedKeys(NamedTuple):
    """What ``load_into`` found: names of the module that the model lacks, and names of the model that the module lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def load_into(
    module: torch.nn.Module,
    uri: Address,
    *,
    strict: bool = True,
    memory_limit: int = 256 << 20,
    verify: Verify = "auto",
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> LoadedKeys:
    """Reads a model into the parameters and buffers of a module that exists, of transformers or any other.

    Tensors that have the module's dtype and lie in this machine's memory are read in place; others, on a GPU or of another dtype, pass
    through at most ``memory_limit`` bytes.

    Args:
        module: The module.
        uri: A safetensors object, a model's index, or the directory of either.
        strict: Raise where names differ. Names that share their memory with one that was read (tied weights) are not missing.
        memory_limit: Bytes of tensors on their way that are not read in place.
        verify: As for ``s3dlio.load_tensors``.
        timeout: Seconds for the tensors that are read in place, and for each of the others.
        storage_options: Settings of the store.

    Returns:
        The names that one side has and the other lacks.

    Raises:
        InvalidArgumentError: ``strict``, and names differ; or a shape does. Nothing was read then.
        ChecksumMismatchError: A tensor's bytes are not those that were written; some are in the module already.

    Example:
        >>> module = torch.nn.Linear(4, 4)  # doctest: +SKIP
        >>> load_into(module, "s3://models/linear.safetensors")  # doctest: +SKIP
        LoadedKeys(missing_keys=[], unexpected_keys=[])
    """
    where = resolve(uri, storage_options)
    found = _matched(module, where, strict, timeout)
    own, types = found.own, found.types
    placed = {
        name: own[name]
        for name in found.read
        if own[name].device.type == "cpu"
        and own[name].layout is torch.strided
        and own[name].is_contiguous()
        and own[name].dtype == types[name]
    }
    if placed:
        _tensors.load_tensors(where, placed, framework="pt", out=placed, verify=verify, timeout=timeout)
    others = [name for name in found.read if name not in placed]
    if others:
        with torch.no_grad():
            for name, tensor in iter_tensors(where, "pt", others, memory_limit=memory_limit, verify=verify, timeout=timeout):
                own[name].copy_(tensor)
    return found.keys


def load_shared(
    module: torch.nn.Module,
    uri: Address,
    *,
    group: Any = None,
    strict: bool = True,
    memory_limit: int = 256 << 20,
    verify: Verify = "auto",
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> LoadedKeys:
    """As ``load_into``, on all ranks of a process group at once, with each byte read from the store once.

    Every rank reads a share and hands it to the others.

    For ranks that want the same whole model: data-parallel training, or several servers on one host. All ranks call it with modules alike.

    Args:
        module: The module; its tensors on a device that the group's backend takes.
        uri: A safetensors object, a model's index, or the directory of either.
        group: The process group, such as that of the ranks of one host; None is the default one.
        strict: As for ``load_into``.
        memory_limit: Bytes that each rank reads ahead at most.
        verify: As for ``load_into``; the rank that reads a tensor compares it.
        timeout: Seconds for each tensor that this rank reads.
        storage_options: Settings of the store.

    Returns:
        The names that one side has and the other lacks.

    Raises:
        InvalidArgumentError: As ``load_into``.
        ChecksumMismatchError: In the rank that read the tensor.
        S3dlioError: Another rank could not read its share; the message says which rank and which tensor. The module is then filled in part.

    Example:
        >>> torch.distributed.init_process_group("gloo")  # doctest: +SKIP
        >>> load_shared(module, "s3://models/tiny")  # doctest: +SKIP
    """
    import torch.distributed as dist

    where = resolve(uri, storage_options)
    found = _matched(module, where, strict, timeout)
    rank, world = dist.get_rank(group), dist.get_world_size(group)
    owner = _shares({name: found.own[name].nbytes for name in found.read}, world)
    mine = [name for name in found.read if owner[name] == rank]
    tensors = iter_tensors(where, "pt", mine, memory_limit=memory_limit, verify=verify, timeout=timeout) if mine else iter(())
    with torch.no_grad():
        for name in found.read:
            target = found.own[name]
            source = dist.get_global_rank(group, owner[name]) if group is not None else owner[name]
            failure: Exception | None = None
            if owner[name] == rank:
                try:
                    target.copy_(next(tensors)[1])
                except Exception as error:
                    failure = error
            # the others must not wait for what never comes
            well = torch.tensor([failure is None], dtype=torch.uint8, device=target.device)
            dist.broadcast(well, source, group=group)
            if failure is not None:
                raise failure
            if not well.item():
                what = where.address(where.key)
                raise S3dlioError(f"{what}: rank {owner[name]} could not read tensor {name!r}; its own exception says why", what)
            if target.is_contiguous():
                dist.broadcast(target, source, group=group)
            else:
                whole = target.contiguous()
                dist.broadcast(whole, source, group=group)
                target.copy_(whole)
    return found.keys


def _shares(sizes: Mapping[str, int], world: int) -> dict[str, int]:
    """Who reads which tensor: the next one goes to whoever has the fewest bytes, so that all begin early and end together."""
    held = [0] * world
    owner = {}
    for name, size in sizes.items():
        least = held.index(min(held))
        owner[name] = least
        held[least] += size
    return owner


class _Matched(NamedTuple):
    """A module's tensors, what the model has of them, and what only one side has."""

    own: dict[str, torch.Tensor]
    types: dict[str, Any]
    read: list[str]
    keys: LoadedKeys


def _matched(module: torch.nn.Module, where: Location, strict: bool, timeout: float | None) -> _Matched:
    what = where.address(where.key)
    own: dict[str, torch.Tensor] = dict(module.state_dict())
    shapes, types = _contents(where, timeout)
    wrong = [name for name in shapes if name in own and tuple(own[name].shape) != shapes[name]]
    if wrong:
        name = wrong[0]
        raise InvalidArgumentError(
            f"{what}: tensor {name!r} has shape {shapes[name]}, the module wants {tuple(own[name].shape)}; nothing was read", what
        )
    read = [name for name in shapes if name in own]
    known = {_memory(own[name]) for name in read}
    keys = LoadedKeys(
        [name for name in own if name not in shapes and _memory(own[name]) not in known], [name for name in shapes if name not in own]
    )
    if strict and (keys.missing_keys or keys.unexpected_keys):
        raise InvalidArgumentError(
            f"{what}: the model lacks {_some(keys.missing_keys)}, and has {_some(keys.unexpected_keys)} that the module lacks; "
            "strict=False reads what both have",
            what,
        )
    return _Matched(own, types, read, keys)


def _contents(where: Location, timeout: float | None) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    call = _calls.Call("load_into", (where.address(where.key),), {"timeout": timeout})
    opened = ExitStack()
    try:
        files = _calls.block(_tensors.open_model(where, None, "pt", opened), call)
        tensors = [file[name] for file, names in files for name in names]
    finally:
        opened.close()
    return {tensor.name: tensor.shape for tensor in tensors}, {tensor.name: tensor.dtype for tensor in tensors}


def _memory(tensor: torch.Tensor) -> Any:
    return (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape)) if tensor.numel() and not tensor.is_meta else object()


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return (f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown) or "nothing"

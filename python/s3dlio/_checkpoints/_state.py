"""Nested states of training programs as checkpoints: tensors in safetensors shards, everything else as typed JSON, nothing as a pickle."""

from __future__ import annotations

import json
import operator
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from .._core import _plain
from .._core._address import Address
from .._core._calls import blocking, twin
from .._core._dtypes import Casting, check_casting
from .._core._plain import TensorRef
from .._core._progress import Progress
from .._pieces import Reading, save_pieces, source_of
from .._store import place_in
from .._tensors import Framework, Source
from ..exceptions import InvalidArgumentError, NotFoundError
from . import _cover, _tree
from ._reader import check_sizes, find
from ._saved_state import VERSION, SavedState
from ._sharded import Part, dtype_name, part_of
from ._store import CheckpointStore
from ._writer import CheckpointWriter, target_of, uri_of

#: What the manifest calls states unless told otherwise.
FRAMEWORK = "s3dlio-state"

#: Gets what this rank tells; gives what all ranks told to the one that ends the save, and None to the others.
Gather = Callable[[Any], list[Any] | None]

#: Memory of fewer bytes is made without a look at the shards that are to fill it.
_CHECKED_FROM = 1 << 20

#: Tensors of fewer bytes are not asked whether they shrink.
_SAMPLED_FROM = 1 << 20
#: What is looked at for that, of all tensors together: so many slices of so many bytes.
_SLICES, _SLICE = 32, 1024


@blocking
async def save_state(
    uri: Address,
    state: Any,
    step: int,
    *,
    epoch: int = 0,
    framework: str = FRAMEWORK,
    user_meta: Any = None,
    rank: int = 0,
    world_size: int = 1,
    gather: Gather | None = None,
    save_id: str | None = None,
    compress: bool | int | str = "auto",
    durable: bool = True,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> str | None:
    """Saves a nested state as a checkpoint: whole, or not at all.

    Arrays and tensors become a safetensors object for each rank, written from their own memory, with a CRC32C for each tensor and its
    blocks. Other values are kept as typed JSON; what only a pickle could hold is refused.

    In a job of several ranks each calls this with its ``rank``. ``TensorShard`` and DTensor values are saved by the rank that has the
    part; arrays and tensors that are no parts, and other values, are taken to be the same on every rank, and rank 0 saves them.

    Args:
        uri: The checkpoint store's address.
        state: Dictionaries, lists and tuples of arrays, tensors, ``TensorShard`` and plain values; or one of those.
        step: The global step, 0 or more.
        epoch: The epoch.
        framework: What the manifest says that the state is of.
        user_meta: Anything that JSON can express; kept with the checkpoint.
        rank: Which rank this is.
        world_size: How many there are.
        gather: With several ranks: called with this rank's part of the description; gives a list with those of all ranks to the one that
            ends the save, and None to the others. With torch: ``s3dlio.torch.gather``.
        save_id: The save's id, the same for all ranks. None: they agree on one through the store.
        compress: False; a zstd level from 1 to 22; or ``"auto"``: at level 3, when samples say that it saves a fifth of the bytes (on local
            files half of them, since there the processor is what is waited for).
        durable: Have it on the device before this returns, where the store has a say in it.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The manifest's key; None on ranks that leave the end to another.

    Raises:
        InvalidArgumentError: A value that cannot be stored, or ranks whose states do not fit together; the message names it.
        OutOfSpaceError, PermissionDeniedError: As the store says; there is no new checkpoint.

    Example:
        >>> import numpy as np, s3dlio
        >>> state = {"model": {"w": np.ones((2, 3)), "layers": [np.zeros(2)]}, "lr": 0.1, "seen": (1, 2)}
        >>> key = s3dlio.save_state("memory://doc-state", state, step=10)
        >>> found = s3dlio.load_state("memory://doc-state")
        >>> found["model"]["w"].sum(), found["lr"], found["seen"]
        (6.0, 0.1, (1, 2))
    """
    if world_size > 1 and gather is None:
        raise InvalidArgumentError("with several ranks save_state needs gather; or use save_state_shard on each and finalize_state on one")
    store = CheckpointStore(uri, durable=durable, storage_options=storage_options)
    writer = store.writer(world_size, rank)
    shard = await _save_shard(store, writer, state, step, save_id, compress, progress)
    shards = [shard] if gather is None else gather(shard)
    if shards is None:
        return None
    return await _finalize(writer, step, epoch, framework, shards, user_meta)


@blocking
async def save_state_shard(
    uri: Address,
    state: Any,
    step: int,
    *,
    rank: int,
    world_size: int,
    save_id: str | None = None,
    compress: bool | int | str = "auto",
    durable: bool = True,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One rank's part of ``save_state``; ``finalize_state`` makes a checkpoint of all of them.

    Args:
        uri: The checkpoint store's address.
        state: As for ``save_state``.
        step: The global step.
        rank: Which rank this is.
        world_size: How many there are.
        save_id: As for ``save_state``.
        compress: As for ``save_state``.
        durable: As for ``save_state``.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What ``finalize_state`` has to know, plain JSON.

    Raises:
        InvalidArgumentError: A value that cannot be stored.

    Example:
        >>> import numpy as np, s3dlio
        >>> def part(rank):
        ...     return {"w": s3dlio.TensorShard(np.full((2, 3), rank), (4, 3), (2 * rank, 0))}
        >>> shards = [s3dlio.save_state_shard("memory://doc-ranks", part(r), 1, rank=r, world_size=2) for r in range(2)]
        >>> _ = s3dlio.finalize_state("memory://doc-ranks", 1, shards)
        >>> s3dlio.load_state("memory://doc-ranks")["w"][:, 0]
        array([0, 0, 1, 1])
    """
    store = CheckpointStore(uri, durable=durable, storage_options=storage_options)
    return await _save_shard(store, store.writer(world_size, rank), state, step, save_id, compress, progress)


@blocking
async def finalize_state(
    uri: Address,
    step: int,
    shards: Iterable[Mapping[str, Any]],
    *,
    epoch: int = 0,
    framework: str = FRAMEWORK,
    user_meta: Any = None,
    durable: bool = True,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> str:
    """Makes the checkpoint of what all ranks saved. One rank does this, after all have saved.

    Args:
        uri: The checkpoint store's address.
        step: The global step.
        shards: What ``save_state_shard`` gave to each rank, in any order.
        epoch: The epoch.
        framework: As for ``save_state``.
        user_meta: As for ``save_state``.
        durable: As for ``save_state``.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The manifest's key.

    Raises:
        InvalidArgumentError: Parts overlap or are missing, or ranks disagree on what they are parts of.

    Example:
        >>> import s3dlio
        >>> shard = s3dlio.save_state_shard("memory://doc-one", {"lr": 0.1}, 1, rank=0, world_size=1)
        >>> _ = s3dlio.finalize_state("memory://doc-one", 1, [shard])
        >>> s3dlio.load_state("memory://doc-one")
        {'lr': 0.1}
    """
    found = [dict(shard) for shard in shards]
    store = CheckpointStore(uri, durable=durable, storage_options=storage_options)
    return await _finalize(store.writer(max(1, len(found)), 0), step, epoch, framework, found, user_meta)


@blocking
async def load_state(
    uri: Address,
    into: Any = None,
    *,
    step: int | None = None,
    manifest_key: str | None = None,
    framework: Framework | None = None,
    strict: bool = True,
    casting: Casting = "no",
    validate: bool = True,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Any:
    """Loads a state that ``save_state`` saved, on any number of ranks.

    Args:
        uri: The checkpoint store's address.
        into: A state of the same containers, such as a model's ``state_dict()``: bytes go straight into its arrays and tensors (also parts:
            ``TensorShard``, DTensor), and its other values are replaced where they stand; lists and tuples without a tensor count as one
            value. What only the checkpoint has is left there. None gives a new state, whole.
        step: The newest checkpoint of this step. None: the newest of all.
        manifest_key: Exactly this checkpoint: ranks that load while others save should be given the same.
        framework: What new tensors are made as: ``"np"``, ``"pt"``, or None: as each was saved.
        strict: Whether everything in ``into`` has to be in the checkpoint.
        casting: What may be converted where an array or tensor of ``into`` has another dtype than the checkpoint: ``"no"`` refuses the
            load, ``"same_kind"`` converts within a kind of numbers (float32 to bfloat16, integers to floats), ``"unsafe"`` any numbers.
        validate: Compare with the checksums; parts of tensors then cost the rest of the blocks they begin and end in.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The state; ``into``, where that was given and is a dictionary or a list.

    Raises:
        NotFoundError: There is no such checkpoint.
        ChecksumMismatchError: Bytes are not those that were saved; the error names object and tensor.
        InvalidArgumentError: ``into`` and the checkpoint do not fit; ``into`` is as it was.
        InvalidDataError: The checkpoint is no state, or is damaged.

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.save_state("memory://doc-load", {"w": np.arange(6.0).reshape(3, 2), "step": 3}, step=3)
        >>> model = {"w": np.zeros((3, 2)), "step": None}
        >>> _ = s3dlio.load_state("memory://doc-load", model)
        >>> model["step"], s3dlio.load_state("memory://doc-load", {"w": s3dlio.TensorShard(np.zeros((1, 2)), (3, 2), (1, 0))})["w"].data
        (3, array([[2., 3.]]))
    """
    check_casting(casting, "load_state")
    store = CheckpointStore(uri, storage_options=storage_options)
    manifest = await find(store.objects, {"manifest_key": manifest_key, "step": step})
    if manifest is None:
        missing = f"there is no checkpoint{'' if step is None else f' of step {step}'}{'' if manifest_key is None else f' {manifest_key}'}"
        raise NotFoundError(f"{store.uri}: {missing}", store.uri, missing)
    saved = SavedState(manifest, store.uri)
    reading = Reading(partial(place_in, store.objects), validate=validate, casting=casting)
    reading.lent = into is not None
    # all is looked at before memory is made or a byte of what was given is written
    state = saved.make(framework) if into is None else saved.fill(into, strict, framework, reading)
    if saved.allocates >= _CHECKED_FROM:
        await check_sizes(store.objects, [shard for shard in manifest["shards"] if shard["key"] in saved.shards_used])
    saved.allocate(reading)
    await Reading.run.body(reading, progress=progress)  # type: ignore[attr-defined]
    return state()


async def _save_shard(
    store: CheckpointStore,
    writer: CheckpointWriter,
    state: Any,
    step: int,
    save_id: str | None,
    compress: bool | int | str,
    progress: Progress,
) -> dict[str, Any]:
    """Writes one rank's tensors; gives their shard's description with an index of them."""
    sources, parts, tree, left = collect(state, writer.rank, store.uri)
    # as text: its nesting is then no concern of the manifest's, and text that is not Unicode none of UTF-8's
    encoded = json.dumps(_plain.encode(tree, f"{store.uri}: the state"), allow_nan=False, separators=(",", ":"))
    level = _level(compress, sources, store.uri)
    if writer.world_size == 1 and save_id is None:
        chosen = store.new_save_id()
    else:
        chosen = await CheckpointWriter.begin_save.body(writer, step, save_id=save_id)  # type: ignore[attr-defined]
    target = target_of(writer, step, chosen, None)
    if level is not None:
        target |= {"compression": "zstd", "level": level}
    pieces, saved = await save_pieces.body(  # type: ignore[attr-defined]
        place_in(store.objects, ""), sources, shard=target, metadata={"step": str(step)}, progress=progress
    )
    tensors: dict[str, Any] = {}
    for source, part, piece in zip(sources, parts, pieces, strict=True):
        place = {
            "dtype": dtype_name(part.data, f"{store.uri}: tensor {source.name!r}"),
            "shape": list(part.shape),
            "offsets": list(part.offsets),
            "sizes": list(part.data.shape),
        }
        tensors[source.name] = [{**place, **piece.to_json()}]
    extra = {"s3dlio_state": VERSION, "tensors": tensors, "tree": encoded, **({"left": left} if left else {})}
    return {**saved["shard"], "extra": extra}


async def _finalize(writer: CheckpointWriter, step: int, epoch: int, framework: str, shards: list[dict[str, Any]], user_meta: Any) -> str:
    """Looks whether the parts make wholes, then writes the manifest."""
    _verify(shards, uri_of(writer))
    described = [{**shard, "extra": {name: value for name, value in shard["extra"].items() if name != "left"}} for shard in shards]
    key = await CheckpointWriter.finalize_distributed_checkpoint.body(  # type: ignore[attr-defined]
        writer, step, epoch, framework, described, user_meta
    )
    return str(key)


def _verify(shards: list[dict[str, Any]], what: str) -> None:
    held: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for shard in shards:
        if not isinstance(shard.get("extra"), dict) or "s3dlio_state" not in shard["extra"]:
            raise InvalidArgumentError(f"{what}: a shard is described that save_state_shard did not save", what)
        for name, parts in shard["extra"]["tensors"].items():
            held.setdefault(name, []).extend((shard["rank"], part) for part in parts)
    for shard in shards:
        for name in shard["extra"].get("left", ()):
            if name not in held:
                raise InvalidArgumentError(
                    f"{what}: tensor {name!r} is held by rank {shard['rank']} and not by rank 0, which saves what is no part; give it to "
                    "rank 0, or as a TensorShard",
                    what,
                )
    for name, found in held.items():
        first = found[0][1]
        if any((part["shape"], part["dtype"]) != (first["shape"], first["dtype"]) for _, part in found):
            raise InvalidArgumentError(f"{what}: ranks hold parts of tensor {name!r} that are of different shapes or types", what)
        parts = [(tuple(part["offsets"]), tuple(part["sizes"])) for _, part in found]
        if (wrong := _cover.fault(parts, tuple(first["shape"]))) is not None:
            raise InvalidArgumentError(f"{what}: the parts of tensor {name!r} {wrong}", what)


def collect(state: Any, rank: int, what: str) -> tuple[list[Source], list[Part], Any, list[str]]:
    """A state's tensors that this rank saves, its values with references in their places, and the names left to another rank."""
    sources: list[Source] = []
    parts: list[Part] = []
    left: list[str] = []
    names: set[str] = set()

    def leaf(path: _tree.Path, value: Any) -> Any:
        part = part_of(value)
        name = _tree.text(path) or "state"
        if part is None or not is_tensor(part.data, f"{what}: tensor {name!r}"):
            return value
        while name in names or name == "__metadata__":
            # {"a.b": …} beside {"a": {"b": …}}: the order of the state tells them apart on every rank
            name += "#"
        names.add(name)
        if not part.mine or (part.whole and rank != 0):
            left.append(name)
        else:
            sources.append(source_of(name, part.data, what))
            parts.append(part)
        return TensorRef(name, "np" if isinstance(part.data, np.ndarray) else "pt")

    for _ in _tree.leaves(state):
        # refuses what is nested too deep, before anything is done
        pass
    tree = _tree.replaced(state, leaf)
    return sources, parts, tree, left


def is_tensor(data: Any, what: str) -> bool:
    """Whether it goes into a shard.

    Raises:
        InvalidArgumentError: It goes nowhere.
    """
    if isinstance(data, np.ma.MaskedArray):
        raise InvalidArgumentError(f"{what} is a masked array; save array.filled() and array.mask")
    if not isinstance(data, np.ndarray):
        if str(data.layout) != "torch.strided" or data.is_nested or data.is_meta or data.is_quantized:
            raise InvalidArgumentError(
                f"{what} is no dense tensor with data ({data.layout} on {data.device}); use to_dense(), to_padded_tensor() or dequantize()"
            )
        return True
    # what holds Python objects is refused with the values
    return not data.dtype.hasobject


class _Memory:
    def __init__(self, address: int, nbytes: int) -> None:
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (nbytes,), "data": (address, True)}


def _level(compress: bool | int | str, sources: list[Source], what: str) -> int | None:
    """The level to compress with, or None."""
    if compress is False or compress is None:
        return None
    if compress is True:
        return 3
    if compress != "auto":
        if isinstance(compress, str) or not hasattr(compress, "__index__") or not 1 <= operator.index(compress) <= 22:
            raise InvalidArgumentError(f"{what}: compress is False, True, 'auto' or a level from 1 to 22, found {compress!r}", what)
        return operator.index(compress)
    near = what.startswith(("file:", "direct:", "memory:", "/"))
    return 3 if _part_saved(sources) >= (0.5 if near else 0.2) else None


def _part_saved(sources: list[Source]) -> float:
    """The part of all bytes that compression would likely save; small tensors are not looked at."""
    sampled = [source for source in sources if source.nbytes >= _SAMPLED_FROM]
    total = sum(source.nbytes for source in sampled)
    if not total:
        return 0.0
    # so many in all, wherever they fall: a training waits for the interpreter's lock meanwhile, and a state may have thousands of tensors
    slices, begin, taken = [], 0, 0
    for source in sampled:
        data = np.asarray(_Memory(source.address, source.nbytes))
        while taken < _SLICES and (at := total * (2 * taken + 1) // (2 * _SLICES) - begin) < source.nbytes:
            slices.append(data[at : at + _SLICE].tobytes())
            taken += 1
        begin += source.nbytes
    sample = b"".join(slices)
    return max(0.0, 1 - len(zlib.compress(sample, 1)) / len(sample)) * total / sum(source.nbytes for source in sources)


# here and not with the other twins, which stores know
finalize_state_async = twin(finalize_state)
load_state_async = twin(load_state)
save_state_async = twin(save_state)
save_state_shard_async = twin(save_state_shard)

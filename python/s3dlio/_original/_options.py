"""Options of the original's loaders: a dictionary, or a builder whose methods give the options back."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..exceptions import InvalidArgumentError

#: Keys and defaults of the original.
DEFAULTS: dict[str, Any] = {
    "batch_size": 32,
    "drop_last": False,
    "shuffle": False,
    "seed": 0,
    "num_workers": 0,
    "prefetch": 0,
    "auto_tune": False,
    "reader_mode": "sequential",
    "part_size": 8 << 20,
    "max_inflight_parts": 4,
    "shard_rank": 0,
    "shard_world_size": 1,
    "worker_id": 0,
    "num_workers_pytorch": 1,
    "format": None,
    "columns": None,
    "footer_cap": 4 << 20,
    "decode": "raw",
    "max_threads": None,
    "skip_head": True,
    "pin_memory": False,
    "persistent_workers": False,
    "timeout_seconds": None,
    "multiprocessing_context": None,
    "sampler": None,
    "replacement": False,
    "memory_format": None,
    "non_blocking": False,
    "generator_seed": None,
    "enable_transforms": False,
    "collate_buffer_size": 1024,
    "debug_mode": False,
    "storage_options": None,
}


class _Bool(int):
    """A value that can be called as the method of its name, and equals the value."""

    _set: Any

    def __new__(cls, value: bool, setter: Any) -> _Bool:
        made = super().__new__(cls, value)
        made._set = setter
        return made

    def __call__(self, on: bool = True) -> PyLoaderOptions:
        found: PyLoaderOptions = self._set(bool(on))
        return found

    def __repr__(self) -> str:
        return repr(bool(self))


class _Number(int):
    """The same of a number."""

    _set: Any

    def __new__(cls, value: int, setter: Any) -> _Number:
        made = super().__new__(cls, value)
        made._set = setter
        return made

    def __call__(self, count: int) -> PyLoaderOptions:
        found: PyLoaderOptions = self._set(count)
        return found


class PyLoaderOptions:
    """Options of a loader; each method gives new options back, so that calls can be chained.

    Every loader takes them in the place of a dictionary.

    Example:
        >>> import s3dlio
        >>> options = s3dlio.PyLoaderOptions().with_batch_size(16).shuffle(True, 7).pin_memory(True)
        >>> options.batch_size, options.seed, options.pin_memory == True
        (16, 7, True)
    """

    def __init__(self, **values: Any) -> None:
        self._values = options_of(values)

    def _with(self, **values: Any) -> PyLoaderOptions:
        made = PyLoaderOptions.__new__(PyLoaderOptions)
        made._values = options_of({**self._values, **values})
        return made

    def to_dict(self) -> dict[str, Any]:
        """The options by their keys."""
        return dict(self._values)

    def with_batch_size(self, batch_size: int) -> PyLoaderOptions:
        """Samples of a batch."""
        return self._with(batch_size=batch_size)

    @property
    def drop_last(self) -> Any:
        """Leave out a last batch that is not full."""
        return _Bool(self._values["drop_last"], lambda on: self._with(drop_last=on))

    def shuffle(self, on: bool = True, seed: int = 0) -> PyLoaderOptions:
        """A random order, chosen by a seed."""
        return self._with(shuffle=on, seed=seed)

    @property
    def num_workers(self) -> Any:
        """Objects that are read at once."""
        return _Number(self._values["num_workers"], lambda count: self._with(num_workers=count))

    @property
    def prefetch(self) -> Any:
        """Batches that are read ahead."""
        return _Number(self._values["prefetch"], lambda count: self._with(prefetch=count))

    @property
    def auto_tune(self) -> Any:
        """Taken for compatibility: read-ahead always fits its budget."""
        return _Bool(self._values["auto_tune"], lambda on: self._with(auto_tune=on))

    @property
    def pin_memory(self) -> Any:
        """For ``DataLoader``."""
        return _Bool(self._values["pin_memory"], lambda on: self._with(pin_memory=on))

    @property
    def persistent_workers(self) -> Any:
        """For ``DataLoader``."""
        return _Bool(self._values["persistent_workers"], lambda on: self._with(persistent_workers=on))

    def with_timeout(self, seconds: float) -> PyLoaderOptions:
        """Seconds for ``DataLoader``."""
        return self._with(timeout_seconds=seconds)

    def use_spawn(self) -> PyLoaderOptions:
        """How ``DataLoader`` starts workers."""
        return self._with(multiprocessing_context="spawn")

    def use_fork(self) -> PyLoaderOptions:
        """Likewise."""
        return self._with(multiprocessing_context="fork")

    def use_forkserver(self) -> PyLoaderOptions:
        """Likewise."""
        return self._with(multiprocessing_context="forkserver")

    def random_sampling(self, replacement: bool = False) -> PyLoaderOptions:
        """A random order; with replacement is not offered: an epoch has each sample once."""
        if replacement:
            raise InvalidArgumentError(
                "random_sampling(replacement=True): an epoch has each sample once; draw indices of your own for a MapDataset"
            )
        return self._with(sampler="random", shuffle=True)

    def distributed_sampling(self, rank: int, world_size: int) -> PyLoaderOptions:
        """The part of one rank."""
        return self._with(sampler="distributed", shard_rank=rank, shard_world_size=world_size)

    def channels_last(self) -> PyLoaderOptions:
        """Kept for whoever decodes."""
        return self._with(memory_format="channels_last")

    def channels_first(self) -> PyLoaderOptions:
        """Likewise."""
        return self._with(memory_format="channels_first")

    @property
    def non_blocking(self) -> Any:
        """Kept for whoever copies to a device."""
        return _Bool(self._values["non_blocking"], lambda on: self._with(non_blocking=on))

    def with_generator_seed(self, seed: int) -> PyLoaderOptions:
        """The seed of the order."""
        return self._with(generator_seed=seed, seed=seed)

    @property
    def enable_transforms(self) -> Any:
        """Kept for whoever decodes."""
        return _Bool(self._values["enable_transforms"], lambda on: self._with(enable_transforms=on))

    @property
    def collate_buffer_size(self) -> Any:
        """Taken for compatibility: a batch is read into one piece of memory of its size."""
        return _Number(self._values["collate_buffer_size"], lambda size: self._with(collate_buffer_size=max(64, size)))

    def gpu_optimized(self) -> PyLoaderOptions:
        """Pinned memory, copies that do not block, workers that stay, a longer read-ahead."""
        return self._with(pin_memory=True, non_blocking=True, persistent_workers=True, prefetch=max(4, self._values["prefetch"]))

    def distributed_optimized(self, rank: int, world_size: int) -> PyLoaderOptions:
        """The same, and the part of one rank."""
        return self.gpu_optimized().distributed_sampling(rank, world_size)

    @property
    def debug_mode(self) -> Any:
        """Taken for compatibility."""
        return _Bool(self._values["debug_mode"], lambda on: self._with(debug_mode=on))

    @property
    def batch_size(self) -> int:
        """Samples of a batch."""
        found: int = self._values["batch_size"]
        return found

    @property
    def seed(self) -> int:
        """The seed of the order."""
        found: int = self._values["seed"]
        return found

    @property
    def timeout_seconds(self) -> float | None:
        """Seconds for ``DataLoader``."""
        found: float | None = self._values["timeout_seconds"]
        return found

    @property
    def shard_rank(self) -> int:
        """Which part."""
        found: int = self._values["shard_rank"]
        return found

    @property
    def shard_world_size(self) -> int:
        """Of how many."""
        found: int = self._values["shard_world_size"]
        return found

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self._values.items() if value != DEFAULTS[name])
        return f"PyLoaderOptions({told})"


def options_of(given: Mapping[str, Any] | PyLoaderOptions | None) -> dict[str, Any]:
    """Options with the defaults of those that are not given.

    Raises:
        InvalidArgumentError: An unknown key, with the nearest that there is, or a value that cannot be.
    """
    if isinstance(given, PyLoaderOptions):
        return dict(given._values)
    if given is not None and not isinstance(given, Mapping):
        raise InvalidArgumentError(f"options are a dictionary or PyLoaderOptions, found {type(given).__name__}")
    values = dict(DEFAULTS)
    for name, value in (given or {}).items():
        if name not in DEFAULTS:
            near = difflib.get_close_matches(str(name), DEFAULTS, 1, 0.5)
            raise InvalidArgumentError(
                f"there is no option {name!r} of a loader"
                + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(DEFAULTS)}")
            )
        kind = type(DEFAULTS[name])
        if value is None or kind is type(None):
            values[name] = DEFAULTS[name] if value is None else value
            continue
        good = (
            isinstance(value, (bool, int))
            if kind is bool
            else isinstance(value, int) and not isinstance(value, bool) and value >= 0
            if kind is int
            else isinstance(value, kind)
        )
        if not good:
            raise InvalidArgumentError(f"the option {name!r} is {kind.__name__}{' of 0 or more' if kind is int else ''}, found {value!r}")
        values[name] = bool(value) if kind is bool else value
    for name, allowed in (("reader_mode", ("sequential", "range")), ("decode", ("raw", "arrow", "none"))):
        if values[name] not in allowed:
            raise InvalidArgumentError(f"the option {name!r} is one of {', '.join(map(repr, allowed))}, found {values[name]!r}")
    for name in ("batch_size", "shard_world_size", "num_workers_pytorch"):
        if values[name] < 1:
            raise InvalidArgumentError(f"the option {name!r} is 1 or more, found {values[name]!r}")
    for part, of in (("shard_rank", "shard_world_size"), ("worker_id", "num_workers_pytorch")):
        if values[part] >= values[of]:
            raise InvalidArgumentError(
                f"the option {part!r} is {values[part]}, and {of!r} {values[of]}: it is counted from 0 and below that"
            )
    return values

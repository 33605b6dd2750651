"""Data sets for ``torch.utils.data.DataLoader``: by number, and as a stream with an order of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import torch.utils.data as torch_data

from .._core._view import BytesView
from ..datasets._dataset import Batch, Dataset, is_one_array
from ..datasets._loader import (
    Loader,
    LoaderStats,
    begin_order,
    end_order,
    iterate,
    next_begin,
    order_of,
    share_of,
    state_behind,
)
from ..datasets._order import Uneven
from ..exceptions import InvalidArgumentError

ReturnType: TypeAlias = Literal["tensor", "bytes", "view"]
_RETURN_TYPES = ("tensor", "bytes", "view")
#: Epochs of one data set that its workers can tell apart.
_MOST_EPOCHS = 4096


class MapDataset(torch_data.Dataset):  # type: ignore[misc]
    """Samples by number, for ``DataLoader`` with any sampler; a batch is read in one call.

    Works in forked, spawned and forkserver workers, persistent or not, and without any.

    Args:
        dataset: One that ``s3dlio.datasets`` makes.
        transform: Called with each sample; what it gives takes the sample's place.
        return_type: Of samples that are bytes: ``"tensor"`` (one-dimensional, uint8, without a copy), ``"bytes"``, or ``"view"`` for a
            ``BytesView``.

    Example:
        >>> from torch.utils.data import DataLoader  # doctest: +SKIP
        >>> data = s3dlio.datasets.objects("s3://bucket/train/", pattern="*.jpg")  # doctest: +SKIP
        >>> loader = DataLoader(MapDataset(data, decode), batch_size=256, shuffle=True, num_workers=4)  # doctest: +SKIP
    """

    def __init__(self, dataset: Dataset, transform: Callable[[Any], Any] | None = None, return_type: ReturnType = "tensor") -> None:
        _require(dataset, return_type)
        self.dataset = dataset
        self._transform = transform
        self._return_type: ReturnType = return_type

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Samples by number, in one call; what ``DataLoader`` asks for."""
        samples = [converted(sample, self._return_type) for sample in self.dataset.read(indices)]
        return samples if self._transform is None else [self._transform(sample) for sample in samples]


class BatchSampler(torch_data.Sampler):  # type: ignore[misc]
    """The batches of a :class:`MapDataset` in the order of ``s3dlio.datasets.Loader``: as a ``batch_sampler`` of ``DataLoader``.

    ``load_state_dict`` takes the state of a ``Loader`` or of another sampler. Since ``DataLoader`` asks ahead, ``state_dict`` is told how
    many batches of the epoch were used.

    Args:
        dataset: What is sampled.
        batch_size: Samples of a batch.
        shuffle: True: a new order for each epoch.
        seed: Chooses the orders.
        rank: This process among those that share the samples; None: as ``torch.distributed`` says.
        world_size: How many these are; None: likewise.
        drop_last: Leave out a last batch that is not full.
        uneven: As for ``s3dlio.datasets.Loader``.
    """

    def __init__(
        self,
        dataset: Dataset | MapDataset,
        batch_size: int = 1,
        shuffle: bool = True,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        drop_last: bool = False,
        uneven: Uneven = "pad",
    ) -> None:
        inner = dataset.dataset if isinstance(dataset, MapDataset) else dataset
        rank, world_size = place(rank, world_size)
        self._loader = Loader(inner, batch_size, shuffle, seed, rank, world_size, drop_last=drop_last, uneven=uneven, block=0)
        self._begun = 0

    def __len__(self) -> int:
        return len(self._loader)

    def set_epoch(self, epoch: int) -> None:
        """Has the next iteration begin that epoch."""
        self._loader.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        loader = self._loader
        self._begun = begin_order(loader)
        share, order = share_of(loader, self._begun), order_of(loader)
        for number in range(len(share)):
            yield order.at(share.positions(number)).tolist()
        end_order(loader)

    def state_dict(self, batches: int = 0) -> dict[str, Any]:
        """The state when so many batches of this iteration were used."""
        return state_behind(self._loader, self._begun, batches)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Has the next iteration go on behind what was used."""
        self._loader.load_state_dict(state)


class IterableDataset(torch_data.IterableDataset):  # type: ignore[misc]
    """Samples or batches in a fixed order, shared by workers and ranks: each sample comes once.

    With ``batch_size`` it gives whole batches (use ``DataLoader(data, batch_size=None)``): their order is the same for any number of
    workers. Without, it gives samples, which ``DataLoader(data, batch_size=256)`` gathers. Every iteration is the next epoch, also when
    workers are started anew for each. ``state_dict`` and ``load_state_dict`` are those that torchdata's ``StatefulDataLoader`` asks for.

    Args:
        dataset: One that ``s3dlio.datasets`` makes.
        batch_size: Samples of a batch; None: give samples one by one.
        shuffle: True: a new order for each epoch.
        seed: Chooses the orders.
        rank: This process among those that share the samples; None: as ``torch.distributed`` says, or the environment (``RANK``,
            ``WORLD_SIZE``).
        world_size: How many these are; None: likewise.
        memory: Bytes that all workers together read ahead.
        transform: Called with each sample.
        collate: Called with the list of a batch's samples. None: samples of one size become one tensor without a copy, others stay a list.
        return_type: As for :class:`MapDataset`.
        drop_last: Leave out a last batch that is not full.
        uneven: As for ``s3dlio.datasets.Loader``.
        block: Likewise.
        window: Likewise.
        prefetch: Likewise.
        max_in_flight: Likewise.
        on_error: Likewise.
        hedge_after: Likewise.
        pin_memory: True: batches are read into pinned memory where there is CUDA, so that they go to the device while the program runs.
            Without worker processes (``num_workers=0``), since memory that another process pinned is of no use; with them pass
            ``pin_memory=True`` to ``DataLoader``.
        chunk: Samples that a worker takes at once when it gives samples.

    Example:
        >>> from torch.utils.data import DataLoader  # doctest: +SKIP
        >>> data = IterableDataset(s3dlio.datasets.tar("s3://bucket/shards/"), batch_size=256, shuffle=True)  # doctest: +SKIP
        >>> loader = DataLoader(data, batch_size=None, num_workers=4, persistent_workers=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        memory: int | str = "1GiB",
        transform: Callable[[Any], Any] | None = None,
        *,
        collate: Callable[[list[Any]], Any] | None = None,
        return_type: ReturnType = "tensor",
        drop_last: bool = False,
        uneven: Uneven = "pad",
        block: int | None = None,
        window: int | None = None,
        prefetch: int = 16,
        max_in_flight: int = 64,
        on_error: Literal["raise", "skip"] = "raise",
        hedge_after: float | None = None,
        pin_memory: bool = False,
        chunk: int = 16,
    ) -> None:
        _require(dataset, return_type)
        rank, world_size = place(rank, world_size)
        self.dataset = dataset
        self._batches = batch_size is not None
        self._transform, self._collate = transform, collate
        self._return_type: ReturnType = return_type
        self._loader = Loader(
            dataset,
            chunk if batch_size is None else batch_size,
            shuffle,
            seed,
            rank,
            world_size,
            memory,
            drop_last=drop_last and batch_size is not None,
            uneven=uneven,
            block=block,
            window=window,
            prefetch=prefetch,
            max_in_flight=max_in_flight,
            on_error=on_error,
            hedge_after=hedge_after,
            allocate=pinned if pin_memory else None,
        )
        self._memory = self._loader.memory
        self._epochs = _Epochs()
        #: A state that was loaded, in which process, and the iteration of workers that it is for.
        self._pending: tuple[Mapping[str, Any] | None, int, int] = (None, 0, -1)
        self._current: _Stream | None = None

    def __len__(self) -> int:
        """Batches, or samples, of a whole epoch on this rank, all workers together."""
        share = share_of(self._loader)
        if self._batches:
            return len(share)
        return (
            sum(len(share.positions(number)) for number in {0, len(share) - 1} if number >= 0)
            if len(share) < 3
            else ((len(share) - 1) * self._loader.batch_size + len(share.positions(len(share) - 1)))
        )

    @property
    def stats(self) -> LoaderStats:
        """What was read and waited for, in this process."""
        return self._loader.stats

    def set_epoch(self, epoch: int) -> None:
        """Has the next iteration begin that epoch, in all workers."""
        self._epochs.set(epoch)
        self._pending = (None, 0, -1)

    def __iter__(self) -> _Stream:
        epoch, worker, workers = self._epochs.next()
        self._loader.memory = max(1, self._memory // workers)
        state, pid, number = self._pending
        if pid == os.getpid():
            self._pending = (None, 0, -1)
        elif number != self._epochs.number:
            # what was loaded before workers were started is for the first iteration of theirs
            state = None
        self._current = _Stream(self, epoch, worker, workers, state)
        return self._current

    def state_dict(self) -> dict[str, Any]:
        """Where the consumer of this process, or of this worker, is."""
        return self._loader.state_dict() if self._current is None else self._current.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Has the next iteration go on from a state: one of this data set, of as many workers, or one of ``s3dlio.datasets.Loader``.

        Raises:
            InvalidArgumentError: The state is of other samples or another order.
        """
        self._loader.load_state_dict(state)
        self._pending = (state, os.getpid(), self._epochs.coming)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_current": None}


class _Stream(Iterator[Any]):
    """One epoch of one worker."""

    def __init__(self, of: IterableDataset, epoch: int, worker: int, workers: int, state: Mapping[str, Any] | None) -> None:
        self._of, self._epoch, self._worker, self._workers = of, epoch, worker, workers
        self._batches = self._offset = 0
        self._samples: Iterator[Any] = iter(())
        self._begin(state)

    def _begin(self, state: Mapping[str, Any] | None) -> None:
        loader = self._of._loader
        if state is None:
            loader.set_epoch(self._epoch)
        else:
            loader.load_state_dict(state)
            self._batches, self._offset = state.get("batches", 0), state.get("offset", 0)
            told = (state.get("worker", self._worker), state.get("workers", self._workers))
            if (self._batches or self._offset) and told != (self._worker, self._workers):
                raise InvalidArgumentError(
                    f"the state is of worker {told[0]} of {told[1]}, this is worker {self._worker} of {self._workers}: with other "
                    "num_workers go on from a state of "
                    "s3dlio.datasets.Loader"
                )
            self._epoch = loader.epoch
            self._of._epochs.is_now(self._epoch)
        self._from = next_begin(loader)
        self._samples = iter(())
        self._iteration = iterate(loader, self._worker, self._workers, self._batches)
        if self._offset:
            # within a batch whose samples are given one by one
            skip, self._offset = self._offset, 0
            self._samples = iter(self._converted(next(self._iteration)))
            for _ in range(skip):
                next(self._samples)
            self._offset = skip

    def __next__(self) -> Any:
        if self._of._batches:
            batch = self._batch(next(self._iteration))
            self._batches += 1
            return batch
        while True:
            for sample in self._samples:
                self._offset += 1
                return sample
            if self._offset:
                self._batches, self._offset = self._batches + 1, 0
            self._samples = iter(self._converted(next(self._iteration)))

    def _converted(self, batch: Batch) -> list[Any]:
        of = self._of
        samples = [converted(sample, of._return_type) for sample in batch]
        return samples if of._transform is None else [of._transform(sample) for sample in samples]

    def _batch(self, batch: Batch) -> Any:
        of = self._of
        if of._collate is None and of._transform is None and of._return_type == "tensor" and is_one_array(batch):
            return as_tensor(batch.array)
        samples = self._converted(batch)
        return samples if of._collate is None else of._collate(samples)

    def state_dict(self) -> dict[str, Any]:
        loader = self._of._loader
        return {
            **loader.state_dict(),
            "epoch": self._epoch,
            "consumed": self._from,
            "batches": self._batches,
            "offset": self._offset,
            "worker": self._worker,
            "workers": self._workers,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._iteration.close()
        self._begin(state)


class _Epochs:
    """Counts the iterations of a data set, alike in all workers, however often these are started.

    Workers of one iteration have one seed, which ``DataLoader`` draws anew for each: the first to see a new one writes it down, in memory
    that all share. Two that write at once write the same.
    """

    def __init__(self) -> None:
        # the epoch of iteration 0, how often that was set, how many iterations of workers were noted, and their seeds
        self._shared = torch.zeros(3 + _MOST_EPOCHS, dtype=torch.int64).share_memory_()
        self._mine: tuple[int, int] | None = None
        self._count = 0
        #: The number of the iteration that began last in this process.
        self.number = 0

    def set(self, epoch: int) -> None:
        """The next iteration is that epoch."""
        if epoch < 0:
            raise InvalidArgumentError(f"epoch is {epoch}; epochs are counted from 0")
        self._shared[2:] = 0
        self._shared[0] = epoch
        self._shared[1] += 1

    def is_now(self, epoch: int) -> None:
        """The iteration that began last is that epoch; those that come after it count from there."""
        self._shared[0] = epoch - self.number

    @property
    def coming(self) -> int:
        """The number of the next iteration whose workers are started."""
        return int(self._shared[2])

    def next(self) -> tuple[int, int, int]:
        """The epoch of the iteration that begins here, and which worker of how many this is."""
        info = torch_data.get_worker_info()
        seed = 0 if info is None else int(info.seed) - int(info.id)
        mine = (seed, int(self._shared[1]))
        if mine != self._mine:
            self._mine, self._count = mine, 0
        count, self._count = self._count, self._count + 1
        if info is None:
            self.number = count
            return int(self._shared[0]) + count, 0, 1
        key = (seed * 1_000_003 + count) % (1 << 62) + 1
        noted = int(self._shared[2])
        found = (self._shared[3 : 3 + min(noted + 1, _MOST_EPOCHS)] == key).nonzero()
        if len(found):
            self.number = int(found[0])
        elif noted < _MOST_EPOCHS:
            self.number = noted
            self._shared[3 + noted] = key
            self._shared[2] = max(int(self._shared[2]), noted + 1)
        else:
            raise InvalidArgumentError(
                f"workers were started {_MOST_EPOCHS} times without set_epoch; call it before each iteration, or use "
                "persistent_workers=True"
            )
        return int(self._shared[0]) + self.number, int(info.id), int(info.num_workers)


class _Lent:
    """Memory of a sample that nobody else reads or writes, as an array that can be written to."""

    def __init__(self, view: Any) -> None:
        self._view = view
        self.__array_interface__ = {**view.__array_interface__, "data": (view.__array_interface__["data"][0], False)}


def pinned(nbytes: int) -> np.ndarray[Any, Any]:
    """Memory for a batch: pinned in the process that uses CUDA, where there is any."""
    pins = torch_data.get_worker_info() is None and torch.cuda.is_available()
    found: np.ndarray[Any, Any] = torch.empty(nbytes, dtype=torch.uint8, pin_memory=pins).numpy()
    return found


def as_tensor(array: np.ndarray[Any, Any]) -> Any:
    """A tensor over an array's memory; what torch has no dtype for stays as it is."""
    try:
        return torch.from_numpy(array if array.flags.writeable else np.asarray(_Lent(array)))
    except TypeError:
        return array


def converted(sample: Any, return_type: ReturnType) -> Any:
    """A sample as the caller wants it."""
    if isinstance(sample, BytesView):
        return sample if return_type == "view" else sample.to_bytes() if return_type == "bytes" else as_tensor(np.asarray(sample))
    if isinstance(sample, np.ndarray):
        return as_tensor(sample) if return_type == "tensor" else sample
    if isinstance(sample, dict):
        return {name: converted(value, return_type) for name, value in sample.items()}
    return sample


def place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """This process among all: as the caller says, or ``torch.distributed``, or the environment."""
    if rank is not None or world_size is not None:
        return rank or 0, 1 if world_size is None else world_size
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    told = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    return (int(told[0]), int(told[1])) if told[0].isdigit() and told[1].isdigit() else (0, 1)


def _require(dataset: object, return_type: object) -> None:
    if not isinstance(dataset, Dataset):
        raise InvalidArgumentError(f"dataset is one that s3dlio.datasets makes, found {type(dataset).__name__}")
    if return_type not in _RETURN_TYPES:
        raise InvalidArgumentError(f"return_type is one of {', '.join(map(repr, _RETURN_TYPES))}, found {return_type!r}")


__all__ = ["BatchSampler", "IterableDataset", "MapDataset"]

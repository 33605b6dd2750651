"""Batches of a data set in a fixed order, read ahead within a budget of bytes."""

from __future__ import annotations

import os
import re
import select
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from .._core import _native
from .._core._calls import Notifier
from .._core._progress import Progress, watching
from ..exceptions import ClosedError, InvalidArgumentError
from ._budget import budget
from ._dataset import Batch, Dataset, begin_joined, begin_read, block_of, joins, lengths_of, samples_of, window_of
from ._order import Order, Share, Uneven
from ._reads import ReadSettings

if TYPE_CHECKING:
    from ._reads import BatchRead

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
#: Milliseconds after which a wait looks at the operations itself.
_LOOK = 50
#: What a state has to agree on for its position to mean the same samples.
_SAME = ("samples", "digest", "seed", "shuffle", "block", "window")

_os: Any = os


def byte_count(size: int | str) -> int:
    """A number of bytes, or text such as ``"512MiB"`` and ``"2GB"``."""
    if isinstance(size, int):
        found: int | None = size
    else:
        told = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", size, re.IGNORECASE)
        found = int(float(told[1]) * _UNITS[(told[2] or "").lower()]) if told else None
    if found is None or found < 1:
        raise InvalidArgumentError(f"memory is a number of bytes or text such as '2GiB', found {size!r}")
    return found


@dataclass
class LoaderStats:
    """What a loader did since it was made, or since ``reset``.

    Attributes:
        batches: Batches handed out.
        samples: Samples in them.
        bytes: Bytes read for them.
        skipped: Samples left out because they could not be read.
        seconds_waited: Time in which the consumer waited for a batch.
        seconds_used: Time that the consumer took between batches.
        seconds_decoding: Time in decoders and ``transform``, part of neither.
        hedged: Objects that were asked for a second time because they took longer than ``hedge_after``.
    """

    batches: int = 0
    samples: int = 0
    bytes: int = 0
    skipped: int = 0
    seconds_waited: float = 0.0
    seconds_used: float = 0.0
    seconds_decoding: float = 0.0
    hedged: int = 0

    def reset(self) -> None:
        """Begins to count anew."""
        for one in fields(self):
            setattr(self, one.name, one.default)

    @property
    def bound(self) -> Literal["storage", "transform", "consumer"]:
        """What takes the most time: ``"storage"``: a faster store or more read-ahead helps; otherwise it would not."""
        if self.seconds_waited >= max(self.seconds_decoding, self.seconds_used):
            return "storage"
        return "transform" if self.seconds_decoding >= self.seconds_used else "consumer"


class Loader:
    """Batches of a data set: the order is fixed, the position can be saved, and the next batches are read while one is used.

    Which samples a batch holds is a pure function of ``seed``, the epoch and its number, whatever is slow or runs beside it. An iteration
    gives one epoch; the next one gives the next. After ``load_state_dict`` the first iteration goes on where the state was taken, on any
    number of ranks. An iteration that is left early is begun anew by the next ``iter``, unless ``load_state_dict(state_dict())`` says to go
    on.

    Args:
        dataset: What is read.
        batch_size: Samples of a batch.
        shuffle: True: a new order for each epoch.
        seed: Chooses the orders, 0 to 2**64 - 1.
        rank: This process among those that share the samples.
        world_size: How many these are.
        memory: Bytes of batches that are read ahead, a number or text such as ``"2GiB"``. One batch is read however large it is.
        transform: Called with each sample; what it gives takes the sample's place.
        drop_last: Leave out a last batch that is not full.
        uneven: What happens where the samples cannot be dealt evenly to the ranks: ``"pad"`` takes fewer than ``world_size`` samples twice,
            ``"drop"`` leaves out as few, ``"raise"`` raises, ``"allow"`` gives some ranks one more.
        block: Neighbouring samples that stay near each other when shuffled, so that they come in few requests: for tar and record files.
            None: what suits the data set. 0: every sample may come anywhere.
        window: Blocks whose samples are mixed. None: what suits the data set, 16 or, of files that are compressed as a whole, 1.
        prefetch: Batches that are read ahead at most.
        max_in_flight: Objects of one batch that are read at once, 1 to 4096.
        ordered: False: batches come as they are read, which one slow object does not hold up; the samples in each stay the same.
        on_error: ``"raise"``, or ``"skip"`` to leave out samples that cannot be read or decoded; ``Batch.errors`` and ``stats.skipped``
            tell of them.
        hedge_after: Seconds after which an object that has not come is asked for a second time; the first answer counts, and the other
            request is cancelled. So is a tenth of a batch's objects at most, those up to 16 MiB. None: never.
        allocate: Called with a number of bytes, gives memory for a batch as an array of uint8: pinned or shared memory. None: the
            library's own. Samples whose sizes are not known have memory of their own.
        progress: Called after each batch with samples that an iteration handed out or left out so far, and with how many it has on this
            rank (-1 where that is not known); or True for tqdm's bar where tqdm is installed.

    Raises:
        InvalidArgumentError: A setting that cannot be.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_many([(f"memory://loader/{i}", bytes([i])) for i in range(10)])
        >>> data = s3dlio.datasets.objects("memory://loader/")
        >>> loader = s3dlio.datasets.Loader(data, batch_size=4, shuffle=True, seed=7)
        >>> sorted(sample[0] for batch in loader for sample in batch)
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        >>> loader.state_dict()["epoch"]
        1
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        memory: int | str = "1GiB",
        transform: Callable[[Any], Any] | None = None,
        *,
        drop_last: bool = False,
        uneven: Uneven = "pad",
        block: int | None = None,
        window: int | None = None,
        prefetch: int = 16,
        max_in_flight: int = 64,
        ordered: bool = True,
        on_error: Literal["raise", "skip"] = "raise",
        hedge_after: float | None = None,
        allocate: Callable[[int], Any] | None = None,
        progress: Progress = None,
    ) -> None:
        if not isinstance(dataset, Dataset):
            raise InvalidArgumentError(f"dataset is one that s3dlio.datasets makes, found {type(dataset).__name__}")
        if on_error not in ("raise", "skip"):
            raise InvalidArgumentError(f"on_error is 'raise' or 'skip', found {on_error!r}")
        if not 0 <= seed < 1 << 64:
            raise InvalidArgumentError(f"seed is {seed}; 0 to 2**64 - 1 are taken")
        if window is None:
            window = window_of(dataset)
        if hedge_after is not None and not hedge_after > 0:
            raise InvalidArgumentError(f"hedge_after is a number of seconds above 0, found {hedge_after!r}")
        if prefetch < 1 or window < 1 or (block is not None and block < 0):
            raise InvalidArgumentError(f"prefetch ({prefetch}) and window ({window}) are 1 or more, block ({block}) is 0 or more")
        if transform is not None and not callable(transform):
            raise InvalidArgumentError(f"transform is called with each sample, found {type(transform).__name__}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.memory = byte_count(memory)
        self.stats = LoaderStats()
        self._shuffle, self._seed, self._rank, self._world = bool(shuffle), seed, rank, world_size
        self._transform, self._drop_last = transform, drop_last
        self._uneven: Uneven = uneven
        self._block = (block_of(dataset) if block is None else block) if shuffle else 0
        self._window = window if self._block else 1
        self._prefetch, self._ordered, self._on_error = prefetch, ordered, on_error
        self._settings = ReadSettings(max_in_flight, hedge_after, allocate)
        self._progress = progress
        self._epoch = 0
        #: Positions that were taken when the current iteration began, and when the last batch was handed out.
        self._begin, self._consumed = 0, 0
        self._resumed = False
        #: Batches that were handed out although ones before them were not, counted from those that are taken; only when they come as they
        #: are read.
        self._early: set[int] = set()
        self._current: weakref.ref[Iteration] | None = None
        # the settings are looked at now, not by the first batch
        self._share(0)

    def __len__(self) -> int:
        """Batches of a whole epoch on this rank."""
        return len(self._share(0))

    @property
    def epoch(self) -> int:
        """The epoch that is read, or that the next iteration reads."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Has the next iteration begin that epoch."""
        if epoch < 0:
            raise InvalidArgumentError(f"epoch is {epoch}; epochs are counted from 0")
        self._epoch, self._begin, self._consumed, self._resumed, self._early = epoch, 0, 0, False, set()

    def state_dict(self) -> dict[str, Any]:
        """Where the consumer is: some numbers that JSON can hold. That of any rank stands for all that took as many batches."""
        over = self._consumed == len(self.dataset)
        state: dict[str, Any] = {
            "version": 1,
            "epoch": self._epoch + over,
            "consumed": 0 if over else self._consumed,
            "samples": len(self.dataset),
            "digest": self.dataset.digest,
            "seed": self._seed,
            "shuffle": self._shuffle,
            "block": self._block,
            "window": self._window,
            "world_size": self._world,
            "batch_size": self.batch_size,
        }
        if self._early and not over:
            state.update(rank=self._rank, early=sorted(self._early))
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Has the next iteration go on behind the batches that had been handed out; nothing is read again.

        Rank, number of ranks and batch size may be others than those of the state.

        Raises:
            InvalidArgumentError: The state is of other samples or of another order, or is none.
        """
        mine = self.state_dict()
        lacks = [name for name in ("epoch", "consumed", *_SAME) if name not in state]
        if lacks or state.get("version") != 1:
            raise InvalidArgumentError(
                f"this is no state of a loader that this release knows: version {state.get('version')!r}, without "
                f"{', '.join(lacks) or 'nothing'}"
            )
        for name in _SAME:
            if state[name] != mine[name]:
                raise InvalidArgumentError(
                    f"the state has {name}={state[name]!r}, this loader {mine[name]!r}: its position would mean other samples. Make the "
                    "loader with the same "
                    "data and order, or begin an epoch with set_epoch"
                )
        epoch, consumed = state["epoch"], state["consumed"]
        if not (isinstance(epoch, int) and isinstance(consumed, int) and epoch >= 0 and 0 <= consumed <= mine["samples"]):
            raise InvalidArgumentError(f"the state has epoch={epoch!r} and consumed={consumed!r} of {mine['samples']} samples")
        early = state.get("early", [])
        if early and any(
            state.get(name) != value for name, value in (("rank", self._rank), ("world_size", self._world), ("batch_size", self.batch_size))
        ):
            raise InvalidArgumentError(
                "the state was taken with ordered=False, when batches had come before earlier ones: only the same rank of as many, with "
                "the same batch_size, "
                "can go on from it"
            )
        self._epoch, self._begin, self._consumed, self._resumed, self._early = epoch, consumed, consumed, True, set(early)

    def __iter__(self) -> Iterator[Batch]:
        return self._iterate(0, 1)

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self._iterate(0, 1)

    # ---- for the iteration ----

    def _share(self, consumed: int) -> Share:
        return Share(len(self.dataset), consumed, self._rank, self._world, self.batch_size, self._uneven, self._drop_last)

    def _order(self) -> Order:
        return Order(len(self.dataset), self._shuffle, self._seed, self._epoch, self._block, self._window)

    def _mixed(self) -> int:
        """Samples that a window of the shuffle mixes, where batches of one window are read together; else 0.

        Batches that come as they are read do not wait for each other, and with second requests what is late is to be small.
        """
        together = self._window > 1 and self._ordered and self._settings.hedge_after is None and joins(self.dataset)
        return self._block * self._window if together else 0

    def _iterate(self, worker: int, workers: int, skip: int = 0) -> Iteration:
        """An epoch, or what is left of it; of several workers each takes every so many-th batch, without the first ``skip`` of its own."""
        if not self._resumed:
            self._begin = self._consumed = 0
            self._early = set()
        self._resumed = False
        begun = Iteration(self, worker, workers, skip)
        self._current = weakref.ref(begun)
        return begun

    def _taken(self, of: Iteration, number: int) -> None:
        """A batch was handed out."""
        if self._current is None or self._current() is not of:
            return
        early = {*self._early, number - of.taken}
        while 0 in early:
            of.taken += 1
            early = {one - 1 for one in early if one}
        self._early, self._consumed = early, of.share.consumed(of.taken)

    def _ended(self, of: Iteration) -> None:
        if self._current is not None and self._current() is of:
            self._epoch += 1
            self._begin = self._consumed = 0
            self._early = set()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_current": None}


def share_of(loader: Loader, consumed: int = 0) -> Share:
    """This rank's batches of an epoch of which so many samples were consumed."""
    return loader._share(consumed)


def order_of(loader: Loader) -> Order:
    """The order of the epoch."""
    return loader._order()


def next_begin(loader: Loader) -> int:
    """How many samples were consumed where the next iteration begins."""
    return loader._begin if loader._resumed else 0


def begin_order(loader: Loader) -> int:
    """Begins an iteration that hands out numbers only; gives how many samples were consumed before it."""
    loader._begin = next_begin(loader)
    loader._resumed = False
    return loader._begin


def end_order(loader: Loader) -> None:
    """Ends what ``begin_order`` began: the next iteration is the next epoch."""
    loader._epoch, loader._begin = loader._epoch + 1, 0


def state_behind(loader: Loader, begun: int, batches: int) -> dict[str, Any]:
    """The state when so many batches were used of an iteration that began there."""
    loader._consumed = loader._share(begun).consumed(batches)
    return loader.state_dict()


def iterate(loader: Loader, worker: int, workers: int, skip: int) -> Iteration:
    """An epoch, or what is left of it, for one of several workers; see ``Loader``."""
    return loader._iterate(worker, workers, skip)


class _Ahead:
    """A batch on its way."""

    __slots__ = ("indices", "nbytes", "number", "read")

    def __init__(self, number: int, indices: Any, read: BatchRead, nbytes: int) -> None:
        self.number, self.indices, self.read, self.nbytes = number, indices, read, nbytes


class Iteration(Iterator[Batch], AsyncIterator[Batch]):
    """One epoch of a loader. Letting go of it cancels what is on its way."""

    def __init__(self, loader: Loader, worker: int, workers: int, skip: int) -> None:
        self._loader = loader
        self._generation = _native.generation
        self.share = loader._share(loader._begin)
        self._order = loader._order()
        self._epoch = loader._epoch
        early = frozenset(loader._early)
        self._numbers = iter(
            [one for one in range(len(self.share)) if one not in early]
            if early
            else range(worker + workers * skip, len(self.share), workers)
        )
        self._alone = workers == 1
        self._watched = ExitStack()
        self._progress = self._watched.enter_context(watching(loader._progress, "load", "samples"))
        #: Samples that were handed out or left out, and how many there are.
        self._given, self._whole = 0, _samples_of(self.share) if self._alone and not early else -1
        #: Batches that come next and are not read yet: number, samples, bytes.
        self._next: deque[tuple[int, Any, int]] = deque()
        #: Batches that are read together at most, and the samples that one window of the shuffle mixes, or 0 where each is read alone.
        self._most, self._mixed = 1, loader._mixed()
        self._ahead: deque[_Ahead] = deque()
        self._bytes = 0
        self._largest = 0
        #: Batches that were handed out without a gap.
        self.taken = 0
        self._left_at: float | None = None
        self._failed = self._over = False
        self._ended: _Ended | None = None

    def __iter__(self) -> Iteration:
        return self

    def __aiter__(self) -> Iteration:
        return self

    async def __anext__(self) -> Batch:
        """The next batch, waited for in an event loop without a thread."""
        import asyncio

        if not self._over and not self._failed and self._generation == _native.generation:
            self._top_up()
            running = [one.read.running for one in self._ahead]
            if self._loader._ordered:
                del running[1:]
            if running and not any(one is None or one.has_ended for one in running):
                notifier = Notifier.of(asyncio.get_running_loop())
                await asyncio.wait([notifier.watch(one) for one in running], return_when=asyncio.FIRST_COMPLETED)
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    def __next__(self) -> Batch:
        if self._over:
            raise StopIteration
        if self._failed or self._generation != _native.generation:
            raise ClosedError(
                "this iteration ended with an exception, or belongs to the process that this one was forked from; begin a new one: "
                "load_state_dict(state_dict()) goes on behind the last batch"
            )
        loader, stats = self._loader, self._loader.stats
        now = time.perf_counter()
        if self._left_at is not None:
            stats.seconds_used += now - self._left_at
        try:
            self._top_up()
            if not self._ahead:
                self._over = True
                self._watched.close()
                loader._ended(self)
                raise StopIteration
            one = self._ahead.popleft() if loader._ordered else self._first_ended()
            try:
                self._wait(one)
                waited = time.perf_counter()
                stats.seconds_waited += waited - now
                batch = self._decoded(one)
            finally:
                # one that failed is no longer read ahead either
                self._bytes -= one.nbytes
                budget.give(one.nbytes, self._generation)
            # what is read next is read while this batch is used
            self._top_up()
            self._given += len(batch) + len(batch.errors)
            if self._progress is not None:
                self._progress(self._given, self._whole)
        except BaseException:
            self.close()
            raise
        if self._alone:
            loader._taken(self, one.number)
        stats.batches += 1
        stats.samples += len(batch)
        stats.skipped += len(batch.errors)
        stats.bytes += one.read.nbytes
        stats.hedged += one.read.hedged
        self._left_at = time.perf_counter()
        stats.seconds_decoding += self._left_at - waited
        return batch

    def close(self) -> None:
        """Cancels what is on its way; nothing comes after it."""
        self._failed = True
        self._watched.close()
        ahead, self._ahead = self._ahead, deque()
        for one in ahead:
            one.read.close()
            budget.give(one.nbytes, self._generation)

    def __del__(self) -> None:
        if getattr(self, "_ahead", None) and self._generation == _native.generation:
            self.close()

    def _top_up(self) -> None:
        """Begins to read as many batches as the budget has room for, one in any case."""
        loader = self._loader
        while len(self._ahead) < loader._prefetch and (count := self._gather()):
            nbytes = [self._next[place][2] for place in range(count)]
            if nbytes[0] < 0:
                # nobody knows: as much as the largest so far, and one alone at first
                nbytes = [self._largest or loader.memory]
            if self._ahead and self._bytes + sum(nbytes) > loader.memory:
                return
            if not budget.take(sum(nbytes), anyhow=not self._ahead and count == 1):
                if self._ahead:
                    return
                # somebody waits for the first of them
                del nbytes[1:]
                budget.take(nbytes[0], anyhow=True)
            begun = [self._next.popleft() for _ in nbytes]
            try:
                if len(begun) == 1:
                    reads = [begin_read(loader.dataset, begun[0][1], loader._settings)]
                else:
                    reads = begin_joined(loader.dataset, [indices for _, indices, _ in begun], loader._settings)
            except BaseException:
                budget.give(sum(nbytes), self._generation)
                raise
            for (number, indices, _), read, size in zip(begun, reads, nbytes, strict=True):
                self._ahead.append(_Ahead(number, indices, read, size))
                self._bytes += size
            self._most *= 2

    def _gather(self) -> int:
        """Has the batches at hand that are read next, and says how many of them are read together.

        They are of one window of the shuffle, where neighbours lie, and take half of what may be read ahead, so that the next are read
        while these are used. At first they are few: somebody waits for the first batch.
        """
        loader = self._loader
        most = min(self._most, max(1, loader._prefetch // 2)) if self._mixed else 1
        count = size = 0
        window = -1
        while count < most:
            if len(self._next) == count and not self._fetch():
                break
            number, _, nbytes = self._next[count]
            begins = self.share.first(number) // self._mixed if self._mixed else 0
            size += nbytes
            if count and (begins != window or size > loader.memory // 2):
                break
            window = begins
            count += 1
        # those that are begun together need room together
        return 0 if self._ahead and len(self._ahead) + count > loader._prefetch else count

    def _fetch(self) -> bool:
        """One more batch that comes next; False: there is none."""
        number = next(self._numbers, None)
        if number is None:
            return False
        indices = self._order.at(self.share.positions(number))
        lengths = lengths_of(self._loader.dataset, indices)
        self._next.append((number, indices, -1 if lengths is None else int(lengths.sum())))
        return True

    def _wait(self, one: _Ahead) -> None:
        # finish() below waits, too; this is its time alone, without what decoding takes
        running = one.read.running
        while running is not None and not running.wait(_native.SLICE):
            pass

    def _first_ended(self) -> _Ahead:
        """The first batch that is there, whichever it is."""
        if self._ended is None:
            self._ended = _Ended()
        while True:
            for place, one in enumerate(self._ahead):
                if one.read.running is None or one.read.running.has_ended:
                    del self._ahead[place]
                    return one
            self._ended.wait([one.read.running for one in self._ahead])

    def _decoded(self, one: _Ahead) -> Batch:
        loader = self._loader
        samples, failures, together = samples_of(loader.dataset, one.indices, one.read)
        self._largest = max(self._largest, one.read.nbytes)
        indices = one.indices
        errors: dict[int, Exception] = {}
        if failures:
            if loader._on_error == "raise":
                raise failures[min(failures)]
            errors = {int(indices[place]): failure for place, failure in failures.items()}
            indices = indices[[place for place in range(len(indices)) if place not in failures]]
        if loader._transform is not None:
            samples = [loader._transform(sample) for sample in samples]
            together = None
        return Batch(samples, indices, self._epoch, errors, together)


def _samples_of(share: Share) -> int:
    """Samples of all batches of a share, of which the last alone may have fewer."""
    count = len(share)
    return 0 if count == 0 else (count - 1) * len(share.positions(0)) + len(share.positions(count - 1))


class _Ended:
    """Hears of operations that ended."""

    def __init__(self) -> None:
        self._generation = _native.generation
        self._fd: int = _os.eventfd(0, _os.EFD_NONBLOCK | _os.EFD_CLOEXEC)
        self._queue = _native.open_queue(self._fd)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._told: set[int] = set()

    def wait(self, running: list[Any]) -> None:
        """Waits until one of them has ended, or a moment."""
        for one in running:
            if one.number not in self._told:
                self._told.add(one.number)
                _native.notify(one.number, self._queue)
        if self._poll.poll(_LOOK):
            try:
                _os.eventfd_read(self._fd)
            except BlockingIOError:
                return
            self._told.difference_update(_native.take_ended(self._queue))

    def __del__(self, close: Any = _native.close, close_fd: Any = os.close) -> None:
        if hasattr(self, "_queue"):
            close("queue", self._queue, self._generation)
        if hasattr(self, "_fd"):
            close_fd(self._fd)

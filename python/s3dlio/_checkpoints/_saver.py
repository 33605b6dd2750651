"""States saved behind the training: the call returns when the state was copied, or at once where it stays as it is."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Generator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal

import numpy as np

from .._core import _calls, _plain
from .._core._address import Address, resolve
from .._objects import compression_options
from .._tensors import torch_module
from ..exceptions import CancelledError, ClosedError, InvalidArgumentError, StoreTimeoutError
from . import _tree
from ._sharded import Part, part_of
from ._state import Gather, finalize_state, is_tensor, save_state_shard
from ._store import CheckpointStore

AtExit = Literal["finish", "cancel"]

#: Seconds after which a save hears that it is cancelled, and tells how far it is.
_SLICE = 0.25


class PendingSave(Future["str | None"]):
    """A save that goes on behind the program; see ``AsyncSaver``. It is a ``concurrent.futures.Future``, and can be awaited."""

    def __init__(self, step: int, what: str, before: PendingSave | None) -> None:
        super().__init__()
        #: The step that is saved.
        self.step = step
        self._what = what
        self._process = os.getpid()
        self._before = before
        self._read = threading.Event()
        self._ended = threading.Event()
        self._untaken = threading.Lock()
        self._counts = (0, -1)
        self._key: str | None = None
        self._error: BaseException | None = None
        self._told = False
        self._cancelled = False

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        self._mine()
        return self._ended.is_set()

    def progress(self) -> tuple[int, int]:
        """Bytes written, and bytes in all or -1 until that is known."""
        self._mine()
        return self._counts

    def settle(self, timeout: float | None = None) -> None:
        """Waits until the state's memory is no longer read: from then on it may change, also with ``copy=False``.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            StoreTimeoutError: It is still read then.
        """
        self._mine()
        self._wait(self._read, timeout)

    def result(self, timeout: float | None = None) -> str | None:
        """Waits for the end.

        Args:
            timeout: Seconds; None waits for ever.

        Returns:
            The manifest's key, as ``save_state`` gives it: the checkpoint is there.

        Raises:
            StoreTimeoutError: It has not ended then; it goes on.
            S3dlioError: What the save failed with.
        """
        self._mine()
        self._wait(self._ended, timeout)
        self._told = True
        if self._error is not None:
            raise self._error
        return self._key

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Waits for the end.

        Args:
            timeout: Seconds; None waits for ever.

        Returns:
            What the save failed with, or None.

        Raises:
            StoreTimeoutError: It has not ended then; it goes on.
        """
        self._mine()
        self._wait(self._ended, timeout)
        self._told = True
        return self._error

    def cancel(self) -> bool:
        """Asks it to end; there is no checkpoint then, unless it was just made. ``result`` tells.

        Returns:
            Whether it had not ended.
        """
        self._cancelled = True
        return not self._ended.is_set()

    def cancelled(self) -> bool:
        """Whether it has ended because ``cancel`` was called."""
        return isinstance(self._error, CancelledError)

    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.is_set()

    def __await__(self) -> Generator[Any, Any, str | None]:
        import asyncio

        self._mine()
        self._told = True
        return (yield from asyncio.wrap_future(self).__await__())

    def _end(self, key: str | None, error: BaseException | None) -> None:
        """It has ended: tells whoever waits."""
        self._key, self._error = key, error
        self._before = None
        self._read.set()
        self._ended.set()
        if error is None:
            self.set_result(key)
        else:
            self.set_exception(error)

    def __repr__(self) -> str:
        done, total = self._counts
        told = "saved" if self._key else "failed" if self._error else "ended" if self._ended.is_set() else f"{done} of {total} bytes"
        return f"PendingSave(step {self.step}, {told})"

    def _report(self, done: int, total: int) -> None:
        self._counts = (done, total)
        if self._cancelled:
            raise CancelledError(f"{self._what}: the save of step {self.step} was cancelled", self._what)

    def _wait(self, event: threading.Event, timeout: float | None) -> None:
        if not event.wait(timeout):
            raise StoreTimeoutError(
                f"{self._what}: the save of step {self.step} did not end within {timeout} seconds; it goes on", self._what
            )

    def _take(self) -> bool:
        """True for the first who asks: the thread that does the work, or the call that could not begin it."""
        return self._untaken.acquire(blocking=False)

    def _has_untold_failure(self) -> bool:
        return self._error is not None and not self._told and not isinstance(self._error, CancelledError)

    def _mine(self) -> None:
        if self._process != os.getpid():
            raise ClosedError(
                f"{self._what}: the save of step {self.step} was begun before this process was forked; it goes on in the parent", self._what
            )


class AsyncSaver:
    """Saves states behind the training, in the order in which they were given.

    ``save`` returns when the state was copied; with ``copy=False`` at once, and the state must not change before ``settle`` or
    ``result`` of what it returned. A failure is raised by ``result``, or by the next ``save`` or ``wait`` where nobody asked.

    Args:
        uri: The checkpoint store's address; a relative path is of the working directory that is current now.
        max_in_flight: Saves at once; one more waits for the oldest to end.
        memory_budget: Bytes that copies of states may take at once; a save waits until there is room. None: no limit but
            ``max_in_flight``.
        at_exit: What the interpreter does with saves under way when it ends: ``"finish"`` or ``"cancel"`` them.
        rank: As for ``save_state``.
        world_size: As for ``save_state``.
        gather: As for ``save_state``; it is called in a thread, so with torch give it a process group of its own.
        options: What ``save_state_shard`` takes besides: ``compress``, ``durable``, ``storage_options``.

    Raises:
        InvalidArgumentError: An argument that cannot be.

    Example:
        >>> import numpy as np, s3dlio
        >>> weights = np.ones(1000)
        >>> with s3dlio.AsyncSaver("memory://doc-async") as saver:
        ...     pending = saver.save({"w": weights}, step=1)
        ...     weights[:] = 2
        ...     _ = pending.result()
        >>> s3dlio.load_state("memory://doc-async")["w"].max()
        1.0
    """

    def __init__(
        self,
        uri: Address,
        *,
        max_in_flight: int = 1,
        memory_budget: int | None = None,
        at_exit: AtExit = "finish",
        rank: int = 0,
        world_size: int = 1,
        gather: Gather | None = None,
        **options: Any,
    ) -> None:
        self._what = str(uri)
        if max_in_flight < 1 or at_exit not in ("finish", "cancel") or (memory_budget is not None and memory_budget < 0):
            raise InvalidArgumentError(
                f"{self._what}: max_in_flight is 1 or more, memory_budget 0 or more, at_exit 'finish' or 'cancel'; "
                f"found {max_in_flight}, {memory_budget}, {at_exit!r}"
            )
        if world_size > 1 and gather is None:
            raise InvalidArgumentError(f"{self._what}: with several ranks gather is needed")
        unknown = sorted(set(options) - {"compress", "durable", "storage_options"})
        if unknown:
            raise InvalidArgumentError(
                f"{self._what}: there is no option {', '.join(unknown)}; compress, durable and storage_options are known"
            )
        compression_options(options.get("compress", False), self._what)
        # where it points now, and with an error now, whatever the working directory is later
        self._uri = CheckpointStore(uri, storage_options=options.get("storage_options")).uri
        self._most = max_in_flight
        self._budget = memory_budget
        self._at_exit = at_exit
        self._rank, self._world_size, self._gather = rank, world_size, gather
        self._options = options
        self._process = os.getpid()
        self._pending: list[PendingSave] = []
        self._last: PendingSave | None = None
        self._memory = _Memory()
        self._closed = False
        _savers.add(self)

    def save(self, state: Any, step: int, *, copy: bool = True, epoch: int = 0, user_meta: Any = None) -> PendingSave:
        """Begins to save a state.

        Args:
            state: As for ``save_state``.
            step: The global step.
            copy: False: the state stays as it is until ``settle`` or ``result``, so nothing is copied (but what lies on a device or is
                strided).
            epoch: The epoch.
            user_meta: As for ``save_state``.

        Returns:
            The save under way.

        Raises:
            S3dlioError: What an earlier save failed with that nobody asked for; this one is not begun.
            InvalidArgumentError: A value that cannot be stored; or a state that is larger than the budget.
        """
        if self._closed or self._process != os.getpid():
            raise ClosedError(
                f"{self._what}: the saver was {'closed' if self._closed else 'made before this process was forked'}; make a new one"
            )
        while len(running := self._running()) >= self._most:
            running[0]._ended.wait()
        self._surface()
        if copy:
            self._make_room(state)
        before = self._last
        pending = PendingSave(step, self._what, before)
        taken: list[np.ndarray[Any, Any]] = []
        try:
            held = self._snapshot(state, taken if copy else None)
            # a daemon, so that the interpreter's end is ours to order
            work = threading.Thread(
                target=self._work, args=(pending, held, taken, epoch, user_meta), name=f"s3dlio-save-{step}", daemon=True
            )
            self._last = pending
            self._pending.append(pending)
            work.start()
        except BaseException:
            # an interrupt may have come after the thread began, which then goes on
            if pending._take():
                self._last = before
                self._pending = [other for other in self._pending if other is not pending]
                self._memory.give_back(taken)
                pending._end(None, CancelledError(f"{self._what}: the save of step {step} could not begin", self._what))
            raise
        return pending

    def wait(self, timeout: float | None = None) -> None:
        """Waits for all saves to end.

        Args:
            timeout: Seconds in all; None waits for ever.

        Raises:
            StoreTimeoutError: Some have not ended then; they go on.
            S3dlioError: What the first failed with that nobody asked for.
        """
        end = None if timeout is None else time.monotonic() + timeout
        for pending in list(self._pending):
            pending._wait(pending._ended, None if end is None else max(0.0, end - time.monotonic()))
        self._surface()

    def close(self) -> None:
        """Waits for all saves and lets go of the memory for copies; raises as ``wait`` does."""
        self._closed = True
        try:
            self.wait()
        finally:
            self._memory = _Memory()

    def __enter__(self) -> AsyncSaver:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
            return
        # the error under way is what matters
        self._closed = True
        for pending in self._running():
            pending._ended.wait()

    def _running(self) -> list[PendingSave]:
        return [pending for pending in self._pending if not pending._ended.is_set()]

    def _surface(self) -> None:
        """Raises the first failure that nobody was told of; forgets what has ended."""
        # one that ends meanwhile stays for the next time, and so do further failures
        self._pending = [pending for pending in self._pending if not pending._ended.is_set() or pending._has_untold_failure()]
        for pending in self._pending:
            if pending._ended.is_set() and pending._has_untold_failure():
                pending._told = True
                raise pending._error or AssertionError

    def _make_room(self, state: Any) -> None:
        if self._budget is None:
            return
        need = 0
        for path, leaf in _tree.leaves(state):
            part = part_of(leaf)
            if part is not None and self._saves(part) and is_tensor(part.data, f"{self._what}: {_tree.text(path)!r}"):
                need += part.data.nbytes
        if need > self._budget:
            raise InvalidArgumentError(
                f"{self._what}: the state has {need} bytes, memory_budget is {self._budget}; give more, or copy=False and leave the state "
                "as it is until settle()"
            )
        while self._memory.used + need > self._budget and (running := self._running()):
            running[0]._ended.wait()
        self._memory.trim(self._budget - need)

    def _saves(self, part: Part) -> bool:
        return part.mine and (self._rank == 0 or not part.whole)

    def _snapshot(self, state: Any, taken: list[np.ndarray[Any, Any]] | None) -> Any:
        def hold(path: _tree.Path, leaf: Any) -> Any:
            part, about = part_of(leaf), f"{self._what}: {_tree.text(path)!r}"
            if part is None or not is_tensor(part.data, about):
                # what cannot be stored is refused here and not behind; a list or a set may change afterwards
                return _plain.decode(_plain.encode(leaf, about), about)
            if taken is None or not self._saves(part):
                return part
            return Part(self._memory.copy(part.data, taken), part.shape, part.offsets, part.whole, part.mine)

        return _tree.replaced(state, hold)

    def _work(self, pending: PendingSave, held: Any, taken: list[np.ndarray[Any, Any]], epoch: int, user_meta: Any) -> None:
        if not pending._take():
            return
        # each look takes the GIL from the program, for as long as this thread then waits for a processor
        _calls.patience.slice = _SLICE
        key: str | None = None
        failure: BaseException | None = None
        try:
            shared = {name: value for name, value in self._options.items() if name in ("durable", "storage_options")}
            shard = save_state_shard(
                self._uri, held, pending.step, rank=self._rank, world_size=self._world_size, progress=pending._report, **self._options
            )
            del held
            self._memory.give_back(taken)
            pending._read.set()
            if pending._before is not None:
                # a checkpoint is there only when those before it are, or have failed
                pending._before._ended.wait()
                pending._before = None
            pending._report(*pending._counts)
            shards = [shard] if self._gather is None else self._gather(shard)
            if shards is not None:
                key = finalize_state(self._uri, pending.step, shards, epoch=epoch, user_meta=user_meta, **shared)
        except BaseException as error:
            failure = error
        finally:
            self._memory.give_back(taken)
            pending._end(key, failure)

    def _end(self) -> None:
        """The interpreter ends."""
        if self._process != os.getpid():
            return
        self._closed = True
        for pending in self._running():
            if self._at_exit == "cancel":
                pending.cancel()
        for pending in self._running():
            pending._ended.wait()


class _Memory:
    """Memory for copies, kept from save to save: pages that were touched before are copied into at several times the speed."""

    def __init__(self) -> None:
        self._free: list[np.ndarray[Any, Any]] = []
        self._gate = threading.Lock()
        self.used = 0

    def copy(self, data: Any, taken: list[np.ndarray[Any, Any]]) -> Any:
        """A copy of an array or a tensor in C order; what it lies in is added to ``taken``."""
        nbytes = data.nbytes
        if not nbytes:
            return data
        memory = self._take(nbytes)
        taken.append(memory)
        if isinstance(data, np.ndarray):
            if data.dtype.fields is not None:
                # what lies between fields is saved and not copied: it must not be what was here before
                memory[:] = 0
            made = memory.view(data.dtype).reshape(data.shape)
            np.copyto(made, data)
            return made
        torch = torch_module()
        copied = torch.from_numpy(memory).view(data.dtype).reshape(data.shape)
        with torch.no_grad():
            copied.copy_(data)
        return copied

    def _take(self, nbytes: int) -> np.ndarray[Any, Any]:
        with self._gate:
            self.used += nbytes
            for index, memory in enumerate(self._free):
                if memory.nbytes == nbytes:
                    return self._free.pop(index)
        return np.empty(nbytes, np.uint8)

    def give_back(self, taken: list[np.ndarray[Any, Any]]) -> None:
        """What a save no longer reads."""
        with self._gate:
            self.used -= sum(memory.nbytes for memory in taken)
            self._free += taken
            taken.clear()

    def trim(self, most: int) -> None:
        """Lets go of free memory beyond so many bytes."""
        with self._gate:
            while self._free and sum(memory.nbytes for memory in self._free) > max(0, most):
                self._free.pop()


def save_async(
    uri: Address, state: Any, step: int, *, copy: bool = True, epoch: int = 0, user_meta: Any = None, **options: Any
) -> PendingSave:
    """Saves a state behind the program: returns when it was copied. See ``AsyncSaver``, of which each address has one in the process.

    Args:
        uri: The checkpoint store's address.
        state: As for ``save_state``.
        step: The global step.
        copy: False: the state stays as it is until ``settle`` or ``result`` of what is returned.
        epoch: The epoch.
        user_meta: As for ``save_state``.
        options: What ``AsyncSaver`` takes; the same for every save to an address.

    Returns:
        The save under way.

    Raises:
        S3dlioError: What an earlier save to this address failed with that nobody asked for; this one is not begun.
        InvalidArgumentError: A value that cannot be stored; or other options than before.

    Example:
        >>> import numpy as np, s3dlio
        >>> pending = s3dlio.save_async("memory://doc-behind", {"w": np.ones(3)}, step=1)
        >>> _ = pending.result()
        >>> s3dlio.load_state("memory://doc-behind")["w"]
        array([1., 1., 1.])
    """
    where = resolve(uri, options.get("storage_options"))
    name = (os.getpid(), where.root.uri + where.key)
    with _gate:
        known = _shared.get(name)
        if known is None:
            known = _shared[name] = (AsyncSaver(uri, **options), options)
    saver, before = known
    if options and options != before:
        raise InvalidArgumentError(f"{uri}: saves to this address were begun with other options; make an AsyncSaver for these")
    return saver.save(state, step, copy=copy, epoch=epoch, user_meta=user_meta)


_savers: weakref.WeakSet[AsyncSaver] = weakref.WeakSet()
_shared: dict[tuple[int, str], tuple[AsyncSaver, dict[str, Any]]] = {}
_gate = threading.Lock()


def _after_fork_in_child() -> None:
    global _gate
    _gate = threading.Lock()
    _shared.clear()
    _savers.clear()


def _end_all() -> None:
    for saver in list(_savers):
        saver._end()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_end_all)

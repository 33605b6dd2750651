"""Embedding tables: rows for keys, more than memory holds, trained in place, with checkpoints that are exact prefixes."""

from __future__ import annotations

import operator
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from .._core import _calls, _native
from .._core._dtypes import is_torch_tensor
from .._core._handles import Handle
from .._core._memory import address_of
from .._core._options import StorageOptions
from .._core._places import folder_of
from ..exceptions import InvalidArgumentError
from . import _export
from ._checkpoint import TableCheckpoint, checkpoint_of
from ._memory import check_out, dtype_name, floats_of, keys_of, new_rows, numpy_dtype
from ._places import directory_of
from ._rules import SGD, Initial, Optimizer, Zeros, initial_of, initial_settings, optimizer_of, optimizer_settings

_Path: TypeAlias = "str | os.PathLike[str]"
_MaybePath: TypeAlias = "str | os.PathLike[str] | None"
OnReplay: TypeAlias = "Literal['raise', 'skip']"

#: Bytes of gradients up to which a batch is applied without an operation.
_BRIEF = 4 << 20


class EmbeddingTable(Handle):
    """Rows of numbers for keys of 64 bits, in a directory of a local file system: more rows than memory holds.

    :meth:`lookup` gives rows, :meth:`apply_gradients` trains them by the table's optimizer. A key that was never trained has an initial
    row, which is a function of the table's seed and the key and takes no room. Any number of threads may use a table. One process changes
    it, any number read its newest checkpoint.

    Every batch that changes the table counts for a session and has a serial. What :meth:`checkpoint` returned for survives a crash of the
    process and of the machine, and a table that is opened again is what its newest checkpoint says: of each session exactly the batches up
    to the serial in :attr:`sessions`. There is no log between checkpoints: a trainer goes on with the batch behind that serial, and none is
    lost or counts twice.

    In a forked child a reader opens the table again; a table that may be changed stays its parent's and raises ForkError. Readers can be
    pickled.

    Example:
        >>> import tempfile, numpy as np, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder, s3dlio.EmbeddingTable.open(folder, dim=2, optimizer=s3dlio.SGD(lr=0.5)) as table:
        ...     _ = table.apply_gradients([7, -1, 7], np.ones((3, 2), "f4"), serial=100)
        ...     made = table.checkpoint()
        ...     table.lookup([[7, 8]]).tolist(), len(table), made.version, table.sessions
        ([[[-1.0, -1.0], [0.0, 0.0]]], 2, 1, {'default': 100})
    """

    _KIND, _NOUN = "table", "table"
    _INSTEAD = (
        "a table that may be changed stayed with the process that opened it; open it in this one with"
        ' mode "r", which has its newest checkpoint'
    )

    def __init__(self, path: _Path, settings: dict[str, Any]) -> None:
        """Use :meth:`open`."""
        self._what = directory_of(path)
        self._settings = settings
        #: Rows were evicted since the last checkpoint, which is no session's batch.
        self._evicted = False
        self._ahead: _calls.Background | None = None
        #: Removes the temporary directory; a ``weakref.finalize``, which not every release's types know as generic.
        self._temporary: Any = None
        #: The sessions' names as the library takes them.
        self._names: dict[str, bytes] = {}
        opened = self._open()
        self._dim: int = opened["dimension"]
        self._row_bytes: int = opened["row_bytes"]
        self._type: str = opened["dtype"]
        self._opened = opened
        #: What was found damaged and, by ``on_damage``, passed over; in words.
        self.damage: list[str] = opened["damage"]

    @classmethod
    def open(
        cls,
        uri: _Path,
        dim: int | None = None,
        dtype: Any = "f4",
        *,
        optimizer: Optimizer = SGD(),  # noqa: B008
        init: Initial = Zeros(),  # noqa: B008
        mode: Literal["r", "a"] = "a",
        memory: int | str = "1GiB",
        shards: int | None = None,
        seed: int = 0,
        keep: int | None = 2,
        admit_after: int = 0,
        ttl: int | None = None,
        create: bool = True,
        segment_size: int | str = "64MiB",
        version: int | None = None,
        on_damage: Literal["raise", "previous"] = "raise",
        check: bool = False,
    ) -> EmbeddingTable:
        """Opens a table as its newest checkpoint has it, or makes it.

        Args:
            uri: Its directory: a path or ``file:///path``.
            dim: Numbers of a row, 1 to 65,536. None: what the table has, and dtype, optimizer and init are the table's too.
            dtype: ``"f4"``, ``"f2"`` or ``"bf16"``, or NumPy's or torch's name of it. Updates are computed in float32.
            optimizer: What a gradient does to a row. Its kind must be the table's, its rates may differ at every opening.
            init: What rows begin with.
            mode: ``"a"`` changes the table, and makes it where there is none; ``"r"`` reads the newest checkpoint, with everything as the
                table has it.
            memory: Bytes of rows that stay in memory. An index of about 20 bytes a row comes on top.
            shards: Parts with a lock each, a power of two up to 256. None: what the table has, 8 for a new one.
            seed: Of the initial rows.
            keep: Checkpoints that are kept here; None for all.
            admit_after: A key without a row gets one with so many gradients; those before are passed over. 0 and 1: at once.
            ttl: Seconds: :meth:`evict` deletes rows that nobody changed for longer. A table that is made with one keeps the time of each
                row's last change, 4 bytes a row; only such a table takes one, another at every opening. None: no row is too old.
            create: False fails where there is no table.
            segment_size: Bytes of one of its files.
            version: The checkpoint to open; None: the newest.
            on_damage: About a damaged checkpoint: ``"raise"``, or ``"previous"`` for the one before, which :attr:`damage` tells.
            check: Compare every byte of the checkpoint with its checksum, not only what is needed to open it.

        Returns:
            The table.

        Raises:
            NotFoundError: There is no table, or no such checkpoint.
            UnavailableError: Another process changes it.
            ChecksumMismatchError: The checkpoint is damaged.
            InvalidArgumentError: ``dim``, ``dtype``, the optimizer's kind or ``init`` is not the table's.

        Example:
            >>> import tempfile, s3dlio
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     with s3dlio.EmbeddingTable.open(folder, 4, init=s3dlio.Uniform(-0.1, 0.1), seed=3) as table:
            ...         first = table.lookup(5)
            ...         _ = table.upsert([6], [[1, 2, 3, 4]])
            ...     with s3dlio.EmbeddingTable.open(folder, mode="r") as table:
            ...         bool((table.lookup(5) == first).all()), table.lookup(6).tolist(), table.dim
            (True, [1.0, 2.0, 3.0, 4.0], 4)
        """
        what = os.fspath(uri)
        if mode not in ("r", "a"):
            raise InvalidArgumentError(f"{what}: mode is 'r' or 'a', found {mode!r:.20}", what)
        if on_damage not in ("raise", "previous"):
            raise InvalidArgumentError(f"{what}: on_damage is 'raise' or 'previous', found {on_damage!r:.20}", what)
        if dim is not None and operator.index(dim) < 1:
            raise InvalidArgumentError(f"{what}: dim is 1 to 65536, found {dim}", what)
        takes_all = dim is None or mode == "r"
        about = (
            {}
            if takes_all
            else {
                "dimension": operator.index(dim or 0),
                "dtype": dtype_name(dtype, what),
                "optimizer": optimizer_settings(optimizer),
                "initial": initial_settings(init),
                "seed": operator.index(seed),
            }
        )
        made = cls(
            uri,
            {
                **about,
                "mode": mode,
                "take_all": takes_all,
                "memory": memory,
                "shards": shards,
                "keep": 0 if keep is None else keep,
                "admit_after": admit_after,
                "ttl": 0 if ttl is None else operator.index(ttl),
                "create": create and mode == "a",
                "segment_size": segment_size,
                "version": version,
                "fall_back": on_damage == "previous",
                "check_all": check,
            },
        )
        if mode == "r" and dim not in (None, made.dim):
            made.close()
            raise InvalidArgumentError(f"{made.path}: its rows have {made.dim} numbers, not {dim}", made.path)
        return made

    @classmethod
    def recover(
        cls,
        uri: _Path,
        directory: _MaybePath = None,
        version: int | None = None,
        *,
        mode: Literal["r", "a"] = "a",
        memory: int | str = "1GiB",
        keep: int | None = 2,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
    ) -> EmbeddingTable:
        """Brings a checkpoint from a store and opens it, with everything as the table has it.

        Args:
            uri: Where :meth:`checkpoint` put it.
            directory: Where to: one without a table, or not there yet. None: a temporary directory, which goes when the table is closed.
            version: The checkpoint; None: the newest.
            mode: As for :meth:`open`.
            memory: As for :meth:`open`.
            keep: As for :meth:`open`.
            timeout: Seconds for bringing it.
            storage_options: Settings of the store.

        Returns:
            The table.

        Raises:
            NotFoundError: There is no checkpoint.
            AlreadyExistsError: The directory has a table.
            ChecksumMismatchError: It is damaged there.

        Example:
            >>> import tempfile, numpy as np, s3dlio
            >>> with tempfile.TemporaryDirectory() as folder, s3dlio.EmbeddingTable.open(folder, 2, optimizer=s3dlio.Add()) as table:
            ...     _ = table.apply_gradients([1, 2], np.ones((2, 2)), serial=41)
            ...     made = table.checkpoint("memory://doc-table/ck")
            >>> with s3dlio.EmbeddingTable.recover("memory://doc-table/ck") as again:
            ...     again.sessions, again.lookup(1).tolist()
            ({'default': 41}, [1.0, 1.0])
        """
        place = folder_of(uri, storage_options)
        temporary = tempfile.mkdtemp(prefix="s3dlio-table-") if directory is None else None
        target = directory_of(temporary or directory or "")
        name = _native.key(place.key)
        try:
            settings = _native.options({"version": version})
            _calls.run(
                "table_recover",
                place.root.number(),
                name,
                len(name),
                _native.key(target),
                settings,
                keep=place,
                about=os.fspath(uri),
                timeout=timeout,
            )
            made = cls.open(target, mode=mode, memory=memory, keep=keep, create=False)
        except BaseException:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            raise
        if temporary is not None:
            made._temporary = weakref.finalize(made, _remove, temporary, os.getpid())
        return made

    def _opened_now(self) -> dict[str, Any]:
        opened: dict[str, Any] = _calls.run("table_open", _native.key(self._what), _native.options(self._settings), about=self._what)
        return opened

    def _leave_behind(self) -> None:
        # what it prefetched is the parent's
        self._ahead = None

    @property
    def mode(self) -> str:
        """``"r"`` or ``"a"``."""
        mode: str = self._settings["mode"]
        return mode

    @property
    def dim(self) -> int:
        """Numbers of a row."""
        return self._dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the rows; bfloat16 is ml_dtypes'."""
        return numpy_dtype(self._type, self._what)

    @property
    def optimizer(self) -> Optimizer:
        """What a gradient does to a row."""
        return optimizer_of(self._opened["optimizer"])

    @property
    def init(self) -> Initial:
        """What rows begin with."""
        return initial_of(self._opened["initial"])

    @property
    def version(self) -> int:
        """The newest checkpoint; 0 where there is none."""
        return _native.table_info(self._handle())[1]

    @property
    def step(self) -> int:
        """How many batches of gradients were applied."""
        return _native.table_info(self._handle())[2]

    @property
    def sessions(self) -> dict[str, int]:
        """The last serial of each session."""
        found: dict[str, int] = _calls.run("table_sessions", self._handle(), about=self._what)
        return found

    def serial(self, session: str = "default") -> int:
        """The last serial of a session; -1 where it has none."""
        return _native.table_session_serial(self._handle(), self._named(session))

    def __len__(self) -> int:
        return _native.table_info(self._handle())[0]

    def lookup(self, keys: Any, out: Any = None) -> Any:
        """The rows of keys.

        Args:
            keys: Integers in any shape: an array, a tensor, a list, or one number. Unsigned ones count by their bits.
            out: A contiguous array or tensor of ``(*keys.shape, dim)`` and the table's dtype to write into.

        Returns:
            An array of that shape, or a tensor on the keys' device where they were one; ``out`` where it was given. Each row is whole;
            other threads may change some of them meanwhile.

        Raises:
            ChecksumMismatchError: A row on the disk is damaged.
        """
        wanted = keys_of(keys, self._what)
        shape = (*wanted.shape, self._dim)
        if out is None:
            rows = new_rows(shape, self._type, keys, self._what)
        else:
            check_out(out, shape, self._type, self._what)
            rows = out
        number, at, to, size = self._handle(), address_of(wanted), address_of(rows), wanted.size * self._row_bytes
        if not _native.table_lookup(number, at, wanted.size, to, size):
            _calls.run(
                "table_lookup",
                number,
                _native.numbers_at(at),
                wanted.size,
                to,
                size,
                None,
                keep=(wanted, rows),
                lent=True,
                about=self._what,
            )
        return rows.to(keys.device) if out is None and is_torch_tensor(keys) and keys.device.type != "cpu" else rows

    def apply_gradients(
        self, keys: Any, grads: Any, serial: int | None = None, *, session: str = "default", on_replay: OnReplay = "raise"
    ) -> bool:
        """Trains the rows of keys by the table's optimizer, as one batch.

        The gradients of a key that comes more than once are added first, as torch coalesces those of a sparse tensor.

        Args:
            keys: Integers in any shape.
            grads: Floats of shape ``(*keys.shape, dim)``.
            serial: The batch's number, more than all before in its session: the training step, for example. None: the next one.
            session: Whose batch it is: 1 to 64 bytes of UTF-8. Each trainer or thread that counts by itself has its own.
            on_replay: About a serial that was applied before: ``"raise"``, or ``"skip"`` to pass over it.

        Returns:
            True; False where it was passed over.

        Raises:
            PreconditionError: The serial was applied before.
            OutOfSpaceError: There is no room; nothing was applied.
        """
        wanted = keys_of(keys, self._what)
        held = floats_of(grads, (*wanted.shape, self._dim), "f4", self._what, "gradients")
        number, name, place, skip = self._handle(), self._named(session), self._serial(serial), self._skips(on_replay)
        if wanted.size * self._dim * 4 <= _BRIEF:
            return not _native.table_apply(
                number, name, place, skip, address_of(wanted), wanted.size, address_of(held), wanted.size * self._dim * 4
            )
        done = _calls.run(
            "table_apply", number, name, place, skip, _native.numbers_at(address_of(wanted)), wanted.size,
            _native.floats_at(address_of(held)), wanted.size * self._dim * 4, keep=(wanted, held), about=self._what,
        )  # fmt: skip
        return not done["skipped"]

    def upsert(self, keys: Any, rows: Any, serial: int | None = None, *, session: str = "default", on_replay: OnReplay = "raise") -> bool:
        """Sets rows; of a key that comes more than once the last counts. What the optimizer keeps with a row stays.

        Args:
            keys: Integers in any shape.
            rows: Floats of shape ``(*keys.shape, dim)``.
            serial: As for :meth:`apply_gradients`.
            session: As for :meth:`apply_gradients`.
            on_replay: As for :meth:`apply_gradients`.

        Returns:
            True; False where it was passed over.
        """
        wanted = keys_of(keys, self._what)
        held = floats_of(rows, (*wanted.shape, self._dim), self._type, self._what, "rows")
        batch = (self._named(session), self._serial(serial), self._skips(on_replay), _native.numbers_at(address_of(wanted)), wanted.size)
        done = _calls.run(
            "table_upsert", self._handle(), *batch, address_of(held), wanted.size * self._row_bytes, keep=(wanted, held), about=self._what
        )
        return not done["skipped"]

    def delete(self, keys: Any, serial: int | None = None, *, session: str = "default", on_replay: OnReplay = "raise") -> int:
        """Deletes rows: the keys have their initial rows again. A key without a row is no error.

        Args:
            keys: Integers in any shape.
            serial: As for :meth:`apply_gradients`.
            session: As for :meth:`apply_gradients`.
            on_replay: As for :meth:`apply_gradients`.

        Returns:
            How many rows were deleted.
        """
        wanted = keys_of(keys, self._what)
        batch = (self._named(session), self._serial(serial), self._skips(on_replay), _native.numbers_at(address_of(wanted)), wanted.size)
        return int(_calls.run("table_delete", self._handle(), *batch, keep=wanted, about=self._what)["deleted"])

    def contains(self, keys: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether keys have rows: an array of bool in the keys' shape."""
        wanted = keys_of(keys, self._what)
        found = np.zeros(wanted.shape, np.bool_)
        _native.table_contains(self._handle(), address_of(wanted), wanted.size, address_of(found))
        return found

    def __contains__(self, key: object) -> bool:
        return bool(self.contains(key).all())

    def prefetch(self, keys: Any, wait: bool = False) -> int | None:
        """Reads rows that lie on the disk into memory, while the program goes on: those of the next batch.

        Args:
            keys: Integers in any shape.
            wait: Until they are in memory. Otherwise the next prefetch waits for this one.

        Returns:
            How many were read, with ``wait``.
        """
        wanted = np.array(keys_of(keys, self._what), np.int64, order="C")
        number = self._handle()
        before, self._ahead = self._ahead, None
        if before is not None:
            before.finish(self._what)
        ahead = _calls.Background("table_prefetch", number, _native.numbers_at(address_of(wanted)), wanted.size, keep=wanted)
        if wait:
            return int(ahead.finish(self._what)["rows"])
        self._ahead = ahead
        return None

    def checkpoint(
        self,
        uri: _MaybePath = None,
        *,
        wait: bool = True,
        keep: int | None = None,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
    ) -> TableCheckpoint:
        """Makes a checkpoint, durable when this returns, while other threads go on with their batches.

        Of each session it has exactly the batches up to the serial in its ``sessions``. Only what changed since the checkpoint before is
        written.

        Args:
            uri: Where to copy it besides: a prefix of its own in a store, ``s3://bucket/run/items``. Files that are there are not sent
                again, and the checkpoint is there whole or not at all.
            wait: Where another checkpoint is under way, wait for its end. False raises UnavailableError.
            keep: How many stay in the store; None for all. The directory has those that :meth:`open` says.
            timeout: Seconds for the whole call.
            storage_options: Settings of the store.

        Returns:
            The checkpoint.

        Raises:
            OutOfSpaceError: The disk is full. The checkpoints before stay, and the table goes on.
            UnavailableError: Another one is under way; or the disk failed: then no further checkpoint succeeds until the table is opened
                again.
        """
        function, arguments, keep, place = self._checkpoint(uri, wait, keep, storage_options)
        found = _calls.run(function, *arguments, keep=keep, about=self._what, timeout=timeout)
        return checkpoint_of(found, place)

    async def acheckpoint(
        self,
        uri: _MaybePath = None,
        *,
        wait: bool = True,
        keep: int | None = None,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
    ) -> TableCheckpoint:
        """The same in an event loop, without a thread."""
        function, arguments, keep, place = self._checkpoint(uri, wait, keep, storage_options)
        found = await _calls.run_in_loop(function, *arguments, keep=keep, about=self._what, timeout=timeout)
        return checkpoint_of(found, place)

    def _checkpoint(
        self, uri: _MaybePath, wait: bool, keep: int | None, storage_options: StorageOptions | None
    ) -> tuple[str, tuple[Any, ...], Any, str]:
        number, settings = self._handle(), _native.options({"wait": bool(wait), "keep": keep})
        # before it begins: what comes while it runs is perhaps not in it
        self._evicted = False
        if uri is None:
            return "table_checkpoint", (number, 0, None, 0, settings), None, self._what
        place = folder_of(uri, storage_options)
        name = _native.key(place.key)
        return "table_checkpoint", (number, place.root.number(), name, len(name), settings), place, os.fspath(uri)

    def checkpoints(self) -> list[TableCheckpoint]:
        """The checkpoints that are kept here, the oldest first; :func:`s3dlio.table.checkpoints` has those of a store."""
        return list_checkpoints(self._what)

    def items(self, batch: int = 65_536) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """All rows as they are now, each once, in no order, so many at once: arrays of keys and of rows, which share memory of their own.

        A table that may be changed makes a checkpoint for it where something changed since the last one, and may change meanwhile.

        Args:
            batch: Rows of an array.
        """
        batch = operator.index(batch)
        if batch < 1:
            raise InvalidArgumentError(f"{self._what}: batch is 1 or more, found {batch}", self._what)
        dtype = self.dtype
        scan = _calls.run("table_scan_open", self._handle(), about=self._what)["table_scan"]
        generation = _native.generation
        try:
            while True:
                memory, told = _calls.run("table_scan_next", scan, batch, about=self._what, data=True, both=True)
                count = told["count"]
                if count == 0:
                    return
                held = np.asarray(memory)
                rows = held[8 * batch : 8 * batch + count * self._row_bytes]
                yield held[: 8 * count].view(np.int64), rows.view(dtype).reshape(count, self._dim)
        finally:
            _native.close("table_scan", scan, generation)

    def export(self, path: _Path, *, storage_options: StorageOptions | None = None) -> int:
        """Writes all keys and rows, without what the optimizer keeps: for serving, and for other programs.

        Args:
            path: Where to: ``x.safetensors`` with the tensors ``keys`` and ``rows``, or ``x.npy`` for the pair ``x.keys.npy`` and
                ``x.rows.npy``. In a store, too.
            storage_options: Settings of the store.

        Returns:
            How many rows.
        """
        return _export.export(self, path, storage_options)

    def load(self, path: _Path, *, session: str = "default", storage_options: StorageOptions | None = None) -> int:
        """Sets the rows of what :meth:`export` wrote, or of another program's ``keys`` and ``rows``, in batches.

        They get the session's next serials.

        Args:
            path: As for :meth:`export`.
            session: As for :meth:`apply_gradients`.
            storage_options: Settings of the store.

        Returns:
            How many rows.
        """
        return _export.load(self, path, session, storage_options)

    def state_dict(self) -> dict[str, Any]:
        """Which table and which checkpoint, not its rows: what belongs into the checkpoint of the program that trains it.

        Make it right behind :meth:`checkpoint`; a program that goes on opens the table with ``version=state["version"]``.

        Returns:
            ``path``, ``table`` (its UUID), ``version``, ``step`` and ``sessions`` of the newest checkpoint; version 0 where there is none.
        """
        version = self.version
        for found in reversed(self.checkpoints()):
            if found.version <= version:
                return {"path": self._what, "table": found.table, "version": found.version, "step": found.step, "sessions": found.sessions}
        return {"path": self._what, "table": "", "version": 0, "step": 0, "sessions": {}}

    def stats(self) -> dict[str, int]:
        """The table as it is, and what was done since it was opened.

        Returns:
            ``rows``; ``memory_bytes`` of rows and ``index_bytes``; ``disk_bytes``; ``pages_in_memory``; ``lookups`` and ``lookup_rows``;
            ``disk_rows``, those that were read from files; ``batches`` and ``batch_rows``; ``copies``, rows that were copied to be changed
            since a checkpoint or a file has the old ones; ``releases``, pages whose memory was given back; ``evicted``, rows that
            :meth:`evict` deleted; ``checkpoints``,
            ``checkpoint_ns`` of the last one, and ``gate_ns`` and ``longest_gate_ns``, how long the last one and the slowest kept batches
            out.
        """
        found: dict[str, int] = _calls.run("table_stats", self._handle(), about=self._what)
        return found

    def compact(self, live: float = 0.5) -> int:
        """Copies what is live out of files of which less than that share is. They go when no checkpoint that is kept names them any more.

        Returns:
            How many bytes those files have.
        """
        return int(_calls.run("table_compact", self._handle(), float(live), about=self._what)["bytes"])

    def evict(
        self,
        *,
        older_than: int = 0,
        older_than_seconds: int = 0,
        fewer_than: int = 0,
        smaller_than: float = 0.0,
        most_rows: int = 0,
        max_bytes: int | str = 0,
        on_evicted: Callable[[np.ndarray[Any, Any]], object] | None = None,
    ) -> int:
        """Deletes rows that any of these says; 0 says none.

        Args:
            older_than: Rows that were last changed so many steps ago or more.
            older_than_seconds: Rows that were last changed more than so many seconds ago, by the machine's clock; of a table with a
                ``ttl``. 0: what ``ttl`` says.
            fewer_than: Rows that were changed fewer times.
            smaller_than: Rows whose L2 norm is less.
            most_rows: So many stay; of more those go that were changed longest ago, in steps. Which of the same age go is not said.
            max_bytes: The same by what rows and keys take in files where no row is dead; :meth:`compact` sees to that.
            on_evicted: Called once with the keys that were deleted, before this returns.

        Returns:
            How many were deleted.
        """
        rule = _native.options(
            {
                "older_than": older_than,
                "older_than_seconds": older_than_seconds,
                "fewer_than": fewer_than,
                "smaller_than": smaller_than,
                "most_rows": most_rows,
                "most_bytes": max_bytes,
                "keys": on_evicted is not None,
            }
        )
        if on_evicted is None:
            evicted = int(_calls.run("table_evict", self._handle(), rule, about=self._what)["evicted"])
            self._evicted = self._evicted or evicted > 0
            return evicted
        memory, told = _calls.run("table_evict", self._handle(), rule, about=self._what, data=True, both=True)
        evicted = int(told["evicted"])
        self._evicted = self._evicted or evicted > 0
        on_evicted(np.asarray(memory)[: 8 * evicted].view(np.int64))
        return evicted

    def reader(self, memory: int | str | None = None) -> EmbeddingTable:
        """The newest checkpoint, to read it beside this: in another process, for example.

        Args:
            memory: As for :meth:`open`; None: as this one.
        """
        return type(self).open(self._what, mode="r", memory=self._settings["memory"] if memory is None else memory)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it stayed with the process that forked this one."""
        return not self._is_here() and self.mode == "a"

    def close(self, checkpoint: bool = True) -> None:
        """Closes it.

        Args:
            checkpoint: Make a checkpoint first where something was changed since the last one. Without one those changes are gone. The
                table is closed whatever the checkpoint raises.
        """
        if not self._number:
            return
        here = self._is_here()
        try:
            ahead, self._ahead = self._ahead, None
            if ahead is not None and here:
                ahead.close()
            if checkpoint and here and self.mode == "a" and (self._evicted or self.sessions != self.state_dict()["sessions"]):
                self.checkpoint()
        finally:
            self._let_go()
            if self._temporary is not None:
                self._temporary()

    def __enter__(self) -> EmbeddingTable:
        self._handle()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # what was half done when something was raised is not to be kept behind the program's back
        self.close(checkpoint=kind is None)

    def __repr__(self) -> str:
        return f"<EmbeddingTable {self._what!r} mode={self.mode!r} of {self._dim} {self._type}{', closed' if self.closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.mode == "a":
            raise TypeError(
                f'{self._what}: a table that may be changed cannot be pickled; a reader can: EmbeddingTable.open(path, mode="r")'
            )
        return _again, (type(self), self._what, self._settings)

    def _named(self, session: str) -> bytes:
        found = self._names.get(session)
        if found is None:
            if not isinstance(session, str) or "\0" in session:
                raise InvalidArgumentError(f"{self._what}: a session is named by text, found {session!r:.80}", self._what)
            found = self._names[session] = _native.key(session)
        return found

    def _serial(self, serial: int | None) -> int:
        if serial is None:
            return -1
        number = operator.index(serial)
        if not 0 <= number < 1 << 63:
            raise InvalidArgumentError(f"{self._what}: a serial is 0 to 2**63 - 1, found {number}", self._what)
        return number

    def _skips(self, on_replay: str) -> int:
        if on_replay not in ("raise", "skip"):
            raise InvalidArgumentError(f"{self._what}: on_replay is 'raise' or 'skip', found {on_replay!r:.20}", self._what)
        return 1 if on_replay == "skip" else 0


def memory_of(table: EmbeddingTable) -> int | str:
    """What ``memory`` a table was opened with."""
    memory: int | str = table._settings["memory"]
    return memory


def list_checkpoints(uri: _Path, storage_options: StorageOptions | None = None, timeout: float | None = None) -> list[TableCheckpoint]:
    """Those of a directory or of a place in a store."""
    text = os.fspath(uri)
    if "://" in text and not text.startswith("file://"):
        place = folder_of(uri, storage_options)
        name = _native.key(place.key)
        arguments: tuple[Any, ...] = (None, place.root.number(), name, len(name))
        found = _calls.run("table_checkpoints", *arguments, keep=place, about=text, timeout=timeout)
    else:
        text = directory_of(uri)
        found = _calls.run("table_checkpoints", _native.key(text), 0, None, 0, about=text, timeout=timeout)
    return [checkpoint_of(one, text) for one in found]


def _again(kind: type[EmbeddingTable], path: str, settings: dict[str, Any]) -> EmbeddingTable:
    return kind(path, settings)


def _remove(folder: str, made_by: int) -> None:
    if os.getpid() == made_by:
        shutil.rmtree(folder, ignore_errors=True)

"""Tensors of a model one after the other, with those that come next on their way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from .._core import _calls, _native
from .._core._address import Address, resolve
from .._core._options import StorageOptions
from .._objects import Verify
from .._tensors import Framework, TensorFile, load_from, open_model
from ..exceptions import InvalidArgumentError

#: Bytes of small tensors that are read together.
_BATCH = 16 << 20


@dataclass
class _Batch:
    """Tensors that lie beside each other in one file, and the read of them."""

    file: TensorFile
    names: list[str]
    nbytes: int
    work: Any = None
    running: _native.Running | None = None
    result: dict[str, Any] | None = None

    def begin(self, verify: Verify) -> None:
        self.work = load_from(self.file, self.names, None, verify, None)
        try:
            self.running = self.work.send(None)
        except StopIteration as ended:
            self.result = ended.value

    def finish(self, what: str, timeout: float | None) -> dict[str, Any]:
        found = self.result
        if found is None:
            running, self.running = self.running, None
            ended: dict[str, Any] = _calls.block(self.work, _calls.Call("iter_tensors", (what,), {"timeout": timeout}), running)
            self.result = found = ended
        return found

    def close(self) -> None:
        if self.work is not None:
            self.work.close()


def iter_tensors(
    uri: Address,
    framework: Framework = "np",
    names: Iterable[str] | None = None,
    *,
    memory_limit: int = 1 << 30,
    verify: Verify = "auto",
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> Iterator[tuple[str, Any]]:
    """The tensors of a safetensors object or of a model of several, one by one in the order of the files.

    While one is used the next ones are read. Each is handed over for good: what the caller does not keep is freed.

    Args:
        uri: A safetensors object, a model's index, or the directory of either.
        framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
        names: Which tensors; None for all.
        memory_limit: Bytes that are read ahead at most, those on their way included; a single tensor may be larger.
        verify: As for ``s3dlio.load_tensors``.
        timeout: Seconds to wait for the next tensor; when they are over it raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Yields:
        ``(name, tensor)``.

    Raises:
        NotFoundError: There is no such object or model.
        InvalidDataError: It breaks a rule of the format.
        ChecksumMismatchError: A tensor's bytes are not those that were written.
        PreconditionError: A file was replaced since the first tensor was asked for.

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.save_tensors("memory://doc/stream.safetensors", {"w": np.arange(4.0)})
        >>> for name, tensor in s3dlio.integrations.iter_tensors("memory://doc/stream.safetensors"):
        ...     name, tensor.sum()
        ('w', 6.0)
    """
    if isinstance(names, str):
        raise InvalidArgumentError(f"names is the text {names!r}; give a list, as in names=[{names!r}]")
    if memory_limit <= 0:
        raise InvalidArgumentError(f"memory_limit is a number of bytes, found {memory_limit!r}")
    where = resolve(uri, storage_options)
    what = where.address(where.key)
    chosen = None if names is None else list(names)

    def each() -> Iterator[tuple[str, Any]]:
        with ExitStack() as opened:
            files = _calls.block(open_model(where, chosen, framework, opened), _calls.Call("iter_tensors", (what,), {"timeout": timeout}))
            waiting = deque(_batches(files, max(1, min(_BATCH, memory_limit // 4))))
            begun: deque[_Batch] = deque()
            opened.callback(_close, begun)
            held = 0
            while waiting or begun:
                while waiting and (not begun or held + waiting[0].nbytes <= memory_limit):
                    begun.append(waiting.popleft())
                    begun[-1].begin(verify)
                    held += begun[-1].nbytes
                result = begun[0].finish(what, timeout)
                for name in begun[0].names:
                    yield name, result.pop(name)
                held -= begun.popleft().nbytes

    return each()


def _close(begun: Iterable[_Batch]) -> None:
    for batch in begun:
        batch.close()


def _batches(files: list[tuple[TensorFile, list[str]]], size: int) -> Iterator[_Batch]:
    for file, names in files:
        batch: _Batch | None = None
        for name in names:
            nbytes = file[name].nbytes
            if batch is None or batch.nbytes + nbytes > size:
                if batch is not None:
                    yield batch
                batch = _Batch(file, [], 0)
            batch.names.append(name)
            batch.nbytes += nbytes
        if batch is not None:
            yield batch

"""Tensors for another device: read into a few pieces of pinned memory, from which the device takes them while the next are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from ._tensors import LazyTensor

#: Bytes of one piece; one tensor may need more.
PIECE = 64 << 20
#: Pieces: one is read into while the device takes the others.
PIECES = 3
#: What tensors in a piece begin at a multiple of, for elements of any size.
_ALIGNMENT = 64


class Device(Protocol):
    """What takes tensors out of memory that it can read while this process goes on."""

    def memory(self, nbytes: int) -> Any:
        """So many bytes that the device can read by itself: a tensor of uint8."""

    def take(self, source: Any) -> Any:
        """Begins to copy a tensor, and gives the one that it becomes."""

    def mark(self) -> Any:
        """Stands for all that was begun until now."""

    def wait(self, mark: Any) -> None:
        """Returns when that is done."""


class Cuda:
    """A GPU, in its current stream."""

    def __init__(self, device: Any) -> None:
        self._device = device

    def memory(self, nbytes: int) -> Any:
        import torch

        return torch.empty(nbytes, dtype=torch.uint8, pin_memory=True)

    def take(self, source: Any) -> Any:
        return source.to(self._device, non_blocking=True)

    def mark(self) -> Any:
        import torch

        with torch.cuda.device(self._device):
            event = torch.cuda.Event()
            event.record()
        return event

    def wait(self, mark: Any) -> None:
        mark.synchronize()


class Plain:
    """A device that copies while the caller waits."""

    def __init__(self, device: Any) -> None:
        self._device = device

    def memory(self, nbytes: int) -> Any:
        import torch

        return torch.empty(nbytes, dtype=torch.uint8)

    def take(self, source: Any) -> Any:
        # a copy also where the device is this machine's memory: the piece is filled again
        return source.to(self._device, copy=True)

    def mark(self) -> Any:
        return None

    def wait(self, mark: Any) -> None:
        """Everything is done already."""


def device_of(name: Any) -> Device:
    """What takes tensors for a device of torch.

    Raises:
        InvalidArgumentError: There is no such device, or it keeps no data.
    """
    import torch

    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InvalidArgumentError(f"device {name!r} is none of torch's: {str(error).splitlines()[0]}") from None
    if device.type == "meta":
        raise InvalidArgumentError("tensors on the device 'meta' have no data to load")
    if device.type == "cuda":
        return Cuda(device)
    return Plain(device)


class Ring:
    """Pieces of memory that are filled in turn. One is not filled again before the device has taken what is in it.

    Args:
        device: What takes the tensors.
        largest: Bytes of the largest tensor.
        total: Bytes of all.
    """

    def __init__(self, device: Device, largest: int, total: int) -> None:
        self._device = device
        self._size = max(largest, min(PIECE, total + _ALIGNMENT), 1)
        self._most = PIECES if total > self._size else 1
        self._pieces: list[tuple[Any, Any]] = []
        self._next = 0

    def batches(self, tensors: Sequence[LazyTensor]) -> Iterator[list[LazyTensor]]:
        """Tensors that fit into one piece together, in their order."""
        batch: list[LazyTensor] = []
        held = 0
        for tensor in tensors:
            held = -(-held // _ALIGNMENT) * _ALIGNMENT + tensor.nbytes
            if batch and held > self._size:
                yield batch
                batch, held = [], tensor.nbytes
            batch.append(tensor)
        if batch:
            yield batch

    def lend(self, shapes: Sequence[tuple[Any, tuple[int, ...]]]) -> list[Any]:
        """Memory for tensors of these types and shapes, in the next piece."""
        if self._next == len(self._pieces):
            self._pieces.append((self._device.memory(self._size), None))
        piece, mark = self._pieces[self._next]
        if mark is not None:
            self._device.wait(mark)
        found = []
        at = 0
        for dtype, shape in shapes:
            nbytes = math.prod(shape) * dtype.itemsize
            at = -(-at // _ALIGNMENT) * _ALIGNMENT
            found.append(piece[at : at + nbytes].view(dtype).reshape(shape))
            at += nbytes
        return found

    def hand_over(self, tensors: Sequence[Any]) -> list[Any]:
        """What the device makes of the tensors in the piece that was lent last."""
        piece, _ = self._pieces[self._next]
        taken = [self._device.take(tensor) for tensor in tensors]
        self._pieces[self._next] = (piece, self._device.mark())
        self._next = (self._next + 1) % self._most
        return taken

    def finish(self) -> None:
        """Returns when the device has taken everything: the pieces may then be freed."""
        for _, mark in self._pieces:
            if mark is not None:
                self._device.wait(mark)

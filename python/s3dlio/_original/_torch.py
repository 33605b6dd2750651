"""The original's data sets for PyTorch, over ``s3dlio.torch``."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.utils.data as torch_data

from .._core._view import BytesView
from ..datasets import objects
from ..exceptions import InvalidArgumentError
from ..torch._datasets import IterableDataset, as_tensor
from ._options import options_of

_RETURN_TYPES = ("tensor", "bytes", "reader")


class BytesReader(io.RawIOBase):
    """The bytes of an object as a file."""

    def __init__(self, view: BytesView) -> None:
        self._view = view
        self._at = 0

    def __len__(self) -> int:
        return len(self._view)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        out = memoryview(buffer).cast("B")
        piece = self._view.memoryview()[self._at : self._at + len(out)]
        out[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def read_all(self) -> bytes:
        """All that is left."""
        return self.readall() or b""


def _returned(view: BytesView, return_type: str, writable: bool) -> Any:
    if return_type == "bytes":
        return view.to_bytes()
    if return_type == "reader":
        return BytesReader(view)
    # each sample has memory that nobody else has, so it may always be written to
    return torch.from_numpy(np.array(np.asarray(view))) if writable else as_tensor(np.asarray(view))


def _check(return_type: str) -> None:
    if return_type not in _RETURN_TYPES:
        raise InvalidArgumentError(f"return_type is one of {', '.join(map(repr, _RETURN_TYPES))}, found {return_type!r}")


class _Returns:
    """A transform that workers can be sent."""

    def __init__(self, return_type: str, writable: bool) -> None:
        self._return_type, self._writable = return_type, writable

    def __call__(self, view: BytesView) -> Any:
        return _returned(view, self._return_type, self._writable)


class ObjectStoreIterableDataset(torch_data.IterableDataset):  # type: ignore[misc]
    """Objects one by one, shared by workers (and by ranks with ``enable_sharding=True``).

    New programs use :class:`s3dlio.torch.IterableDataset`.

    Args:
        uri: What is read, as for ``PyDataset``.
        loader_opts: Options.
        writable: Tensors of memory of their own.
        suppress_nonwritable_warning: Taken for compatibility: all tensors can be written to.
        enable_sharding: Each rank of ``torch.distributed`` has its part.
        return_type: ``"tensor"``, ``"bytes"`` or ``"reader"``.
    """

    def __init__(
        self,
        uri: Any,
        *,
        loader_opts: Mapping[str, Any] | Any = None,
        writable: bool = False,
        suppress_nonwritable_warning: bool = True,
        enable_sharding: bool = False,
        return_type: str = "tensor",
    ) -> None:
        from ._loaders import PyDataset, data_of

        _check(return_type)
        values = options_of(loader_opts)
        rank, world = (None, None) if enable_sharding else (values["shard_rank"], values["shard_world_size"])
        self._inner = IterableDataset(
            data_of(PyDataset(uri, values)),
            None,
            values["shuffle"],
            values["seed"],
            rank,
            world,
            transform=_Returns(return_type, writable),
            return_type="view",
            block=0,
            uneven="allow",
            prefetch=values["prefetch"] or 8,
            max_in_flight=values["num_workers"] or 64,
        )

    @classmethod
    def from_prefix(
        cls,
        uri: Any,
        *,
        batch_size: int = 1,
        drop_last: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        num_workers: int = 0,
        prefetch: int = 8,
        auto_tune: bool = False,
        reader_mode: str = "sequential",
        part_size: int = 8 << 20,
        max_inflight_parts: int = 4,
        enable_sharding: bool = False,
        writable: bool = False,
        suppress_nonwritable_warning: bool = True,
        return_type: str = "tensor",
    ) -> ObjectStoreIterableDataset:
        """The objects below an address."""
        opts = {
            "batch_size": batch_size,
            "drop_last": drop_last,
            "shuffle": shuffle,
            "seed": seed,
            "num_workers": num_workers,
            "prefetch": prefetch,
            "auto_tune": auto_tune,
            "reader_mode": reader_mode,
            "part_size": part_size,
            "max_inflight_parts": max_inflight_parts,
        }
        return cls(
            uri,
            loader_opts=opts,
            writable=writable,
            suppress_nonwritable_warning=suppress_nonwritable_warning,
            enable_sharding=enable_sharding,
            return_type=return_type,
        )

    def __len__(self) -> int:
        return len(self._inner)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._inner)

    def set_epoch(self, epoch: int) -> None:
        """Has the next iteration begin that epoch."""
        self._inner.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the consumer is."""
        return self._inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Has the next iteration go on from there."""
        self._inner.load_state_dict(state)


class ObjectStoreMapDataset(torch_data.Dataset):  # type: ignore[misc]
    """Objects by number; new programs use :class:`s3dlio.torch.MapDataset`."""

    def __init__(
        self,
        uri: Any,
        *,
        reader_mode: str = "sequential",
        part_size: int = 8 << 20,
        max_inflight_parts: int = 4,
        writable: bool = False,
        suppress_nonwritable_warning: bool = True,
        return_type: str = "tensor",
    ) -> None:
        _check(return_type)
        options_of({"reader_mode": reader_mode, "part_size": part_size, "max_inflight_parts": max_inflight_parts})
        self._data = objects(uri)
        self._return = _Returns(return_type, writable)

    @classmethod
    def from_prefix(cls, uri: Any, **options: Any) -> ObjectStoreMapDataset:
        """The objects below an address."""
        return cls(uri, **options)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Any:
        if index < 0:
            raise IndexError(f"sample {index} is asked for; they are counted from 0")
        return self._return(self._data[index])

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Samples by number, in one call."""
        return [self._return(view) for view in self._data.read(indices)]


class S3IterableDataset(ObjectStoreIterableDataset):
    """The older name."""

    def __init__(self, uri: Any, **options: Any) -> None:
        warnings.warn("S3IterableDataset is the older name of ObjectStoreIterableDataset", DeprecationWarning, stacklevel=2)
        super().__init__(uri, **options)


class S3MapDataset(ObjectStoreMapDataset):
    """The older name."""

    def __init__(self, uri: Any, **options: Any) -> None:
        warnings.warn("S3MapDataset is the older name of ObjectStoreMapDataset", DeprecationWarning, stacklevel=2)
        super().__init__(uri, **options)

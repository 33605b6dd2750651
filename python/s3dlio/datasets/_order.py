"""The order of samples, and which of them a rank takes."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from .._core import _native
from ..exceptions import InvalidArgumentError

Uneven: TypeAlias = Literal["drop", "pad", "raise", "allow"]
_UNEVEN = ("drop", "pad", "raise", "allow")


class Order:
    """The order of one epoch: a pure function of seed, epoch and position, in no memory.

    Args:
        samples: How many there are.
        shuffle: False: as they are in the data set.
        seed: Chooses the orders of all epochs, 0 to 2**64 - 1.
        epoch: Which one, from 0.
        block: Neighbouring samples that stay near each other; 0: none.
        window: Blocks whose samples are mixed.

    Example:
        >>> import s3dlio
        >>> order = s3dlio.datasets.Order(5, seed=7)
        >>> sorted(order.indices(0, 5).tolist()), (order.indices(2, 2) == order.indices(0, 5)[2:4]).all()
        ([0, 1, 2, 3, 4], True)
    """

    def __init__(self, samples: int, shuffle: bool = True, seed: int = 0, epoch: int = 0, block: int = 0, window: int = 1) -> None:
        self._samples, self._shuffle, self._seed, self._epoch = samples, shuffle, seed, epoch
        self._block, self._window = min(block, samples), window

    def indices(self, first: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The samples at ``count`` positions from ``first`` on.

        Raises:
            InvalidArgumentError: The epoch has no such positions.
        """
        if not self._shuffle:
            if first < 0 or count < 0 or first + count > self._samples:
                raise InvalidArgumentError(f"positions {first}..{first + count} are asked for; the epoch has {self._samples}")
            return np.arange(first, first + count, dtype=np.int64)
        found = np.empty(count, np.int64)
        at = found.__array_interface__["data"][0]
        _native.order_fill(self._samples, self._seed, self._epoch, self._block, self._window, first, count, at)
        return found

    def at(self, positions: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The samples at positions that are runs of neighbours."""
        if not len(positions):
            return positions
        cuts = np.flatnonzero(np.diff(positions) != 1) + 1
        return np.concatenate([self.indices(int(run[0]), len(run)) for run in np.split(positions, cuts)])


class Share:
    """The batches of one rank in what is left of an epoch.

    The positions that are left are dealt in steps: each rank takes ``batch_size`` of them, one rank behind the other. So what all ranks
    have taken after a step is one number, and any number of ranks can go on from there. What is left for the last step is dealt evenly.

    Args:
        samples: Samples of the epoch.
        consumed: Positions that were taken before.
        rank: Which rank, below ``world_size``.
        world_size: How many there are.
        batch_size: Samples of a batch.
        uneven: What happens where the last step cannot be dealt evenly: ``"drop"`` leaves out fewer than ``world_size`` samples, ``"pad"``
            takes as few from the beginning of the epoch twice, ``"raise"`` raises, ``"allow"`` gives some ranks one sample more.
        drop_last: Leave out a last batch that is not full.
    """

    def __init__(
        self, samples: int, consumed: int, rank: int, world_size: int, batch_size: int, uneven: Uneven = "pad", drop_last: bool = False
    ) -> None:
        if world_size < 1 or not 0 <= rank < world_size:
            raise InvalidArgumentError(f"rank is {rank} of {world_size}; ranks are counted from 0 and are below world_size")
        if batch_size < 1:
            raise InvalidArgumentError(f"batch_size is {batch_size}; 1 or more is taken")
        if uneven not in _UNEVEN:
            raise InvalidArgumentError(f"uneven is one of {', '.join(map(repr, _UNEVEN))}, found {uneven!r}")
        self._samples, self._first, self._rank, self._batch = samples, consumed, rank, batch_size
        self._step = world_size * batch_size
        self._full, left = divmod(max(0, samples - consumed), self._step)
        each, extra = divmod(left, world_size)
        if extra and uneven == "raise" and not drop_last:
            raise InvalidArgumentError(
                f"{samples - consumed} samples cannot be dealt evenly to {world_size} ranks: {extra} would be left. uneven='drop' leaves "
                "them out, 'pad' takes "
                f"{world_size - extra} from the beginning again, 'allow' gives {extra} ranks one more"
            )
        begin = consumed + self._full * self._step
        if drop_last:
            self._tail = (begin, 0)
        elif uneven == "allow":
            self._tail = (begin + rank * each + min(rank, extra), each + (rank < extra))
        elif uneven == "pad" and extra:
            self._tail = (begin + rank * (each + 1), each + 1)
        else:
            self._tail = (begin + rank * each, each)
        #: Steps in which any rank takes something.
        self._steps = self._full + (not drop_last and (each > 0 or (extra > 0 and uneven in ("allow", "pad"))))

    def __len__(self) -> int:
        return self._full + (self._tail[1] > 0)

    def positions(self, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The positions of a batch, below the number of batches."""
        first = self.first(number)
        if number < self._full:
            return np.arange(first, first + self._batch, dtype=np.int64)
        return np.arange(first, first + self._tail[1], dtype=np.int64) % self._samples

    def first(self, number: int) -> int:
        """The first position of a batch."""
        return self._first + number * self._step + self._rank * self._batch if number < self._full else self._tail[0]

    def consumed(self, batches: int) -> int:
        """Positions that all ranks have taken when each has taken so many batches; all of them after the last step."""
        return self._samples if batches >= self._steps else self._first + batches * self._step

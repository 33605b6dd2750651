"""The original's data sets for JAX and TensorFlow: NumPy arrays of bytes, and a ``tf.data.Dataset`` of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ._original._loaders import PyBytesAsyncDataLoader, PyDataset
from ._original._options import PyLoaderOptions, options_of


class JaxIterable:
    """Objects one by one, each a one-dimensional array of uint8 that ``jax.numpy.asarray`` takes. A failure is raised to whoever iterates.

    Args:
        uri: What is read, as for ``PyDataset``.
        loader_opts: Options.
        transform: Called with each array.
        writable: Arrays that can be written to, which are copies.
        suppress_nonwritable_warning: Taken for compatibility.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_many([(f"memory://jax/{i}", bytes([i, i])) for i in range(3)])
        >>> [array.tolist() for array in s3dlio.JaxIterable.from_prefix("memory://jax/")]
        [[0, 0], [1, 1], [2, 2]]
    """

    def __init__(
        self,
        uri: Any,
        *,
        loader_opts: Mapping[str, Any] | PyLoaderOptions | None = None,
        transform: Callable[[Any], Any] | None = None,
        writable: bool = False,
        suppress_nonwritable_warning: bool = True,
    ) -> None:
        values = options_of(loader_opts)
        self._loader = PyBytesAsyncDataLoader(PyDataset(uri, values), values)
        self._transform, self._writable = transform, writable

    @classmethod
    def from_prefix(
        cls,
        uri: Any,
        *,
        prefetch: int = 8,
        num_workers: int = 0,
        batch_size: int = 1,
        drop_last: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        auto_tune: bool = False,
        transform: Callable[[Any], Any] | None = None,
        writable: bool = False,
        suppress_nonwritable_warning: bool = True,
    ) -> JaxIterable:
        """The objects below an address."""
        opts = {
            "prefetch": prefetch,
            "num_workers": num_workers,
            "batch_size": batch_size,
            "drop_last": drop_last,
            "shuffle": shuffle,
            "seed": seed,
            "auto_tune": auto_tune,
        }
        return cls(uri, loader_opts=opts, transform=transform, writable=writable)

    def __iter__(self) -> Iterator[Any]:
        for view in self._loader:
            array = np.array(np.asarray(view)) if self._writable else np.asarray(view)
            yield array if self._transform is None else self._transform(array)


class S3JaxIterable(JaxIterable):
    """The older name."""


def make_tf_dataset(uri: Any, *, map_fn: Callable[[Any], Any] | None = None, **options: Any) -> Any:
    """A ``tf.data.Dataset`` of one-dimensional uint8 tensors; needs TensorFlow.

    Args:
        uri: What is read.
        map_fn: Given to ``Dataset.map``.
        options: Those of ``JaxIterable.from_prefix``.
    """
    import tensorflow

    samples = JaxIterable.from_prefix(uri, **options)
    data = tensorflow.data.Dataset.from_generator(
        lambda: iter(samples), output_signature=tensorflow.TensorSpec(shape=(None,), dtype=tensorflow.uint8)
    )
    return data if map_fn is None else data.map(map_fn)

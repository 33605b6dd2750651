"""s3dlio for PyTorch: where ``torch.distributed.checkpoint`` keeps its checkpoints, data sets for ``DataLoader``, layers over tables.

Importing this needs torch; ``import s3dlio`` does not.

Example:
    >>> import torch.distributed.checkpoint as dcp  # doctest: +SKIP
    >>> from s3dlio.torch import StorageReader, StorageWriter  # doctest: +SKIP
    >>> dcp.save(state, storage_writer=StorageWriter("s3://my-run/step-100"))  # doctest: +SKIP
    >>> dcp.load(state, storage_reader=StorageReader("s3://my-run/step-100"))  # doctest: +SKIP
"""

from typing import Any

try:
    import torch.distributed.checkpoint as _checkpoint  # noqa: F401
except ImportError as error:
    raise ImportError(f"s3dlio.torch needs PyTorch 2.0 or newer, which cannot be imported here: {error}") from error

from ._convert import convert
from ._datasets import BatchSampler, IterableDataset, MapDataset
from ._gather import gather
from ._log import LogDataset
from ._reader import StorageReader
from ._state_dict import load_training, save_training
from ._table import Embedding, EmbeddingBag
from ._writer import StorageWriter

__all__ = [
    "BatchSampler",
    "Embedding",
    "EmbeddingBag",
    "IterableDataset",
    "LogDataset",
    "MapDataset",
    "StorageReader",
    "StorageWriter",
    "convert",
    "gather",
    "load_training",
    "save_training",
]


def __getattr__(name: str) -> Any:
    # the original has them here; new programs use the two above
    if name in ("ObjectStoreIterableDataset", "ObjectStoreMapDataset", "S3IterableDataset", "S3MapDataset"):
        from .._original import _torch

        return getattr(_torch, name)
    raise AttributeError(f"module 's3dlio.torch' has no attribute {name!r}")

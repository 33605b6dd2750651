"""Data sets in objects of any store, and loaders: a fixed order, a position that can be saved, any number of ranks, a budget of memory.

Example:
    >>> import s3dlio
    >>> _ = s3dlio.put_many([(f"memory://train/{i}.bin", bytes([i]) * 100) for i in range(8)])
    >>> data = s3dlio.datasets.objects("memory://train/", pattern="*.bin")
    >>> loader = s3dlio.datasets.Loader(data, batch_size=4, shuffle=True, seed=7)
    >>> for batch in loader:
    ...     print(len(batch), batch.array.shape, loader.state_dict()["consumed"])
    4 (4, 100) 4
    4 (4, 100) 0
"""

from ._arrays import NpzDataset, RowDataset, npy, npz
from ._budget import limit_read_ahead
from ._dataset import Batch, Dataset
from ._loader import Loader, LoaderStats
from ._log_records import LogDataset, log
from ._manifest import Manifest, index, manifest
from ._objects import ObjectDataset, objects
from ._order import Order, Share
from ._parquet import ParquetDataset, parquet
from ._safetensors import SafetensorsDataset, safetensors
from ._tar import TarDataset, tar
from ._tfrecord import TfRecordDataset, frame as tfrecord_frame, tfrecord

__all__ = [
    "Batch",
    "Dataset",
    "Loader",
    "LoaderStats",
    "LogDataset",
    "Manifest",
    "NpzDataset",
    "ObjectDataset",
    "Order",
    "ParquetDataset",
    "RowDataset",
    "SafetensorsDataset",
    "Share",
    "TarDataset",
    "TfRecordDataset",
    "index",
    "limit_read_ahead",
    "log",
    "manifest",
    "npy",
    "npz",
    "objects",
    "parquet",
    "safetensors",
    "tar",
    "tfrecord",
    "tfrecord_frame",
]

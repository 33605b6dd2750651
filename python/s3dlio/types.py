"""What the functions of this package take and return, for annotations.

Example:
    >>> import s3dlio
    >>> def newest(metas: list[s3dlio.types.ObjectMeta]) -> s3dlio.types.ObjectMeta:
    ...     return max(metas, key=lambda meta: meta.last_modified)
"""

from ._core._address import Address
from ._core._options import OptionNames, StorageOptions
from ._core._progress import Progress
from ._core._results import ObjectMeta, WriteResult
from ._core._view import BytesView
from ._logs._log import LogCursor
from ._logs._reads import LogFollower
from ._objects import Buffer, Verify
from ._open_async import AsyncObjectReader, AsyncObjectWriter
from ._reader import ObjectReader
from ._stats import StoreStats
from ._tables._checkpoint import TableCheckpoint
from ._tensors import Framework, LazyTensor, TensorFile
from ._writer import ObjectWriter

__all__ = [
    "Address",
    "AsyncObjectReader",
    "AsyncObjectWriter",
    "Buffer",
    "BytesView",
    "Framework",
    "LazyTensor",
    "LogCursor",
    "LogFollower",
    "ObjectMeta",
    "ObjectReader",
    "ObjectWriter",
    "OptionNames",
    "Progress",
    "StorageOptions",
    "StoreStats",
    "TableCheckpoint",
    "TensorFile",
    "Verify",
    "WriteResult",
]

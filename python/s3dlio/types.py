"""What the functions of this package take and return, for annotations.

Example:
    >>> import s3dlio
    >>> def newest(metas: list[s3dlio.types.ObjectMeta]) -> s3dlio.types.ObjectMeta:
    ...     return max(metas, key=lambda meta: meta.last_modified)
"""

from ._address import Address
from ._log import LogCursor
from ._log_reads import LogFollower
from ._objects import Buffer, Verify
from ._open_async import AsyncObjectReader, AsyncObjectWriter
from ._options import OptionNames, StorageOptions
from ._progress import Progress
from ._reader import ObjectReader
from ._results import ObjectMeta, WriteResult
from ._stats import StoreStats
from ._tensors import Framework, LazyTensor, TensorFile
from ._view import BytesView
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
    "TensorFile",
    "Verify",
    "WriteResult",
]

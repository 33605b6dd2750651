"""s3dlio: tensors, checkpoints and training records between memory and storage, every byte checked.

Every function takes a plain path, ``file:///path``, ``direct:///path`` (O_DIRECT), ``memory://name/key``,
``s3://bucket/key`` or ``az://account/container/key``. The native
library is loaded by the first call that needs it, not by the import.
"""

from ._arrays import load_numpy_array, save_numpy_array
from ._bulk import download, get_many, put_many, stat_many, upload
from ._config import configure
from ._containers import create_bucket, delete_bucket, list_containers, presign
from ._list import list, list_stream
from ._multi import (
    MultiEndpointStore,
    create_multi_endpoint_store,
    create_multi_endpoint_store_from_file,
    create_multi_endpoint_store_from_template,
)
from ._objects import copy, delete, exists, get, get_range, mkdir, put_bytes, rename, stat
from ._original import (
    MultipartUploadWriter,
    PyObjectWriter,
    PyWriterOptions,
    create_azure_writer,
    create_direct_filesystem_writer,
    create_filesystem_writer,
    create_s3_writer,
)
from ._reader import ObjectReader, open
from ._store import Store
from ._tensors import LazyTensor, TensorFile, load_tensors, open_tensors, save_tensors
from ._view import BytesView
from ._writer import ObjectWriter
from .exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    BulkError,
    CancelledError,
    ChecksumMismatchError,
    ClosedError,
    InternalError,
    InvalidArgumentError,
    InvalidDataError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    PreconditionError,
    S3dlioError,
    StoreTimeoutError,
    UnavailableError,
    UnknownTensorError,
)

__all__ = [
    "AlreadyExistsError",
    "AuthenticationError",
    "BulkError",
    "BytesView",
    "CancelledError",
    "ChecksumMismatchError",
    "ClosedError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "IsDirectoryError",
    "LazyTensor",
    "MultiEndpointStore",
    "MultipartUploadWriter",
    "NotDirectoryError",
    "NotFoundError",
    "ObjectReader",
    "ObjectWriter",
    "OutOfSpaceError",
    "PermissionDeniedError",
    "PreconditionError",
    "PyObjectWriter",
    "PyWriterOptions",
    "S3dlioError",
    "Store",
    "StoreTimeoutError",
    "TensorFile",
    "UnavailableError",
    "UnknownTensorError",
    "__version__",  # noqa: F822 (by __getattr__)
    "configure",
    "copy",
    "create_azure_writer",
    "create_bucket",
    "create_direct_filesystem_writer",
    "create_filesystem_writer",
    "create_multi_endpoint_store",
    "create_multi_endpoint_store_from_file",
    "create_multi_endpoint_store_from_template",
    "create_s3_writer",
    "delete",
    "delete_bucket",
    "download",
    "exists",
    "get",
    "get_many",
    "get_range",
    "list",
    "list_containers",
    "list_stream",
    "load_numpy_array",
    "load_tensors",
    "mkdir",
    "open",
    "open_tensors",
    "presign",
    "put_bytes",
    "put_many",
    "rename",
    "save_numpy_array",
    "save_tensors",
    "stat",
    "stat_many",
    "upload",
]


def __getattr__(name: str) -> str:
    # found when asked for: looking it up takes longer than the rest of the import
    if name == "__version__":
        from ._version import find_version

        return find_version()
    raise AttributeError(f"module 's3dlio' has no attribute {name!r}")

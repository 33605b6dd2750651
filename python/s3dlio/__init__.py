"""s3dlio: tensors, checkpoints and training records between memory and storage, every byte checked.

Every function takes a plain path, ``file:///path``, ``direct:///path`` (O_DIRECT), ``memory://name/key``,
``s3://bucket/key`` or ``az://account/container/key``. The native
library is loaded by the first call that needs it, not by the import.
"""

from ._arrays import load_numpy_array, save_numpy_array
from ._bulk import download, get_many, put_many, stat_many, upload
from ._config import configure
from ._containers import abort_uploads, create_bucket, delete_bucket, list_containers, list_uploads, presign
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
from ._twins import (
    abort_uploads_async,
    copy_async,
    create_bucket_async,
    delete_async,
    delete_bucket_async,
    download_async,
    exists_async,
    get_async,
    get_many_async,
    get_range_async,
    list_async,
    list_containers_async,
    list_stream_async,
    list_uploads_async,
    load_numpy_array_async,
    load_tensors_async,
    mkdir_async,
    open_tensors_async,
    presign_async,
    put_bytes_async,
    put_many_async,
    rename_async,
    save_numpy_array_async,
    save_tensors_async,
    stat_async,
    stat_many_async,
    upload_async,
)
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
    "abort_uploads",
    "abort_uploads_async",
    "configure",
    "copy",
    "copy_async",
    "create_azure_writer",
    "create_bucket",
    "create_bucket_async",
    "create_direct_filesystem_writer",
    "create_filesystem_writer",
    "create_multi_endpoint_store",
    "create_multi_endpoint_store_from_file",
    "create_multi_endpoint_store_from_template",
    "create_s3_writer",
    "delete",
    "delete_async",
    "delete_bucket",
    "delete_bucket_async",
    "download",
    "download_async",
    "exists",
    "exists_async",
    "get",
    "get_async",
    "get_many",
    "get_many_async",
    "get_range",
    "get_range_async",
    "list",
    "list_async",
    "list_containers",
    "list_containers_async",
    "list_stream",
    "list_stream_async",
    "list_uploads",
    "list_uploads_async",
    "load_numpy_array",
    "load_numpy_array_async",
    "load_tensors",
    "load_tensors_async",
    "mkdir",
    "mkdir_async",
    "open",
    "open_tensors",
    "open_tensors_async",
    "presign",
    "presign_async",
    "put_bytes",
    "put_bytes_async",
    "put_many",
    "put_many_async",
    "rename",
    "rename_async",
    "save_numpy_array",
    "save_numpy_array_async",
    "save_tensors",
    "save_tensors_async",
    "stat",
    "stat_async",
    "stat_many",
    "stat_many_async",
    "upload",
    "upload_async",
]


def __getattr__(name: str) -> str:
    # found when asked for: looking it up takes longer than the rest of the import
    if name == "__version__":
        from ._version import find_version

        return find_version()
    raise AttributeError(f"module 's3dlio' has no attribute {name!r}")

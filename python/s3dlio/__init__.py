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
from ._objects import copy, delete, exists, get, get_range, mkdir, put_bytes, rename, stat
from ._store import Store
from ._tensors import LazyTensor, TensorFile, load_tensors, open_tensors, save_tensors
from ._view import BytesView
from .exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    BulkError,
    CancelledError,
    CertificateError,
    ChecksumMismatchError,
    ClockSkewError,
    ClosedError,
    ExpiredCredentialsError,
    InternalError,
    InvalidArgumentError,
    InvalidDataError,
    IsDirectoryError,
    NameResolutionError,
    NoCredentialsError,
    NoSuchAccountError,
    NoSuchBucketError,
    NotDirectoryError,
    NotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    PreconditionError,
    S3dlioError,
    StoreConnectionRefusedError,
    StoreTimeoutError,
    UnavailableError,
    UnknownAccessKeyError,
    UnknownTensorError,
    WrongRegionError,
    WrongSecretError,
)

__all__ = [
    "AlreadyExistsError",
    "AuthenticationError",
    "BulkError",
    "BytesView",
    "CancelledError",
    "CertificateError",
    "ChecksumMismatchError",
    "ClockSkewError",
    "ClosedError",
    "ExpiredCredentialsError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "IsDirectoryError",
    "LazyTensor",
    "NameResolutionError",
    "NoCredentialsError",
    "NoSuchAccountError",
    "NoSuchBucketError",
    "NotDirectoryError",
    "NotFoundError",
    "OutOfSpaceError",
    "PermissionDeniedError",
    "PreconditionError",
    "S3dlioError",
    "Store",
    "StoreConnectionRefusedError",
    "StoreTimeoutError",
    "TensorFile",
    "UnavailableError",
    "UnknownAccessKeyError",
    "UnknownTensorError",
    "WrongRegionError",
    "WrongSecretError",
    "__version__",  # noqa: F822 (by __getattr__)
    "configure",
    "copy",
    "create_bucket",
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

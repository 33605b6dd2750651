"""The names of the original s3dlio, and those that 0.1 had beside them.

They are found as ``s3dlio.NAME`` and as ``s3dlio.compat.NAME``, and are imported when they are asked for. New programs use the names that
``dir(s3dlio)`` shows; docs/original.md tells what the original's names do here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _imported

if TYPE_CHECKING:
    from ._checkpoint import (
        finalize_distributed_checkpoint as finalize_distributed_checkpoint,
        finalize_distributed_checkpoint_async as finalize_distributed_checkpoint_async,
        load_checkpoint as load_checkpoint,
        load_checkpoint_async as load_checkpoint_async,
        load_checkpoint_with_validation as load_checkpoint_with_validation,
        load_checkpoint_with_validation_async as load_checkpoint_with_validation_async,
        save_checkpoint as save_checkpoint,
        save_checkpoint_async as save_checkpoint_async,
        save_distributed_shard as save_distributed_shard,
        save_distributed_shard_async as save_distributed_shard_async,
    )
    from ._checkpoint_info import (
        CheckpointInfo as CheckpointInfo,
        CheckpointWarning as CheckpointWarning,
        IntegrityReport as IntegrityReport,
        PruneReport as PruneReport,
    )
    from ._checkpoint_original import (
        PyCheckpointInfo as PyCheckpointInfo,
        PyCheckpointReader as PyCheckpointReader,
        PyCheckpointStore as PyCheckpointStore,
        PyCheckpointStream as PyCheckpointStream,
        PyCheckpointWriter as PyCheckpointWriter,
        PyValidatedCheckpointReader as PyValidatedCheckpointReader,
    )
    from ._checkpoint_reader import (
        CheckpointReader as CheckpointReader,
        ValidatedCheckpointReader as ValidatedCheckpointReader,
    )
    from ._checkpoint_store import CheckpointStore as CheckpointStore
    from ._checkpoint_writer import (
        CheckpointStream as CheckpointStream,
        CheckpointWriter as CheckpointWriter,
    )
    from ._config import configure as configure
    from ._containers import (
        abort_uploads as abort_uploads,
        create_bucket as create_bucket,
        delete_bucket as delete_bucket,
        list_containers as list_containers,
        list_uploads as list_uploads,
        presign as presign,
    )
    from ._multi import (
        MultiEndpointStore as MultiEndpointStore,
        create_multi_endpoint_store as create_multi_endpoint_store,
        create_multi_endpoint_store_from_env as create_multi_endpoint_store_from_env,
        create_multi_endpoint_store_from_file as create_multi_endpoint_store_from_file,
        create_multi_endpoint_store_from_template as create_multi_endpoint_store_from_template,
    )
    from ._objects import (
        get_range_with_validation as get_range_with_validation,
        get_with_validation as get_with_validation,
        put_bytes as put_bytes,
        rename as rename,
    )
    from ._op_log import (
        finalize_op_log as finalize_op_log,
        init_op_log as init_op_log,
        is_op_log_active as is_op_log_active,
    )
    from ._open_async import (
        AsyncObjectReader as AsyncObjectReader,
        AsyncObjectWriter as AsyncObjectWriter,
        open_async as open_async,
    )
    from ._original import (
        MultipartUploadWriter as MultipartUploadWriter,
        PyObjectWriter as PyObjectWriter,
        PyWriterOptions as PyWriterOptions,
        create_azure_writer as create_azure_writer,
        create_direct_filesystem_writer as create_direct_filesystem_writer,
        create_filesystem_writer as create_filesystem_writer,
        create_s3_writer as create_s3_writer,
    )
    from ._reader import ObjectReader as ObjectReader
    from ._sharded import TensorShard as TensorShard
    from ._state import (
        finalize_state as finalize_state,
        finalize_state_async as finalize_state_async,
        load_state as load_state,
        load_state_async as load_state_async,
        save_state as save_state,
        save_state_async as save_state_async,
        save_state_shard as save_state_shard,
        save_state_shard_async as save_state_shard_async,
    )
    from ._state_async import (
        AsyncSaver as AsyncSaver,
        PendingSave as PendingSave,
        save_async as save_async,
    )
    from ._tensors import (
        LazyTensor as LazyTensor,
        TensorFile as TensorFile,
    )
    from ._twins import (
        abort_uploads_async as abort_uploads_async,
        copy_async as copy_async,
        create_bucket_async as create_bucket_async,
        delete_async as delete_async,
        delete_bucket_async as delete_bucket_async,
        download_async as download_async,
        exists_async as exists_async,
        get_async as get_async,
        get_many_async as get_many_async,
        get_range_async as get_range_async,
        get_range_with_validation_async as get_range_with_validation_async,
        get_with_validation_async as get_with_validation_async,
        list_async as list_async,
        list_containers_async as list_containers_async,
        list_stream_async as list_stream_async,
        list_uploads_async as list_uploads_async,
        load_numpy_array_async as load_numpy_array_async,
        load_tensors_async as load_tensors_async,
        mkdir_async as mkdir_async,
        open_tensors_async as open_tensors_async,
        presign_async as presign_async,
        put_bytes_async as put_bytes_async,
        put_many_async as put_many_async,
        rename_async as rename_async,
        save_numpy_array_async as save_numpy_array_async,
        save_tensors_async as save_tensors_async,
        stat_async as stat_async,
        stat_many_async as stat_many_async,
        upload_async as upload_async,
    )
    from ._view import BytesView as BytesView
    from ._writer import ObjectWriter as ObjectWriter
    from .exceptions import (
        AlreadyExistsError as AlreadyExistsError,
        AuthenticationError as AuthenticationError,
        BulkError as BulkError,
        CancelledError as CancelledError,
        CertificateError as CertificateError,
        ChecksumMismatchError as ChecksumMismatchError,
        ChecksumWarning as ChecksumWarning,
        ClockSkewError as ClockSkewError,
        ClosedError as ClosedError,
        ExpiredCredentialsError as ExpiredCredentialsError,
        ForkError as ForkError,
        InternalError as InternalError,
        InvalidArgumentError as InvalidArgumentError,
        InvalidDataError as InvalidDataError,
        IsDirectoryError as IsDirectoryError,
        NameResolutionError as NameResolutionError,
        NoChecksumError as NoChecksumError,
        NoCredentialsError as NoCredentialsError,
        NoSuchAccountError as NoSuchAccountError,
        NoSuchBucketError as NoSuchBucketError,
        NotDirectoryError as NotDirectoryError,
        NotFoundError as NotFoundError,
        OutOfSpaceError as OutOfSpaceError,
        PermissionDeniedError as PermissionDeniedError,
        PreconditionError as PreconditionError,
        S3dlioError as S3dlioError,
        StoreConnectionRefusedError as StoreConnectionRefusedError,
        StoreTimeoutError as StoreTimeoutError,
        UnavailableError as UnavailableError,
        UnknownAccessKeyError as UnknownAccessKeyError,
        UnknownTensorError as UnknownTensorError,
        WrongRegionError as WrongRegionError,
        WrongSecretError as WrongSecretError,
    )

#: Each name, by the module that has it.
_NAMES = {
    "_checkpoint": (
        "finalize_distributed_checkpoint finalize_distributed_checkpoint_async load_checkpoint load_checkpoint_async "
        "load_checkpoint_with_validation load_checkpoint_with_validation_async save_checkpoint save_checkpoint_async "
        "save_distributed_shard save_distributed_shard_async"
    ),
    "_checkpoint_info": "CheckpointInfo CheckpointWarning IntegrityReport PruneReport",
    "_checkpoint_original": (
        "PyCheckpointInfo PyCheckpointReader PyCheckpointStore PyCheckpointStream PyCheckpointWriter "
        "PyValidatedCheckpointReader"
    ),
    "_checkpoint_reader": "CheckpointReader ValidatedCheckpointReader",
    "_checkpoint_store": "CheckpointStore",
    "_checkpoint_writer": "CheckpointStream CheckpointWriter",
    "_config": "configure",
    "_containers": "abort_uploads create_bucket delete_bucket list_containers list_uploads presign",
    "_multi": (
        "MultiEndpointStore create_multi_endpoint_store create_multi_endpoint_store_from_env "
        "create_multi_endpoint_store_from_file create_multi_endpoint_store_from_template"
    ),
    "_objects": "get_range_with_validation get_with_validation put_bytes rename",
    "_op_log": "finalize_op_log init_op_log is_op_log_active",
    "_open_async": "AsyncObjectReader AsyncObjectWriter open_async",
    "_original": (
        "MultipartUploadWriter PyObjectWriter PyWriterOptions create_azure_writer create_direct_filesystem_writer "
        "create_filesystem_writer create_s3_writer"
    ),
    "_reader": "ObjectReader",
    "_sharded": "TensorShard",
    "_state": (
        "finalize_state finalize_state_async load_state load_state_async save_state save_state_async save_state_shard "
        "save_state_shard_async"
    ),
    "_state_async": "AsyncSaver PendingSave save_async",
    "_tensors": "LazyTensor TensorFile",
    "_twins": (
        "abort_uploads_async copy_async create_bucket_async delete_async delete_bucket_async download_async "
        "exists_async get_async get_many_async get_range_async get_range_with_validation_async "
        "get_with_validation_async list_async list_containers_async list_stream_async list_uploads_async "
        "load_numpy_array_async load_tensors_async mkdir_async open_tensors_async presign_async put_bytes_async "
        "put_many_async rename_async save_numpy_array_async save_tensors_async stat_async stat_many_async upload_async"
    ),
    "_view": "BytesView",
    "_writer": "ObjectWriter",
    "exceptions": (
        "AlreadyExistsError AuthenticationError BulkError CancelledError CertificateError ChecksumMismatchError "
        "ChecksumWarning ClockSkewError ClosedError ExpiredCredentialsError ForkError InternalError "
        "InvalidArgumentError InvalidDataError IsDirectoryError NameResolutionError NoChecksumError NoCredentialsError "
        "NoSuchAccountError NoSuchBucketError NotDirectoryError NotFoundError OutOfSpaceError PermissionDeniedError "
        "PreconditionError S3dlioError StoreConnectionRefusedError StoreTimeoutError UnavailableError "
        "UnknownAccessKeyError UnknownTensorError WrongRegionError WrongSecretError"
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "AlreadyExistsError",
    "AsyncObjectReader",
    "AsyncObjectWriter",
    "AsyncSaver",
    "AuthenticationError",
    "BulkError",
    "BytesView",
    "CancelledError",
    "CertificateError",
    "CheckpointInfo",
    "CheckpointReader",
    "CheckpointStore",
    "CheckpointStream",
    "CheckpointWarning",
    "CheckpointWriter",
    "ChecksumMismatchError",
    "ChecksumWarning",
    "ClockSkewError",
    "ClosedError",
    "ExpiredCredentialsError",
    "ForkError",
    "IntegrityReport",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "IsDirectoryError",
    "LazyTensor",
    "MultiEndpointStore",
    "MultipartUploadWriter",
    "NameResolutionError",
    "NoChecksumError",
    "NoCredentialsError",
    "NoSuchAccountError",
    "NoSuchBucketError",
    "NotDirectoryError",
    "NotFoundError",
    "ObjectReader",
    "ObjectWriter",
    "OutOfSpaceError",
    "PendingSave",
    "PermissionDeniedError",
    "PreconditionError",
    "PruneReport",
    "PyCheckpointInfo",
    "PyCheckpointReader",
    "PyCheckpointStore",
    "PyCheckpointStream",
    "PyCheckpointWriter",
    "PyObjectWriter",
    "PyValidatedCheckpointReader",
    "PyWriterOptions",
    "S3dlioError",
    "StoreConnectionRefusedError",
    "StoreTimeoutError",
    "TensorFile",
    "TensorShard",
    "UnavailableError",
    "UnknownAccessKeyError",
    "UnknownTensorError",
    "ValidatedCheckpointReader",
    "WrongRegionError",
    "WrongSecretError",
    "abort_uploads",
    "abort_uploads_async",
    "configure",
    "copy_async",
    "create_azure_writer",
    "create_bucket",
    "create_bucket_async",
    "create_direct_filesystem_writer",
    "create_filesystem_writer",
    "create_multi_endpoint_store",
    "create_multi_endpoint_store_from_env",
    "create_multi_endpoint_store_from_file",
    "create_multi_endpoint_store_from_template",
    "create_s3_writer",
    "delete_async",
    "delete_bucket",
    "delete_bucket_async",
    "download_async",
    "exists_async",
    "finalize_distributed_checkpoint",
    "finalize_distributed_checkpoint_async",
    "finalize_op_log",
    "finalize_state",
    "finalize_state_async",
    "get_async",
    "get_many_async",
    "get_range_async",
    "get_range_with_validation",
    "get_range_with_validation_async",
    "get_with_validation",
    "get_with_validation_async",
    "init_op_log",
    "is_op_log_active",
    "list_async",
    "list_containers",
    "list_containers_async",
    "list_stream_async",
    "list_uploads",
    "list_uploads_async",
    "load_checkpoint",
    "load_checkpoint_async",
    "load_checkpoint_with_validation",
    "load_checkpoint_with_validation_async",
    "load_numpy_array_async",
    "load_state",
    "load_state_async",
    "load_tensors_async",
    "mkdir_async",
    "open_async",
    "open_tensors_async",
    "presign",
    "presign_async",
    "put_bytes",
    "put_bytes_async",
    "put_many_async",
    "rename",
    "rename_async",
    "save_async",
    "save_checkpoint",
    "save_checkpoint_async",
    "save_distributed_shard",
    "save_distributed_shard_async",
    "save_numpy_array_async",
    "save_state",
    "save_state_async",
    "save_state_shard",
    "save_state_shard_async",
    "save_tensors_async",
    "stat_async",
    "stat_many_async",
    "upload_async",
]


if not TYPE_CHECKING:
    # type checkers know the names above, and no others
    def __getattr__(name: str) -> Any:
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(f"module 's3dlio' has no attribute {name!r}{_hint(name)}")
        found = getattr(_imported(module), name)
        globals()[name] = found
        return found


def _hint(name: str) -> str:
    import difflib

    import s3dlio

    near = difflib.get_close_matches(name, [*dir(s3dlio), *_MODULE_OF], 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)

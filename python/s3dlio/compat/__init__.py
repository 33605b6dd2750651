"""The names of the original s3dlio, and those that 0.1 had beside them.

They are found as ``s3dlio.NAME`` and as ``s3dlio.compat.NAME``, and are imported when they are asked for. New programs use the names that
``dir(s3dlio)`` shows; docs/original.md tells what the original's names do here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._imports import import_module

if TYPE_CHECKING:
    from .._cache import (
        CachedStore as CachedStore,
        cache as cache,
    )
    from .._checkpoints._functions import (
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
    from .._checkpoints._info import (
        CheckpointInfo as CheckpointInfo,
        CheckpointWarning as CheckpointWarning,
        IntegrityReport as IntegrityReport,
        PruneReport as PruneReport,
    )
    from .._checkpoints._reader import (
        CheckpointReader as CheckpointReader,
        ValidatedCheckpointReader as ValidatedCheckpointReader,
    )
    from .._checkpoints._saver import (
        AsyncSaver as AsyncSaver,
        PendingSave as PendingSave,
        save_async as save_async,
    )
    from .._checkpoints._sharded import TensorShard as TensorShard
    from .._checkpoints._state import (
        finalize_state as finalize_state,
        finalize_state_async as finalize_state_async,
        load_state as load_state,
        load_state_async as load_state_async,
        save_state as save_state,
        save_state_async as save_state_async,
        save_state_shard as save_state_shard,
        save_state_shard_async as save_state_shard_async,
    )
    from .._checkpoints._store import CheckpointStore as CheckpointStore
    from .._checkpoints._writer import (
        CheckpointStream as CheckpointStream,
        CheckpointWriter as CheckpointWriter,
    )
    from .._config import configure as configure
    from .._containers import (
        abort_uploads as abort_uploads,
        create_bucket as create_bucket,
        delete_bucket as delete_bucket,
        list_containers as list_containers,
        list_uploads as list_uploads,
        presign as presign,
    )
    from .._core._twins import (
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
    from .._core._view import BytesView as BytesView
    from .._multi import (
        MultiEndpointStore as MultiEndpointStore,
        create_multi_endpoint_store as create_multi_endpoint_store,
        create_multi_endpoint_store_from_env as create_multi_endpoint_store_from_env,
        create_multi_endpoint_store_from_file as create_multi_endpoint_store_from_file,
        create_multi_endpoint_store_from_template as create_multi_endpoint_store_from_template,
    )
    from .._objects import (
        get_range_with_validation as get_range_with_validation,
        get_with_validation as get_with_validation,
        put_bytes as put_bytes,
        rename as rename,
    )
    from .._open_async import (
        AsyncObjectReader as AsyncObjectReader,
        AsyncObjectWriter as AsyncObjectWriter,
        open_async as open_async,
    )
    from .._original._checkpoints import (
        PyCheckpointInfo as PyCheckpointInfo,
        PyCheckpointReader as PyCheckpointReader,
        PyCheckpointStore as PyCheckpointStore,
        PyCheckpointStream as PyCheckpointStream,
        PyCheckpointWriter as PyCheckpointWriter,
        PyValidatedCheckpointReader as PyValidatedCheckpointReader,
    )
    from .._original._generate import (
        Generator as Generator,
        generate_data as generate_data,
        generate_data_with_threads as generate_data_with_threads,
        generate_into_buffer as generate_into_buffer,
        generate_npz_bytes as generate_npz_bytes,
        put_objects as put_objects,
        py_default_data_gen_threads as py_default_data_gen_threads,
        py_total_cpus as py_total_cpus,
    )
    from .._original._loaders import (
        PyAsyncDataLoader as PyAsyncDataLoader,
        PyBytesAsyncDataLoader as PyBytesAsyncDataLoader,
        PyDataset as PyDataset,
        PyObjectItem as PyObjectItem,
        PyParquetItem as PyParquetItem,
        PyParquetStreamLoader as PyParquetStreamLoader,
        PyS3AsyncDataLoader as PyS3AsyncDataLoader,
        PyS3Dataset as PyS3Dataset,
        PyVecDataset as PyVecDataset,
        create_async_loader as create_async_loader,
        create_dataset as create_dataset,
    )
    from .._original._objects import (
        configure_s3 as configure_s3,
        configure_tokio_threads as configure_tokio_threads,
        get_by_key as get_by_key,
        get_many_stats as get_many_stats,
        get_object as get_object,
        init_logging as init_logging,
        list_full_uris as list_full_uris,
        list_keys as list_keys,
        list_keys_from_s3 as list_keys_from_s3,
        list_uris as list_uris,
        parse_s3_uri_full as parse_s3_uri_full,
        stat_key as stat_key,
        stat_object as stat_object,
    )
    from .._original._op_log import (
        finalize_op_log as finalize_op_log,
        init_op_log as init_op_log,
        is_op_log_active as is_op_log_active,
    )
    from .._original._options import PyLoaderOptions as PyLoaderOptions
    from .._original._parquet import (
        PyParquetIndex as PyParquetIndex,
        generate_and_write_parquet as generate_and_write_parquet,
        generate_and_write_parquet_schema as generate_and_write_parquet_schema,
        generate_and_write_parquet_schema_streaming as generate_and_write_parquet_schema_streaming,
        generate_parquet_bytes as generate_parquet_bytes,
        generate_parquet_bytes_schema as generate_parquet_bytes_schema,
        parquet_cache_clear as parquet_cache_clear,
        parquet_cache_invalidate as parquet_cache_invalidate,
        parquet_cache_len as parquet_cache_len,
        parquet_get_rg as parquet_get_rg,
        parquet_rg_row_offsets as parquet_rg_row_offsets,
    )
    from .._original._records import (
        create_tfrecord_index as create_tfrecord_index,
        get_tfrecord_index_entries as get_tfrecord_index_entries,
        index_tfrecord_bytes as index_tfrecord_bytes,
        mp_get as mp_get,
        read_npz as read_npz,
        read_tfrecord_index as read_tfrecord_index,
    )
    from .._original._writers import (
        MultipartUploadWriter as MultipartUploadWriter,
        PyObjectWriter as PyObjectWriter,
        PyWriterOptions as PyWriterOptions,
        create_azure_writer as create_azure_writer,
        create_direct_filesystem_writer as create_direct_filesystem_writer,
        create_filesystem_writer as create_filesystem_writer,
        create_s3_writer as create_s3_writer,
    )
    from .._reader import ObjectReader as ObjectReader
    from .._tensors import (
        LazyTensor as LazyTensor,
        TensorFile as TensorFile,
    )
    from .._writer import ObjectWriter as ObjectWriter
    from ..exceptions import (
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
    # new, and not shown: the set that is shown is small
    "_cache": "CachedStore cache",
    "_checkpoints._functions": (
        "finalize_distributed_checkpoint finalize_distributed_checkpoint_async load_checkpoint load_checkpoint_async "
        "load_checkpoint_with_validation load_checkpoint_with_validation_async save_checkpoint save_checkpoint_async "
        "save_distributed_shard save_distributed_shard_async"
    ),
    "_checkpoints._info": "CheckpointInfo CheckpointWarning IntegrityReport PruneReport",
    "_original._checkpoints": (
        "PyCheckpointInfo PyCheckpointReader PyCheckpointStore PyCheckpointStream PyCheckpointWriter PyValidatedCheckpointReader"
    ),
    "_checkpoints._reader": "CheckpointReader ValidatedCheckpointReader",
    "_checkpoints._store": "CheckpointStore",
    "_checkpoints._writer": "CheckpointStream CheckpointWriter",
    "_config": "configure",
    "_containers": "abort_uploads create_bucket delete_bucket list_containers list_uploads presign",
    "_multi": (
        "MultiEndpointStore create_multi_endpoint_store create_multi_endpoint_store_from_env "
        "create_multi_endpoint_store_from_file create_multi_endpoint_store_from_template"
    ),
    "_objects": "get_range_with_validation get_with_validation put_bytes rename",
    "_original._op_log": "finalize_op_log init_op_log is_op_log_active",
    "_open_async": "AsyncObjectReader AsyncObjectWriter open_async",
    "_original._writers": (
        "MultipartUploadWriter PyObjectWriter PyWriterOptions create_azure_writer create_direct_filesystem_writer "
        "create_filesystem_writer create_s3_writer"
    ),
    "_original._objects": (
        "configure_s3 configure_tokio_threads get_by_key get_many_stats get_object init_logging list_full_uris list_keys "
        "list_keys_from_s3 list_uris parse_s3_uri_full stat_key stat_object"
    ),
    "_original._generate": (
        "Generator generate_data generate_data_with_threads generate_into_buffer generate_npz_bytes "
        "put_objects py_default_data_gen_threads py_total_cpus"
    ),
    "_original._loaders": (
        "PyAsyncDataLoader PyBytesAsyncDataLoader PyDataset PyObjectItem PyParquetItem PyParquetStreamLoader "
        "PyS3AsyncDataLoader PyS3Dataset PyVecDataset create_async_loader create_dataset"
    ),
    "_original._options": "PyLoaderOptions",
    "_original._parquet": (
        "PyParquetIndex generate_and_write_parquet generate_and_write_parquet_schema generate_and_write_parquet_schema_streaming "
        "generate_parquet_bytes generate_parquet_bytes_schema parquet_cache_clear parquet_cache_invalidate parquet_cache_len "
        "parquet_get_rg parquet_rg_row_offsets"
    ),
    "_original._records": ("create_tfrecord_index get_tfrecord_index_entries index_tfrecord_bytes mp_get read_npz read_tfrecord_index"),
    "_reader": "ObjectReader",
    "_checkpoints._sharded": "TensorShard",
    "_checkpoints._state": (
        "finalize_state finalize_state_async load_state load_state_async save_state save_state_async save_state_shard "
        "save_state_shard_async"
    ),
    "_checkpoints._saver": "AsyncSaver PendingSave save_async",
    "_tensors": "LazyTensor TensorFile",
    "_core._twins": (
        "abort_uploads_async copy_async create_bucket_async delete_async delete_bucket_async download_async "
        "exists_async get_async get_many_async get_range_async get_range_with_validation_async "
        "get_with_validation_async list_async list_containers_async list_stream_async list_uploads_async "
        "load_numpy_array_async load_tensors_async mkdir_async open_tensors_async presign_async put_bytes_async "
        "put_many_async rename_async save_numpy_array_async save_tensors_async stat_async stat_many_async upload_async"
    ),
    "_core._view": "BytesView",
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
    "Generator",
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
    "PyAsyncDataLoader",
    "PyBytesAsyncDataLoader",
    "PyCheckpointInfo",
    "PyCheckpointReader",
    "PyCheckpointStore",
    "PyCheckpointStream",
    "PyCheckpointWriter",
    "PyDataset",
    "PyLoaderOptions",
    "PyObjectItem",
    "PyObjectWriter",
    "PyParquetIndex",
    "PyParquetItem",
    "PyParquetStreamLoader",
    "PyS3AsyncDataLoader",
    "PyS3Dataset",
    "PyValidatedCheckpointReader",
    "PyVecDataset",
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
    "configure_s3",
    "configure_tokio_threads",
    "copy_async",
    "create_async_loader",
    "create_azure_writer",
    "create_bucket",
    "create_bucket_async",
    "create_dataset",
    "create_direct_filesystem_writer",
    "create_filesystem_writer",
    "create_multi_endpoint_store",
    "create_multi_endpoint_store_from_env",
    "create_multi_endpoint_store_from_file",
    "create_multi_endpoint_store_from_template",
    "create_s3_writer",
    "create_tfrecord_index",
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
    "generate_and_write_parquet",
    "generate_and_write_parquet_schema",
    "generate_and_write_parquet_schema_streaming",
    "generate_data",
    "generate_data_with_threads",
    "generate_into_buffer",
    "generate_npz_bytes",
    "generate_parquet_bytes",
    "generate_parquet_bytes_schema",
    "get_async",
    "get_by_key",
    "get_many_async",
    "get_many_stats",
    "get_object",
    "get_range_async",
    "get_range_with_validation",
    "get_range_with_validation_async",
    "get_tfrecord_index_entries",
    "get_with_validation",
    "get_with_validation_async",
    "index_tfrecord_bytes",
    "init_logging",
    "init_op_log",
    "is_op_log_active",
    "list_async",
    "list_containers",
    "list_containers_async",
    "list_full_uris",
    "list_keys",
    "list_keys_from_s3",
    "list_stream_async",
    "list_uploads",
    "list_uploads_async",
    "list_uris",
    "load_checkpoint",
    "load_checkpoint_async",
    "load_checkpoint_with_validation",
    "load_checkpoint_with_validation_async",
    "load_numpy_array_async",
    "load_state",
    "load_state_async",
    "load_tensors_async",
    "mkdir_async",
    "mp_get",
    "open_async",
    "open_tensors_async",
    "parquet_cache_clear",
    "parquet_cache_invalidate",
    "parquet_cache_len",
    "parquet_get_rg",
    "parquet_rg_row_offsets",
    "parse_s3_uri_full",
    "presign",
    "presign_async",
    "put_bytes",
    "put_bytes_async",
    "put_many_async",
    "put_objects",
    "py_default_data_gen_threads",
    "py_total_cpus",
    "read_npz",
    "read_tfrecord_index",
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
    "stat_key",
    "stat_many_async",
    "stat_object",
    "upload_async",
]


if not TYPE_CHECKING:
    # type checkers know the names above, and no others
    def __getattr__(name: str) -> Any:
        module = _MODULE_OF.get(name)
        if name in _OF_FRAMEWORKS:
            return _of_framework(name)
        if name in _MOVED:
            return import_module(_MOVED[name])
        if name == "jax_tf":
            return import_module(name)
        if module is None:
            raise AttributeError(f"module 's3dlio' has no attribute {name!r}{_hint(name)}")
        found = getattr(import_module(module), name)
        globals()[name] = found
        return found


#: Modules of the library's inside that lay beside the package's other files before they had folders, for programs that look into them.
_MOVED = {"_calls": "_core._calls", "_native": "_core._native", "_state_async": "_checkpoints._saver"}

#: Names that need torch, JAX or TensorFlow: None where torch is missing, as in the original.
_OF_FRAMEWORKS = {
    "ObjectStoreIterableDataset": "_original._torch",
    "ObjectStoreMapDataset": "_original._torch",
    "S3IterableDataset": "_original._torch",
    "S3MapDataset": "_original._torch",
    "JaxIterable": "jax_tf",
    "S3JaxIterable": "jax_tf",
    "make_tf_dataset": "jax_tf",
}


def _of_framework(name: str) -> Any:
    try:
        return getattr(import_module(_OF_FRAMEWORKS[name]), name)
    except ImportError:
        return None


def _hint(name: str) -> str:
    import difflib

    import s3dlio

    near = difflib.get_close_matches(name, [*dir(s3dlio), *_MODULE_OF], 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)

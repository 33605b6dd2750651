"""The methods of stores, blocking and for asyncio; written by python/generate.py."""

from __future__ import annotations

import builtins
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np

from . import _arrays, _bulk, _containers, _list, _objects, _reader, _tensors, _whole
from ._open_async import AsyncObjectReader, AsyncObjectWriter, Opening, open_async
from ._core._address import Address
from ._arrays import Array
from ._core._calls import awaited, awaited_each
from ._objects import Buffer, Verify
from ._core._progress import Progress
from ._reader import Decompress, ObjectReader, READ_AHEAD
from ._core._results import ObjectMeta, WriteResult
from ._tensors import Framework, TensorFile
from ._core._view import BytesView
from ._whole import Format
from ._writer import ObjectWriter


class StoreMethods:
    """The functions of this package for keys; see :class:`s3dlio.Store`."""

    def _at(self, key: str) -> Address:
        raise NotImplementedError

    def put(
        self,
        key: str,
        data: Buffer,
        *,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Writes an object, atomically: a reader sees the old one or the new one, whole.

        Args:
            key: Address of the object to write.
            data: The bytes, as anything that exports a contiguous buffer, which is not copied, or has ``__bytes__``. A file's:
                :func:`put_file`.
            overwrite: False creates the object or fails.
            if_match: Replace only the object with this ETag.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            content_type: Kept with the object.
            metadata: The user's own pairs of text, kept with the object.
            attributes: What else the store keeps, by the names of ``stat``. Every store: ``cache_control``,
                ``content_disposition``, ``content_encoding``, ``content_language``, ``expires``. S3 also: ``storage_class``,
                ``acl``, ``server_side_encryption``, ``ssekms_key_id`` and others; Azure, which has no ``expires``, also:
                ``access_tier``, ``encryption_scope``.
            tags: Pairs of text beside the object, which policies and lifecycle rules look at; S3 and Azure.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written: its checksum, as text, with ``uri``, ``size`` and ``etag``.

        Raises:
            AlreadyExistsError: ``overwrite=False`` and the object exists.
            PreconditionError: The object's ETag is another.
            InvalidArgumentError: An attribute that the store does not have; the message names the nearest.
            PermissionDeniedError, OutOfSpaceError, IsDirectoryError: As the store says; nothing was changed.
        """
        return _objects.put(
            self._at(key),
            data,
            overwrite=overwrite,
            if_match=if_match,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    def get(
        self,
        key: str,
        *,
        verify: Verify = "auto",
        expected_checksum: str | None = None,
        decompress: bool | Literal["auto"] = False,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> BytesView:
        """Reads a whole object.

        Args:
            key: Which.
            verify: ``"auto"`` compares with the checksum that was recorded when the object was written, where there is one; ``"require"``
                refuses an object without one; False compares with none.
            expected_checksum: Compare with this one instead.
            decompress: False gives the bytes as they are stored. True gives those that were compressed, and finds the object also
                without ``.zst`` in ``uri``; ``"auto"`` does so for names that end in ``.zst`` and gives others as they are.
                Checksums are then of the bytes given.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The bytes, read-only and without a further copy.

        Raises:
            NotFoundError: There is no such object.
            ChecksumMismatchError: The bytes are not those that were written.
            NoChecksumError: ``verify="require"``, and nothing is recorded to compare with.
        """
        return _objects.get(
            self._at(key), verify=verify, expected_checksum=expected_checksum, decompress=decompress, progress=progress, timeout=timeout
        )

    def get_range(
        self,
        key: str,
        offset: int,
        length: int | None = None,
        *,
        out: Buffer | None = None,
        verify: Verify = "auto",
        expected_checksum: str | None = None,
        decompress: bool | Literal["auto"] = False,
        progress: Progress = None,
        timeout: float | None = None,
        validate: Verify | None = None,
    ) -> BytesView:
        """Reads ``length`` bytes from ``offset``; never fewer.

        Stores that keep the checksums of an object's blocks (S3 and Azure, for what was written from 1 MiB on) can check a range.

        Args:
            key: Which object.
            offset: First byte, from 0.
            length: How many bytes; None reads to the end.
            out: Writable contiguous memory of exactly ``length`` bytes to read into.
            verify: ``"auto"`` compares the blocks that lie in the range as a whole; True also reads the rest of the two that it begins
                and ends in, so that every byte is checked; ``"require"`` is True, and refuses an object without checksums; False compares
                nothing.
            expected_checksum: CRC32C that the range must have.
            decompress: As for :func:`get`. Offset and length are then of the decompressed bytes; only the frames that the range
                touches are fetched, and each is checked.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
            validate: The first name of ``verify``; it counts where it is given.

        Returns:
            The bytes, read-only; with ``out``, a view of it.

        Raises:
            InvalidArgumentError: The range reaches beyond the object.
            ChecksumMismatchError: The bytes are not those expected, or not those that were written.
        """
        return _objects.get_range(
            self._at(key),
            offset,
            length,
            out=out,
            verify=verify,
            expected_checksum=expected_checksum,
            decompress=decompress,
            progress=progress,
            timeout=timeout,
            validate=validate,
        )

    def get_ranges(
        self,
        key: str,
        ranges: Iterable[tuple[int, int]],
        max_in_flight: int = 16,
        *,
        verify: Verify = "auto",
        decompress: bool | Literal["auto"] = False,
        timeout: float | None = None,
    ) -> builtins.list[BytesView]:
        """Reads several ranges of an object, some at a time.

        Args:
            key: Which object.
            ranges: ``(offset, length)`` of each; they may overlap and stand in any order.
            max_in_flight: How many at once, 1 to 4096.
            verify: As for :func:`get_range`.
            decompress: As for :func:`get_range`.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The bytes of each range, in the order of ``ranges``.

        Raises:
            InvalidArgumentError: A range reaches beyond the object, or is no pair of numbers.
            ChecksumMismatchError: The bytes are not those that were written.
        """
        return _objects.get_ranges(self._at(key), ranges, max_in_flight, verify=verify, decompress=decompress, timeout=timeout)

    def put_file(
        self,
        path: str | os.PathLike[str],
        key: str,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Copies one local file to an object, in bounded memory. Trees and patterns: :func:`upload`.

        Args:
            path: The file.
            key: The object that it becomes; a name, not a directory.
            overwrite: False creates the object or fails.
            durable: As for :func:`put`.
            content_type: Kept with the object.
            metadata: Kept with the object.
            attributes: As for :func:`put`.
            tags: As for :func:`put`.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, as of :func:`put`.

        Raises:
            NotFoundError: There is no such file.
            AlreadyExistsError: ``overwrite=False`` and the object exists.
        """
        return _objects.put_file(
            path,
            self._at(key),
            overwrite=overwrite,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    def get_file(
        self,
        key: str,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Copies one object to a local file, atomically and in bounded memory. Trees: :func:`download`.

        Args:
            key: The object.
            path: The file that it becomes; a name, not a directory. Directories that are missing are made.
            overwrite: False creates the file or fails.
            durable: Have it on the device, name and all, before this returns.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, ``uri`` the file's path.

        Raises:
            NotFoundError: There is no such object.
            AlreadyExistsError: ``overwrite=False`` and the file exists.
            ChecksumMismatchError: The bytes are not those that were written; no file is left.
        """
        return _objects.get_file(self._at(key), path, overwrite=overwrite, durable=durable, progress=progress, timeout=timeout)

    def exists(
        self,
        key: str = "",
        *,
        timeout: float | None = None,
    ) -> bool:
        """True for an object, for a prefix with something below it, and for a directory.

        An error (no permission, no connection) says nothing about existence and is raised.

        Args:
            key: An object, a prefix or a directory; ``run1`` is not there because ``run10`` is.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            Whether there is something.

        Raises:
            PermissionDeniedError, UnavailableError: It cannot be known.
        """
        return _objects.exists(self._at(key), timeout=timeout)

    def stat(
        self,
        key: str,
        *,
        timeout: float | None = None,
    ) -> ObjectMeta:
        """What the store knows of an object.

        Args:
            key: Which.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            A dictionary that has its entries as attributes too: ``size`` (bytes), ``last_modified`` (ISO 8601, UTC; the attribute
            is a ``datetime``), ``etag``, ``content_type``, ``content_language``, ``content_encoding``, ``cache_control``,
            ``content_disposition``, ``expires``, ``storage_class``, ``server_side_encryption``, ``ssekms_key_id``,
            ``sse_customer_algorithm``, ``version_id``, ``replication_status``, ``metadata`` (a dictionary), ``checksum``
            (``crc32c:xxxxxxxx``) and ``attributes`` (a dictionary of what else the store says, such as ``tag_count`` or
            ``access_tier``); what a store does not have is None.

        Raises:
            NotFoundError: There is no such object.
        """
        return _objects.stat(self._at(key), timeout=timeout)

    def delete(
        self,
        key: str,
        recursive: bool = False,
        *,
        missing_ok: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Deletes an object, or with ``recursive`` everything at and below a path.

        ``recursive`` takes whole path segments: ``run1`` never touches ``run10``. Directories left empty go too. Of an address that ends
        with ``/`` the objects right below it are deleted; what is below further directories stays. ``*`` and ``?`` are part of a name.

        Args:
            key: An object; with ``/`` at its end, a directory or prefix; with ``recursive``, any of them.
            recursive: Everything at and below it.
            missing_ok: True: an object that is not there is no error.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            How many objects were deleted; with ``recursive``, ``missing_ok`` or ``/`` at the end, 0 when there was nothing.

        Raises:
            NotFoundError: There is no such object (without ``recursive``, ``missing_ok`` or ``/`` at the end).
            S3dlioError: The first failure, after everything else was deleted.
        """
        return _objects.delete(self._at(key), recursive, missing_ok=missing_ok, timeout=timeout)

    def copy(
        self,
        src: str,
        dst: str,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Copies an object, within a store or between any two, with its content type, metadata and checksum.

        Attributes of the content (``cache_control``, ``content_disposition``, ``content_encoding``, ``content_language``,
        ``expires``) go with it. Those of its place (``storage_class``, encryption, ``acl``) do not: the destination's own
        defaults hold unless they are given. Tags go with it within a store; between two stores they are left behind.

        Args:
            src: Which object.
            dst: Address of the destination.
            overwrite: False creates the copy or fails.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            content_type: Another than the source's.
            metadata: Other than the source's; all of it is replaced.
            attributes: Others than the source's, by name; those not named stay.
            tags: Others than the source's; all of them are replaced.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written: the copy's checksum, as text, where one is recorded, with ``uri``, ``size`` and ``etag``.

        Raises:
            NotFoundError: There is no source.
            AlreadyExistsError: ``overwrite=False`` and the destination exists.
            ChecksumMismatchError: The source is damaged (found when its bytes pass through, between stores).
        """
        return _objects.copy(
            self._at(src),
            self._at(dst),
            overwrite=overwrite,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    def move(
        self,
        src: str,
        dst: str,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Moves an object; between stores it is copied and then deleted, so that a crash leaves two and never none.

        Args:
            src: Which object.
            dst: Its new address.
            overwrite: False moves it only to where nothing is.
            durable: Have the new name on the device before this returns. None: as the store was opened.
            progress: Called with bytes done and bytes in all, where bytes are copied.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The object at its new address: its checksum, as text, where one is recorded, with ``uri``, ``size`` and ``etag``.

        Raises:
            NotFoundError: There is no source.
            AlreadyExistsError: ``overwrite=False`` and the destination exists.
        """
        return _objects.move(self._at(src), self._at(dst), overwrite=overwrite, durable=durable, progress=progress, timeout=timeout)

    def mkdir(
        self,
        key: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Makes a directory and its parents where the store has directories; elsewhere there is nothing to make.

        Args:
            key: Which directory; that it is there already is no error.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Raises:
            NotDirectoryError: An object stands where the path needs a directory.
            PermissionDeniedError: As the store says.
        """
        return _objects.mkdir(self._at(key), timeout=timeout)

    def list(
        self,
        prefix: str = "",
        recursive: bool = False,
        pattern: str | None = None,
        *,
        start_after: str | None = None,
        timeout: float | None = None,
    ) -> builtins.list[str]:
        """Lists what is at and below a path, in the order of the keys' bytes.

        Args:
            prefix: An object, a prefix or a directory; ``run1`` does not list ``run10``.
            recursive: Everything below; otherwise one level, where deeper ones appear as prefixes ending in ``/``.
            pattern: A regular expression (without back references) that the part of an object's key below ``uri`` must contain;
                ``^`` is where that part begins.
            start_after: Only what comes after this address or key; it need not exist.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            Addresses in the form of ``uri`` (a URI for a URI, a path for a path). Nothing there gives an empty list.

        Raises:
            InvalidArgumentError: ``pattern`` is no regular expression that can be used.
            PermissionDeniedError: A directory cannot be read.
        """
        return _list.list(self._at(prefix), recursive, pattern, start_after=start_after, timeout=timeout)

    def list_stream(
        self,
        prefix: str = "",
        recursive: bool = True,
        pattern: str | None = None,
        *,
        start_after: str | None = None,
        timeout: float | None = None,
    ) -> Iterator[ObjectMeta]:
        """The objects of a listing one by one, a page of them in memory at a time.

        Args:
            prefix: An object, a prefix or a directory; ``run1`` does not list ``run10``.
            recursive: Everything below; otherwise only the objects of one level.
            pattern: A regular expression (without back references) that the part of an object's key below ``uri`` must contain;
                ``^`` is where that part begins.
            start_after: Only what comes after this address or key; it need not exist.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Yields:
            For each object what ``stat`` gives as far as the store lists it, and its address as ``uri``.

        Raises:
            InvalidArgumentError: ``pattern`` is no regular expression that can be used.
            PermissionDeniedError: A directory cannot be read.
        """
        return _list.list_stream(self._at(prefix), recursive, pattern, start_after=start_after, timeout=timeout)

    @overload
    def open(
        self,
        key: str,
        mode: Literal["rb", "br"] = "rb",
        *,
        compress: bool | int | None = None,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> ObjectReader: ...
    @overload
    def open(
        self,
        key: str,
        mode: Literal["wb", "xb", "bw", "bx"],
        *,
        compress: bool | int | None = None,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> ObjectWriter: ...
    @overload
    def open(
        self,
        key: str,
        mode: str,
        *,
        compress: bool | int | None = None,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> ObjectReader | ObjectWriter: ...
    def open(
        self,
        key: str,
        mode: str = "rb",
        *,
        compress: bool | int | None = None,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Any:
        """Opens an object as a binary file.

        Args:
            key: Which object.
            mode: ``"rb"`` reads, ``"wb"`` writes, ``"xb"`` creates the object or fails.
            compress: For writing, as for :class:`ObjectWriter`. None: compressed if the name ends in ``.zst``.
            decompress: For reading: ``"auto"`` decompresses objects whose name ends in ``.zst``, and finds those where there is none
                of the plain name; True decompresses whatever the name; False gives the bytes as they are stored.
            buffering: For reading: bytes that smaller reads read ahead. Larger ones go straight to the caller's memory.
            overwrite: For writing: False is mode ``"xb"``.
            if_match: For writing: replace only the object with this ETag.
            durable: For writing: have it on the device, name and all, when the file is closed. None: as the store was opened.
            content_type: For writing: kept with the object.
            metadata: For writing: the user's own pairs of text, kept with the object.
            progress: Called with bytes read or written so far and in all (-1 while nobody knows), or True for tqdm's bar where tqdm
                is installed.
            timeout: Seconds for each read or write; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            An :class:`ObjectReader` or an :class:`ObjectWriter`.

        Raises:
            NotFoundError, AlreadyExistsError: As the mode says.
            InvalidArgumentError: Another mode, or options of the other mode.
        """
        return _reader.open(
            self._at(key),
            mode,
            compress=compress,
            decompress=decompress,
            buffering=buffering,
            overwrite=overwrite,
            if_match=if_match,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            progress=progress,
            timeout=timeout,
        )

    def get_many(
        self,
        keys: Iterable[str],
        max_in_flight: int = 64,
        *,
        verify: Verify = "auto",
        decompress: bool | Literal["auto"] = False,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[tuple[Any, BytesView]]:
        """Reads many objects, several at a time.

        Args:
            keys: Which.
            max_in_flight: How many at once, 1 to 4096; with that the memory of what is under way is bounded.
            verify: As for :func:`get`, for each of them.
            decompress: As for :func:`get`, for each of them.
            on_error: ``"raise"`` raises one ``BulkError`` at the end, which holds the failures and everything that was read;
                ``"return"`` puts each failure's exception in the place of its bytes.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            ``(key, bytes)`` in the order of ``keys``.

        Raises:
            BulkError: Some could not be read; ``errors`` maps their indexes to exceptions, ``failures`` their URIs, and ``results``
                holds the rest.
        """
        return _bulk.get_many(
            _bulk.keys_at(self._at, keys),
            max_in_flight,
            verify=verify,
            decompress=decompress,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
        )

    def put_many(
        self,
        items: Iterable[tuple[str, Any]],
        max_in_flight: int = 64,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[tuple[Any, WriteResult]]:
        """Writes many objects, several at a time, each atomically.

        Args:
            items: ``(key, data)`` pairs.
            max_in_flight: How many at once, 1 to 4096.
            overwrite: False creates each object or fails for it.
            durable: As for ``put_bytes``.
            content_type: Of all of them; kept with each object.
            metadata: Likewise.
            attributes: Likewise; see ``put_bytes``.
            tags: Likewise.
            on_error: As for ``get_many``.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            ``(key, result)`` in the order of ``items``; the result is what :func:`put` gives, the checksum as text.

        Raises:
            BulkError: Some could not be written; the others were.
        """
        return _bulk.put_many(
            _bulk.items_at(self._at, items),
            max_in_flight,
            overwrite=overwrite,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
        )

    def stat_many(
        self,
        keys: Iterable[str],
        max_in_flight: int = 64,
        *,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[ObjectMeta]:
        """What the stores know of many objects.

        Args:
            keys: Which.
            max_in_flight: How many at once, 1 to 4096.
            on_error: As for ``get_many``.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What :func:`stat` gives of each, in the order of ``keys``.

        Raises:
            BulkError: Some could not be looked at; its ``results`` are ``(key, stat)``.
        """
        return _bulk.stat_many(_bulk.keys_at(self._at, keys), max_in_flight, on_error=on_error, progress=progress, timeout=timeout)

    def upload(
        self,
        src_patterns: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        prefix: str,
        max_in_flight: int = 32,
        create_bucket: bool = False,
        *,
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[tuple[Any, WriteResult]]:
        """Copies local files into a store.

        Args:
            src_patterns: Files, directories (taken with all that is below, by their own name) and patterns with ``*``, ``?``,
                ``[…]`` and ``**``.
            prefix: What the keys begin with; a ``/`` is put in between where there is none.
            max_in_flight: How many at once.
            create_bucket: Make the bucket or container first, if it is not there.
            overwrite: False creates each object or fails for it.
            content_type: Of all of them; files have none of their own to take over, but for those that this library wrote.
            metadata: Likewise.
            attributes: Likewise; see ``put_bytes``.
            tags: Likewise.
            on_error: As for ``get_many``.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            ``(uri, checksum)`` of each object written, in the order of the patterns, sorted within each.

        Raises:
            NotFoundError: A pattern matches nothing.
            BulkError: Some files could not be copied; the others were.
        """
        return _bulk.upload(
            src_patterns,
            self._at(prefix),
            max_in_flight,
            create_bucket,
            overwrite=overwrite,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
        )

    def download(
        self,
        key: str,
        dest_dir: str | os.PathLike[str],
        max_in_flight: int = 64,
        recursive: bool = True,
        *,
        overwrite: bool = True,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[tuple[Any, WriteResult]]:
        """Copies what is at and below an address into a local directory, each file atomically.

        Args:
            key: An object or a prefix.
            dest_dir: The directory; made if it is not there. An object keeps the last part of its key, what is below a prefix
                keeps its path relative to it. Markers of folders become directories: objects of zero bytes whose key ends with
                ``/``, as consoles make them, or is a folder's name itself.
            max_in_flight: How many at once.
            recursive: Take all that is below; otherwise one level.
            overwrite: False leaves existing files and fails for them.
            on_error: As for ``get_many``.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            ``(path, checksum)`` of each file written, in the order of the keys.

        Raises:
            NotFoundError: There is nothing at that address.
            InvalidArgumentError: A key cannot be a path below the directory, such as one with ``..`` in it.
            BulkError: Some objects could not be copied; the others were.
        """
        return _bulk.download(
            self._at(key), dest_dir, max_in_flight, recursive, overwrite=overwrite, on_error=on_error, progress=progress, timeout=timeout
        )

    def save(
        self,
        key: str,
        value: Any,
        *,
        format: Format | None = None,
        compress: bool | int | None = None,
        overwrite: bool = True,
        durable: bool | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Saves an array as ``.npy``, or a dictionary of arrays and tensors as ``.safetensors``, atomically.

        Args:
            key: Where to; what it ends in (``.npy``, ``.safetensors``, either with ``.zst``) names the format.
            value: An array, or a dictionary of arrays and tensors by name.
            format: ``"npy"`` or ``"safetensors"``, whatever ``uri`` ends in.
            compress: As for :func:`save_numpy_array`.
            overwrite: False creates the object or fails.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, ``uri`` with ``.zst`` where it is compressed.

        Raises:
            InvalidArgumentError: The name says no format, or the value does not fit it.
            AlreadyExistsError: ``overwrite=False`` and the object exists.
        """
        return _whole.save(
            self._at(key), value, format=format, compress=compress, overwrite=overwrite, durable=durable, progress=progress, timeout=timeout
        )

    def load(
        self,
        key: str,
        *,
        format: Format | None = None,
        framework: Framework = "np",
        verify: Verify = "auto",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Any:
        """Loads what :func:`save` saved, or any other program: an array of ``.npy``, a dictionary of ``.safetensors``.

        Args:
            key: Which. Where there is no such object, the compressed one of the name with ``.zst`` behind it.
            format: ``"npy"`` or ``"safetensors"``, whatever ``uri`` ends in.
            framework: What tensors are made as: ``"np"`` or ``"pt"``.
            verify: As for :func:`get`.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The array, or the dictionary in the order of the file. With ``framework="pt"`` an array of ``.npy`` is a tensor, too.

        Raises:
            NotFoundError: There is no such object.
            InvalidArgumentError: The name says no format.
            InvalidDataError: The object is not of that format.
            ChecksumMismatchError: The bytes are not those that were written.
        """
        return _whole.load(self._at(key), format=format, framework=framework, verify=verify, progress=progress, timeout=timeout)

    def save_numpy_array(
        self,
        key: str,
        array: Any,
        compress: bool | int | None = None,
        validate: bool = True,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        metadata: dict[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Saves an array as a ``.npy`` object that ``np.load`` reads, atomically.

        Contiguous arrays, in C or Fortran order, are written straight from their memory; others are copied once.

        Args:
            key: Address of the object to write.
            array: An array of any shape and any dtype but object: bool, integers, floats, complex, datetime64, timedelta64,
                strings, structured, either byte order, and ml_dtypes' bfloat16, float8 and so on (``np.load`` reads those as
                raw bytes; ``load_numpy_array`` gives the type back).
            compress: True for zstd at level 3, or a level from 1 to 22: the object is then called ``uri`` with ``.zst`` behind it,
                once, and a load of ``uri`` finds it. False saves it plain. None: compressed if ``uri`` ends in ``.zst``.
            validate: Taken for compatibility: the checksum is always computed.
            overwrite: False creates the object, or fails where a load of ``uri`` would find one.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            metadata: Pairs of text kept with the object.
            attributes: As for ``put_bytes``.
            tags: As for ``put_bytes``.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, ``uri`` with ``.zst`` where it is compressed. As text it is the checksum of the ``.npy`` bytes, header
            included, before any compression: ``crc32c:xxxxxxxx``.

        Raises:
            InvalidArgumentError: A dtype that would need pickle; an invalid level; ``compress=False`` for a name in ``.zst``.
            AlreadyExistsError: ``overwrite=False`` and the object exists; or ``.zst`` is put behind ``uri``, and the plain object of that
                name exists, which a load of ``uri`` would give. Delete that one, or give the name with ``.zst``.
            OutOfSpaceError, PermissionDeniedError: As the store says; nothing was changed.
        """
        return _arrays.save_numpy_array(
            self._at(key),
            array,
            compress,
            validate,
            overwrite=overwrite,
            durable=durable,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    def load_numpy_array(
        self,
        key: str,
        shape: tuple[int, ...] | int | None = None,
        dtype: Any = None,
        validate_checksum: str | bool | None = None,
        *,
        verify: Verify = "auto",
        expected_checksum: str | None = None,
        out: Array | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Array:
        """Loads a ``.npy`` object of any writer straight into the array's memory.

        Args:
            key: Which. Where there is no such object, the compressed one of the name with ``.zst`` behind it.
            shape: The shape that is expected; another in the header is an error before anything is allocated.
            dtype: Likewise for the dtype.
            validate_checksum: The original's name for the next two: a text is ``expected_checksum``, True is ``verify="require"``.
            verify: ``"auto"`` compares with the checksum recorded with the object, where there is one; ``"require"`` refuses an object
                without one; False compares with none.
            expected_checksum: A checksum that the object must have, as ``save_numpy_array`` returned it.
            out: An array of the object's dtype, shape and order to load into.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The array, in the order it was saved in; ``out`` where that was given.

        Raises:
            NotFoundError: There is no such object.
            InvalidDataError: It is no ``.npy`` object, is truncated, or holds Python objects.
            InvalidArgumentError: Shape, dtype or ``out`` do not fit it.
            ChecksumMismatchError: The bytes are not those that were written. ``out`` then holds bytes not to be used.
            NoChecksumError: ``verify="require"``, and nothing is recorded to compare with. ``out`` is as it was.
        """
        return _arrays.load_numpy_array(
            self._at(key),
            shape,
            dtype,
            validate_checksum,
            verify=verify,
            expected_checksum=expected_checksum,
            out=out,
            progress=progress,
            timeout=timeout,
        )

    def save_tensors(
        self,
        key: str,
        tensors: Mapping[str, Any],
        metadata: Mapping[str, str] | None = None,
        *,
        compress: bool | int | None = None,
        checksums: bool = True,
        max_shard_size: int | str | None = None,
        overwrite: bool = True,
        durable: bool | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Saves NumPy arrays and torch tensors as one safetensors object, atomically, or as a model of several with an index.

        Contiguous tensors are written straight from their memory; others, in Fortran order, strided, big-endian or on another
        device, are copied once and written as the C order that the format demands.

        With ``max_shard_size`` the tensors are split as the Hugging Face libraries do it: ``uri`` is a directory, or the name that the
        model would have in one file, and gets ``model-00001-of-00003.safetensors`` and so on and, last of all,
        ``model.safetensors.index.json``. What fits in one file is ``model.safetensors``. Tensors that are the same memory are stored once;
        the others' names go into the metadata. Files of an earlier save of the same name are removed, its index before anything is written,
        so that no reader sees tensors of two saves.

        Args:
            key: Address of the object to write.
            tensors: Arrays and tensors by name: bool, integers of 8 to 64 bits, floats of 16 to 64 bits, bfloat16, float8,
                complex64.
            metadata: Pairs of text for the file's ``__metadata__``; names beginning with ``s3dlio.`` are taken.
            compress: As for :func:`save_numpy_array`; lazy slices of a compressed object decompress only the frames they touch.
            checksums: Keep each tensor's CRC32C, and the header's, in the file. False writes byte for byte what the
                safetensors package would.
            max_shard_size: Bytes of tensors in one file at most, or text: ``"5GB"`` is 5 * 10^9, ``"5GiB"`` 5 * 2^30; a larger tensor
                has a file alone. None: one object.
            overwrite: False creates the object or fails.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            attributes: What the store keeps with the object, as for ``put_bytes``.
            tags: As for ``put_bytes``.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, ``uri`` with ``.zst`` where it is compressed. As text it is the checksum of the safetensors bytes, header
            included, before any compression: ``crc32c:xxxxxxxx``.

        Raises:
            InvalidArgumentError: A value that is no tensor, a dtype the format lacks, or a name it cannot hold.
            AlreadyExistsError: ``overwrite=False`` and the object exists; or, compressed, the plain one does, as for
                :func:`save_numpy_array`.
        """
        return _tensors.save_tensors(
            self._at(key),
            tensors,
            metadata,
            compress=compress,
            checksums=checksums,
            max_shard_size=max_shard_size,
            overwrite=overwrite,
            durable=durable,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    def load_tensors(
        self,
        key: str,
        names: Iterable[str] | None = None,
        framework: Framework = "np",
        *,
        out: Mapping[str, Any] | None = None,
        mmap: bool = False,
        device: Any = None,
        verify: Verify = "auto",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Loads tensors of a safetensors object of any writer, or of a model in several objects, each straight into its own memory.

        Args:
            key: Which object; where it is missing, the compressed one of the name with ``.zst`` behind it. Or a model's index
                (``….safetensors.index.json``), or the directory of ``model.safetensors`` or of its index.
            names: Which tensors; None for all. Only their bytes are read.
            framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
            out: Arrays or tensors to load into, by name; those not named are allocated.
            mmap: Map a local file in place of reading it: processes share its pages, and one that writes to a tensor gets pages of its own.
                It is compared in one pass over the mapping. What cannot be mapped (an object of a server, a compressed one) is read, and
                the log of ``s3dlio`` says why.
            device: torch's device that the tensors are for, such as ``"cuda:0"``; needs ``framework="pt"``. They pass through three pieces
                of pinned memory of 64 MiB, or of the largest tensor's size: one is read into while the GPU takes the others.
            verify: ``"auto"`` compares each tensor with its checksum, where the file has them; a file without is compared as a whole
                when all of it is read and the store has a checksum for it. ``"require"`` refuses where nothing is recorded. False compares
                nothing.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The tensors by name, in the order of ``names`` or of the file; of a model of several files, file by file.

        Raises:
            NotFoundError: There is no such object, or a file that the index names is not there.
            InvalidDataError: It breaks a rule of the format; an index that names files elsewhere, or tensors that its files do not have.
            InvalidArgumentError: A name it does not hold, ``out`` that does not fit, or a ``device`` that torch does not have.
            ChecksumMismatchError: A tensor's bytes are not those that were written; the error names it.
        """
        return _tensors.load_tensors(
            self._at(key), names, framework, out=out, mmap=mmap, device=device, verify=verify, progress=progress, timeout=timeout
        )

    def open_tensors(
        self,
        key: str,
        framework: Framework = "np",
        *,
        mmap: bool = False,
        timeout: float | None = None,
    ) -> TensorFile:
        """Opens a safetensors object: its header is read and checked, its tensors are fetched as they are asked for.

        Args:
            key: Which object.
            framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
            mmap: Map a local file, as ``load_tensors`` does; each tensor is compared when it is asked for the first time.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            A mapping from names to lazy tensors, to be closed or used in a ``with`` statement.

        Raises:
            NotFoundError: There is no such object.
            InvalidDataError: It breaks a rule of the format.
        """
        return _tensors.open_tensors(self._at(key), framework, mmap=mmap, timeout=timeout)

    def list_uploads(
        self,
        prefix: str = "",
        older_than: float = 0,
        *,
        timeout: float | None = None,
    ) -> builtins.list[dict[str, Any]]:
        """Multipart uploads that were begun and not ended: those under way, and what processes that died left behind.

        They are in no listing of objects and are paid for all the same.

        Args:
            prefix: The object, prefix or bucket that they are of; ``run1`` does not mean ``run10``.
            older_than: Seconds; only those begun at least so long ago.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            For each its object's address as ``uri``, the server's ``upload_id``, and ``begun`` (ISO 8601, UTC, or None). Stores
            without such a thing have none.

        Raises:
            PermissionDeniedError: The credentials may not list them.
        """
        return _containers.list_uploads(self._at(prefix), older_than, timeout=timeout)

    def abort_uploads(
        self,
        prefix: str = "",
        older_than: float = 86400,
        *,
        timeout: float | None = None,
    ) -> builtins.list[dict[str, Any]]:
        """Aborts unfinished multipart uploads.

        An upload that is still being written fails for its writer, so only uploads older than a day are aborted by default.

        Args:
            prefix: The object, prefix or bucket that they are of.
            older_than: Seconds; only those begun at least so long ago.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            Those that were aborted, as ``list_uploads`` gives them.

        Raises:
            PermissionDeniedError: The credentials may not list or abort them.
        """
        return _containers.abort_uploads(self._at(prefix), older_than, timeout=timeout)

    def presign(
        self,
        key: str,
        method: Literal["GET", "PUT", "HEAD", "DELETE"] = "GET",
        expires_in: int = 3600,
        *,
        timeout: float | None = None,
    ) -> str:
        """A presigned URL: it gives access to the object for a limited time without credentials.

        Args:
            key: Which object, on S3 or Azure.
            method: What it allows.
            expires_in: Seconds, at most seven days.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            An https address. Keep it as you keep a password.

        Raises:
            InvalidArgumentError: The store has no such addresses.
        """
        return _containers.presign(self._at(key), method, expires_in, timeout=timeout)


class AsyncStore:
    """The methods of a store as coroutines; see :attr:`s3dlio.Store.aio`."""

    def __init__(self, store: StoreMethods) -> None:
        self._store = store

    def _at(self, key: str) -> Address:
        return self._store._at(key)

    def __repr__(self) -> str:
        return f"{self._store!r}.aio"

    async def put(
        self,
        key: str,
        data: Buffer,
        *,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Writes an object, atomically: a reader sees the old one or the new one, whole.

        Args:
            key: Address of the object to write.
            data: The bytes, as anything that exports a contiguous buffer, which is not copied, or has ``__bytes__``. A file's:
                :func:`put_file`.
            overwrite: False creates the object or fails.
            if_match: Replace only the object with this ETag.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            content_type: Kept with the object.
            metadata: The user's own pairs of text, kept with the object.
            attributes: What else the store keeps, by the names of ``stat``. Every store: ``cache_control``,
                ``content_disposition``, ``content_encoding``, ``content_language``, ``expires``. S3 also: ``storage_class``,
                ``acl``, ``server_side_encryption``, ``ssekms_key_id`` and others; Azure, which has no ``expires``, also:
                ``access_tier``, ``encryption_scope``.
            tags: Pairs of text beside the object, which policies and lifecycle rules look at; S3 and Azure.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written: its checksum, as text, with ``uri``, ``size`` and ``etag``.

        Raises:
            AlreadyExistsError: ``overwrite=False`` and the object exists.
            PreconditionError: The object's ETag is another.
            InvalidArgumentError: An attribute that the store does not have; the message names the nearest.
            PermissionDeniedError, OutOfSpaceError, IsDirectoryError: As the store says; nothing was changed.
        """
        return await awaited(
            "Store.aio.put",
            _objects.put,
            self._at(key),
            data,
            overwrite=overwrite,
            if_match=if_match,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    async def get(
        self,
        key: str,
        *,
        verify: Verify = "auto",
        expected_checksum: str | None = None,
        decompress: bool | Literal["auto"] = False,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> BytesView:
        """Reads a whole object.

        Args:
            key: Which.
            verify: ``"auto"`` compares with the checksum that was recorded when the object was written, where there is one; ``"require"``
                refuses an object without one; False compares with none.
            expected_checksum: Compare with this one instead.
            decompress: False gives the bytes as they are stored. True gives those that were compressed, and finds the object also
                without ``.zst`` in ``uri``; ``"auto"`` does so for names that end in ``.zst`` and gives others as they are.
                Checksums are then of the bytes given.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The bytes, read-only and without a further copy.

        Raises:
            NotFoundError: There is no such object.
            ChecksumMismatchError: The bytes are not those that were written.
            NoChecksumError: ``verify="require"``, and nothing is recorded to compare with.
        """
        return await awaited(
            "Store.aio.get",
            _objects.get,
            self._at(key),
            verify=verify,
            expected_checksum=expected_checksum,
            decompress=decompress,
            progress=progress,
            timeout=timeout,
        )

    async def get_range(
        self,
        key: str,
        offset: int,
        length: int | None = None,
        *,
        out: Buffer | None = None,
        verify: Verify = "auto",
        expected_checksum: str | None = None,
        decompress: bool | Literal["auto"] = False,
        progress: Progress = None,
        timeout: float | None = None,
        validate: Verify | None = None,
    ) -> BytesView:
        """Reads ``length`` bytes from ``offset``; never fewer.

        Stores that keep the checksums of an object's blocks (S3 and Azure, for what was written from 1 MiB on) can check a range.

        Args:
            key: Which object.
            offset: First byte, from 0.
            length: How many bytes; None reads to the end.
            out: Writable contiguous memory of exactly ``length`` bytes to read into.
            verify: ``"auto"`` compares the blocks that lie in the range as a whole; True also reads the rest of the two that it begins
                and ends in, so that every byte is checked; ``"require"`` is True, and refuses an object without checksums; False compares
                nothing.
            expected_checksum: CRC32C that the range must have.
            decompress: As for :func:`get`. Offset and length are then of the decompressed bytes; only the frames that the range
                touches are fetched, and each is checked.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
            validate: The first name of ``verify``; it counts where it is given.

        Returns:
            The bytes, read-only; with ``out``, a view of it.

        Raises:
            InvalidArgumentError: The range reaches beyond the object.
            ChecksumMismatchError: The bytes are not those expected, or not those that were written.
        """
        return await awaited(
            "Store.aio.get_range",
            _objects.get_range,
            self._at(key),
            offset,
            length,
            out=out,
            verify=verify,
            expected_checksum=expected_checksum,
            decompress=decompress,
            progress=progress,
            timeout=timeout,
            validate=validate,
        )

    async def get_ranges(
        self,
        key: str,
        ranges: Iterable[tuple[int, int]],
        max_in_flight: int = 16,
        *,
        verify: Verify = "auto",
        decompress: bool | Literal["auto"] = False,
        timeout: float | None = None,
    ) -> builtins.list[BytesView]:
        """Reads several ranges of an object, some at a time.

        Args:
            key: Which object.
            ranges: ``(offset, length)`` of each; they may overlap and stand in any order.
            max_in_flight: How many at once, 1 to 4096.
            verify: As for :func:`get_range`.
            decompress: As for :func:`get_range`.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The bytes of each range, in the order of ``ranges``.

        Raises:
            InvalidArgumentError: A range reaches beyond the object, or is no pair of numbers.
            ChecksumMismatchError: The bytes are not those that were written.
        """
        return await awaited(
            "Store.aio.get_ranges",
            _objects.get_ranges,
            self._at(key),
            ranges,
            max_in_flight,
            verify=verify,
            decompress=decompress,
            timeout=timeout,
        )

    async def put_file(
        self,
        path: str | os.PathLike[str],
        key: str,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Copies one local file to an object, in bounded memory. Trees and patterns: :func:`upload`.

        Args:
            path: The file.
            key: The object that it becomes; a name, not a directory.
            overwrite: False creates the object or fails.
            durable: As for :func:`put`.
            content_type: Kept with the object.
            metadata: Kept with the object.
            attributes: As for :func:`put`.
            tags: As for :func:`put`.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, as of :func:`put`.

        Raises:
            NotFoundError: There is no such file.
            AlreadyExistsError: ``overwrite=False`` and the object exists.
        """
        return await awaited(
            "Store.aio.put_file",
            _objects.put_file,
            path,
            self._at(key),
            overwrite=overwrite,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    async def get_file(
        self,
        key: str,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Copies one object to a local file, atomically and in bounded memory. Trees: :func:`download`.

        Args:
            key: The object.
            path: The file that it becomes; a name, not a directory. Directories that are missing are made.
            overwrite: False creates the file or fails.
            durable: Have it on the device, name and all, before this returns.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, ``uri`` the file's path.

        Raises:
            NotFoundError: There is no such object.
            AlreadyExistsError: ``overwrite=False`` and the file exists.
            ChecksumMismatchError: The bytes are not those that were written; no file is left.
        """
        return await awaited(
            "Store.aio.get_file",
            _objects.get_file,
            self._at(key),
            path,
            overwrite=overwrite,
            durable=durable,
            progress=progress,
            timeout=timeout,
        )

    async def exists(
        self,
        key: str = "",
        *,
        timeout: float | None = None,
    ) -> bool:
        """True for an object, for a prefix with something below it, and for a directory.

        An error (no permission, no connection) says nothing about existence and is raised.

        Args:
            key: An object, a prefix or a directory; ``run1`` is not there because ``run10`` is.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            Whether there is something.

        Raises:
            PermissionDeniedError, UnavailableError: It cannot be known.
        """
        return await awaited("Store.aio.exists", _objects.exists, self._at(key), timeout=timeout)

    async def stat(
        self,
        key: str,
        *,
        timeout: float | None = None,
    ) -> ObjectMeta:
        """What the store knows of an object.

        Args:
            key: Which.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            A dictionary that has its entries as attributes too: ``size`` (bytes), ``last_modified`` (ISO 8601, UTC; the attribute
            is a ``datetime``), ``etag``, ``content_type``, ``content_language``, ``content_encoding``, ``cache_control``,
            ``content_disposition``, ``expires``, ``storage_class``, ``server_side_encryption``, ``ssekms_key_id``,
            ``sse_customer_algorithm``, ``version_id``, ``replication_status``, ``metadata`` (a dictionary), ``checksum``
            (``crc32c:xxxxxxxx``) and ``attributes`` (a dictionary of what else the store says, such as ``tag_count`` or
            ``access_tier``); what a store does not have is None.

        Raises:
            NotFoundError: There is no such object.
        """
        return await awaited("Store.aio.stat", _objects.stat, self._at(key), timeout=timeout)

    async def delete(
        self,
        key: str,
        recursive: bool = False,
        *,
        missing_ok: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Deletes an object, or with ``recursive`` everything at and below a path.

        ``recursive`` takes whole path segments: ``run1`` never touches ``run10``. Directories left empty go too. Of an address that ends
        with ``/`` the objects right below it are deleted; what is below further directories stays. ``*`` and ``?`` are part of a name.

        Args:
            key: An object; with ``/`` at its end, a directory or prefix; with ``recursive``, any of them.
            recursive: Everything at and below it.
            missing_ok: True: an object that is not there is no error.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            How many objects were deleted; with ``recursive``, ``missing_ok`` or ``/`` at the end, 0 when there was nothing.

        Raises:
            NotFoundError: There is no such object (without ``recursive``, ``missing_ok`` or ``/`` at the end).
            S3dlioError: The first failure, after everything else was deleted.
        """
        return await awaited("Store.aio.delete", _objects.delete, self._at(key), recursive, missing_ok=missing_ok, timeout=timeout)

    async def copy(
        self,
        src: str,
        dst: str,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Copies an object, within a store or between any two, with its content type, metadata and checksum.

        Attributes of the content (``cache_control``, ``content_disposition``, ``content_encoding``, ``content_language``,
        ``expires``) go with it. Those of its place (``storage_class``, encryption, ``acl``) do not: the destination's own
        defaults hold unless they are given. Tags go with it within a store; between two stores they are left behind.

        Args:
            src: Which object.
            dst: Address of the destination.
            overwrite: False creates the copy or fails.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            content_type: Another than the source's.
            metadata: Other than the source's; all of it is replaced.
            attributes: Others than the source's, by name; those not named stay.
            tags: Others than the source's; all of them are replaced.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written: the copy's checksum, as text, where one is recorded, with ``uri``, ``size`` and ``etag``.

        Raises:
            NotFoundError: There is no source.
            AlreadyExistsError: ``overwrite=False`` and the destination exists.
            ChecksumMismatchError: The source is damaged (found when its bytes pass through, between stores).
        """
        return await awaited(
            "Store.aio.copy",
            _objects.copy,
            self._at(src),
            self._at(dst),
            overwrite=overwrite,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    async def move(
        self,
        src: str,
        dst: str,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Moves an object; between stores it is copied and then deleted, so that a crash leaves two and never none.

        Args:
            src: Which object.
            dst: Its new address.
            overwrite: False moves it only to where nothing is.
            durable: Have the new name on the device before this returns. None: as the store was opened.
            progress: Called with bytes done and bytes in all, where bytes are copied.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The object at its new address: its checksum, as text, where one is recorded, with ``uri``, ``size`` and ``etag``.

        Raises:
            NotFoundError: There is no source.
            AlreadyExistsError: ``overwrite=False`` and the destination exists.
        """
        return await awaited(
            "Store.aio.move",
            _objects.move,
            self._at(src),
            self._at(dst),
            overwrite=overwrite,
            durable=durable,
            progress=progress,
            timeout=timeout,
        )

    async def mkdir(
        self,
        key: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Makes a directory and its parents where the store has directories; elsewhere there is nothing to make.

        Args:
            key: Which directory; that it is there already is no error.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Raises:
            NotDirectoryError: An object stands where the path needs a directory.
            PermissionDeniedError: As the store says.
        """
        return await awaited("Store.aio.mkdir", _objects.mkdir, self._at(key), timeout=timeout)

    async def list(
        self,
        prefix: str = "",
        recursive: bool = False,
        pattern: str | None = None,
        *,
        start_after: str | None = None,
        timeout: float | None = None,
    ) -> builtins.list[str]:
        """Lists what is at and below a path, in the order of the keys' bytes.

        Args:
            prefix: An object, a prefix or a directory; ``run1`` does not list ``run10``.
            recursive: Everything below; otherwise one level, where deeper ones appear as prefixes ending in ``/``.
            pattern: A regular expression (without back references) that the part of an object's key below ``uri`` must contain;
                ``^`` is where that part begins.
            start_after: Only what comes after this address or key; it need not exist.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            Addresses in the form of ``uri`` (a URI for a URI, a path for a path). Nothing there gives an empty list.

        Raises:
            InvalidArgumentError: ``pattern`` is no regular expression that can be used.
            PermissionDeniedError: A directory cannot be read.
        """
        return await awaited("Store.aio.list", _list.list, self._at(prefix), recursive, pattern, start_after=start_after, timeout=timeout)

    async def list_stream(
        self,
        prefix: str = "",
        recursive: bool = True,
        pattern: str | None = None,
        *,
        start_after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[ObjectMeta]:
        """The objects of a listing one by one, a page of them in memory at a time.

        Args:
            prefix: An object, a prefix or a directory; ``run1`` does not list ``run10``.
            recursive: Everything below; otherwise only the objects of one level.
            pattern: A regular expression (without back references) that the part of an object's key below ``uri`` must contain;
                ``^`` is where that part begins.
            start_after: Only what comes after this address or key; it need not exist.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Yields:
            For each object what ``stat`` gives as far as the store lists it, and its address as ``uri``.

        Raises:
            InvalidArgumentError: ``pattern`` is no regular expression that can be used.
            PermissionDeniedError: A directory cannot be read.
        """
        async for item in awaited_each(
            "Store.aio.list_stream", _list.list_stream, self._at(prefix), recursive, pattern, start_after=start_after, timeout=timeout
        ):
            yield item

    @overload
    def open(
        self,
        key: str,
        mode: Literal["rb", "br"] = "rb",
        *,
        compress: bool | int | None = None,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Opening[AsyncObjectReader]: ...
    @overload
    def open(
        self,
        key: str,
        mode: Literal["wb", "xb", "bw", "bx"],
        *,
        compress: bool | int | None = None,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Opening[AsyncObjectWriter]: ...
    @overload
    def open(
        self,
        key: str,
        mode: str,
        *,
        compress: bool | int | None = None,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Opening[AsyncObjectReader] | Opening[AsyncObjectWriter]: ...
    def open(
        self,
        key: str,
        mode: str = "rb",
        *,
        compress: bool | int | None = None,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Any:
        """Opens an object as a binary file of an event loop, without a thread. Cancelling a task cancels its read or write.

        Args:
            key: Which object.
            mode: ``"rb"`` reads, ``"wb"`` writes, ``"xb"`` creates the object or fails.
            compress: For writing, as for :func:`open`.
            decompress: For reading, as for :func:`open`.
            buffering: For reading: bytes that smaller reads read at once.
            overwrite: For writing, False fails when the object exists.
            if_match: For writing, only over the object with this ETag.
            durable: For writing, as for :func:`open`.
            content_type: For writing, as for :func:`open`.
            metadata: For writing, as for :func:`open`.
            progress: As for :func:`open`.
            timeout: Seconds for each read or write.

        Returns:
            What gives an :class:`AsyncObjectReader` or an :class:`AsyncObjectWriter` when it is awaited or entered by ``async with``.

        Raises:
            NotFoundError, AlreadyExistsError: When awaited, as the mode says.
            InvalidArgumentError: Another mode, or options of the other mode.
        """
        return open_async(
            self._at(key),
            mode,
            compress=compress,
            decompress=decompress,
            buffering=buffering,
            overwrite=overwrite,
            if_match=if_match,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            progress=progress,
            timeout=timeout,
        )

    async def get_many(
        self,
        keys: Iterable[str],
        max_in_flight: int = 64,
        *,
        verify: Verify = "auto",
        decompress: bool | Literal["auto"] = False,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[tuple[Any, BytesView]]:
        """Reads many objects, several at a time.

        Args:
            keys: Which.
            max_in_flight: How many at once, 1 to 4096; with that the memory of what is under way is bounded.
            verify: As for :func:`get`, for each of them.
            decompress: As for :func:`get`, for each of them.
            on_error: ``"raise"`` raises one ``BulkError`` at the end, which holds the failures and everything that was read;
                ``"return"`` puts each failure's exception in the place of its bytes.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            ``(key, bytes)`` in the order of ``keys``.

        Raises:
            BulkError: Some could not be read; ``errors`` maps their indexes to exceptions, ``failures`` their URIs, and ``results``
                holds the rest.
        """
        return await awaited(
            "Store.aio.get_many",
            _bulk.get_many,
            _bulk.keys_at(self._at, keys),
            max_in_flight,
            verify=verify,
            decompress=decompress,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
        )

    async def put_many(
        self,
        items: Iterable[tuple[str, Any]],
        max_in_flight: int = 64,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[tuple[Any, WriteResult]]:
        """Writes many objects, several at a time, each atomically.

        Args:
            items: ``(key, data)`` pairs.
            max_in_flight: How many at once, 1 to 4096.
            overwrite: False creates each object or fails for it.
            durable: As for ``put_bytes``.
            content_type: Of all of them; kept with each object.
            metadata: Likewise.
            attributes: Likewise; see ``put_bytes``.
            tags: Likewise.
            on_error: As for ``get_many``.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            ``(key, result)`` in the order of ``items``; the result is what :func:`put` gives, the checksum as text.

        Raises:
            BulkError: Some could not be written; the others were.
        """
        return await awaited(
            "Store.aio.put_many",
            _bulk.put_many,
            _bulk.items_at(self._at, items),
            max_in_flight,
            overwrite=overwrite,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
        )

    async def stat_many(
        self,
        keys: Iterable[str],
        max_in_flight: int = 64,
        *,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[ObjectMeta]:
        """What the stores know of many objects.

        Args:
            keys: Which.
            max_in_flight: How many at once, 1 to 4096.
            on_error: As for ``get_many``.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What :func:`stat` gives of each, in the order of ``keys``.

        Raises:
            BulkError: Some could not be looked at; its ``results`` are ``(key, stat)``.
        """
        return await awaited(
            "Store.aio.stat_many",
            _bulk.stat_many,
            _bulk.keys_at(self._at, keys),
            max_in_flight,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
        )

    async def upload(
        self,
        src_patterns: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        prefix: str,
        max_in_flight: int = 32,
        create_bucket: bool = False,
        *,
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[tuple[Any, WriteResult]]:
        """Copies local files into a store.

        Args:
            src_patterns: Files, directories (taken with all that is below, by their own name) and patterns with ``*``, ``?``,
                ``[…]`` and ``**``.
            prefix: What the keys begin with; a ``/`` is put in between where there is none.
            max_in_flight: How many at once.
            create_bucket: Make the bucket or container first, if it is not there.
            overwrite: False creates each object or fails for it.
            content_type: Of all of them; files have none of their own to take over, but for those that this library wrote.
            metadata: Likewise.
            attributes: Likewise; see ``put_bytes``.
            tags: Likewise.
            on_error: As for ``get_many``.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            ``(uri, checksum)`` of each object written, in the order of the patterns, sorted within each.

        Raises:
            NotFoundError: A pattern matches nothing.
            BulkError: Some files could not be copied; the others were.
        """
        return await awaited(
            "Store.aio.upload",
            _bulk.upload,
            src_patterns,
            self._at(prefix),
            max_in_flight,
            create_bucket,
            overwrite=overwrite,
            content_type=content_type,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
        )

    async def download(
        self,
        key: str,
        dest_dir: str | os.PathLike[str],
        max_in_flight: int = 64,
        recursive: bool = True,
        *,
        overwrite: bool = True,
        on_error: Literal["raise", "return"] = "raise",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> builtins.list[tuple[Any, WriteResult]]:
        """Copies what is at and below an address into a local directory, each file atomically.

        Args:
            key: An object or a prefix.
            dest_dir: The directory; made if it is not there. An object keeps the last part of its key, what is below a prefix
                keeps its path relative to it. Markers of folders become directories: objects of zero bytes whose key ends with
                ``/``, as consoles make them, or is a folder's name itself.
            max_in_flight: How many at once.
            recursive: Take all that is below; otherwise one level.
            overwrite: False leaves existing files and fails for them.
            on_error: As for ``get_many``.
            progress: Called with objects done and objects in all, or True for tqdm's bar.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            ``(path, checksum)`` of each file written, in the order of the keys.

        Raises:
            NotFoundError: There is nothing at that address.
            InvalidArgumentError: A key cannot be a path below the directory, such as one with ``..`` in it.
            BulkError: Some objects could not be copied; the others were.
        """
        return await awaited(
            "Store.aio.download",
            _bulk.download,
            self._at(key),
            dest_dir,
            max_in_flight,
            recursive,
            overwrite=overwrite,
            on_error=on_error,
            progress=progress,
            timeout=timeout,
        )

    async def save(
        self,
        key: str,
        value: Any,
        *,
        format: Format | None = None,
        compress: bool | int | None = None,
        overwrite: bool = True,
        durable: bool | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Saves an array as ``.npy``, or a dictionary of arrays and tensors as ``.safetensors``, atomically.

        Args:
            key: Where to; what it ends in (``.npy``, ``.safetensors``, either with ``.zst``) names the format.
            value: An array, or a dictionary of arrays and tensors by name.
            format: ``"npy"`` or ``"safetensors"``, whatever ``uri`` ends in.
            compress: As for :func:`save_numpy_array`.
            overwrite: False creates the object or fails.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, ``uri`` with ``.zst`` where it is compressed.

        Raises:
            InvalidArgumentError: The name says no format, or the value does not fit it.
            AlreadyExistsError: ``overwrite=False`` and the object exists.
        """
        return await awaited(
            "Store.aio.save",
            _whole.save,
            self._at(key),
            value,
            format=format,
            compress=compress,
            overwrite=overwrite,
            durable=durable,
            progress=progress,
            timeout=timeout,
        )

    async def load(
        self,
        key: str,
        *,
        format: Format | None = None,
        framework: Framework = "np",
        verify: Verify = "auto",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Any:
        """Loads what :func:`save` saved, or any other program: an array of ``.npy``, a dictionary of ``.safetensors``.

        Args:
            key: Which. Where there is no such object, the compressed one of the name with ``.zst`` behind it.
            format: ``"npy"`` or ``"safetensors"``, whatever ``uri`` ends in.
            framework: What tensors are made as: ``"np"`` or ``"pt"``.
            verify: As for :func:`get`.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The array, or the dictionary in the order of the file. With ``framework="pt"`` an array of ``.npy`` is a tensor, too.

        Raises:
            NotFoundError: There is no such object.
            InvalidArgumentError: The name says no format.
            InvalidDataError: The object is not of that format.
            ChecksumMismatchError: The bytes are not those that were written.
        """
        return await awaited(
            "Store.aio.load",
            _whole.load,
            self._at(key),
            format=format,
            framework=framework,
            verify=verify,
            progress=progress,
            timeout=timeout,
        )

    async def save_numpy_array(
        self,
        key: str,
        array: Any,
        compress: bool | int | None = None,
        validate: bool = True,
        *,
        overwrite: bool = True,
        durable: bool | None = None,
        metadata: dict[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Saves an array as a ``.npy`` object that ``np.load`` reads, atomically.

        Contiguous arrays, in C or Fortran order, are written straight from their memory; others are copied once.

        Args:
            key: Address of the object to write.
            array: An array of any shape and any dtype but object: bool, integers, floats, complex, datetime64, timedelta64,
                strings, structured, either byte order, and ml_dtypes' bfloat16, float8 and so on (``np.load`` reads those as
                raw bytes; ``load_numpy_array`` gives the type back).
            compress: True for zstd at level 3, or a level from 1 to 22: the object is then called ``uri`` with ``.zst`` behind it,
                once, and a load of ``uri`` finds it. False saves it plain. None: compressed if ``uri`` ends in ``.zst``.
            validate: Taken for compatibility: the checksum is always computed.
            overwrite: False creates the object, or fails where a load of ``uri`` would find one.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            metadata: Pairs of text kept with the object.
            attributes: As for ``put_bytes``.
            tags: As for ``put_bytes``.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, ``uri`` with ``.zst`` where it is compressed. As text it is the checksum of the ``.npy`` bytes, header
            included, before any compression: ``crc32c:xxxxxxxx``.

        Raises:
            InvalidArgumentError: A dtype that would need pickle; an invalid level; ``compress=False`` for a name in ``.zst``.
            AlreadyExistsError: ``overwrite=False`` and the object exists; or ``.zst`` is put behind ``uri``, and the plain object of that
                name exists, which a load of ``uri`` would give. Delete that one, or give the name with ``.zst``.
            OutOfSpaceError, PermissionDeniedError: As the store says; nothing was changed.
        """
        return await awaited(
            "Store.aio.save_numpy_array",
            _arrays.save_numpy_array,
            self._at(key),
            array,
            compress,
            validate,
            overwrite=overwrite,
            durable=durable,
            metadata=metadata,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    async def load_numpy_array(
        self,
        key: str,
        shape: tuple[int, ...] | int | None = None,
        dtype: Any = None,
        validate_checksum: str | bool | None = None,
        *,
        verify: Verify = "auto",
        expected_checksum: str | None = None,
        out: Array | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Array:
        """Loads a ``.npy`` object of any writer straight into the array's memory.

        Args:
            key: Which. Where there is no such object, the compressed one of the name with ``.zst`` behind it.
            shape: The shape that is expected; another in the header is an error before anything is allocated.
            dtype: Likewise for the dtype.
            validate_checksum: The original's name for the next two: a text is ``expected_checksum``, True is ``verify="require"``.
            verify: ``"auto"`` compares with the checksum recorded with the object, where there is one; ``"require"`` refuses an object
                without one; False compares with none.
            expected_checksum: A checksum that the object must have, as ``save_numpy_array`` returned it.
            out: An array of the object's dtype, shape and order to load into.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The array, in the order it was saved in; ``out`` where that was given.

        Raises:
            NotFoundError: There is no such object.
            InvalidDataError: It is no ``.npy`` object, is truncated, or holds Python objects.
            InvalidArgumentError: Shape, dtype or ``out`` do not fit it.
            ChecksumMismatchError: The bytes are not those that were written. ``out`` then holds bytes not to be used.
            NoChecksumError: ``verify="require"``, and nothing is recorded to compare with. ``out`` is as it was.
        """
        return await awaited(
            "Store.aio.load_numpy_array",
            _arrays.load_numpy_array,
            self._at(key),
            shape,
            dtype,
            validate_checksum,
            verify=verify,
            expected_checksum=expected_checksum,
            out=out,
            progress=progress,
            timeout=timeout,
        )

    async def save_tensors(
        self,
        key: str,
        tensors: Mapping[str, Any],
        metadata: Mapping[str, str] | None = None,
        *,
        compress: bool | int | None = None,
        checksums: bool = True,
        max_shard_size: int | str | None = None,
        overwrite: bool = True,
        durable: bool | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> WriteResult:
        """Saves NumPy arrays and torch tensors as one safetensors object, atomically, or as a model of several with an index.

        Contiguous tensors are written straight from their memory; others, in Fortran order, strided, big-endian or on another
        device, are copied once and written as the C order that the format demands.

        With ``max_shard_size`` the tensors are split as the Hugging Face libraries do it: ``uri`` is a directory, or the name that the
        model would have in one file, and gets ``model-00001-of-00003.safetensors`` and so on and, last of all,
        ``model.safetensors.index.json``. What fits in one file is ``model.safetensors``. Tensors that are the same memory are stored once;
        the others' names go into the metadata. Files of an earlier save of the same name are removed, its index before anything is written,
        so that no reader sees tensors of two saves.

        Args:
            key: Address of the object to write.
            tensors: Arrays and tensors by name: bool, integers of 8 to 64 bits, floats of 16 to 64 bits, bfloat16, float8,
                complex64.
            metadata: Pairs of text for the file's ``__metadata__``; names beginning with ``s3dlio.`` are taken.
            compress: As for :func:`save_numpy_array`; lazy slices of a compressed object decompress only the frames they touch.
            checksums: Keep each tensor's CRC32C, and the header's, in the file. False writes byte for byte what the
                safetensors package would.
            max_shard_size: Bytes of tensors in one file at most, or text: ``"5GB"`` is 5 * 10^9, ``"5GiB"`` 5 * 2^30; a larger tensor
                has a file alone. None: one object.
            overwrite: False creates the object or fails.
            durable: Have it on the device, name and all, before this returns. None: as the store was opened.
            attributes: What the store keeps with the object, as for ``put_bytes``.
            tags: As for ``put_bytes``.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            What was written, ``uri`` with ``.zst`` where it is compressed. As text it is the checksum of the safetensors bytes, header
            included, before any compression: ``crc32c:xxxxxxxx``.

        Raises:
            InvalidArgumentError: A value that is no tensor, a dtype the format lacks, or a name it cannot hold.
            AlreadyExistsError: ``overwrite=False`` and the object exists; or, compressed, the plain one does, as for
                :func:`save_numpy_array`.
        """
        return await awaited(
            "Store.aio.save_tensors",
            _tensors.save_tensors,
            self._at(key),
            tensors,
            metadata,
            compress=compress,
            checksums=checksums,
            max_shard_size=max_shard_size,
            overwrite=overwrite,
            durable=durable,
            attributes=attributes,
            tags=tags,
            progress=progress,
            timeout=timeout,
        )

    async def load_tensors(
        self,
        key: str,
        names: Iterable[str] | None = None,
        framework: Framework = "np",
        *,
        out: Mapping[str, Any] | None = None,
        mmap: bool = False,
        device: Any = None,
        verify: Verify = "auto",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Loads tensors of a safetensors object of any writer, or of a model in several objects, each straight into its own memory.

        Args:
            key: Which object; where it is missing, the compressed one of the name with ``.zst`` behind it. Or a model's index
                (``….safetensors.index.json``), or the directory of ``model.safetensors`` or of its index.
            names: Which tensors; None for all. Only their bytes are read.
            framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
            out: Arrays or tensors to load into, by name; those not named are allocated.
            mmap: Map a local file in place of reading it: processes share its pages, and one that writes to a tensor gets pages of its own.
                It is compared in one pass over the mapping. What cannot be mapped (an object of a server, a compressed one) is read, and
                the log of ``s3dlio`` says why.
            device: torch's device that the tensors are for, such as ``"cuda:0"``; needs ``framework="pt"``. They pass through three pieces
                of pinned memory of 64 MiB, or of the largest tensor's size: one is read into while the GPU takes the others.
            verify: ``"auto"`` compares each tensor with its checksum, where the file has them; a file without is compared as a whole
                when all of it is read and the store has a checksum for it. ``"require"`` refuses where nothing is recorded. False compares
                nothing.
            progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The tensors by name, in the order of ``names`` or of the file; of a model of several files, file by file.

        Raises:
            NotFoundError: There is no such object, or a file that the index names is not there.
            InvalidDataError: It breaks a rule of the format; an index that names files elsewhere, or tensors that its files do not have.
            InvalidArgumentError: A name it does not hold, ``out`` that does not fit, or a ``device`` that torch does not have.
            ChecksumMismatchError: A tensor's bytes are not those that were written; the error names it.
        """
        return await awaited(
            "Store.aio.load_tensors",
            _tensors.load_tensors,
            self._at(key),
            names,
            framework,
            out=out,
            mmap=mmap,
            device=device,
            verify=verify,
            progress=progress,
            timeout=timeout,
        )

    async def open_tensors(
        self,
        key: str,
        framework: Framework = "np",
        *,
        mmap: bool = False,
        timeout: float | None = None,
    ) -> TensorFile:
        """Opens a safetensors object: its header is read and checked, its tensors are fetched as they are asked for.

        Args:
            key: Which object.
            framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
            mmap: Map a local file, as ``load_tensors`` does; each tensor is compared when it is asked for the first time.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            A mapping from names to lazy tensors, to be closed or used in a ``with`` statement.

        Raises:
            NotFoundError: There is no such object.
            InvalidDataError: It breaks a rule of the format.
        """
        return await awaited("Store.aio.open_tensors", _tensors.open_tensors, self._at(key), framework, mmap=mmap, timeout=timeout)

    async def list_uploads(
        self,
        prefix: str = "",
        older_than: float = 0,
        *,
        timeout: float | None = None,
    ) -> builtins.list[dict[str, Any]]:
        """Multipart uploads that were begun and not ended: those under way, and what processes that died left behind.

        They are in no listing of objects and are paid for all the same.

        Args:
            prefix: The object, prefix or bucket that they are of; ``run1`` does not mean ``run10``.
            older_than: Seconds; only those begun at least so long ago.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            For each its object's address as ``uri``, the server's ``upload_id``, and ``begun`` (ISO 8601, UTC, or None). Stores
            without such a thing have none.

        Raises:
            PermissionDeniedError: The credentials may not list them.
        """
        return await awaited("Store.aio.list_uploads", _containers.list_uploads, self._at(prefix), older_than, timeout=timeout)

    async def abort_uploads(
        self,
        prefix: str = "",
        older_than: float = 86400,
        *,
        timeout: float | None = None,
    ) -> builtins.list[dict[str, Any]]:
        """Aborts unfinished multipart uploads.

        An upload that is still being written fails for its writer, so only uploads older than a day are aborted by default.

        Args:
            prefix: The object, prefix or bucket that they are of.
            older_than: Seconds; only those begun at least so long ago.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            Those that were aborted, as ``list_uploads`` gives them.

        Raises:
            PermissionDeniedError: The credentials may not list or abort them.
        """
        return await awaited("Store.aio.abort_uploads", _containers.abort_uploads, self._at(prefix), older_than, timeout=timeout)

    async def presign(
        self,
        key: str,
        method: Literal["GET", "PUT", "HEAD", "DELETE"] = "GET",
        expires_in: int = 3600,
        *,
        timeout: float | None = None,
    ) -> str:
        """A presigned URL: it gives access to the object for a limited time without credentials.

        Args:
            key: Which object, on S3 or Azure.
            method: What it allows.
            expires_in: Seconds, at most seven days.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            An https address. Keep it as you keep a password.

        Raises:
            InvalidArgumentError: The store has no such addresses.
        """
        return await awaited("Store.aio.presign", _containers.presign, self._at(key), method, expires_in, timeout=timeout)

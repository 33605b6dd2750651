"""Exceptions: one for each kind of failure, each also the builtin that fits, so that existing ``except`` clauses work.

Every exception carries ``uri`` (the object or store, never with credentials), ``detail`` (expected, found, what to do)
and ``offset`` (the byte of the object where the fault was found, or ``None``).
"""

from __future__ import annotations

import errno as _errno

__all__ = [
    "AlreadyExistsError",
    "AuthenticationError",
    "BulkError",
    "CancelledError",
    "ChecksumMismatchError",
    "ClosedError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "IsDirectoryError",
    "NotDirectoryError",
    "NotFoundError",
    "OutOfSpaceError",
    "PermissionDeniedError",
    "PreconditionError",
    "S3dlioError",
    "StoreTimeoutError",
    "UnavailableError",
]


class S3dlioError(Exception):
    """Any failure of this library.

    Attributes:
        uri: The object or store concerned.
        detail: Expected, found, and what to do.
        offset: Byte offset in the object, or None.
    """

    #: What ``OSError.errno`` says where the class is one.
    _errno: int | None = None

    def __init__(self, message: str, uri: str = "", detail: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self._message = message
        self.uri = uri
        self.detail = detail or message
        self.offset = offset
        if isinstance(self, OSError):
            _fill_os_error(self, self._errno, self.detail, uri)

    def __str__(self) -> str:
        return self._message

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._message, self.uri, self.detail, self.offset)


def _fill_os_error(error: OSError, number: int | None, detail: str, uri: str) -> None:
    if number is not None:
        error.errno = number
    error.strerror, error.filename = detail, uri or None


class NotFoundError(S3dlioError, FileNotFoundError):
    """The object, its parent or its bucket is not there."""

    _errno = _errno.ENOENT


class AlreadyExistsError(S3dlioError, FileExistsError):
    """``overwrite=False`` met an object of that name; it was left untouched."""

    _errno = _errno.EEXIST


class PreconditionError(S3dlioError, OSError):
    """A condition of the call, such as an ETag, no longer holds."""

    _errno = _errno.ESTALE


class PermissionDeniedError(S3dlioError, PermissionError):
    """Known credentials that may not do this."""

    _errno = _errno.EACCES


class AuthenticationError(S3dlioError, PermissionError):
    """Credentials that are missing, wrong or expired."""

    _errno = _errno.EACCES


class InvalidArgumentError(S3dlioError, ValueError):
    """The call itself is wrong; repeating it cannot help."""


class InvalidDataError(S3dlioError, ValueError):
    """The object is there and is not what its format demands."""


class ChecksumMismatchError(InvalidDataError):
    """The bytes read are not the bytes that were written."""


class StoreTimeoutError(S3dlioError, TimeoutError):
    """The time given for the call ran out."""

    _errno = _errno.ETIMEDOUT


class UnavailableError(S3dlioError, ConnectionError):
    """The store cannot be reached or cannot answer now; trying later may help."""

    _errno = _errno.EIO


class OutOfSpaceError(S3dlioError, OSError):
    """The disk, the quota or the memory is full; nothing was left behind."""

    _errno = _errno.ENOSPC


class CancelledError(S3dlioError):
    """The operation was cancelled."""


class ClosedError(S3dlioError, ValueError):
    """The store, file or operation was closed before the call."""


class InternalError(S3dlioError, RuntimeError):
    """A fault of this library: please report it."""


class IsDirectoryError(S3dlioError, IsADirectoryError):
    """A directory stands where an object was asked for."""

    _errno = _errno.EISDIR


class NotDirectoryError(S3dlioError, NotADirectoryError):
    """An object stands where the path needs a directory."""

    _errno = _errno.ENOTDIR


class BulkError(S3dlioError):
    """Some objects of a call over many failed.

    Attributes:
        failures: The exceptions by address, in the order of the call.
        results: ``(uri, result)`` of all the others, in the order of the call.
    """

    def __init__(self, verb: str, failures: dict[str, S3dlioError], results: list[tuple[object, object]], total: int) -> None:
        first = next(iter(failures.values()))
        super().__init__(f"{len(failures)} of {total} objects could not be {verb}; the first: {first}", first.uri, first.detail)
        self._arguments = (verb, failures, results, total)
        self.failures = failures
        self.results = results

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._arguments


#: The classes by the status codes of ``s3dlio.h``.
_BY_STATUS: dict[int, type[S3dlioError]] = {
    1: NotFoundError,
    2: AlreadyExistsError,
    3: PreconditionError,
    4: PermissionDeniedError,
    5: AuthenticationError,
    6: InvalidArgumentError,
    7: InvalidDataError,
    8: ChecksumMismatchError,
    9: StoreTimeoutError,
    10: UnavailableError,
    11: OutOfSpaceError,
    12: CancelledError,
    13: ClosedError,
    14: InternalError,
    15: IsDirectoryError,
    16: NotDirectoryError,
}

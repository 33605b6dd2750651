"""Exceptions: one for each kind of failure, each also the builtin that fits, so that existing ``except`` clauses work.

Where one kind has several causes that are mended in different ways, each cause has a subclass of the kind's class.

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
    "CertificateError",
    "ChecksumMismatchError",
    "ChecksumWarning",
    "ClockSkewError",
    "ClosedError",
    "ExpiredCredentialsError",
    "ForkError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "IsDirectoryError",
    "NameResolutionError",
    "NoChecksumError",
    "NoCredentialsError",
    "NoSuchAccountError",
    "NoSuchBucketError",
    "NotDirectoryError",
    "NotFoundError",
    "OutOfSpaceError",
    "PermissionDeniedError",
    "PreconditionError",
    "S3dlioError",
    "StoreConnectionRefusedError",
    "StoreTimeoutError",
    "UnavailableError",
    "UnknownAccessKeyError",
    "UnknownTensorError",
    "WrongRegionError",
    "WrongSecretError",
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


class UnknownTensorError(InvalidArgumentError, KeyError):
    """A tensor file holds no tensor of that name."""


class InvalidDataError(S3dlioError, ValueError):
    """The object is there and is not what its format demands."""


class ChecksumMismatchError(InvalidDataError):
    """The bytes read are not the bytes that were written."""


class NoChecksumError(InvalidDataError):
    """A checked read was asked for, and nothing is recorded with the object to check its bytes with."""


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


class ForkError(S3dlioError, RuntimeError):
    """This process was forked from one that used the library.

    The system does not let it load a copy of its own, or what it uses is the parent's alone.
    """


class IsDirectoryError(S3dlioError, IsADirectoryError):
    """A directory stands where an object was asked for."""

    _errno = _errno.EISDIR


class NotDirectoryError(S3dlioError, NotADirectoryError):
    """An object stands where the path needs a directory."""

    _errno = _errno.ENOTDIR


class UnknownAccessKeyError(AuthenticationError):
    """The service does not know the access key's id: it is mistyped, deleted, or another service's."""


class WrongSecretError(AuthenticationError):
    """The secret key, account key or shared access signature does not belong to the login."""


class ExpiredCredentialsError(AuthenticationError):
    """Credentials that were valid once; new ones are needed."""


class NoCredentialsError(AuthenticationError):
    """No credentials were given, and none were found in the environment, profiles and services that have some."""


class ClockSkewError(AuthenticationError):
    """This machine's clock and the service's differ by more than signatures allow."""


class NoSuchBucketError(NotFoundError):
    """The bucket or container is not there, so no object of it is."""


class NoSuchAccountError(NotFoundError):
    """There is no storage account of that name."""


class CertificateError(UnavailableError):
    """The server's TLS certificate is not trusted (see option ``ca_bundle``), has expired, or is another host's."""


class StoreConnectionRefusedError(UnavailableError, ConnectionRefusedError):
    """Nothing listens at the address."""

    _errno = _errno.ECONNREFUSED


class NameResolutionError(UnavailableError):
    """The host's name cannot be resolved."""


class WrongRegionError(InvalidArgumentError):
    """The bucket is in another region than the one that was given."""


class BulkError(S3dlioError):
    """Some objects of a call over many failed.

    Attributes:
        errors: The exceptions by index: the place of the object in the call, from 0 on. An address that was given twice has two.
        failures: The exceptions by address, in the order of the call; of an address that failed twice, the first.
        results: ``(uri, result)`` of all the others, in the order of the call.
    """

    def __init__(
        self, verb: str, errors: dict[int, S3dlioError], uris: dict[int, str], results: list[tuple[object, object]], total: int
    ) -> None:
        first = next(iter(errors.values()))
        super().__init__(f"{len(errors)} of {total} objects could not be {verb}; the first: {first}", first.uri, first.detail)
        self._arguments = (verb, errors, uris, results, total)
        self.errors = errors
        self.failures: dict[str, S3dlioError] = {}
        for index, error in errors.items():
            self.failures.setdefault(uris[index], error)
        self.results = results

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._arguments


class ChecksumWarning(UserWarning):
    """A server labels its checksums wrongly; objects are compared with what the values are."""

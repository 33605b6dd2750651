"""The exception of each failure that the library tells."""

from __future__ import annotations

from typing import Any

from ..exceptions import (
    AlreadyExistsError,
    AuthenticationError,
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
    NoChecksumError,
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
    WrongRegionError,
    WrongSecretError,
)

#: The classes by the status codes of ``s3dlio.h``.
BY_STATUS: dict[int, type[S3dlioError]] = {
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

#: The classes by status and reason, where a status has several.
BY_REASON: dict[tuple[int, int], type[S3dlioError]] = {
    (5, 1): UnknownAccessKeyError,
    (5, 2): WrongSecretError,
    (5, 3): ExpiredCredentialsError,
    (5, 4): NoCredentialsError,
    (5, 5): ClockSkewError,
    (1, 6): NoSuchBucketError,
    (1, 7): NoSuchAccountError,
    (10, 8): CertificateError,
    (10, 9): StoreConnectionRefusedError,
    (10, 10): NameResolutionError,
    (6, 11): WrongRegionError,
    (7, 12): NoChecksumError,
}


def error_class(status: int, reason: int) -> type[S3dlioError]:
    """The class of a failure; that of its status where the reason is a later library's."""
    return BY_REASON.get((status, reason), BY_STATUS.get(status, InternalError))


def to_error(told: dict[str, Any]) -> S3dlioError:
    """The exception for a failure that a result tells of."""
    kind = error_class(told["kind"], told.get("reason", 0))
    return kind(told["message"], told["uri"], told["detail"], told.get("offset"))


def errors_by_place(report: dict[str, Any]) -> dict[int, S3dlioError]:
    """The exceptions of the objects of a call that failed, by their places in the call."""
    return {told["index"]: to_error(told) for told in report["errors"]}

"""What this library raises: one class for each kind of failure, each also the builtin that fits.

``except FileNotFoundError`` catches :class:`NotFoundError`, ``except PermissionError`` both kinds of refusal, ``except OSError`` whatever a
store says, ``except ValueError`` wrong arguments and damaged data, and :class:`S3dlioError` all of them. Each has ``uri``, ``detail`` and
``offset``. docs/errors.md tells of each when it is raised and what to do.

Example:
    >>> import s3dlio
    >>> try:
    ...     s3dlio.get("memory://doc/not-there")
    ... except s3dlio.errors.NotFoundError as error:
    ...     print(error.uri)
    memory://doc/not-there
"""

from . import exceptions
from ._checkpoints._info import CheckpointWarning
from .exceptions import *  # noqa: F403

__all__ = ["CheckpointWarning"]
__all__ += exceptions.__all__


def __dir__() -> list[str]:
    return sorted(__all__)

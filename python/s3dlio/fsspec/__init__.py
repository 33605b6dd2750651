"""s3dlio for fsspec, and so for pandas, pyarrow, zarr, xarray, dask and what else opens its files by fsspec.

Importing this needs fsspec; ``import s3dlio`` does not. The protocols ``s3dlio+s3``, ``s3dlio+az``, ``s3dlio+file``,
``s3dlio+direct`` and ``s3dlio+memory`` are there once s3dlio is installed or this module is imported; :func:`register` has others, such as
``s3``, served by s3dlio too. docs/fsspec.md tells the rest.

Example:
    >>> import fsspec  # doctest: +SKIP
    >>> with fsspec.open("s3dlio+memory://doc/hello.txt", "wt") as file:  # doctest: +SKIP
    ...     file.write("hello")
"""

import atexit as _atexit
import sys as _sys
import time as _time

try:
    import fsspec as _fsspec  # noqa: F401
    from fsspec.asyn import AsyncFileSystem as _AsyncFileSystem  # noqa: F401
except ImportError as error:
    raise ImportError(f"s3dlio.fsspec needs fsspec 2025.2 or newer, which cannot be imported here: {error}") from error

from ._files import ReadFile, WriteFile
from ._protocols import (
    AzureFileSystem,
    DirectFileSystem,
    MemoryFileSystem,
    PosixFileSystem,
    S3FileSystem,
    register,
)
from ._system import S3dlioFileSystem

register(())

#: Seconds that the end of the interpreter leaves to pyarrow's threads.
_ARROW_END = 0.05


def _before_end() -> None:
    # A scan by pyarrow.dataset returns before its threads have released what they read. One that needs the interpreter after its end waits
    # for ever, and so does the process (with any file that is written in Python, under Python 3.14).
    if "pyarrow.dataset" in _sys.modules:
        _time.sleep(_ARROW_END)


_atexit.register(_before_end)

__all__ = [
    "AzureFileSystem",
    "DirectFileSystem",
    "MemoryFileSystem",
    "PosixFileSystem",
    "ReadFile",
    "S3FileSystem",
    "S3dlioFileSystem",
    "WriteFile",
    "register",
]

"""One class for each kind of address, and how fsspec gets to know them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import fsspec
from fsspec.utils import stringify_path

from .._core._address import absolute_path
from ..exceptions import InvalidArgumentError
from ._operations import Operations
from ._settings import of_azure, of_others, of_s3
from ._system import S3dlioFileSystem

#: What Hadoop's drivers write: the container, and the host that has the account in front.
_ABFS = re.compile(r"abfss?://(?P<container>[^/@]+)@(?P<account>[^/.@]+)\.[^/]*(?:/(?P<key>.*))?", re.S)


class S3FileSystem(S3dlioFileSystem):
    """Amazon S3 and what speaks it: ``s3dlio+s3://bucket/key``.

    Takes s3dlio's options, and those of s3fs that have a counterpart: ``key``, ``secret``, ``token``, ``anon``, ``endpoint_url``,
    ``profile``, ``requester_pays`` and ``client_kwargs``.

    Example:
        >>> import s3dlio.fsspec  # doctest: +SKIP
        >>> fs = s3dlio.fsspec.S3FileSystem(endpoint_url="http://127.0.0.1:9000", key="me", secret="mine")  # doctest: +SKIP
        >>> fs.ls("bucket/run1")  # doctest: +SKIP
    """

    scheme = "s3"
    protocol: ClassVar[str | tuple[str, ...]] = ("s3dlio+s3", "s3", "s3a")

    def _made(self, options: Mapping[str, Any], verify: Any) -> Operations:
        return Operations(self.scheme, self.parts, "", of_s3(options), verify)


class AzureFileSystem(S3dlioFileSystem):
    """Azure Blob Storage: ``s3dlio+az://account/container/key``, or with ``account_name`` ``s3dlio+az://container/key``.

    Args:
        account_name: The account; paths then begin with the container, as adlfs has them.
            ``abfs://container@account.dfs.core.windows.net/key`` names it too.
        options: s3dlio's options; those of adlfs have the same names.
    """

    scheme = "az"
    parts = 2
    protocol: ClassVar[str | tuple[str, ...]] = ("s3dlio+az", "az", "abfs", "abfss")

    def __init__(self, *, account_name: str | None = None, **options: Any) -> None:
        self._account = account_name
        super().__init__(**options)

    def _made(self, options: Mapping[str, Any], verify: Any) -> Operations:
        if self._account is None:
            return Operations(self.scheme, 2, "", of_azure(options), verify)
        return Operations(self.scheme, 1, f"{self._account}/", of_azure(options), verify)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = stringify_path(path)
        found = _ABFS.fullmatch(text)
        if found is not None:
            text = f"{found['container']}/{found['key'] or ''}"
        return super()._strip_protocol(text)

    @staticmethod
    def _get_kwargs_from_urls(path: Any) -> dict[str, Any]:
        found = _ABFS.fullmatch(stringify_path(path))
        return {} if found is None else {"account_name": found["account"]}


class MemoryFileSystem(S3dlioFileSystem):
    """Objects in the memory of this process: ``s3dlio+memory://name/key``."""

    scheme = "memory"
    protocol: ClassVar[str | tuple[str, ...]] = "s3dlio+memory"


class PosixFileSystem(S3dlioFileSystem):
    """Local files, written atomically and with their checksums: ``s3dlio+file:///path``, or paths.

    It has not the name of fsspec's own class, which pyarrow takes as a sign to open files by itself.

    Args:
        auto_mkdir: As fsspec's own has it. Directories that a file needs are always made.
        options: s3dlio's options.
    """

    scheme = "file"
    parts = 0
    root_marker = "/"
    protocol: ClassVar[str | tuple[str, ...]] = ("s3dlio+file", "file", "local")
    local_file = True

    def __init__(self, *, auto_mkdir: bool = True, **options: Any) -> None:
        self.auto_mkdir = auto_mkdir
        super().__init__(**options)

    def _made(self, options: Mapping[str, Any], verify: Any) -> Operations:
        return Operations(self.scheme, self.parts, "", of_others(options), verify)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = stringify_path(path)
        for name in (cls.protocol,) if isinstance(cls.protocol, str) else cls.protocol:
            for start in (f"{name}://", f"{name}:"):
                if text.startswith(start):
                    text = text[len(start) :]
                    break
        return absolute_path(os.path.expanduser(text or ".")).rstrip("/") or "/"


class DirectFileSystem(PosixFileSystem):
    """Local files past the page cache, by O_DIRECT: ``s3dlio+direct:///path``."""

    scheme = "direct"
    protocol: ClassVar[str | tuple[str, ...]] = "s3dlio+direct"


_CLASSES: dict[str, type[S3dlioFileSystem]] = {
    "s3dlio+s3": S3FileSystem,
    "s3dlio+az": AzureFileSystem,
    "s3dlio+file": PosixFileSystem,
    "s3dlio+direct": DirectFileSystem,
    "s3dlio+memory": MemoryFileSystem,
}
_OTHERS: dict[str, type[S3dlioFileSystem]] = {
    "s3": S3FileSystem,
    "s3a": S3FileSystem,
    "az": AzureFileSystem,
    "abfs": AzureFileSystem,
    "abfss": AzureFileSystem,
    "file": PosixFileSystem,
    "local": PosixFileSystem,
}


def register(protocols: Iterable[str]) -> None:
    """Has s3dlio serve protocols that other packages have too; in this process, from now on.

    Args:
        protocols: Of ``"s3"``, ``"s3a"``, ``"az"``, ``"abfs"``, ``"abfss"``, ``"file"`` and ``"local"``; s3dlio's own are always served.

    Raises:
        InvalidArgumentError: Another one; nothing was changed.

    Example:
        >>> import s3dlio.fsspec  # doctest: +SKIP
        >>> s3dlio.fsspec.register(["s3", "az", "abfs"])  # doctest: +SKIP
    """
    if isinstance(protocols, str):
        raise InvalidArgumentError(f"register takes a list of protocols; write [{protocols!r}]")
    chosen = list(protocols)
    wrong = [name for name in chosen if name not in _OTHERS and name not in _CLASSES]
    if wrong:
        raise InvalidArgumentError(f"s3dlio does not serve {', '.join(map(repr, wrong))}; it can serve {', '.join(_OTHERS)}")
    for name, kind in _CLASSES.items():
        fsspec.register_implementation(name, kind, clobber=True)
    for name in chosen:
        fsspec.register_implementation(name, _OTHERS.get(name) or _CLASSES[name], clobber=True)

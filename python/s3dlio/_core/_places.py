"""Directories of this machine and prefixes in stores, where logs and tables lie."""

from __future__ import annotations

import os

from ..exceptions import InvalidArgumentError
from ._address import Location, resolve
from ._options import StorageOptions


def text_of(path: str | os.PathLike[str], noun: str) -> str:
    """A path or an address as text, less what says that it is a file's."""
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidArgumentError(f"a {noun} is named by a path of text, found {path!r:.100}")
    return text.removeprefix("file://")


def directory_of(path: str | os.PathLike[str], noun: str, instead: str = "") -> str:
    """The absolute path of a directory.

    Args:
        path: It, or ``file:///path``.
        noun: What lies in it.
        instead: What to do with one that is in a store.

    Raises:
        InvalidArgumentError: It is in a store, or no text.
    """
    text = text_of(path, noun)
    if "://" in text:
        raise InvalidArgumentError(
            f"{text}: this {noun} has to be a directory of a local file system; give a path or file:///path{instead}", text
        )
    return os.path.abspath(text)


def folder_of(uri: str | os.PathLike[str], storage_options: StorageOptions | None) -> Location:
    """A prefix in a store."""
    place = resolve(uri, storage_options)
    return place._replace(key=place.key.rstrip("/"))

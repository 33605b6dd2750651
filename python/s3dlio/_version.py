"""The package's version, as its metadata or else its library says."""

from __future__ import annotations


def find_version() -> str:
    """The version of the installed package; of the library where the package is used without being installed."""
    from importlib import metadata

    try:
        return metadata.version("s3dlio")
    except metadata.PackageNotFoundError:
        from ._core import _native

        return _native.version()

"""DLIO's benchmark over s3dlio: its storage type ``s3dlio``, or s3dlio in the place of its ``s3`` for torch. The original's names.

``install_s3dlio_storage(path)`` adds the type to a DLIO that may be changed, ``generate_patch`` writes what it changes as a patch.

Example:
    >>> from s3dlio.integrations.dlio import install_s3dlio_storage
    >>> install_s3dlio_storage("/opt/dlio_benchmark")  # doctest: +SKIP
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...exceptions import InvalidArgumentError

__all__ = [
    "generate_patch",
    "get_s3dlio_storage_content",
    "get_s3dlio_storage_path",
    "get_storage_file_content",
    "get_storage_file_path",
    "install_dropin_replacement",
    "install_s3dlio_storage",
    "install_to_dlio",
]

_Path = str | os.PathLike[str]

_BACKUP = ".original.bak"


def get_s3dlio_storage_path() -> str:
    """The file that DLIO gets for its storage type ``s3dlio``."""
    return str(Path(__file__).parent / "s3dlio_storage.py")


def get_s3dlio_storage_content() -> str:
    """Its text."""
    return Path(get_s3dlio_storage_path()).read_text(encoding="utf-8")


def get_storage_file_path() -> str:
    """The file that takes the place of DLIO's ``s3_torch_storage.py``."""
    return str(Path(__file__).parent / "s3_torch_storage.py")


def get_storage_file_content() -> str:
    """Its text."""
    return Path(get_storage_file_path()).read_text(encoding="utf-8")


def generate_patch(dlio_path: _Path | None = None, output_file: _Path | None = None) -> str:
    """Writes what ``install_s3dlio_storage`` would change of a DLIO, for ``patch -p1`` in the folder that holds ``dlio_benchmark``.

    Args:
        dlio_path: The package ``dlio_benchmark``, or the folder that holds it; None: the one that is installed.
        output_file: Where the patch goes; None: ``dlio_s3dlio.patch``, here.

    Returns:
        Where it is.

    Raises:
        InvalidArgumentError: There is no DLIO, or one whose sources have other lines.
    """
    folder = _package(dlio_path)
    found = ""
    for name, old, new in _changes(folder):
        found += "".join(
            difflib.unified_diff(
                old.splitlines(True),
                new.splitlines(True),
                f"a/dlio_benchmark/{name}" if old else "/dev/null",
                f"b/dlio_benchmark/{name}",
            )
        )
    target = Path("dlio_s3dlio.patch" if output_file is None else output_file)
    target.write_text(found, encoding="utf-8")
    return str(target)


def install_s3dlio_storage(dlio_path: _Path) -> str:
    """Gives a DLIO the storage type ``s3dlio``; its files that change are kept with ``.original.bak`` behind their names.

    Args:
        dlio_path: The package ``dlio_benchmark``, or the folder that holds it.

    Returns:
        The file that was added. A configuration then has ``storage: {storage_type: s3dlio, storage_root: "s3://bucket/prefix"}``.

    Raises:
        InvalidArgumentError: There is no DLIO, or one whose sources have other lines; nothing is changed then.
    """
    folder = _package(dlio_path)
    for name, old, new in list(_changes(folder)):
        if old:
            _keep(folder / name)
        (folder / name).write_text(new, encoding="utf-8")
    return str(folder / "storage/s3dlio_storage.py")


def install_dropin_replacement(dlio_path: _Path) -> str:
    """Puts s3dlio in the place of DLIO's ``s3_torch_storage.py``, which is kept with ``.original.bak`` behind its name.

    Args:
        dlio_path: The package ``dlio_benchmark``, or the folder that holds it.

    Returns:
        The file.

    Raises:
        InvalidArgumentError: There is no DLIO.
    """
    target = _package(dlio_path) / "storage/s3_torch_storage.py"
    if target.exists():
        _keep(target)
    target.write_text(get_storage_file_content(), encoding="utf-8")
    return str(target)


#: The older name.
install_to_dlio = install_dropin_replacement


def _package(path: _Path | None) -> Path:
    """The folder of the package."""
    if path is None:
        from importlib.util import find_spec

        spec = find_spec("dlio_benchmark")
        if spec is None or not spec.submodule_search_locations:
            raise InvalidArgumentError("dlio_benchmark is not installed here; give the folder that it is in")
        path = spec.submodule_search_locations[0]
    for folder in (Path(path), Path(path) / "dlio_benchmark"):
        if (folder / "storage").is_dir():
            return folder
    raise InvalidArgumentError(f"{path}: no DLIO benchmark: there is no folder storage in it")


def _keep(file: Path) -> None:
    backup = file.with_name(file.name + _BACKUP)
    # the first one is the original's
    if not backup.exists():
        shutil.copy2(file, backup)


def _changes(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The files that the storage type needs, each with its text before and after; those that have it are left out."""
    yield from _change(folder, "common/enumerations.py", r"^(\s+)S3 *= *(['\"])s3\2 *\n", "S3DLIO =", r"\g<0>\1S3DLIO = \2s3dlio\2\n")
    branch = (
        r"\1elif storage_type == StorageType.S3DLIO:\n"
        r"\1    from dlio_benchmark.storage.s3dlio_storage import S3dlioStorage\n"
        r"\1    return S3dlioStorage(namespace, framework)\n\g<0>"
    )
    yield from _change(folder, "storage/storage_factory.py", r"^( *)elif storage_type == StorageType\.S3:", "StorageType.S3DLIO", branch)
    added = folder / "storage/s3dlio_storage.py"
    old = added.read_text(encoding="utf-8") if added.exists() else ""
    if old != get_s3dlio_storage_content():
        yield "storage/s3dlio_storage.py", old, get_s3dlio_storage_content()


def _change(folder: Path, name: str, where: str, mark: str, into: str) -> Iterator[tuple[str, str, str]]:
    try:
        old = (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidArgumentError(
            f"{folder / name}: a DLIO benchmark has this file; this one has other sources than those known"
        ) from None
    if mark in old:
        return
    new, count = re.subn(where, into, old, count=1, flags=re.MULTILINE)
    if not count:
        raise InvalidArgumentError(
            f"{folder / name}: no line there has StorageType's S3: the sources are others than those known; "
            f"add S3DLIO by hand and copy {get_s3dlio_storage_path()} to {folder / 'storage'}"
        )
    yield name, old, new

"""What the tests share: a place in every store, and children that run a script."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from second_run import pytest_addoption, pytest_collection_modifyitems  # noqa: F401  # hooks of pytest

import s3dlio

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # started by `nohup … &`; children would inherit that, and those of the tests of interrupts never hear theirs
    signal.signal(signal.SIGINT, signal.default_int_handler)

PACKAGE = Path(s3dlio.__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]

#: Every name that ``s3dlio.NAME`` is for, new and old; modules are not among them.
NAMES = sorted(name for name in {*dir(s3dlio), *s3dlio.compat.__all__} - {*s3dlio._MODULES, "__version__"})


def takes_direct(folder: Path) -> bool:
    """Whether the folder's file system takes O_DIRECT."""
    probe = folder / f"probe-{uuid.uuid4()}"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def keeps_attributes(folder: Path) -> bool:
    """Whether the folder's file system keeps extended attributes, in which checksums are recorded."""
    probe = folder / f"probe-{uuid.uuid4()}"
    probe.touch()
    try:
        os.setxattr(probe, "user.probe", b"x")
    except OSError:
        return False
    finally:
        probe.unlink()
    return True


class Base:
    """A place of this test's own in one store."""

    def __init__(self, kind: str, folder: Path | None) -> None:
        self.kind = kind
        self.folder = folder
        self.uri = f"memory://{uuid.uuid4()}" if folder is None else {"direct": "direct://", "path": ""}.get(kind, "file://") + str(folder)

    def at(self, key: str) -> Any:
        """The address of a key, in the form that this base is there to try."""
        return self.folder / key if self.kind == "pathlib" and self.folder is not None else self.text(key)

    def text(self, key: str = "") -> str:
        """The address as listings print it."""
        start = str(self.folder) if self.kind == "pathlib" else self.uri
        return f"{start}/{key}"

    def files(self) -> list[str]:
        """Every file below, hidden ones too; only of stores that have files."""
        assert self.folder is not None
        return files_below(self.folder)


def files_below(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(str(Path(where, name).relative_to(folder)) for where, _, names in os.walk(folder) for name in names)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that takes O_DIRECT: the temporary one, or else one beside the sources."""
    if takes_direct(tmp_path):
        yield tmp_path
        return
    build = CHECKOUT / "build"
    try:
        build.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=build) as made:
            if takes_direct(Path(made)):
                yield Path(made)
                return
    except OSError:
        pass
    pytest.skip(f"neither the file system of {tmp_path} nor that of {build} takes O_DIRECT")


@pytest.fixture(params=["uri", "path", "pathlib", "direct", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    """A place in each store, by each way to say where it is."""
    if request.param == "direct":
        return Base("direct", request.getfixturevalue("disk"))
    return Base(request.param, None if request.param == "memory" else tmp_path)


@pytest.fixture(params=["uri", "direct"])
def file_base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    """A place on each store that has files."""
    return Base(request.param, request.getfixturevalue("disk") if request.param == "direct" else tmp_path)


@pytest.fixture
def recorded(tmp_path: Path) -> None:
    """Skips where checksums cannot be recorded with files."""
    if not keeps_attributes(tmp_path):
        pytest.skip(f"the file system of {tmp_path} keeps no extended attributes")


Child = Callable[..., "subprocess.CompletedProcess[str]"]

#: For scripts of ``child``: does its work in a forked child, which must end well.
IN_CHILD = """
import os, signal, traceback

def in_child(work, *arguments):
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        code = 1
        try:
            work(*arguments)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child of {arguments} ended with {status}"
"""


@pytest.fixture
def child(tmp_path: Path) -> Child:
    """Runs a script in a Python of its own, which must end well, and in time, and say nothing on stderr."""

    def run(script: str, *arguments: object, timeout: float = 60, environment: dict[str, str] | None = None, check: bool = True) -> Any:
        file = tmp_path / "script.py"
        file.write_text(script)
        where = {"PYTHONPATH": str(PACKAGE.parent), "PYTHONWARNINGS": "ignore::DeprecationWarning", **(environment or {})}
        command = [sys.executable, "-X", "faulthandler", str(file), *map(str, arguments)]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **where}, cwd=tmp_path, check=False
        )
        if check:
            assert (ended.returncode, ended.stderr) == (0, ""), f"{ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    return run


def compiled(folder: Path, source: str) -> Path:
    """A shared library of C source."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc to compile a library with")
    (folder / "other.c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "other.so", folder / "other.c"], check=True)
    return folder / "other.so"

"""Type checkers read the package as it is meant; each test needs a checker that is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT, PACKAGE

pytestmark = pytest.mark.every_python

PROGRAM = Path(__file__).with_name("typed_program.py")


def _run(tmp_path: Path, *command: str) -> None:
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent), "PYTHONPATH": str(PACKAGE.parent)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_program_passes_mypy_strict(tmp_path: Path) -> None:
    mypy = shutil.which("mypy")
    if mypy is None:
        pytest.skip("there is no mypy")
    options = ["--strict", "--python-version", "3.10", "--follow-imports", "silent", "--cache-dir", str(tmp_path / "cache")]
    _run(tmp_path, mypy, *options, str(PROGRAM))


#: Modules that are imported by their whole names. Of those that are not there everything is ``Any``, as for mypy.
IMPORTED = re.compile(r"^\s*(?:from|import) ([A-Za-z_]\w*(?:\.\w+)*)", re.M)


def _pyright(tmp_path: Path, include: Path) -> None:
    pyright = shutil.which("pyright")
    if pyright is None:
        pytest.skip("there is no pyright")
    if shutil.which("node") is None:
        pytest.skip("pyright needs Node.js, which is not on PATH")
    stubs = tmp_path / "typings"
    for file in PACKAGE.rglob("*.py"):
        for name in IMPORTED.findall(file.read_text(encoding="utf-8")):
            parts = name.split(".")
            if parts[0] in sys.stdlib_module_names or importlib.util.find_spec(parts[0]) is not None:
                continue
            for count in range(1, len(parts) + 1):
                folder = stubs.joinpath(*parts[:count])
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "__init__.pyi").write_text("from typing import Any\n\ndef __getattr__(name: str) -> Any: ...\n")
    (tmp_path / "checked").symlink_to(include)
    settings = {
        "include": ["checked"],
        "extraPaths": [str(PACKAGE.parent)],
        "stubPath": str(stubs),
        "typeCheckingMode": "standard",
        "enableTypeIgnoreComments": True,
        "reportMissingModuleSource": False,
        "pythonVersion": "3.11",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    _run(tmp_path, pyright, "--pythonpath", sys.executable)


def test_program_passes_pyright(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    shutil.copy(PROGRAM, tmp_path / "program")
    _pyright(tmp_path, tmp_path / "program")


def test_package_passes_pyright(tmp_path: Path) -> None:
    _pyright(tmp_path, PACKAGE)


def test_options_by_name_are_those_of_the_configuration() -> None:
    from s3dlio.types import OptionNames

    page = CHECKOUT / "docs" / "configuration.md"
    if not page.is_file():
        pytest.skip("the package is not in a checkout")
    told = set(re.findall(r"^\| `(\w+)` \| ", page.read_text(encoding="utf-8"), re.M))
    assert told == set(OptionNames.__annotations__)

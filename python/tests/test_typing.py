"""Type checkers read the package as it is meant; each test needs a checker that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT, PACKAGE

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


def test_program_passes_pyright(tmp_path: Path) -> None:
    pyright = shutil.which("pyright")
    if pyright is None:
        pytest.skip("there is no pyright")
    shutil.copy(PROGRAM, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(
        f'{{"include": ["."], "extraPaths": ["{PACKAGE.parent}"], "typeCheckingMode": "standard", "enableTypeIgnoreComments": true, "pythonVersion": "3.11"}}'
    )
    _run(tmp_path, pyright, "--pythonpath", sys.executable)


def test_options_by_name_are_those_of_the_configuration() -> None:
    import re

    from s3dlio.types import OptionNames

    page = CHECKOUT / "docs" / "configuration.md"
    if not page.is_file():
        pytest.skip("the package is not in a checkout")
    told = set(re.findall(r"^\| `(\w+)` \| ", page.read_text(encoding="utf-8"), re.M))
    assert told == set(OptionNames.__annotations__)

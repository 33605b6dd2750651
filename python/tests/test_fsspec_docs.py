"""What docs/fsspec.md shows is what happens, each program in a Python of its own."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from conftest import CHECKOUT, Child

FILE = CHECKOUT / "docs" / "fsspec.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", FILE.read_text(encoding="utf-8"), re.S) if FILE.is_file() else []


def test_page_has_programs() -> None:
    if not FILE.is_file():
        pytest.skip("the package is not in a checkout")
    assert len(PROGRAMS) == 7


@pytest.mark.parametrize("program", PROGRAMS, ids=[str(number) for number in range(len(PROGRAMS))])
def test_programs_of_the_page_run(program: str, child: Child, tmp_path: Path) -> None:
    for module in sorted(set(re.findall(r"^import (\w+)", program, re.M)) - {"s3dlio"}):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"no {module}")
    folder = tmp_path / "data"
    folder.mkdir()
    child(program.replace("{folder}", str(folder)), environment={"PYTHONWARNINGS": "ignore"})

"""What docs/fsspec.md and docs/models.md show is what happens, each program in a Python of its own."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from conftest import CHECKOUT, Child

PAGES = {"fsspec.md": 9, "models.md": 8}
FILES = {name: CHECKOUT / "docs" / name for name in PAGES}
PROGRAMS = [
    pytest.param(text, id=f"{name}-{number}")
    for name, file in FILES.items()
    for number, text in enumerate(re.findall(r"```python\n(.*?)```", file.read_text(encoding="utf-8"), re.S) if file.is_file() else [])
]


def test_pages_have_programs() -> None:
    if not all(file.is_file() for file in FILES.values()):
        pytest.skip("the package is not in a checkout")
    assert len(PROGRAMS) == sum(PAGES.values())


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_of_the_pages_run(program: str, child: Child, tmp_path: Path) -> None:
    for module in sorted(set(re.findall(r"^import (\w+)", program, re.M)) - {"s3dlio"}):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"no {module}")
    folder = tmp_path / "data"
    folder.mkdir()
    quiet = {"PYTHONWARNINGS": "ignore", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    child(program.replace("{folder}", str(folder)), environment=quiet)

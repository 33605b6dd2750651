"""The programs of docs/datasets.md run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT

PAGE = (CHECKOUT / "docs" / "datasets.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_programs_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    assert len(PROGRAMS) == 2
    exec(compile(PROGRAMS[0], "datasets.md", "exec"), names)
    pytest.importorskip("torch")
    exec(compile(PROGRAMS[1], "datasets.md", "exec"), names)
    assert len(names["batch"]) == 500 % 32

"""The README is true: its program runs, its functions exist, its numbers of arguments are right."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import s3dlio

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.S)
FUNCTION = re.compile(r"`(\w+)\(([^`]*)\)`")


@pytest.mark.parametrize("program", PROGRAMS)
def test_readme_program_runs(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {})
    assert (np.load(tmp_path / "run1" / "weights.npy").shape) == (1024, 1024)


def test_readme_functions_exist_with_these_parameters() -> None:
    table = README.split("## Functions")[1].split("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    named = [match for row in rows for match in FUNCTION.findall(row.split(" | ")[0])]
    assert len(named) >= 15
    for name, parameters in named:
        if name in ("keys", "configure"):
            continue
        known = inspect.signature(getattr(s3dlio, name)).parameters
        for parameter in re.sub(r"\{.*?\}", "tensors", parameters).split(","):
            assert parameter.split("=")[0].strip() in known, f"{name}({parameters})"


def test_readme_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target

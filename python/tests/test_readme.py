"""The README is true: its program runs, its functions exist, its numbers of arguments are right."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.S)
FUNCTION = re.compile(r"`(\w+)\(([^`]*)\)`")


@pytest.mark.parametrize("program", PROGRAMS)
def test_readme_program_runs(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(program, "README.md", "exec"), names)
    if "weights" in names:
        assert (np.load(tmp_path / "run1" / "weights.npy").shape) == (1024, 1024)
    if "example" in names:
        assert names["example"]("memory://readme", None) == 100


@pytest.mark.parametrize("server", [s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def test_readme_program_for_clouds_runs_there(server: Callable[[], tuple[str, dict[str, Any]]]) -> None:
    uri, options = server()
    names: dict[str, Any] = {}
    exec(compile(next(program for program in PROGRAMS if "def example" in program), "README.md", "exec"), names)
    assert names["example"](f"{uri}/readme", options) == 100


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

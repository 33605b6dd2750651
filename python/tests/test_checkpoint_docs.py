"""What docs/checkpoints.md and the notebook show is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, PACKAGE

PAGE = (CHECKOUT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.parametrize("program", [text for text in PROGRAMS if "torch" not in text])
def test_programs_of_the_page_run(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(program, "checkpoints.md", "exec"), names)
    assert list((tmp_path / "runs").iterdir())


def test_program_for_torch_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch.distributed.checkpoint", reason="checkpoints of torch") and sys.modules["torch"]
    monkeypatch.chdir(tmp_path)
    (program,) = (text for text in PROGRAMS if "torch" in text)
    names: dict[str, Any] = {"state": {"w": torch.ones(3), "step": 1}}
    exec(compile(program.replace("s3://my-run", str(tmp_path / "run")), "checkpoints.md", "exec"), names)
    assert torch.equal(names["state"]["w"], torch.ones(3))


def test_notebook_runs(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(CHECKOUT / "examples" / "checkpoints.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("All of it is as it should be.\n")
    assert list(tmp_path.iterdir()) == []

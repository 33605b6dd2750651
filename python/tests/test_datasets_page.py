"""The programs of docs/datasets.md run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, PACKAGE

import s3dlio

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


def test_command_writes_a_manifest_and_verifies_it(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.txt"):
        s3dlio.put(tmp_path / "train" / name, name.encode())

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "s3dlio.datasets", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent, check=False)

    done = run("index", tmp_path / "train", tmp_path / "m", "--pattern", "*.jpg", "--checksums", "read")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("2 objects")
    done = run("verify", tmp_path / "m")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "2 objects, 0 changed\n")
    (tmp_path / "train" / "b.jpg").write_bytes(b"another")
    done = run("verify", tmp_path / "m")
    assert (done.returncode, done.stdout) == (1, f"{tmp_path}/train/b.jpg\n")
    done = run("verify", tmp_path / "none")
    assert done.returncode == 1 and done.stderr.startswith("s3dlio: ") and "Traceback" not in done.stderr

"""All Python of the repository passes ruff and has its form, as pyproject.toml configures both, where ruff is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from conftest import CHECKOUT


@pytest.mark.parametrize("step", [("check", "--output-format", "concise"), ("format", "--check")], ids=lambda step: step[0])
def test_sources_pass_ruff(step: tuple[str, ...]) -> None:
    ruff = shutil.which("ruff")
    if ruff is None or not (CHECKOUT / "pyproject.toml").is_file():
        pytest.skip("there is no ruff")
    ended = subprocess.run([ruff, *step, "--no-cache", "."], capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr

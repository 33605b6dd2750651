"""The package, its generator, the examples and the site's code pass ruff as pyproject.toml configures it, where ruff is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from conftest import CHECKOUT

CHECKED = ["python/s3dlio", "python/generate.py", "docs", "examples", "hatch_build.py"]


def test_sources_pass_ruff() -> None:
    ruff = shutil.which("ruff")
    if ruff is None or not (CHECKOUT / "pyproject.toml").is_file():
        pytest.skip("there is no ruff")
    ended = subprocess.run([ruff, "check", "--no-cache", "--output-format", "concise", *CHECKED], capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr

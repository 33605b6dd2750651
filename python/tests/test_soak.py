"""Seconds of the soak: ``tests/soak.py`` runs as long as one likes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT, PACKAGE
from servers_fixture import azure_server, s3_old_server, s3_server

SECONDS = os.environ.get("S3DLIO_SOAK_SECONDS", "4")


@pytest.mark.parametrize("place", ["file", "s3", "old s3", "azure"])
def test_threads_and_processes_mix_all_operations(tmp_path: Path, place: str) -> None:
    uri, options = f"file://{tmp_path}", {}
    if place != "file":
        uri, options = {"s3": s3_server, "old s3": s3_old_server, "azure": azure_server}[place]()
    command = [sys.executable, CHECKOUT / "tests/soak.py", "--uri", uri, "--options", json.dumps(options)]
    ended = subprocess.run(
        [*command, "--seconds", SECONDS, "--threads", "6", "--processes", "2"],
        capture_output=True,
        text=True,
        timeout=float(SECONDS) * 3 + 240,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        check=False,
    )
    assert ended.returncode == 0 and ended.stderr == "", f"{ended.stdout}\n{ended.stderr}"
    assert " 0 failures" in ended.stdout

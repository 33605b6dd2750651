"""Checkpoints and kill -9: nothing reported complete is damaged, nothing acknowledged is lost, on files and on servers.

``S3DLIO_CHECKPOINT_KILLS=300`` kills that often on each, ``S3DLIO_CHECKPOINT_SEED`` chooses other moments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio

KILLS = int(os.environ.get("S3DLIO_CHECKPOINT_KILLS", "12"))
SEED = int(os.environ.get("S3DLIO_CHECKPOINT_SEED", "0"))


def run(uri: str, options: dict[str, Any], seed: int) -> None:
    paths = [str(PACKAGE.parent), str(Path(__file__).parent)]
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        str(Path(__file__).with_name("checkpoint_kills.py")),
        uri,
        json.dumps(options),
        str(KILLS),
        str(seed),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300 + 20 * KILLS, env=environment, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-4000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    print(uri.split(":")[0], told)
    assert told["at_work"] >= KILLS, told


@pytest.mark.parametrize("seed", range(SEED, SEED + 2))
def test_killed_processes_leave_whole_checkpoints_on_files(tmp_path: Path, seed: int) -> None:
    # flat and plain, and by round robin; the third seed on is compressed
    run(f"file://{tmp_path}/run", {}, seed)


@pytest.mark.parametrize("server", [s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def test_killed_processes_leave_whole_checkpoints_on_servers(server: Callable[[], tuple[str, dict[str, Any]]]) -> None:
    uri, options = server()
    place = f"{uri}/kills-{os.getpid()}"
    run(place, options, SEED + 3)
    s3dlio.delete(place, recursive=True, storage_options=options)

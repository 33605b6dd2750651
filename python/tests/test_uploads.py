"""Multipart uploads that a process left behind when it died: found and thrown away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from servers_fixture import s3_old_server, s3_server

import s3dlio

PROGRAM = """
import json, sys
sys.path[:0] = {path!r}
import s3dlio
options = json.loads(sys.argv[2])
s3dlio.put_bytes(sys.argv[1], bytes(256 << 20), storage_options=options, progress=lambda done, total: done and print("under way", flush=True))
"""  # noqa: E501


@pytest.mark.parametrize("server", [s3_server, s3_old_server])
def test_upload_of_a_killed_process_is_found_and_aborted(server: Callable[[], tuple[str, dict[str, Any]]]) -> None:
    uri, options = server()
    how: dict[str, Any] = {"storage_options": options}
    slow = {**options, "part_size": 5 << 20, "max_in_flight": 1}
    target = f"{uri}/orphans/run1/x y+ü"
    command = [sys.executable, "-c", PROGRAM.format(path=sys.path), target, json.dumps(slow)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "under way\n"
        writer.kill()
        assert writer.wait() == -signal.SIGKILL
    found = s3dlio.list_uploads(f"{uri}/orphans", **how)
    assert [one["uri"] for one in found] == [target] and found[0]["upload_id"] and found[0]["begun"], found
    assert s3dlio.list(f"{uri}/orphans", recursive=True, **how) == []
    # whole segments, and not what is younger than asked
    assert s3dlio.list_uploads(f"{uri}/orph", **how) == s3dlio.list_uploads(f"{uri}/orphans/run", **how) == []
    assert s3dlio.abort_uploads(f"{uri}/orphans", **how) == []
    assert [one["uri"] for one in s3dlio.abort_uploads(f"{uri}/orphans", 0, **how)] == [target]
    assert s3dlio.list_uploads(f"{uri}/orphans", **how) == []

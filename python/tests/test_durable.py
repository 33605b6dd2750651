"""With ``durable=True`` the data is flushed before the name appears, and the name before the call returns."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
sys.path[:0] = {path!r}
import numpy as np
import s3dlio
target, durable = sys.argv[1], sys.argv[2] == "1"
s3dlio.put_bytes(target + "/first", b"x" * 10)      # loads the library, makes the directory
open(target + "/mark", "w").close()
s3dlio.save_numpy_array(target + "/made/new/x.npy", np.arange(1 << 19), durable=durable)
"""
CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)[( ]")


DELETING = """
import sys
sys.path[:0] = {path!r}
import s3dlio
target = sys.argv[1]
store = s3dlio.CheckpointStore(target)
for step in (1, 2):
    store.save(step, 0, "torch", b"x" * 10)
open(target + "/mark", "w").close()
store.delete_checkpoint(1)
"""


def trace(tmp_path: Path, durable: bool, source: str = PROGRAM) -> list[str]:
    """The system calls between the mark and the end that touch the saved file, its names or its directories."""
    log = tmp_path / "trace"
    target = tmp_path / "data"
    program = source.format(path=sys.path)
    ran = subprocess.run(
        ["strace", "-f", "-y", "-s", "4096", "-o", str(log),
         "-e", "trace=openat,rename,renameat,renameat2,fsync,fdatasync,pwrite64,write,mkdir,mkdirat,unlink,unlinkat",
         sys.executable, "-c", program, str(target), "1" if durable else "0"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if ran.returncode != 0 and ("PTRACE" in ran.stderr or "Operation not permitted" in ran.stderr):
        pytest.skip(f"strace may not trace here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    lines = log.read_text(errors="replace").splitlines()
    begin = next(i for i, line in enumerate(lines) if str(target / "mark") in line)
    return [line for line in lines[begin + 1 :] if str(target) in line]


def index_of(lines: list[str], call: str, text: str, start: int = 0) -> int:
    for i in range(start, len(lines)):
        match = CALL.match(lines[i])
        if match and match.group(1) in call.split("|") and text in lines[i]:
            return i
    raise AssertionError(f"no {call} of {text} after line {start} in:\n" + "\n".join(lines))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_save_durable_flushes_before_and_after_the_rename(tmp_path: Path) -> None:
    lines = trace(tmp_path, durable=True)
    directory = tmp_path / "data" / "made" / "new"
    written = index_of(lines, "pwrite64|write", ".s3dlio-")
    flushed = index_of(lines, "fdatasync|fsync", ".s3dlio-", written)
    assert not any("pwrite64" in line and ".s3dlio-" in line for line in lines[flushed:]), "written after the flush"
    renamed = index_of(lines, "rename|renameat|renameat2", f"{directory}/x.npy", flushed)
    named = index_of(lines, "fsync", f"<{directory}>", renamed)
    # the directories that were made are names too
    index_of(lines, "fsync", f"<{directory.parent}>", renamed)
    index_of(lines, "fsync", f"<{directory.parent.parent}>", renamed)
    assert named > renamed > flushed > written


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_save_by_default_does_not_wait_for_the_device(tmp_path: Path) -> None:
    lines = trace(tmp_path, durable=False)
    index_of(lines, "rename|renameat|renameat2", "x.npy")
    assert not any("sync" in CALL.match(line).group(1) for line in lines if CALL.match(line)), "\n".join(lines)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_delete_of_a_checkpoint_flushes_the_manifests_before_it_deletes_shards(tmp_path: Path) -> None:
    lines = trace(tmp_path, durable=True, source=DELETING)
    manifest = index_of(lines, "unlink|unlinkat", "/manifests/ckpt-1-")
    flushed = index_of(lines, "fsync", f"<{tmp_path}/data/manifests>", manifest)
    shard = index_of(lines, "unlink|unlinkat", "/shards/ckpt-1-")
    assert shard > flushed > manifest


def test_save_killed_leaves_the_old_object_or_the_new_one(tmp_path: Path) -> None:
    """kill -9 at growing delays: under the name lies one whole version, and what is left over is never listed."""

    import s3dlio

    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import numpy as np, s3dlio\n"
        "print('ready', flush=True)\n"
        "for version in range(1, 10_000):\n"
        "    s3dlio.save_numpy_array(sys.argv[1], np.full(1 << 20, version, np.int32))\n"
        "    print(version, flush=True)\n"
    )
    target = tmp_path / "x.npy"
    for delay in (0.0, 0.003, 0.01, 0.017, 0.03, 0.05, 0.08, 0.13):
        child = subprocess.Popen([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        try:
            child.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            pass
        child.kill()
        acknowledged = [int(line) for line in child.communicate()[0].split() if line.strip().isdigit()]
        if target.exists():
            found = s3dlio.load_numpy_array(target)
            assert found.min() == found.max()
            assert acknowledged == [] or found[0] in (acknowledged[-1], acknowledged[-1] + 1)
        assert s3dlio.list(tmp_path) in ([], [str(target)])
        for name in os.listdir(tmp_path):
            assert name == "x.npy" or re.fullmatch(r"\.s3dlio-\d+-[0-9a-f]{16}\.tmp", name)

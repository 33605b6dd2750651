"""Checkpoints of torch.distributed.checkpoint by several processes over gloo, loaded on other numbers of ranks and other placements."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio

pytest.importorskip("torch.distributed.checkpoint", reason="checkpoints of torch")

HERE = Path(__file__).parent
#: MiB of the largest tensor: each of 8 ranks then saves an eighth. S3DLIO_CHECKPOINT_MIB=1024 is a job of 8 x 128 MiB.
MIB = float(os.environ.get("S3DLIO_CHECKPOINT_MIB", "24"))

Job = Callable[..., "list[dict[str, Any]]"]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Runs a job's ranks; gives their answers."""

    def run(world: int, action: str, uri: str, options: dict[str, Any] | None = None, **more: Any) -> list[dict[str, Any]]:
        folder = tmp_path / f"{action}-{world}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        description = {"world": world, "action": action, "uri": uri, "options": options, "mib": 1, "folder": str(folder), **more}
        paths = [str(Path(s3dlio.__file__).parents[1]), str(HERE), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(HERE / "dcp_ranks.py"), json.dumps(description)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        answers = [json.loads(file.read_text()) for file in sorted(folder.glob("rank-*.json"), key=lambda file: int(file.stem[5:]))]
        errors = [answer["error"] for answer in answers if "error" in answer]
        if more.get("fails"):
            return answers
        assert done.returncode == 0 and len(answers) == world, "\n".join([done.stdout[-2000:], done.stderr[-4000:], *errors])
        return answers

    return run


@pytest.mark.parametrize("worlds", [(1, 2), (2, 1), (4, 3)], ids=lambda worlds: f"{worlds[0]}-to-{worlds[1]}")
def test_load_on_another_world_gives_what_was_saved(worlds: tuple[int, int], job: Job, tmp_path: Path) -> None:
    uri = str(tmp_path / "step-1")
    job(worlds[0], "save", uri)
    files = sorted(file.name for file in Path(uri).iterdir())
    assert len(files) == worlds[0] + 1
    for answer in job(worlds[1], "load", uri):
        assert answer["wanted"] == answer["held"]


def test_async_save_by_ranks_loads(job: Job, tmp_path: Path) -> None:
    job(2, "async", str(tmp_path / "step-1"))
    job(3, "load", str(tmp_path / "step-1"))


def test_save_without_collectives_has_a_document_for_each_rank(job: Job, tmp_path: Path) -> None:
    job(2, "alone", str(tmp_path / "step-1"))
    documents = sorted(file.name for file in (tmp_path / "step-1").glob("dcp*"))
    assert documents == ["dcp-rank00000.json", "dcp-rank00001.json"]


@pytest.mark.parametrize("kind", ["fsdp", "sharded", "state"])
def test_other_kinds_of_sharding_load_on_another_world(kind: str, job: Job, tmp_path: Path) -> None:
    job(2, "save", str(tmp_path / "step-1"), kind=kind)
    job(3, "load", str(tmp_path / "step-1"), kind=kind)


def test_async_saver_with_torch_to_gather(job: Job, tmp_path: Path) -> None:
    job(2, "async", str(tmp_path / "run"), kind="state")
    job(1, "load", str(tmp_path / "run"), kind="state")


def test_overwrite_leaves_one_checkpoint(job: Job, tmp_path: Path) -> None:
    uri = str(tmp_path / "step-1")
    job(3, "save", uri)
    job(2, "save", uri)
    assert len(list(Path(uri).iterdir())) == 3
    job(2, "load", uri)


def test_save_where_a_checkpoint_is_fails_on_all_ranks(job: Job, tmp_path: Path) -> None:
    uri = str(tmp_path / "step-1")
    job(2, "save", uri)
    before = sorted(Path(uri).iterdir())
    for answer in job(2, "save", uri, writer={"overwrite": False}, fails=True):
        assert "Checkpoint already exists" in answer["error"]
    assert sorted(Path(uri).iterdir()) == before
    job(2, "load", uri)


def test_eight_ranks_to_three_read_what_they_need(job: Job, tmp_path: Path) -> None:
    uri = str(tmp_path / "step-1")
    job(8, "save", uri, mib=MIB)
    _assert_frugal(job(3, "load", uri, mib=MIB, count=True))


@pytest.mark.parametrize("server", [s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def test_eight_ranks_to_three_over_a_cloud_transfer_what_they_need(server: Callable[[], tuple[str, dict[str, Any]]], job: Job) -> None:
    uri, options = server()
    uri = f"{uri}/dcp/step-1"
    job(8, "save", uri, options, mib=MIB)
    _assert_frugal(job(3, "load", uri, options, mib=MIB, count=True))


def _assert_frugal(answers: list[dict[str, Any]]) -> None:
    """Each rank transferred at most 1.05 x what it holds, headers, documents and checksums' blocks included."""
    for rank, answer in enumerate(answers):
        ratio = answer["transferred"] / answer["held"]
        print(f"rank {rank}: holds {answer['held']} bytes, read {answer['read']}, transferred {answer['transferred']} ({ratio:.4f})")
        assert answer["read"] >= answer["held"] * 0.99
        assert ratio <= 1.05

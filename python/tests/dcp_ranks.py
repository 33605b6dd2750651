"""Ranks of a job, as processes over gloo: ``run(world, job)`` forks them; each makes, saves and loads a state that anybody can recompute.

    python dcp_ranks.py '{"world": 3, "action": "load", "uri": "/data/step-1", "options": null, "mib": 1, "folder": "/tmp/x"}'

Each rank's answer is the file ``rank-N.json`` in the folder.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from relay import Relay
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from s3dlio.torch import StorageReader, StorageWriter

#: What ends a rank that must not: the whole test waits for it.
SECONDS = 300


def whole(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A tensor of a name: the same in every process."""
    generator = torch.Generator().manual_seed(sum(name.encode()))
    numbers = torch.randint(-(2**15), 2**15, shape, generator=generator, dtype=torch.int32)
    return numbers.to(dtype)


def shapes(mib: float) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Names, shapes and types of the state's tensors: about so many MiB in all, most of it in the first."""
    rows = max(24, int(mib * 2**20 / 4 / 1024))
    return {
        "model.rows": ((rows, 1024), torch.float32),
        "model.columns": ((96, 120), torch.float64),
        "model.uneven": ((7, 33), torch.bfloat16),
        "model.deep": ((12, 5, 6, 3), torch.int16),
        "model.replicated": ((11, 3), torch.float32),
        "model.plain": ((1000,), torch.float16),
        "model.scalar": ((), torch.int64),
    }


def place(name: str, tensor: torch.Tensor, mesh: Any, loads: bool) -> Any:
    """The tensor as this job holds it; what loads has other placements than what saves."""
    if name in ("model.plain", "model.scalar"):
        return tensor
    turned = {"model.columns": (Shard(1), Shard(0)), "model.deep": (Shard(0), Shard(2)), "model.replicated": (Replicate(), Shard(0))}
    placement = turned[name][loads] if name in turned else Shard(0)
    # without a source rank each cuts its own part: gloo cannot send all types
    return distribute_tensor(tensor, mesh, [placement], src_data_rank=None)


def state(mesh: Any, mib: float, loads: bool) -> dict[str, Any]:
    """Nested, with values that are no tensors; empty where it is to be loaded."""
    flat = {}
    for name, (shape, dtype) in shapes(mib).items():
        tensor = torch.zeros(shape, dtype=dtype) if loads else whole(name, shape, dtype)
        flat[name.removeprefix("model.")] = place(name, tensor, mesh, loads)
    extra = {"step": -1, "rng": None, "betas": None} if loads else {"step": 12, "rng": (3, (1, 2, 3), None), "betas": [0.9, float("inf")]}
    return {"model": flat, "extra": extra}


def verify(found: dict[str, Any], mib: float) -> int:
    """Raises unless all of it is what was saved; gives the bytes that this rank holds."""
    held = 0
    for name, (shape, dtype) in shapes(mib).items():
        tensor = found["model"][name.removeprefix("model.")]
        expected = whole(name, shape, dtype)
        if isinstance(tensor, DTensor):
            local, wanted = tensor.to_local(), distribute_tensor(expected, tensor.device_mesh, tensor.placements, src_data_rank=None).to_local()
        else:
            local, wanted = tensor, expected
        assert torch.equal(local, wanted), name
        held += local.numel() * local.element_size()
    assert found["extra"] == {"step": 12, "rng": (3, (1, 2, 3), None), "betas": [0.9, float("inf")]}, found["extra"]
    return held


def one(rank: int, job: dict[str, Any]) -> dict[str, Any]:
    """What one rank does."""
    world, mib, uri, options = job["world"], job["mib"], job["uri"], dict(job["options"] or {})
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{job['folder']}/{job['action']}.store", rank=rank, world_size=world)
    mesh = init_device_mesh("cpu", (world,))
    relay = None
    if job.get("count") and "endpoint_url" in options:
        relay = Relay(options["endpoint_url"])
        options["endpoint_url"] = relay.url
    try:
        if job["action"] == "load":
            reader = StorageReader(uri, storage_options=options)
            made = state(mesh, mib, loads=True)
            before = read_so_far()
            dcp.load(made, storage_reader=reader)
            after = read_so_far()
            held = verify(made, mib)
            return {
                "held": held,
                "wanted": reader.bytes_wanted,
                "read": reader.bytes_read,
                "transferred": relay.received if relay is not None else after - before,
            }
        writer = StorageWriter(uri, storage_options=options, **job.get("writer", {}))
        made = state(mesh, mib, loads=False)
        if job["action"] == "async":
            dcp.async_save(made, storage_writer=writer).result()
        elif job["action"] == "alone":
            dcp.save(made, storage_writer=writer, use_collectives=False)
        else:
            dcp.save(made, storage_writer=writer)
        return {}
    finally:
        dist.destroy_process_group()


def read_so_far() -> int:
    """Bytes that this process got from read calls, of files and the like."""
    return int(Path("/proc/self/io").read_text().split()[1])


def run(job: dict[str, Any]) -> int:
    """Forks the ranks and waits for them."""

    def rank(number: int) -> None:
        try:
            answer = one(number, job)
        except BaseException:
            answer = {"error": traceback.format_exc()}
        Path(job["folder"], f"rank-{number}.json").write_text(json.dumps(answer))
        os._exit(1 if "error" in answer else 0)

    processes = [multiprocessing.get_context("fork").Process(target=rank, args=(number,)) for number in range(job["world"])]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
    for process in processes:
        if process.is_alive():
            process.kill()
    return max(1 if process.exitcode is None else abs(process.exitcode) for process in processes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(run(json.loads(sys.argv[1])))

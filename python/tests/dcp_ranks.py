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
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from s3dlio.torch import StorageReader, StorageWriter, gather

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


def rows_of(low: int, high: int) -> torch.Tensor:
    """Rows of the large tensor, which no rank ever holds whole."""
    made = torch.empty(high - low, 1024)
    for at in range(low, high, 1024):
        end = min(at + 1024, high)
        made[at - low : end - low] = (torch.arange(at * 1024, end * 1024) * 40503 % 65521).reshape(-1, 1024)
    return made


def large(mesh: Any, shape: tuple[int, ...], loads: bool) -> DTensor:
    """The large tensor, in rows over the ranks."""
    sizes, offsets = compute_local_shape_and_global_offset(shape, mesh, [Shard(0)])
    local = torch.zeros(sizes) if loads else rows_of(offsets[0], offsets[0] + sizes[0])
    return DTensor.from_local(local, mesh, [Shard(0)], run_check=False, shape=torch.Size(shape), stride=(1024, 1))


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
        if name == "model.rows":
            flat["rows"] = large(mesh, shape, loads)
            continue
        tensor = torch.zeros(shape, dtype=dtype) if loads else whole(name, shape, dtype)
        flat[name.removeprefix("model.")] = place(name, tensor, mesh, loads)
    extra = {"step": -1, "rng": None, "betas": None} if loads else {"step": 12, "rng": (3, (1, 2, 3), None), "betas": [0.9, float("inf")]}
    return {"model": flat, "extra": extra}


def verify(found: dict[str, Any], mib: float) -> int:
    """Raises unless all of it is what was saved; gives the bytes that this rank holds."""
    held = 0
    for name, (shape, dtype) in shapes(mib).items():
        tensor = found["model"][name.removeprefix("model.")]
        if name == "model.rows":
            _, offsets = compute_local_shape_and_global_offset(shape, tensor.device_mesh, [Shard(0)])
            local = tensor.to_local()
            assert torch.equal(local, rows_of(offsets[0], offsets[0] + len(local))), name
            held += local.numel() * local.element_size()
            continue
        expected = whole(name, shape, dtype)
        if isinstance(tensor, DTensor):
            local, wanted = (
                tensor.to_local(),
                distribute_tensor(expected, tensor.device_mesh, tensor.placements, src_data_rank=None).to_local(),
            )
        else:
            local, wanted = tensor, expected
        assert torch.equal(local, wanted), name
        held += local.numel() * local.element_size()
    assert found["extra"] == {"step": 12, "rng": (3, (1, 2, 3), None), "betas": [0.9, float("inf")]}, found["extra"]
    return held


def trained(mesh: Any) -> tuple[Any, Any]:
    """A model and its optimizer after two steps whose outcome everybody can recompute; sharded as FSDP does it where there is a mesh."""
    torch.manual_seed(5)
    model = torch.nn.Sequential(torch.nn.Linear(40, 64), torch.nn.ReLU(), torch.nn.Linear(64, 9))
    if mesh is not None:
        from torch.distributed.fsdp import fully_shard

        fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(2):
        for index, parameter in enumerate(model.parameters()):
            parameter.grad = torch.ones_like(parameter) * (index + 1)
        optimizer.step()
    return model, optimizer


def fully_sharded(mesh: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Saves, or loads and verifies, a model and an optimizer under FSDP."""
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    model, optimizer = trained(mesh)
    if job["action"] == "load":
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        optimizer.step()
    model_state, optimizer_state = get_state_dict(model, optimizer)
    both = {"model": model_state, "optimizer": optimizer_state}
    if job["action"] != "load":
        dcp.save(both, storage_writer=StorageWriter(job["uri"]))
        return {}
    dcp.load(both, storage_reader=StorageReader(job["uri"]))
    set_state_dict(model, optimizer, model_state_dict=both["model"], optim_state_dict=both["optimizer"])
    expected, expected_optimizer = trained(None)
    for (name, one), other in zip(model.named_parameters(), expected.parameters(), strict=True):
        wanted = distribute_tensor(other.detach(), mesh, one.placements, src_data_rank=None).to_local()
        assert torch.equal(one.to_local(), wanted), name
        moment = optimizer.state[one]["exp_avg"]
        wanted = distribute_tensor(expected_optimizer.state[other]["exp_avg"], mesh, moment.placements, src_data_rank=None).to_local()
        assert torch.equal(moment.to_local(), wanted), name
    return {}


def sharded_tensors(rank: int, job: dict[str, Any]) -> dict[str, Any]:
    """The same for ShardedTensor, which came before DTensor."""
    from torch.distributed._shard import sharded_tensor

    whole_tensor, world = whole("sharded", (13, 5), torch.float32), job["world"]
    low, high = 13 * rank // world, 13 * (rank + 1) // world
    local = whole_tensor[low:high].clone() if job["action"] != "load" else torch.zeros(high - low, 5)
    shard = sharded_tensor.Shard.from_tensor_and_offsets(local, [low, 0], rank)
    made = {"w": sharded_tensor.init_from_local_shards([shard], 13, 5)}
    if job["action"] != "load":
        dcp.save(made, storage_writer=StorageWriter(job["uri"]))
        return {}
    dcp.load(made, storage_reader=StorageReader(job["uri"]))
    assert torch.equal(local, whole_tensor[low:high])
    return {}


def own_state(mesh: Any, job: dict[str, Any]) -> dict[str, Any]:
    """The state of ``state`` with save_state and load_state, and torch to gather."""
    import s3dlio

    if job["action"] == "load":
        made = s3dlio.load_state(job["uri"], state(mesh, job["mib"], loads=True))
        return {"held": verify(made, job["mib"])}
    rank, world = dist.get_rank(), dist.get_world_size()
    made = state(mesh, job["mib"], loads=False)
    if job["action"] == "async":
        group = dist.new_group(backend="gloo")
        with s3dlio.AsyncSaver(job["uri"], rank=rank, world_size=world, gather=lambda value: gather(value, group)) as saver:
            saver.save(made, 1).result()
    else:
        s3dlio.save_state(job["uri"], made, 1, rank=rank, world_size=world, gather=gather)
    return {}


def one(rank: int, job: dict[str, Any]) -> dict[str, Any]:
    """What one rank does."""
    world, mib, uri, options = job["world"], job["mib"], job["uri"], dict(job["options"] or {})
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{job['folder']}/{job['action']}.store", rank=rank, world_size=world)
    mesh = init_device_mesh("cpu", (world,))
    if kind := job.get("kind"):
        try:
            return {
                "fsdp": lambda: fully_sharded(mesh, job),
                "sharded": lambda: sharded_tensors(rank, job),
                "state": lambda: own_state(mesh, job),
            }[kind]()
        finally:
            dist.destroy_process_group()
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

# %% [markdown]
# # Checkpoints of a training job
#
# Cells of a notebook (Jupyter, VS Code and Spyder open this file as one), and a program: `python examples/checkpoints.py`.
# A small model is trained, saved behind the training, broken, and loaded by another number of ranks.

# %%
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

import s3dlio

folder = tempfile.TemporaryDirectory(prefix="s3dlio-checkpoints-")
run = f"{folder.name}/run"  # or "s3://bucket/run", "az://account/container/run"

# %% [markdown]
# ## Train, and save behind the training
# `save` returns as soon as the state was copied; the next step changes the weights while the copy is written.

# %%
dice = np.random.default_rng(1)
inputs = dice.standard_normal((256, 64))
targets = inputs @ dice.standard_normal((64, 8))
state = {"model": {"w": np.zeros((64, 8))}, "optimizer": {"velocity": np.zeros((64, 8)), "lr": 0.05}, "step": 0, "losses": []}


def train(step: int) -> None:
    error = inputs @ state["model"]["w"] - targets
    state["optimizer"]["velocity"] *= 0.9
    state["optimizer"]["velocity"] -= state["optimizer"]["lr"] * inputs.T @ error / len(inputs)
    state["model"]["w"] += state["optimizer"]["velocity"]
    state["step"] = step
    state["losses"].append(float((error**2).mean()))


with s3dlio.AsyncSaver(run, max_in_flight=2) as saver:
    for step in range(1, 31):
        train(step)
        if step % 10 == 0:
            pending = saver.save(state, step, user_meta={"loss": state["losses"][-1]})
            print(f"step {step}: loss {state['losses'][-1]:.4f}, {pending}")

# %% [markdown]
# ## What is there
# A checkpoint exists when its manifest does, which is written last.

# %%
store = s3dlio.CheckpointStore(run)
for info in store.list_checkpoints():
    print(info.step, info.total_size, "bytes", store.validate(step=info.step))
assert [info.step for info in store.list_checkpoints()] == [30, 20, 10]

# %% [markdown]
# ## Go on from the newest
# Bytes go straight into the arrays of the model that exists; plain values are replaced.

# %%
restored = {"model": {"w": np.full((64, 8), np.nan)}, "step": None, "losses": []}
s3dlio.load_state(run, {"model": restored["model"]})
assert np.array_equal(restored["model"]["w"], state["model"]["w"])
print("continues at step", s3dlio.load_state(run)["step"])

# %% [markdown]
# ## A damaged byte is an error, never a wrong weight

# %%
newest = Path(sorted(s3dlio.list(f"{run}/shards", recursive=True))[-1])
data = bytearray(newest.read_bytes())
data[-1] ^= 1
newest.unlink()
newest.write_bytes(data)
try:
    s3dlio.load_state(run)
    raise AssertionError("the damage was not found")
except s3dlio.ChecksumMismatchError as error:
    print(f"{type(error).__name__}: …{str(error)[-120:]}")
report = store.validate(step=30)
assert not report
assert s3dlio.load_state(run, step=20)["step"] == 20  # the one before is whole

# %% [markdown]
# ## Four ranks save, three load
# Each rank gives its part; who loads reads what it needs and nothing else.

# %%
whole = np.arange(48 * 1024, dtype=np.float32).reshape(48, 1024)


def part(rank: int, ranks: int, data: np.ndarray) -> s3dlio.TensorShard:
    rows = len(whole) // ranks
    return s3dlio.TensorShard(data[rank * rows : (rank + 1) * rows], whole.shape, (rank * rows, 0))


shards = [s3dlio.save_state_shard(f"{run}-ranks", {"w": part(rank, 4, whole)}, 1, rank=rank, world_size=4) for rank in range(4)]
shards = json.loads(json.dumps(shards))  # ranks hand them to one of them as they like: they are plain JSON
s3dlio.finalize_state(f"{run}-ranks", 1, shards)
loaded = np.zeros_like(whole)
for rank in range(3):
    s3dlio.load_state(f"{run}-ranks", {"w": part(rank, 3, loaded)})
assert np.array_equal(loaded, whole)
print("4 ranks saved, 3 loaded: the same", loaded.nbytes, "bytes")

# %% [markdown]
# ## torch.distributed.checkpoint
# Where torch is installed: the same stores behind its own calls, without a pickle.

# %%
try:
    import torch
    import torch.distributed.checkpoint as dcp
except ImportError:
    print("(torch is not installed: that part is left out)")
else:
    from s3dlio.torch import StorageReader, StorageWriter

    warnings.filterwarnings("ignore", "torch.distributed is disabled")
    layer = torch.nn.Linear(64, 8)
    dcp.save({"layer": layer.state_dict(), "step": 30}, storage_writer=StorageWriter(f"{run}-dcp/step-30"))
    other = {"layer": torch.nn.Linear(64, 8).state_dict(), "step": 0}
    dcp.load(other, storage_reader=StorageReader(f"{run}-dcp/step-30"))
    assert torch.equal(other["layer"]["weight"], layer.weight)
    assert other["step"] == 30
    print(sorted(file.name.split("-")[0] for file in Path(f"{run}-dcp/step-30").iterdir()))

# %%
folder.cleanup()
print("All of it is as it should be.", file=sys.stdout)

# %% [markdown]
# # Recovery: checkpoints that cannot be half there
#
# A small training run that saves as it goes, dies in the middle of a save, and resumes. Open it as a notebook (Jupyter with jupytext,
# VS Code) or run it: `python examples/recovery.py [ADDRESS]`, where ADDRESS is a directory, `memory://run` or `s3://bucket/run`.

# %%
import asyncio
import io
import sys
import tempfile
import warnings

import numpy as np

import s3dlio

scratch = tempfile.TemporaryDirectory()
address = sys.argv[1] if len(sys.argv) == 2 and "ipykernel" not in sys.modules else scratch.name + "/run"
store = s3dlio.CheckpointStore(address, compression_level=3)
print("checkpoints in", store.uri)

# %% [markdown]
# ## Train and save
#
# A line is fitted by gradient descent. Any bytes can be saved; here they are what `np.savez` makes.

# %%
chance = np.random.default_rng(0)
x = chance.standard_normal(1000)
y = 3 * x - 1 + 0.01 * chance.standard_normal(1000)


def train(state: dict[str, np.ndarray], steps: int) -> float:
    """Goes on from a state, which it changes; gives the loss."""
    for _ in range(steps):
        error = state["w"] * x + state["b"] - y
        state["w"] -= 0.1 * (error * x).mean()
        state["b"] -= 0.1 * error.mean()
    return float((error**2).mean())


def to_bytes(state: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **state)
    return file.getvalue()


state = {"w": np.zeros(()), "b": np.zeros(())}
for step in (10, 20, 30):
    loss = train(state, 10)
    key = store.save(step, epoch=0, framework="numpy", data=to_bytes(state), user_meta={"loss": loss})
    print(f"step {step}: loss {loss:.5f} saved as {key}")

# %% [markdown]
# ## A save that dies
#
# Two ranks save their parts of step 40, and the coordinator is gone before it can make a checkpoint of them. Nobody takes that for one.

# %%
for rank in range(2):
    store.writer(2, rank).save_distributed_shard(40, 0, "numpy", b"half of the model")
print("steps that are there:", [info.step for info in store.list_checkpoints()])

# %% [markdown]
# ## Resume
#
# The newest complete checkpoint, every byte of it compared with what was saved.

# %%
with np.load(io.BytesIO(store.load_latest())) as saved:
    state = {name: saved[name].copy() for name in saved}
print(f"resumed: w = {state['w']:.4f}, b = {state['b']:.4f}, loss {train(state, 10):.5f}")
store.save(40, 0, "numpy", to_bytes(state))

# %% [markdown]
# ## Damage
#
# A bit flips in the newest checkpoint's data. The validation names it, and a load takes the one before and says so.

# %%
manifest = store.reader().load_latest_manifest()
shard = manifest["shards"][0]["key"]
broken = bytearray(store.objects.get(shard))
broken[len(broken) // 2] ^= 1
store.objects.put_bytes(shard, broken)
for problem in store.validate().problems:
    print("rank", problem["rank"], "->", type(problem["error"]).__name__)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    data = store.load_latest()
print("warned:", told[0].category.__name__, "| loaded", len(data), "bytes of the checkpoint before")

# %% [markdown]
# ## Many ranks, without threads
#
# Each rank awaits its save in an event loop, and they agree on the save's id by themselves.


# %%
async def save_all(step: int, ranks: int) -> str:
    writers = [store.writer(ranks, rank) for rank in range(ranks)]
    shards = await asyncio.gather(*(one.save_distributed_shard_async(step, 0, "numpy", b"part %d" % one.rank) for one in writers))
    return await writers[0].finalize_distributed_checkpoint_async(step, 0, "numpy", shards)


# a notebook has a loop already: there it is `await save_all(50, 4)`
print(asyncio.run(save_all(50, 4)))
reader = store.reader()
manifest = reader.load_latest_manifest()
print(reader.read_all_shards_concurrent_with_validation(manifest))

# %% [markdown]
# ## Prune
#
# Keeps what it is told, and never deletes anything before one that stays was found whole. What the dead save left is younger than a day,
# so it stays too: `grace=0` says that nothing runs.

# %%
report = store.prune(keep_last=2, keep_every=20, grace=0)
print("kept steps:", [info.step for info in store.list_checkpoints()], "| collected", len(report.collected), "shards that nobody needs")
scratch.cleanup()

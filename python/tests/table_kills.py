"""Programs that train a table until they are killed; ``test_table_crash.py`` runs and kills them.

python3 table_kills.py trainer FOLDER STEPS       one session, gradients that follow from the rows, checkpoints now and then
python3 table_kills.py writers FOLDER THREADS     a session for each thread, and one thread that makes checkpoints, for ever
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

import s3dlio

DIM, KEYS, BATCH = 32, 20_000, 512
#: Bits of a key of ``writers`` that are the batch's serial.
SERIAL_BITS = 32
#: Keys of ``writers`` that every batch adds one to.
SHARED = np.array([-1, -2, -3, -4])


def open_trained(folder: str) -> s3dlio.EmbeddingTable:
    """With memory for a quarter of the rows."""
    optimizer = s3dlio.Adagrad(lr=0.05, weight_decay=0.001)
    return s3dlio.EmbeddingTable.open(
        folder, DIM, optimizer=optimizer, init=s3dlio.Uniform(-0.1, 0.1), seed=1, memory="4MiB", shards=2, segment_size="1MiB", keep=3
    )


def train(table: s3dlio.EmbeddingTable, step: int) -> None:
    """One step, which follows from its number and from what the table has."""
    rng = np.random.default_rng(step)
    keys = rng.integers(0, KEYS, BATCH)
    rows = table.lookup(keys)
    table.apply_gradients(keys, np.sin(rows * 7) + rng.standard_normal(rows.shape, "f4"), serial=step)


def trainer(folder: str, steps: int) -> None:
    """Goes on behind the last serial."""
    with open_trained(folder) as table:
        for step in range(table.serial() + 1, steps):
            train(table, step)
            print(step, flush=True)
            if step % 7 == 6:
                table.checkpoint()


def keys_of(session: int, first: int, end: int) -> Any:
    """The keys of batches: one for each serial of a session."""
    return (np.int64(session) << SERIAL_BITS) | np.arange(first, end, dtype=np.int64)


def writers(folder: str, threads: int) -> None:
    """Each batch adds one to a key of its own and to the shared ones; a checkpoint that was made is told of."""
    with s3dlio.EmbeddingTable.open(folder, 2, optimizer=s3dlio.Add(), memory="4MiB", shards=4, segment_size="1MiB", keep=4) as table:

        def write(session: int) -> None:
            name, serial = f"writer {session}", table.serial(f"writer {session}")
            while True:
                serial += 1
                keys = np.append(SHARED, keys_of(session, serial, serial + 1))
                table.apply_gradients(keys, np.ones((len(keys), 2), "f4"), serial=serial, session=name)

        for session in range(threads):
            threading.Thread(target=write, args=(session,), daemon=True).start()
        while True:
            made = table.checkpoint()
            print(made.version, flush=True)


if __name__ == "__main__":
    {"trainer": trainer, "writers": writers}[sys.argv[1]](str(Path(sys.argv[2])), int(sys.argv[3]))

"""A process of test_cache_history.py: random calls on a few objects through a shared cache, each noted before and after."""

from __future__ import annotations

import os
import random
import sys
import time

import s3dlio

far, cache, mode, validate, name, seed, path = sys.argv[1:]
dice = random.Random(seed)
out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
store = s3dlio.cache(far, cache, mode=mode, validate=validate, block_size="64KiB", size="4MiB")  # type: ignore[arg-type]
KEYS = [f"d/{i}" for i in range(int(os.environ.get("S3DLIO_HISTORY_KEYS", "5")))]


def note(*words: object) -> None:
    # one write: a process that is killed leaves whole lines
    os.write(out, (" ".join(map(str, words)) + "\n").encode())


for number in range(10_000_000):
    key, kind = dice.choice(KEYS), dice.choices(["put", "delete", "get", "seen", "list"], [4, 1, 8, 2, 2])[0]
    if mode == "read" and kind in ("put", "delete"):
        kind = "get"
    value = f"{name}.{number}"
    note("call", number, kind, key, value, time.monotonic_ns())
    answer: object = value
    if kind == "put":
        # one in nine is too large for a record of the journal
        store.put(key, f"{value}|".encode() * (20_000 if number % 9 == 0 else 1 + number % 50))
    elif kind == "delete":
        store.delete(key, missing_ok=True)
    elif kind == "get":
        try:
            data = bytes(store.get(key))
            answer = data.partition(b"|")[0].decode()
            if data.replace(f"{answer}|".encode(), b""):
                answer = "mixed"
        except s3dlio.NotFoundError:
            answer = "-"
    elif kind == "seen":
        answer = store.exists(key)
    else:
        answer = ",".join(sorted(store.list("d/")))
    note("end", number, answer, time.monotonic_ns())
    time.sleep(dice.choice([0, 0, 0.001]))

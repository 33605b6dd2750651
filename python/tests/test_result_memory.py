"""Results share slabs of memory: none is handed out twice, and what nobody keeps goes back to the system."""

from __future__ import annotations

import random
import time

import s3dlio

#: Around the least and the most that slabs take, and in between.
SIZES = [(64 << 10) - 1, 64 << 10, 70_001, 300 << 10, 1 << 20, (2 << 20) - 1, 2 << 20]


def resident() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def test_get_many_kept_and_dropped_results_keep_their_bytes() -> None:
    dice = random.Random(7)
    objects = {f"memory://slabs/{i}": dice.randbytes(size) for i, size in enumerate(SIZES)}
    s3dlio.put_many(list(objects.items()))
    kept: list[tuple[str, s3dlio.BytesView]] = []
    for _ in range(30):
        found = s3dlio.get_many([dice.choice(list(objects)) for _ in range(12)])
        dice.shuffle(found)
        kept += found[:2]
        dice.shuffle(kept)
        del found, kept[16:]
    for uri, view in kept:
        assert bytes(view) == objects[uri]
    # by then the pages of those that were dropped went back
    time.sleep(7.5)
    for uri, view in kept:
        assert bytes(view) == objects[uri]
    again = s3dlio.get_many(list(objects))
    for uri, view in kept + again:
        assert bytes(view) == objects[uri]


def test_get_many_dropped_results_give_their_memory_back() -> None:
    data = random.Random(8).randbytes(1 << 20)
    s3dlio.put_bytes("memory://slabs/large", data)
    found = s3dlio.get_many(["memory://slabs/large"] * 96)
    one, held = found[50][1], resident()
    del found
    limit = time.monotonic() + 60
    # all but the slab that is open, and of the one that is kept its own pages
    while held - resident() < 80 << 20:
        assert time.monotonic() < limit, f"of {held >> 20} MiB {resident() >> 20} are still held"
        time.sleep(0.5)
    assert bytes(one) == data

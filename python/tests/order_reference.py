"""The order of samples by its description in docs/datasets.md, written apart from the core; run, it writes order_vectors.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).with_name("order_vectors.json")
_ALL = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _ALL
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _ALL
    return value ^ (value >> 31)


def derive(key: int, number: int) -> int:
    return mix(mix((key + _GOLDEN) & _ALL) ^ mix((number + 2 * _GOLDEN) & _ALL))


def permute(length: int, key: int, value: int) -> int:
    half = max(((length - 1).bit_length() + 1) // 2, 4)
    mask = (1 << half) - 1
    keys = [mix((key + (i + 1) * _GOLDEN) & _ALL) for i in range(8)]
    while True:
        left, right = value >> half, value & mask
        for one in keys:
            left, right = right, left ^ (mix(right ^ one) & mask)
        value = left << half | right
        if value < length:
            return value


def order(samples: int, seed: int, epoch: int, block: int = 0, window: int = 0) -> list[int]:
    """All of an epoch, with lists where the core has none."""
    key = derive(seed, epoch)
    if block == 0:
        return [permute(samples, key, position) for position in range(samples)]
    blocks = -(-samples // block)
    slots = [permute(blocks, key, slot) for slot in range(blocks)]
    found: list[int] = []
    for group, first in enumerate(range(0, blocks, window)):
        members = [one for slot in slots[first : first + window] for one in range(slot * block, min((slot + 1) * block, samples))]
        inner = derive(key, group)
        found += [members[permute(len(members), inner, i)] for i in range(len(members))]
    return found


def cases() -> list[dict[str, Any]]:
    kinds = [
        (1, 0, 0, 0, 0), (2, 7, 0, 0, 0), (10, 7, 0, 0, 0), (10, 7, 1, 0, 0), (17, 2**64 - 1, 3, 0, 0), (257, 1, 0, 0, 0),
        (10, 7, 0, 3, 2), (100, 7, 2, 8, 3), (64, 5, 0, 16, 1), (65, 5, 0, 16, 9), (33, 9, 4, 33, 1), (50, 0, 0, 1, 7),
    ]  # fmt: skip
    names = ("samples", "seed", "epoch", "block", "window")
    whole = [{**dict(zip(names, kind, strict=True)), "first": 0, "indices": order(*kind)} for kind in kinds]
    length, key = 10**12 + 7, derive(42, 9)
    large = {"samples": length, "seed": 42, "epoch": 9, "block": 0, "window": 0, "first": 5 * 10**11}
    return [*whole, {**large, "indices": [permute(length, key, 5 * 10**11 + i) for i in range(8)]}]


if __name__ == "__main__":
    VECTORS.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n", encoding="utf-8")

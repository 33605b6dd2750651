"""Whether parts make up a whole: boxes of elements that must cover an array once, without gaps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeAlias

#: Offsets and sizes in each dimension.
Box: TypeAlias = "tuple[tuple[int, ...], tuple[int, ...]]"

#: Parts that no straight cut separates are compared each with each; more of them are refused.
_MOST_UNCUT = 2048


def fault(parts: Iterable[Box], shape: tuple[int, ...]) -> str | None:
    """What keeps parts from covering a whole once; None where they do.

    Args:
        parts: Boxes within the whole. The same box given twice counts once: ranks may hold copies of it.
        shape: The whole's shape.
    """
    unique = {part for part in parts if 0 not in part[1]}
    total = math.prod(shape)
    covered = sum(math.prod(sizes) for _, sizes in unique)
    if covered != total:
        return f"cover {covered} of its {total} elements: some are missing, or overlap"
    return "overlap, and others are missing" if _overlap(list(unique), len(shape)) else None


def _overlap(parts: list[Box], dimensions: int) -> bool:
    """Whether any two parts share an element. Straight cuts divide them first, as those of any split by axes do."""
    groups = [parts]
    # a split by axes needs a pass for each dimension; what needs many more is no split that anybody makes
    left = 100 * len(parts) + 10_000
    while groups:
        group = groups.pop()
        if len(group) < 2:
            continue
        for axis in range(dimensions):
            left -= len(group)
            divided = _cut(group, axis) if left > 0 else [group]
            if len(divided) > 1:
                groups += divided
                break
        else:
            if len(group) > _MOST_UNCUT or _any_two(group):
                return True
    return False


def _cut(group: list[Box], axis: int) -> list[list[Box]]:
    """The parts between each two places of an axis that no part reaches across."""
    ordered = sorted(group, key=lambda part: part[0][axis])
    divided: list[list[Box]] = []
    end = -1
    for part in ordered:
        begin = part[0][axis]
        if begin >= end:
            divided.append([])
        divided[-1].append(part)
        end = max(end, begin + part[1][axis])
    return divided


def _any_two(group: list[Box]) -> bool:
    for index, (offsets, sizes) in enumerate(group):
        for others, extents in group[index + 1 :]:
            if all(a < b + m and b < a + n for a, n, b, m in zip(offsets, sizes, others, extents, strict=True)):
                return True
    return False

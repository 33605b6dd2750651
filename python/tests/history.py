"""Is a history of calls linearizable? Each object is a register that puts and deletions write and gets, listings and questions read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Call:
    """One call on one object, as the process that made it saw it.

    Args:
        kind: ``put`` and ``delete`` write; ``get`` reads the value (None: no such object), ``seen`` whether there is one.
        value: What was written or found; values of puts are unique.
        start: Time before the call.
        end: Time after it; None when the process died in it: it may take effect at any later time, or never.
    """

    kind: str
    value: str | bool | None
    start: int
    end: int | None
    who: str = ""


def find_violation(calls: Iterable[Call]) -> list[Call] | None:
    """The calls of one object up to the first that no order explains; None when one order explains all.

    The search of Wing and Gong with the memory of Lowe: a call may come next when it began before every call that is left has ended.
    """
    # what was under way at the end may come last, where a write disturbs nobody
    known = [call for call in calls if call.end is not None or call.kind in ("put", "delete")]
    times: list[tuple[int, int, int]] = []
    last = max((call.end or call.start for call in known), default=0) + 1
    for number, call in enumerate(known):
        times.append((call.start, 0, number))
        times.append((last if call.end is None else call.end, 1, number))
    # at one time calls come before returns: nothing tells which was first
    times.sort()
    count = len(times)
    places = {(number, kind): at for at, (_, kind, number) in enumerate(times)}
    after, before = list(range(1, count + 1)), list(range(-1, count - 1))
    first = 0
    done, state = 0, None
    seen: set[tuple[int, str | None]] = {(0, None)}
    stack: list[tuple[int, str | None]] = []
    at, furthest = 0, -1

    def lift(place: int) -> None:
        nonlocal first
        if before[place] < 0:
            first = after[place]
        else:
            after[before[place]] = after[place]
        if after[place] < count:
            before[after[place]] = before[place]

    def unlift(place: int) -> None:
        nonlocal first
        if before[place] < 0:
            first = place
        else:
            after[before[place]] = place
        if after[place] < count:
            before[after[place]] = place

    while first < count:
        _, kind, number = times[at]
        call = known[number]
        if kind == 0:
            fits, then = step(call, state)
            key = (done | 1 << number, then)
            if fits and key not in seen:
                seen.add(key)
                stack.append((number, state))
                done, state = key
                lift(at)
                lift(places[number, 1])
                at = first
            else:
                at = after[at]
            continue
        # this call has ended and nothing explains it: take the last choice back
        furthest = max(furthest, at)
        if not stack:
            return [known[n] for t, k, n in times[: furthest + 1] if k == 1 or n == times[furthest][2]][-30:]
        number, state = stack.pop()
        done &= ~(1 << number)
        unlift(places[number, 1])
        unlift(places[number, 0])
        at = after[places[number, 0]]
    return None


def step(call: Call, state: str | None) -> tuple[bool, str | None]:
    if call.kind == "put":
        assert isinstance(call.value, str)
        return True, call.value
    if call.kind == "delete":
        return True, None
    if call.kind == "get":
        return call.value == state, state
    return call.value == (state is not None), state

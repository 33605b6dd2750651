"""What a contender is, and how two of them take turns."""

from __future__ import annotations

import gc
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from scene import Scene


class Unusable(Exception):
    """A contender is installed but cannot work here; why."""


def nothing(*_: object) -> None:
    """Does nothing."""


@dataclass(frozen=True)
class Operation:
    """One thing that is timed.

    Attributes:
        run: The timed part. Its result is dropped outside of the measured time.
        before: Runs before each timed run, untimed.
        check: Gets the result of a run that is not measured and raises when it is wrong.
        size: Bytes that one run moves; 0 when a call is the unit.
        calls: Calls that one run makes.
        cpu: CPU seconds so far of a process that does the work and goes on living; those of this one are added.
        seconds: How long a run took, from its result, for programs that know without their start; None: the clock says.
        figure: What a run counted, from its result; None: nothing but time.
    """

    run: Callable[[], Any]
    before: Callable[[], None] = nothing
    check: Callable[[Any], None] = nothing
    size: int = 0
    calls: int = 1
    cpu: Callable[[], float] = lambda: 0.0
    seconds: Callable[[Any], float] | None = None
    figure: Callable[[Any], float] | None = None


class Contender(Protocol):
    """A module of ``rivals/``: raises ImportError on import when what it measures is not installed."""

    NAME: str
    VERSION: str
    #: By the name that the definitions use.
    OPERATIONS: Mapping[str, Callable[[Scene], Operation]]


@dataclass
class Runs:
    """What the measured runs of one side took; a value each."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    #: Highest resident memory during the run above that before it, page cache not counted.
    peak_bytes: list[int] = field(default_factory=list)
    figures: list[float] = field(default_factory=list)


def alternate(sides: list[Operation], pairs: int, check_all: bool = False) -> list[Runs]:
    """Measures the sides in turns, A B B A, so that a busy moment and a slow drift of the machine hit both."""
    for side in sides:
        side.before()
        side.check(side.run())
    results = [Runs() for _ in sides]
    for pair in range(pairs):
        order = range(len(sides)) if pair % 2 == 0 else reversed(range(len(sides)))
        for i in order:
            measure(sides[i], results[i], check_all)
    return results


def measure(side: Operation, runs: Runs, check: bool) -> None:
    side.before()
    gc.collect()
    gc.disable()
    try:
        start_memory = _restart_peak()
        cpu, begin = _cpu() + side.cpu(), time.perf_counter()
        result = side.run()
        seconds = time.perf_counter() - begin
        if side.seconds is not None:
            seconds = side.seconds(result)
        if side.figure is not None:
            runs.figures.append(side.figure(result))
        runs.cpu_seconds.append(_cpu() + side.cpu() - cpu)
        runs.seconds.append(seconds)
        runs.peak_bytes.append(max(0, _status("VmHWM") - start_memory))
    finally:
        gc.enable()
    if check:
        side.check(result)


def ratios(ours: Runs, rival: Runs) -> list[float]:
    """For each pair, how many times as fast as the rival we were."""
    return [theirs / mine for mine, theirs in zip(ours.seconds, rival.seconds, strict=True)]


def cpu_ratios(ours: Runs, rival: Runs) -> list[float]:
    """For each pair, our CPU time as a part of the rival's."""
    return [mine / max(theirs, 1e-9) for mine, theirs in zip(ours.cpu_seconds, rival.cpu_seconds, strict=True)]


def median(values: list[float]) -> float:
    return statistics.median(values)


def _cpu() -> float:
    """Of all threads of this process, in the kernel too, and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _restart_peak() -> int:
    """Sets the peak back to the memory that is resident now, where the kernel lets us, and returns that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
    return _status("VmRSS")


def _status(name: str) -> int:
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0


def processors() -> int:
    return len(os.sched_getaffinity(0))

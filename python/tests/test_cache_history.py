"""Processes that share a cache and are killed and stopped in between: what each of them saw has to fit one order of all writes."""

from __future__ import annotations

import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from history import Call, find_violation

#: Rounds with a cache of their own; the long form is 100.
ROUNDS = int(os.environ.get("S3DLIO_HISTORY_ROUNDS", "1"))
SEED = int(os.environ.get("S3DLIO_HISTORY_SEED", "1"))
SECONDS = float(os.environ.get("S3DLIO_HISTORY_SECONDS", "4"))
KILLS = 4
#: Calls of all processes.
LEAST = 300
PROCESSES = [("back", "always"), ("back", "never"), ("back", "always"), ("read", "never")]


def read(path: Path, found: dict[str, list[Call]]) -> int:
    """Adds what one process saw."""
    begun: dict[str, list[str]] = {}
    count = 0
    who = path.name

    def add(words: list[str], answer: str | None, end: int | None) -> None:
        _, _, kind, key, value, start = words
        if kind == "list":
            if answer is None:
                return
            there = set(filter(None, answer.split(",")))
            for one in {f"d/{i}" for i in range(5)} | there:
                found[one].append(Call("seen", one in there, int(start), end, who))
        elif kind == "put":
            found[key].append(Call("put", value, int(start), end, who))
        elif kind == "delete":
            found[key].append(Call("delete", None, int(start), end, who))
        elif answer is not None:
            found[key].append(Call(kind, (None if answer == "-" else answer) if kind == "get" else answer == "True", int(start), end, who))

    for line in path.read_text().splitlines():
        words = line.split(" ")
        if words[0] == "call":
            begun[words[1]] = words
        else:
            add(begun.pop(words[1]), words[2], int(words[3]))
            count += 1
    for words in begun.values():
        add(words, None, None)
    return count


def ended(logs: list[Path]) -> int:
    return sum(path.read_bytes().count(b"\nend ") for path in logs if path.exists())


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_what_processes_see_fits_one_order_of_writes(tmp_path: Path, seed: int) -> None:
    far, cache = f"file://{tmp_path}/far", tmp_path / "cache"
    dice = random.Random(seed)
    made = 0
    logs: list[Path] = []
    errors = tmp_path / "errors"

    def begin(place: int) -> subprocess.Popen[bytes]:
        nonlocal made
        mode, validate = PROCESSES[place]
        logs.append(tmp_path / f"log{made}")
        made += 1
        program = str(Path(__file__).with_name("cache_history.py"))
        arguments = [far, str(cache), mode, validate, f"p{made}", f"{seed}.{made}", str(logs[-1])]
        with errors.open("ab") as told:
            return subprocess.Popen([sys.executable, program, *arguments], stderr=told)

    running = [begin(place) for place in range(len(PROCESSES))]
    killed = 0
    try:
        until, patience = time.monotonic() + SECONDS, time.monotonic() + SECONDS + 120
        # on a busy machine until they have done something
        while time.monotonic() < until or (ended(logs) < LEAST and time.monotonic() < patience):
            time.sleep(dice.uniform(0.1, 0.4) * SECONDS / 3)
            place = dice.randrange(len(running))
            if dice.random() < 0.4:
                running[place].send_signal(signal.SIGSTOP)
                time.sleep(dice.uniform(0, 0.3))
                running[place].send_signal(signal.SIGCONT)
            elif killed < KILLS:
                running[place].kill()
                running[place].wait()
                running[place] = begin(place)
                killed += 1
    finally:
        for one in running:
            one.kill()
            one.wait()
    assert errors.read_text() == ""
    # what is left arrives, and is the last thing that anybody sees
    check = "import sys, s3dlio; s3dlio.cache(sys.argv[1], sys.argv[2], mode='back').flush(timeout=120)"
    subprocess.run([sys.executable, "-c", check, far, str(cache)], check=True)
    found: dict[str, list[Call]] = collections.defaultdict(list)
    count = sum(read(path, found) for path in logs if path.exists())
    now = time.monotonic_ns()
    for key in found:
        path = tmp_path / "far" / key
        value = path.read_bytes().partition(b"|")[0].decode() if path.exists() else None
        found[key].append(Call("get", value, now, now + 1, "the store"))
    assert count >= LEAST
    for key, calls in found.items():
        violation = find_violation(calls)
        assert violation is None, f"S3DLIO_HISTORY_SEED={seed}: {key}: no order of the writes explains\n" + "\n".join(map(str, violation))


def history(*calls: tuple[str, str | bool | None, int, int | None]) -> list[Call]:
    return [Call(*call) for call in calls]


@pytest.mark.parametrize(
    "calls",
    [
        history(("put", "a", 0, 1), ("put", "b", 2, 5), ("get", "a", 3, 4), ("get", "b", 3, 5), ("get", "b", 6, 7)),
        history(("put", "a", 0, None), ("get", None, 1, 2), ("get", "a", 3, 4), ("delete", None, 5, 9), ("seen", True, 6, 7)),
        history(("put", "a", 0, 9), ("put", "b", 0, 9), ("get", "b", 1, 2), ("get", "a", 3, 4), ("seen", True, 4, 4)),
        history(("put", "a", 0, None), ("put", "b", 1, 2), ("get", "b", 3, 4), ("get", "a", 5, 6), ("get", "a", 7, 8)),
    ],
)
def test_checker_accepts_what_some_order_explains(calls: list[Call]) -> None:
    assert find_violation(calls) is None


@pytest.mark.parametrize(
    "calls",
    [
        history(("put", "a", 0, 1), ("get", None, 2, 3)),
        history(("put", "a", 0, 1), ("put", "b", 2, 3), ("get", "a", 4, 5)),
        history(("put", "a", 0, 1), ("put", "b", 2, 9), ("get", "b", 3, 4), ("get", "a", 5, 6)),
        history(("put", "a", 0, 1), ("delete", None, 2, 3), ("seen", True, 4, 5)),
        history(("put", "a", 0, None), ("get", "a", 1, 2), ("put", "b", 3, 4), ("get", "a", 5, 6)),
        history(("get", "never written", 0, 1)),
        history(("put", "a", 0, 9), ("put", "b", 0, 9), ("get", "b", 1, 2), ("get", "a", 3, 4), ("get", "b", 5, 6)),
    ],
)
def test_checker_refuses_what_no_order_explains(calls: list[Call]) -> None:
    assert find_violation(calls)

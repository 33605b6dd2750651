"""What the program leaves when it is killed, and what the next run makes of it.

``S3DLIO_SYNC_KILLS=200`` kills that often, ``S3DLIO_REPLAY_ROWS=1000000`` replays a log of that length,
``S3DLIO_SYNC_SEED`` chooses other moments.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from cli_program import Cli, needs_program, tree, write

KILLS = int(os.environ.get("S3DLIO_SYNC_KILLS", "8"))
ROWS = int(os.environ.get("S3DLIO_REPLAY_ROWS", "20000"))
SEED = int(os.environ.get("S3DLIO_SYNC_SEED", "1"))
PEAK = 128 << 20  # bytes that a replay may hold


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    needs_program()
    return Cli(tmp_path)


def change(chance: random.Random, folder: Path) -> None:
    """Changes, adds and takes away some files."""
    names = sorted(tree(folder))
    for name in chance.sample(names, len(names) // 4):
        (folder / name).unlink()
    names = sorted(tree(folder))
    changed = {name: chance.randbytes(chance.randrange(200_000)) for name in chance.sample(names, len(names) // 4)}
    added = {f"{chance.randrange(4)}/{chance.randrange(1000):03}": chance.randbytes(chance.randrange(200_000)) for _ in range(20)}
    write(folder, changed | added)


def test_sync_killed_at_any_moment_goes_on_to_the_same_tree(cli: Cli) -> None:
    chance = random.Random(SEED)
    write(cli.folder, {f"from/{i % 4}/{i:03}": chance.randbytes(chance.randrange(200_000)) for i in range(60)})
    source, target = cli.folder / "from", cli.folder / "here/to"
    beside = {"neighbour": b"stays", "to2/a": b"stays", "to.old/b": b"stays"}
    write(cli.folder / "here", beside)
    started = time.monotonic()
    cli("sync", "--delete", source, target)
    length = time.monotonic() - started
    assert tree(target) == tree(source)
    killed = halfway = 0
    while killed < KILLS:
        before = tree(target)
        change(chance, source)
        wanted = tree(source)
        with subprocess.Popen(cli.words("sync", "--delete", source, target), cwd=cli.folder, stderr=subprocess.DEVNULL) as running:
            time.sleep(chance.random() * length)
            running.kill()
        killed += running.returncode == -9
        length = length * 0.9 if running.returncode == 0 else length * 1.05
        left = tree(target)
        for name, data in wanted.items():
            if name in before:  # never deleted, never torn
                assert left[name] in (before[name], data), f"{name} is neither the old object nor the new one"
            elif name in left:
                assert left[name] == data, f"{name} holds wrong bytes"
        halfway += left not in (before, wanted)
        if chance.random() < 0.7:  # else the next one is killed on what this one left
            cli("sync", "--delete", source, target)
            assert cli.lines("ls", "-r", target) and {n: d for n, d in tree(target).items() if n in wanted} == wanted
            assert {name for name in tree(target) if not Path(name).name.startswith(".")} == set(wanted)
    cli("sync", "--delete", source, target)
    cli("check", source, target)
    assert {name: data for name, data in tree(cli.folder / "here").items() if not name.startswith("to/")} == beside
    print(f"{killed} kills, {halfway} of them halfway")
    assert halfway, "no kill came in the middle: the test shows nothing"


def test_replay_of_a_long_log_needs_little_memory(cli: Cli) -> None:
    write(cli.folder, {f"data/{i}": b"x" * 4096 for i in range(100)})
    columns = "idx\tthread\top\tclient_id\tn_objects\tbytes\tendpoint\tfile\terror\tstart\tfirst_byte\tend\tduration_ns\n"
    with (cli.folder / "long.tsv").open("w") as out:
        out.write(columns)
        for i in range(ROWS):
            moment = f"2026-01-01T00:{i // 600_000:02}:{i % 600_000 / 10_000:012.9f}Z"
            out.write(f"{i}\t{i % 8}\tGET\tc\t1\t4096\tfile://\t/{i % 100}\t\t{moment}\t\t{moment}\t0\n")
    words = cli.words("replay", "--json", "--speed", "max", "--remap", f"file:///=file://{cli.folder}/data/", "long.tsv")
    ended = subprocess.run(
        ["/usr/bin/env", "python3", "-c", MEASURE, *map(str, words)], cwd=cli.folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-500:] + ended.stderr[-500:]
    peak = int(ended.stderr.split()[-1]) << 10
    print(f"{ROWS} rows, peak {peak >> 20} MiB")
    assert f'"operations":{ROWS}' in ended.stdout.replace(" ", "") and peak <= PEAK


MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""

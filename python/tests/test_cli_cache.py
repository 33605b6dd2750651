"""The program's verbs for a cache in front of stores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Cli, needs_program, write
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio

FILES = {f"t/{i:02}": os.urandom(3000 * i + 1) for i in range(20)} | {"t/big": os.urandom(3 << 20)}
TOTAL = sum(map(len, FILES.values()))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    needs_program()
    write(tmp_path, FILES)
    return Cli(tmp_path)


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in (cache / "entries").rglob("*") if path.is_file())


def test_warm_keeps_what_python_then_finds(cli: Cli) -> None:
    assert cli.lines("cache", "warm", "c", "t") == [{"objects": 21, "bytes": TOTAL}]
    *shares, total = cli.lines("cache", "stats", "c")
    assert [(one["uri"], one["objects"]) for one in shares] == [("file:///", 21)]
    assert total["objects"] == 21 and total["bytes"] >= TOTAL and total["blocks"] >= 20 + 3
    assert total["bytes"] == sum(path.stat().st_size for path in entries(cli.folder / "c"))
    store = s3dlio.cache(f"file://{cli.folder}/t", cli.folder / "c")
    for name, data in FILES.items():
        assert bytes(store.get(name[2:])) == data
    found = store.stats()
    assert found["hits"] > 0 and found["misses"] == 0
    assert "21 objects, " in cli("cache", "stats", "c")


def test_warm_takes_filters_and_tells_of_what_is_not_there(cli: Cli) -> None:
    assert cli.lines("cache", "warm", "--exclude", "big", "c", "t")[0]["objects"] == 20
    assert cli.lines("cache", "warm", "c", "t/0*")[0]["objects"] == 10
    cli("cache", "warm", "c", "gone", code=1)
    cli("cache", "stats", "t", code=1)
    assert "no cache lies there" in cli.errors and not (cli.folder / "t/entries").exists()
    cli("cache", "stats", "s3://bucket/x", code=2)


def test_verify_finds_each_damaged_entry_and_removes_it_when_asked(cli: Cli) -> None:
    cli("cache", "warm", "c", "t")
    whole = cli.lines("cache", "verify", "c")
    assert whole == [{"entries": len(entries(cli.folder / "c")), "bytes": whole[0]["bytes"], "damaged": 0, "removed": False}]
    files = entries(cli.folder / "c")
    flipped = next(path for path in files if 8000 < path.stat().st_size < 1 << 20)
    cut, one, other = (path for path in files[:4] if path != flipped) if flipped in files[:4] else files[:3]
    data = bytearray(flipped.read_bytes())
    data[-1] ^= 1
    flipped.write_bytes(data)
    cut.write_bytes(cut.read_bytes()[:-1])
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    wanted = {flipped, cut, one, other}
    out = cli("cache", "verify", "c", code=3)
    assert {Path(line.split(": ")[1]) for line in out.splitlines() if line.startswith("damaged: ")} == wanted
    *damage, total = cli.lines("cache", "verify", "--remove", "c", code=3)
    assert len(damage) == total["damaged"] == len(wanted) and total["removed"]
    assert not any(path.exists() for path in wanted)
    cli("cache", "verify", "c")
    assert len(entries(cli.folder / "c")) == len(files) - len(wanted)


def test_evict_by_address_size_or_all(cli: Cli) -> None:
    cli("cache", "warm", "c", "t")
    cli("cache", "evict", "c", code=2)
    cli("cache", "evict", "--all", "--size", "1M", "c", code=2)
    (done,) = cli.lines("cache", "evict", "c", "t/big")
    assert done["bytes"] >= 3 << 20
    assert cli.lines("cache", "stats", "c")[-1]["objects"] == 20
    (done,) = cli.lines("cache", "evict", "--size", "300k", "c")
    left = cli.lines("cache", "stats", "c")[-1]
    assert done["entries"] > 0 and 0 < left["bytes"] <= 300_000
    (done,) = cli.lines("cache", "evict", "--all", "c")
    assert done["bytes"] == left["bytes"] and entries(cli.folder / "c") == []
    cli("cache", "evict", "--all", "t", code=1)
    cli("cache", "evict", "t", "t/big", code=1)
    assert "no cache lies there" in cli.errors and not (cli.folder / "t/VERSION").exists()


@pytest.mark.parametrize("server", [s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def test_cache_of_a_server_is_filled_and_evicted_by_its_addresses(server: Callable[[], tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    needs_program()
    uri, options = server()
    cli = Cli(tmp_path, options, f"{uri.rstrip('/')}/cache-{os.urandom(8).hex()}")
    write(tmp_path, FILES)
    cli("cp", "-r", "t", cli.uri)
    assert cli.lines("cache", "warm", "c", cli.uri)[0] == {"objects": 21, "bytes": TOTAL}
    (share, _) = cli.lines("cache", "stats", "c")
    assert cli.uri.startswith(share["uri"]) and share["objects"] == 21
    assert cli.lines("cache", "evict", "c", f"{cli.uri}/0")[0]["entries"] >= 10
    assert cli.lines("cache", "stats", "c")[-1]["objects"] == 11
    # the option of every verb: what is read goes through the cache
    cli("cat", "-o", f"cache={tmp_path}/c", f"{cli.uri}/05", binary=True)
    assert cli.lines("cache", "stats", "c")[-1]["objects"] == 12


def test_drain_sends_what_waits_and_tells_what_is_left(cli: Cli) -> None:
    store = s3dlio.cache(f"file://{cli.folder}/far", cli.folder / "c", mode="offline")
    for i in range(5):
        store.put(f"x/{i}", b"data %d" % i)
    assert cli.lines("cache", "parked", "c") == [{"parked": 0}]
    # the journal is that of this process, which lives and sends nothing
    *waiting, total = cli.lines("cache", "drain", "--timeout", "0.1", "c", code=3)
    assert (len(waiting), total) == (5, {"sent": 0, "left": 5, "parked": 0})
    writer = "import s3dlio; s = s3dlio.cache('file://%s/late', '%s', mode='offline'); s.put('a/b', b'below'); s.put('a', b'in its way')"
    subprocess.run([sys.executable, "-c", writer % (cli.folder, cli.folder / "d")], check=True)
    *left, total = cli.lines("cache", "drain", "d", code=3)
    assert total == {"sent": 1, "left": 1, "parked": 1} and left[0]["uri"].endswith("/late/a") and left[0]["parked"]
    assert (cli.folder / "late/a/b").read_bytes() == b"below"
    assert "late/a" in cli("cache", "parked", "d", code=3)
    assert cli.lines("cache", "parked", "--discard", "d")[-1] == {"parked": 0}
    cli("cache", "drain", "d")
    cli("cache", "parked", "--retry", "--discard", "d", code=2)

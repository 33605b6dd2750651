"""The benchmark of the program: what it counts, what it leaves behind, what it says of the machine."""

from __future__ import annotations

import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Cli, needs_program
from servers_fixture import azure_server, s3_server


@pytest.fixture(params=["file", "s3", "azure"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Cli:
    needs_program()
    if request.param == "file":
        (tmp_path / "far").mkdir()
        return Cli(tmp_path, None, f"file://{tmp_path}/far")
    server: Callable[[], tuple[str, dict[str, Any]]] = {"s3": s3_server, "azure": azure_server}[request.param]
    uri, options = server()
    return Cli(tmp_path, options, f"{uri.rstrip('/')}/bench-{uuid.uuid4()}")


def left(cli: Cli) -> list[str]:
    """What lies there; that there is nothing may be a failure."""
    return [line for line in cli.run("ls", "-r", cli.uri + "/").stdout.decode().splitlines() if line]


def test_mix_is_measured_and_nothing_stays(cli: Cli) -> None:
    mix = "get=4,put=2,stat=2,delete=1,list=1"
    lines = cli.lines("bench", "objects", "-s", "1Ki,300Ki", "-n", "20", "-d", "2s", "--warm-up", "0.3s", "-j", "4", "--mix", mix,
                      "--report", "out.html", "--op-log", "log.tsv", cli.uri)  # fmt: skip
    operations = {(line["op"], line["size"]): line for line in lines if "op" in line}
    assert {"GET", "PUT", "STAT", "LIST"} <= {op for op, _ in operations}
    assert {size for op, size in operations if op == "GET"} == {"1 B-8 KiB", "64 KiB-1 MiB"}
    for (op, size), line in operations.items():
        assert line["errors"] == 0 and line["latency_ns"]["p50"] <= line["latency_ns"]["max"]
        if op in ("GET", "PUT"):
            assert line["bytes"] == line["count"] * (1024 if size == "1 B-8 KiB" else 300 << 10)
        assert ("first_byte_ns" in line) == (op in ("GET", "LIST"))
    machine = lines[-1]
    assert 1.5 < machine["seconds"] < 20 and machine["cpu_seconds"] > 0 and 0 <= machine["machine_busy"] <= 1 and machine["limit"]
    assert machine["bench"].startswith("objects GET=4,PUT=2") and "cpu_seconds_per_gb" in machine
    assert "<svg" in (cli.folder / "out.html").read_text()
    # the log has the preparation and the warm-up too
    logged = [line.split("\t")[2] for line in (cli.folder / "log.tsv").read_text().splitlines()[1:]]
    assert logged.count("GET") >= sum(line["count"] for (op, _), line in operations.items() if op == "GET")
    assert left(cli) == []


@pytest.mark.parametrize("what", ["tensors", "checkpoint"])
def test_models_are_saved_and_loaded(cli: Cli, what: str) -> None:
    lines = cli.lines("bench", what, "-s", "3Mi", "-t", "7", "-n", "2", cli.uri)
    counts = {line["op"]: line for line in lines if "op" in line}
    assert {op: line["count"] for op, line in counts.items()} == {"SAVE": 2, "LOAD": 2}
    size = (3 << 20) // 7 // 4 * 4 * 7
    for line in counts.values():
        # with its head, which is longer where a file has one for each rank
        assert 2 * size < line["bytes"] < 2 * (size + 8000)
    assert {line["alone"] for line in lines if "alone" in line} == {"SAVE", "LOAD"}
    assert left(cli) == []
    text = cli("bench", what, "-s", "100k", "-t", "3", "-n", "1", cli.uri)
    assert re.search(r"^SAVE +[\d.]+ MiB/s while it ran$", text, re.MULTILINE) and re.search(r"^limit +\w", text, re.MULTILINE)


def test_interrupt_takes_everything_away(tmp_path: Path) -> None:
    needs_program()
    (tmp_path / "far").mkdir()
    cli = Cli(tmp_path, None, f"file://{tmp_path}/far")
    with subprocess.Popen(cli.words("bench", "objects", "-s", "1k", "-n", "50", "-d", "60s", "far"), cwd=tmp_path,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:  # fmt: skip
        assert running.stdout is not None
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("far/*/more")) and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
    assert list(tmp_path.glob("far/**/*")) == []


def test_keep_and_wrong_words(tmp_path: Path) -> None:
    needs_program()
    (tmp_path / "far").mkdir()
    cli = Cli(tmp_path, None, f"file://{tmp_path}/far")
    cli("bench", "objects", "-s", "10", "-n", "3", "-d", "0.1s", "--warm-up", "0s", "--mix", "stat", "--keep", "far")
    assert len([path for path in tmp_path.glob("far/**/*") if path.is_file()]) == 3
    for words in (["--mix", "fly=1"], ["--mix", "get=0"], ["--report", "out.gif"], ["-s", "much"], ["-d", "soon"], ["-n", "0"]):
        cli("bench", "objects", *words, "far", code=2)
    cli("bench", code=2)

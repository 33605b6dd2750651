"""The program's log of operations: written, summed up, converted, done again."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import xml.dom.minidom
import zlib
from pathlib import Path
from typing import Any

import pytest
from cli_program import Cli, needs_program, write

import s3dlio

COLUMNS = [
    "idx",
    "thread",
    "op",
    "client_id",
    "n_objects",
    "bytes",
    "endpoint",
    "file",
    "error",
    "start",
    "first_byte",
    "end",
    "duration_ns",
]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    needs_program()
    return Cli(tmp_path)


@pytest.fixture
def log(cli: Cli) -> Path:
    write(cli.folder, {f"t/{i:02}": os.urandom(i * 300) for i in range(40)})
    cli("cp", "-r", "--op-log", "up.tsv", "t", "out")
    cli("cat", "--op-log", "get.tsv.zst", *(f"out/{i:02}" for i in range(40)), binary=True)
    return cli.folder / "get.tsv.zst"


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a log as another program reads them."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        if shutil.which("zstd") is None:
            pytest.skip("the program zstd is not installed")
        data = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout
    lines = data.decode().splitlines()
    return [dict(zip(lines[0].split("\t"), line.split("\t"), strict=False)) for line in lines[1:]]


def test_log_has_the_columns_and_a_row_for_each_operation(cli: Cli, log: Path) -> None:
    found = rows(log)
    assert list(found[0])[:13] == COLUMNS
    assert [row["op"] for row in found] == ["GET"] * 40
    assert [int(row["bytes"]) for row in found] == [i * 300 for i in range(40)]
    assert {row["endpoint"] for row in found} == {"file://"} and found[3]["file"] == str(cli.folder / "out/03")
    assert all(int(row["thread"]) < 65536 and int(row["duration_ns"]) >= 0 for row in found)
    assert all(row["start"].endswith("Z") and len(row["start"]) == len("2026-01-01T00:00:00.123456789Z") for row in found)


def test_rows_outlive_failures_and_hold_no_secret(cli: Cli) -> None:
    environment = {
        "S3DLIO_OPLOG": "env.tsv",
        "S3DLIO_STORAGE_OPTIONS": json.dumps({"secret_access_key": "hush", "access_key_id": "AKIAHUSH"}),
    }
    cli("cat", "gone", code=1, environment=environment)
    (row,) = rows(cli.folder / "env.tsv")
    assert row["op"] == "GET" and row["error"].strip('"').startswith("NotFound: ")
    text = (cli.folder / "env.tsv").read_text()
    assert "hush" not in text and "HUSH" not in text
    cli("ls", "--op-log", "/nowhere/log.tsv", code=1)
    assert "the op log cannot be written there" in cli.errors


def test_summary_and_top(cli: Cli, log: Path) -> None:
    text = cli("oplog", "summary", log)
    assert text.splitlines()[0].split()[:5] == ["op", "size", "count", "errors", "op/s"]
    assert "40 operations in" in text
    groups = cli_lines(cli, "oplog", "summary", "--json", log)
    assert sum(group["count"] for group in groups[:-1]) == 40 == groups[-1]["rows"]
    assert sum(group["bytes"] for group in groups[:-1]) == sum(i * 300 for i in range(40))
    for group in groups[:-1]:
        latency = group["latency_ns"]
        assert latency["p50"] <= latency["p99"] <= latency["max"]
    top = cli_lines(cli, "oplog", "top", "--json", "-n", "3", "--by", "bytes", log)
    assert [row["bytes"] for row in top] == [39 * 300, 38 * 300, 37 * 300]
    assert len(cli("oplog", "top", log).splitlines()) == 10
    assert cli("oplog", "summary", "--filter", "PUT", log).splitlines()[-1].startswith("0 operations")


def cli_lines(cli: Cli, *words: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cli(*words).splitlines()]


def test_convert_to_every_form_and_back(cli: Cli, log: Path) -> None:
    for form in ("tsv", "csv", "jsonl"):
        cli("oplog", "convert", log, f"x.{form}")
        again = cli_lines(cli, "oplog", "summary", "--json", f"x.{form}")
        assert again == cli_lines(cli, "oplog", "summary", "--json", log)
        assert list(s3dlio.oplog.read(cli.folder / f"x.{form}"))[1].bytes == 300
    fio = cli("oplog", "convert", "--to", "fio", log, "-").splitlines()
    assert fio[0] == "fio version 3 iolog" and sum(" read 0 " in line for line in fio) == 39
    cli("oplog", "convert", log, "trace.json")
    events = json.loads((cli.folder / "trace.json").read_text())["traceEvents"]
    assert len(events) == 40 and {"name", "ph", "ts", "dur", "pid", "tid"} <= set(events[0])
    cli("oplog", "convert", log, "x.tsv.zst", code=2)


def test_sort_puts_rows_in_the_order_of_their_starts(cli: Cli) -> None:
    # ends come in the order of the file, starts do not
    starts = [5, 1, 4, 0, 3, 2, 2]
    lines = ["\t".join(COLUMNS)]
    lines += [
        f"{i}\t1\tPUT\tc\t1\t100\ts3://b\tb/{i}\t\t2026-01-01T00:00:0{start}Z\t\t2026-01-01T00:00:1{i}Z\t0"
        for i, start in enumerate(starts)
    ]
    (cli.folder / "ends.tsv").write_text("\n".join(lines) + "\n")
    cli("oplog", "sort", "ends.tsv", "starts.tsv")
    assert [row["file"] for row in rows(cli.folder / "starts.tsv")] == ["b/3", "b/1", "b/5", "b/6", "b/4", "b/2", "b/0"]
    before, after = (cli_lines(cli, "oplog", "summary", "--json", name) for name in ("ends.tsv", "starts.tsv"))
    assert before == after
    cli("oplog", "sort", "starts.tsv", "starts.tsv")
    assert after == cli_lines(cli, "oplog", "summary", "--json", "starts.tsv")
    found = cli_lines(cli, "oplog", "sort", "--to", "jsonl", "ends.tsv", "-")
    assert [row["start"] for row in found] == sorted(row["start"] for row in found)


def test_replay_makes_and_reads(cli: Cli, log: Path) -> None:
    cli("replay", log, code=2)
    target = f"file://{cli.folder}/again"
    shown = cli("replay", "--dry-run", "--target", target, log).splitlines()
    assert len(shown) == 40 and f"{target}{cli.folder}/out/03" in shown[3] and not (cli.folder / "again").exists()
    (failed,) = cli_lines_code(cli, 1, "replay", "--json", "--speed", "max", "--target", target, log)
    assert failed["errors"] == 40
    (done,) = cli_lines(cli, "replay", "--json", "--speed", "2", "--prepare", "--target", target, log)
    assert (done["operations"], done["errors"], done["bytes"]) == (40, 0, sum(i * 300 for i in range(40)))
    assert done["lag_ns"]["count"] == 40 and done["latency_ns"]["GET"]["count"] == 40
    (puts,) = cli_lines(
        cli, "replay", "--json", "--speed", "max", "--filter", "put", "--remap", f"file://{cli.folder}/out={target}2", "up.tsv"
    )
    assert puts["operations"] >= 0 and puts["errors"] == 0


def cli_lines_code(cli: Cli, code: int, *words: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cli(*words, code=code).splitlines()]


def test_replay_keeps_the_timeline(cli: Cli) -> None:
    lines = ["\t".join(COLUMNS)]
    lines += [
        f"{i}\t1\tPUT\tc\t1\t100\ts3://b\tb/{i}\t\t2026-01-01T00:00:{i / 10:012.9f}Z\t\t2026-01-01T00:00:{i / 10:012.9f}Z\t0"
        for i in range(11)
    ]
    (cli.folder / "slow.tsv").write_text("\n".join(lines) + "\n")
    (done,) = cli_lines(cli, "replay", "--json", "--speed", "0.5", "--target", f"file://{cli.folder}/r", "slow.tsv")
    assert done["errors"] == 0 and 2.0 <= done["seconds"] < 20 and abs(done["planned_seconds"] - 2.0) < 1e-6


def test_plot_draws_what_the_summary_counts(cli: Cli) -> None:
    lines = ["\t".join(COLUMNS)]
    for i in range(3000):
        # ten a second, so that the intervals have to grow; one of ten is a PUT that fails
        second, op, error = i / 10, "PUT" if i % 10 == 9 else "GET", "Unavailable: <busy>" if i % 10 == 9 else ""
        start = f"2026-01-01T00:{int(second // 60):02}:{second % 60:012.9f}Z"
        end = f"2026-01-01T00:{int((second + 0.05) // 60):02}:{(second + 0.05) % 60:012.9f}Z"
        lines.append(f"{i}\t1\t{op}\tc\t1\t{1 << 20}\ts3://b\tb/{i}\t{error}\t{start}\t{start}\t{end}\t50000000")
    (cli.folder / "log.tsv").write_text("\n".join(lines) + "\n")
    cli("oplog", "plot", "log.tsv", "out.html", "--title", "<b>&")
    page = (cli.folder / "out.html").read_text()
    body = xml.dom.minidom.parseString(page[page.index("<body>") : page.index("</html>")])
    assert "&lt;b&gt;&amp;" in page and "<b>" not in page and len(body.getElementsByTagName("svg")) == 4
    cells = [[cell.firstChild.data for cell in row.childNodes if cell.firstChild] for row in body.getElementsByTagName("tr")]
    # 2,700 MiB in 300 s
    assert ["GET", "64 KiB-1 MiB", "2700", "0", "9.0", "9.00"] == cells[1][:6] and ["Unavailable", "300"] in cells
    assert "http" not in page.replace("http://www.w3.org/", "")
    cli("oplog", "plot", "log.tsv", "out.svg")
    assert len(xml.dom.minidom.parse(str(cli.folder / "out.svg")).getElementsByTagName("g")) >= 4
    cli("oplog", "plot", "--filter", "GET", "log.tsv", "out.png")
    png = (cli.folder / "out.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    at = png.index(b"IDAT")
    pixels = zlib.decompress(png[at + 4 : at + 4 + struct.unpack(">I", png[at - 4 : at])[0]])
    assert len(pixels) == height * (1 + 3 * width)
    # the line of GET is there, that of PUT is not
    assert pixels.count(bytes([0x00, 0x72, 0xB2])) > 500 and bytes([0xD5, 0x5E, 0x00]) not in pixels
    cli("oplog", "plot", "log.tsv", "out.gif", code=2)
    cli("oplog", "plot", "--filter", "MOVE", "log.tsv", "out.png", code=1)
    cli("replay", "--speed", "max", "--target", f"file://{cli.folder}/r", "--filter", "PUT", "--report", "replay.html", "log.tsv")
    assert "lag" in (cli.folder / "replay.html").read_text()


def test_foreign_logs_are_read(cli: Cli) -> None:
    warp = (
        "idx\tthread\top\tclient_id\tn_objects\tbytes\tendpoint\tfile\terror\tstart\tfirst_byte\tlast_byte\tend\tduration_ns\tcat\n"
        '0\t0\tGET\tx\t1\t10\thttp://h:9000\t"a '
        '""b"""\t\t2026-01-01T00:00:00Z\t2026-01-01T00:00:00.5Z\t\t2026-01-01T00:00:01Z\t1000000000\t0\n'
        "# warp (v1)\n"
    )
    (cli.folder / "warp.csv").write_text(warp)
    (row,) = s3dlio.oplog.read(cli.folder / "warp.csv")
    assert (row.file, row.duration_ns, row.first_byte and row.first_byte - row.start) == ('a "b"', 10**9, 5 * 10**8)
    assert cli("oplog", "summary", "warp.csv").splitlines()[-1] == "1 operations in 1.000 s"
    (cli.folder / "none.tsv").write_text("a\tb\n")
    cli("oplog", "summary", "none.tsv", code=1)
    assert "no op log" in cli.errors

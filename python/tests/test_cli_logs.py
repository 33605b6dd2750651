"""The program's verbs for durable logs: look, follow, check, mend, bring records in and out."""

from __future__ import annotations

import base64
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Cli, needs_program
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio
from s3dlio.datasets import _tfrecord


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    needs_program()
    return Cli(tmp_path)


def make(path: Path, records: list[bytes], **settings: Any) -> None:
    """A log with a frame for each fifty records."""
    with s3dlio.Log.open(path, "a", **settings) as log:
        for i, record in enumerate(records, 1):
            log.append(record)
            if i % 50 == 0:
                log.commit()


def records(path: Path) -> list[bytes]:
    with s3dlio.Log.open(path) as log:
        return [bytes(record) for record in log[log.begin :]]


ODD = [b"one", b"", b"two\nlines", b"\xff\x00bytes", "später".encode(), b"x" * 300_000]


def damage(path: Path, record: bytes) -> None:
    """Flips a bit of a record where it lies."""
    (segment,) = [one for one in path.glob("seg-*.s3l") if record in one.read_bytes()]
    data = bytearray(segment.read_bytes())
    data[data.index(record)] ^= 1
    segment.write_bytes(data)


def test_ls_finds_logs_at_any_depth_with_their_numbers(cli: Cli) -> None:
    make(cli.folder / "runs/a/steps", [b"x"] * 12)
    make(cli.folder / "runs/b", [b"y"] * 3)
    (cli.folder / "runs/none").mkdir()
    with s3dlio.Log.open(cli.folder / "runs/a/steps", "a", segment_size=16 << 10) as log:
        log.append_batch([bytes(5000)] * 20)
        log.commit()
        log.truncate_before(20)
        found = {one["uri"]: one for one in cli.lines("log", "ls", "runs")}
        assert found["runs/a/steps"]["state"] == "open"
    assert sorted(found) == ["runs/a/steps", "runs/b"]
    steps = found["runs/a/steps"]
    assert (steps["begin"], steps["end"], steps["records"]) == (20, 32, 12) and steps["bytes"] >= 12 * 5000
    assert (found["runs/b"]["records"], found["runs/b"]["state"], found["runs/b"]["segments"]) == (3, "closed", 1)
    text = cli("log", "ls", "runs").splitlines()
    assert text[0].split()[:2] == ["12", "records"] and text[0].endswith("runs/a/steps") and text[-1] == "2 logs"
    assert cli.lines("log", "ls", "runs/none") == []
    cli("log", "ls", "runs/gone", code=1)


def test_cat_chooses_records_and_separators(cli: Cli) -> None:
    make(cli.folder / "l", [b"%d" % i for i in range(100)])
    assert cli("log", "cat", "l").split() == [str(i) for i in range(100)]
    assert cli("log", "cat", "--from", "97", "l") == "97\n98\n99\n"
    assert cli("log", "cat", "--from", "-3", "--count", "2", "l") == "97\n98\n"
    assert cli("log", "cat", "--from=-3", "--to=-1", "l") == "97\n98\n"
    assert cli("log", "cat", "--to", "2", "-0", "l") == "0\x001\x00"
    assert cli("log", "cat", "--to", "3", "--separator", r"\t|", "l") == "0\t|1\t|2\t|"
    assert cli("log", "cat", "--to", "3", "--separator", "", "l") == "012"
    assert cli("log", "cat", "--from", "5", "--to", "5", "l") == "" == cli("log", "cat", "--from", "100", "l")
    cli("log", "cat", "--from", "101", "l", code=1)
    assert "the log ends before 100" in cli.errors
    cli("log", "cat", "gone", code=1)
    assert "there is no log" in cli.errors
    cli("log", "cat", "--from", "x", "l", code=2)


def test_cat_json_has_every_byte(cli: Cli) -> None:
    make(cli.folder / "l", ODD)
    lines = cli.lines("log", "cat", "l")
    assert [line["number"] for line in lines] == list(range(len(ODD)))
    assert [line["text"].encode() if "text" in line else base64.b64decode(line["base64"]) for line in lines] == ODD
    assert ["text" in line for line in lines] == [True, True, True, False, True, True]
    assert all("base64" in line for line in cli.lines("log", "cat", "--base64", "l"))


def test_cat_of_a_damaged_record_ends_with_3_unless_it_is_passed_over(cli: Cli) -> None:
    make(cli.folder / "l", [b"record %02d" % i for i in range(30)])
    damage(cli.folder / "l", b"record 17")
    out = cli("log", "cat", "l", code=3)
    assert out.splitlines() == [f"record {i:02}" for i in range(17)]
    assert "record 17 is damaged" in cli.errors
    out = cli("log", "cat", "--skip-damaged", "l")
    assert out.splitlines() == [f"record {i:02}" for i in range(30) if i != 17]


WRITER = """
import sys, time, s3dlio
with s3dlio.Log.open(sys.argv[1], "a") as log:
    for i in range(int(sys.argv[2])):
        log.append(b"%d" % i)
        log.commit()
        time.sleep(0.002)
"""


def test_tail_follows_a_live_writer_until_interrupted(cli: Cli) -> None:
    make(cli.folder / "l", [b"before"])
    tail = subprocess.Popen(cli.words("log", "tail", "-f", "l"), cwd=cli.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert tail.stdout is not None and tail.stdout.readline() == b"before\n"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, cli.folder / "l", "200"])
    try:
        assert [tail.stdout.readline() for _ in range(200)] == [b"%d\n" % i for i in range(200)]
        assert writer.wait(60) == 0
        # a writer that came back is followed, too
        make(cli.folder / "l", [b"again"])
        assert tail.stdout.readline() == b"again\n"
        assert tail.poll() is None
    finally:
        tail.send_signal(signal.SIGINT)
    out, errors = tail.communicate(timeout=60)
    assert (tail.returncode, out) == (130, b"") and b"interrupted" in errors


def test_tail_prints_the_last_and_ends_when_nothing_comes(cli: Cli) -> None:
    make(cli.folder / "l", [b"%d" % i for i in range(50)])
    assert cli("log", "tail", "l").split() == [str(i) for i in range(40, 50)]
    assert cli("log", "tail", "-n", "2", "l") == "48\n49\n"
    begun = time.monotonic()
    assert cli("log", "tail", "-n", "0", "-f", "--timeout", "0.5s", "l") == ""
    assert time.monotonic() - begun >= 0.5


def test_inspect_tells_numbers_cursors_and_writer(cli: Cli) -> None:
    with s3dlio.Log.open(cli.folder / "l", "a") as log:
        log.append_batch([b"a", b"b"])
        log.commit()
        log.cursor("trainer").set(1)
        text = cli("log", "inspect", "l")
        assert "2 records, 0 to 2, of any length" in text and f"state: open: process {os.getpid()}" in text and "cursor trainer: 1" in text
    (found,) = cli.lines("log", "inspect", "l")
    assert found == s3dlio.Log.inspect(cli.folder / "l")
    cli("log", "inspect", ".", code=1)


def test_verify_names_the_places_and_repair_keeps_the_rest(cli: Cli) -> None:
    make(cli.folder / "l", [b"record %02d" % i for i in range(30)])
    assert cli("log", "verify", "l").startswith("whole: 30 records")
    damage(cli.folder / "l", b"record 17")
    out = cli("log", "verify", "l", code=3)
    assert "damaged: " in out and ".s3l at byte" in out and "record 17:" in out and "DAMAGED" in out
    (found,) = cli.lines("log", "verify", "l", code=3)
    assert not found["whole"] and [(one["first_record"], one["end_record"]) for one in found["findings"]] == [(17, 18)]


def test_repair_asks_first_and_heals_from_the_copy(cli: Cli) -> None:
    make(cli.folder / "l", [b"record %05d " % i + bytes(100) for i in range(1000)], segment_size=16 << 10)
    cli("log", "upload", "--seal", "l", "copy")
    before = {one.name: one.read_bytes() for one in (cli.folder / "l").iterdir()}
    damage(cli.folder / "l", b"record 00050 ")
    cli("log", "repair", "l", code=2)
    assert "--dry-run" in cli.errors and "--yes" in cli.errors
    cli("log", "repair", "--yes", "--dry-run", "l", code=2)
    damaged = {one.name: one.read_bytes() for one in (cli.folder / "l").iterdir()}
    out = cli("log", "repair", "--dry-run", "l", code=3)
    assert "record 50:" in out and "nothing can be done" in out
    out = cli("log", "repair", "--dry-run", "--copy", "copy", "l", code=3)
    assert "replaced by its copy" in out
    assert damaged == {one.name: one.read_bytes() for one in (cli.folder / "l").iterdir()} != before
    (found,) = cli.lines("log", "repair", "--yes", "--copy", "copy", "l")
    assert found["whole"] and found["findings"] == [] and len(found["repaired"]) == 1
    assert cli("log", "verify", "l").startswith("whole: 1000 records")


def test_truncate_drops_and_counts_from_the_end(cli: Cli) -> None:
    make(cli.folder / "l", [bytes(100)] * 1000, segment_size=16 << 10)
    inspected = s3dlio.Log.inspect(cli.folder / "l")
    assert cli("log", "truncate", "--dry-run", "--before", "-200", "l") == "would drop 800 records, 0 to 799; 200 would stay\n"
    cli("log", "truncate", "l", code=2)
    (done,) = cli.lines("log", "truncate", "--before", "-200", "l")
    assert (done["truncated"], done["begin"], done["end"]) == (800, 800, 1000) and done["bytes_freed"] > 50_000
    found = s3dlio.Log.inspect(cli.folder / "l")
    assert (found["begin"], found["end"], found["segment_size"], found["whole"]) == (800, 1000, inspected["segment_size"], True)
    cli("log", "truncate", "--before", "1001", "l", code=1)
    with s3dlio.Log.open(cli.folder / "l", "a"):
        cli("log", "truncate", "--before", "900", "l", code=1)
        assert "another writer has this log" in cli.errors


@pytest.mark.parametrize("form", ["jsonl", "prefixed", "tfrecord"])
@pytest.mark.parametrize("level", [[], ["-z", "3"]], ids=["plain", "zstd"])
def test_export_and_import_keep_every_record(cli: Cli, form: str, level: list[str]) -> None:
    make(cli.folder / "l", ODD)
    cli("log", "export", "-f", form, *level, "l", "out")
    cli("log", "import", "-f", form, "again", "out.zst" if level else "out")
    assert records(cli.folder / "again") == ODD
    cli("log", "import", "-f", form, "--batch", "1", "again", "-", data=cli("log", "export", "-f", form, "l", "-", binary=True))
    assert records(cli.folder / "again") == ODD + ODD


def test_export_has_the_forms_that_others_read(cli: Cli) -> None:
    make(cli.folder / "l", ODD)
    cli("log", "export", "l", "out.tfrecord")
    data = (cli.folder / "out.tfrecord").read_bytes()
    found = list(_tfrecord.entries(lambda at, size: data[at : at + size], len(data), "out"))
    assert [bytes(_tfrecord.payload(data[at : at + size], "out", at)) for at, size in found] == ODD
    cli("log", "export", "-f", "prefixed", "l", "out")
    assert (cli.folder / "out").read_bytes() == b"".join(struct.pack("<I", len(one)) + one for one in ODD)
    cli("log", "export", "l", "out.jsonl")
    assert [json.loads(line)["number"] for line in (cli.folder / "out.jsonl").read_text().splitlines()] == list(range(len(ODD)))
    cli("log", "export", "l", "out.bin")
    assert (cli.folder / "out.bin").read_bytes() == b"".join(ODD)
    # what could not be told apart again is refused, and nothing is left of it
    cli("log", "export", "l", "out.txt", code=1)
    assert "record 2 holds the separator" in cli.errors and not (cli.folder / "out.txt").exists()
    cli("log", "export", "l", "out.what", code=2)
    assert "--form" in cli.errors


def test_import_of_lines_and_records_of_one_size(cli: Cli) -> None:
    lines = [b"%d" % i + b"x" * (i % 7) for i in range(5000)]
    cli("log", "import", "-f", "lines", "l", "-", data=b"\n".join(lines))
    assert records(cli.folder / "l") == lines
    cli("log", "import", "-f", "lines", "-0", "l", "-", data=b"a\nb\0\0c\0")
    assert records(cli.folder / "l")[5000:] == [b"a\nb", b"", b"c"]
    cli("log", "import", "-f", "raw", "--record-size", "8", "r", "-", data=bytes(range(80)))
    assert [one.tobytes() for one in s3dlio.Log.open(cli.folder / "r")[:]] == [bytes(range(i, i + 8)) for i in range(0, 80, 8)]
    assert s3dlio.Log.inspect(cli.folder / "r")["record_size"] == 8
    cli("log", "import", "-f", "raw", "r", "-", data=bytes(9), code=1)
    assert "was cut short" in cli.errors and len(s3dlio.Log.open(cli.folder / "r")) == 10
    cli("log", "import", "-f", "raw", "l", "-", data=b"x", code=2)
    cli("log", "import", "--record-size", "4", "-f", "raw", "r", "-", data=b"x", code=1)


def test_import_stops_at_what_is_wrong_and_says_how_far_it_came(cli: Cli) -> None:
    good = b"".join(_tfrecord.frame(b"%d" % i) for i in range(100))
    bad = bytearray(good)
    bad[16 * 50 + 200] ^= 1
    cli("log", "import", "-f", "tfrecord", "--batch", "10", "l", "-", data=bytes(bad), code=3)
    kept = records(cli.folder / "l")
    assert f"{len(kept)} records were imported" in cli.errors and 0 < len(kept) < 100 and len(kept) % 10 == 0
    assert cli.lines("log", "inspect", "l")[0]["state"] == "closed"
    cli("log", "import", "-f", "tfrecord", "--atomic", "a", "-", data=bytes(bad), code=3)
    assert records(cli.folder / "a") == []
    cli("log", "import", "-f", "tfrecord", "--atomic", "a", "-", data=good)
    assert len(records(cli.folder / "a")) == 100
    cli("log", "import", "-f", "tfrecord", "l", "-", data=good[:-1], code=1)
    cli("log", "import", "-f", "jsonl", "l", "-", data=b'{"text": "a"}\n{"number": 1}\n', code=1)
    assert "the line at byte 14" in cli.errors
    cli("log", "import", "--atomic", "-f", "lines", "big", "-", data=b"x" * (70 << 20), code=1)
    assert "--atomic" in cli.errors and records(cli.folder / "big") == []


KILLED = """
import sys
for i in range(100_000):
    sys.stdout.buffer.write(b"%d\\n" % i)
"""


def test_import_that_is_killed_leaves_whole_batches(cli: Cli) -> None:
    feeder = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE)
    process = subprocess.Popen(cli.words("log", "import", "-f", "lines", "--batch", "100", "l", "-"), cwd=cli.folder, stdin=feeder.stdout)
    assert feeder.stdout is not None
    feeder.stdout.close()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ((cli.folder / "l/META").exists() and s3dlio.Log.inspect(cli.folder / "l")["records"] > 500):
        time.sleep(0.01)
    process.kill()
    process.wait(60)
    feeder.wait(60)
    kept = records(cli.folder / "l")
    assert 500 < len(kept) and (len(kept) % 100 == 0 or len(kept) == 100_000) and kept == [b"%d" % i for i in range(len(kept))]


@pytest.mark.parametrize("server", [s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def test_logs_in_a_store_are_listed_read_and_verified(server: Callable[[], tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    needs_program()
    uri, options = server()
    cli = Cli(tmp_path, options, f"{uri.rstrip('/')}/log-{os.urandom(8).hex()}")
    wanted = [b"record %05d " % i + bytes(100) for i in range(1000)]
    make(tmp_path / "l", wanted, segment_size=16 << 10)
    (done,) = cli.lines("log", "upload", "--seal", "l", f"{cli.uri}/logs/a")
    assert done["end"] == 1000 and done["uploaded"] > 3
    assert cli.lines("log", "upload", "l", f"{cli.uri}/logs/a")[0]["uploaded"] == 0
    (found,) = cli.lines("log", "ls", cli.uri)
    assert (found["uri"], found["records"], found["segments"]) == (f"{cli.uri}/logs/a", 1000, done["uploaded"])
    far = f"{cli.uri}/logs/a"
    assert cli.lines("log", "inspect", far)[0]["records"] == 1000
    assert cli("log", "cat", "-0", far, binary=True) == b"".join(one + b"\0" for one in wanted)
    assert cli("log", "tail", "-n", "1", "-0", far, binary=True) == wanted[-1] + b"\0"
    assert cli("log", "verify", far).startswith("whole: 1000 records")
    cli("log", "export", far, f"{cli.uri}/out.tfrecord")
    cli("log", "import", "again", f"{cli.uri}/out.tfrecord")
    assert records(tmp_path / "again") == wanted
    cli("log", "truncate", "--before", "1", far, code=2)
    assert "a log on this machine" in cli.errors
    # damage in the store
    segment = next(one for one in (tmp_path / "l").glob("seg-*.s3l") if b"record 00050 " in one.read_bytes())
    data = bytearray(segment.read_bytes())
    data[data.index(b"record 00050 ")] ^= 1
    cli("pipe", f"{far}/{segment.name}", data=bytes(data))
    out = cli("log", "verify", far, code=3)
    assert "damaged: record 50:" in out and "999 records" in out
    (one, total) = cli.lines("log", "verify", far, code=3)
    assert (one["first_record"], one["end_record"], total["whole"], total["records_checked"]) == (50, 51, False, 999)

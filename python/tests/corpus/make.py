"""Makes the kept files of the formats' versions: ``make.py FOLDER`` writes ``log-1.zip`` and ``table-1.zip`` there.

Run it for a new version of a format, under that version's number, and keep the older files as they are: every later release has to
give what they gave when they were made. ``expected.json`` in each has what an opening gives for every case.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import s3dlio

RECORDS = 60
#: Fixed, so that the same files give the same archive.
TIME = (2026, 1, 1, 0, 0, 0)

#: Ends without closing: what a killed writer leaves.
WRITE_LOG = """
import os, sys, s3dlio
log = s3dlio.Log.open(sys.argv[1], "a", segment_size=16 << 10)
for i in range(int(sys.argv[2])):
    log.append(b"record %d " % i * 25)
    if i % 7 == 6:
        log.commit()
log.commit()
log.cursor("trainer").set(12)
if len(sys.argv) > 3:
    log.close()
os._exit(0)
"""


def record(number: int) -> bytes:
    return b"record %d " % number * 25


def crc32c(data: bytes) -> int:
    return int(str(s3dlio.put_bytes("memory://corpus/crc", data)).removeprefix("crc32c:"), 16)


def change(path: Path, at: int, value: bytes | None = None) -> None:
    """Flips a bit at a place, or writes there; a negative place counts from the end."""
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at : at + len(value or b"x")] = value if value is not None else bytes([data[at] ^ 0x10])
    path.write_bytes(bytes(data))


def raise_version(path: Path, least: int) -> None:
    """Writes the header of a later version; ``least`` is what its reader must know."""
    header = bytearray(path.read_bytes()[:4096])
    struct.pack_into("<HH", header, 8, 2, least)
    struct.pack_into("<I", header, 4092, crc32c(bytes(header[:4092])))
    change(path, 0, bytes(header))


def first(log: Path) -> Path:
    return min(log.glob("seg-*"))


def last(log: Path) -> Path:
    return max(log.glob("seg-*"))


def cut_tail(log: Path) -> None:
    """The end of the last frame is lost, and nothing says that it was durable."""
    data = last(log).read_bytes().rstrip(b"\0")
    last(log).write_bytes(data[:-40])
    (log / "TAIL").unlink()


LOGS: dict[str, Callable[[Path], None]] = {
    "whole": lambda log: None,
    "no-tail-file": lambda log: (log / "TAIL").unlink(),
    "payload-flipped": lambda log: change(first(log), 4096 + 64 + 7 * 8 + 30),
    "frame-header-flipped": lambda log: change(first(log), 4096 + 20),
    "block-zeroed": lambda log: change(first(log), 8192, bytes(4096)),
    "footer-flipped": lambda log: change(first(log), -20),
    "segment-header-flipped": lambda log: change(first(log), 50),
    "segment-lost": lambda log: first(log).unlink(),
    "meta-lost": lambda log: (log / "META").unlink(),
    "meta-slot-flipped": lambda log: change(log / "META", 100),
    "cursor-flipped": lambda log: [change(log / "cursor-trainer", at) for at in (20, 4096 + 20)] and None,
    "later-version": lambda log: raise_version(first(log), 1),
    "later-version-refused": lambda log: raise_version(first(log), 2),
}
KILLED_LOGS: dict[str, Callable[[Path], None]] = {
    "killed": lambda log: None,
    "killed-tail-torn": cut_tail,
    "killed-frame-header-flipped": lambda log: change(last(log), 4096 + 20),
    "killed-payload-flipped": lambda log: change(last(log), 4096 + 64 + 7 * 8 + 30),
    "killed-block-zeroed": lambda log: change(last(log), 4096, bytes(2048)),
}


def look_at_log(log: Path, on_damage: Any) -> dict[str, Any]:
    """What an opening for reading, one for writing, and each record give."""
    found: dict[str, Any] = {}
    for mode in ("r", "a"):
        copy = log.with_name(f"{log.name}-{mode}-{on_damage}")
        shutil.copytree(log, copy)
        try:
            with s3dlio.Log.open(copy, mode, create=False, on_damage=on_damage) as opened:
                records: list[int] = []
                for number in range(opened.begin, opened.end):
                    try:
                        data = opened[number]
                    except s3dlio.errors.S3dlioError:
                        continue
                    if bytes(data) != record(number):
                        raise AssertionError(f"{log.name}: record {number} is {bytes(data)[:40]!r}")
                    records.append(number)
                found[mode] = {"begin": opened.begin, "end": opened.end, "records": spans(records)}
        except s3dlio.errors.S3dlioError as error:
            found[mode] = {"error": type(error).__name__}
        shutil.rmtree(copy)
    return found


def spans(numbers: list[int]) -> list[list[int]]:
    """Numbers as the ends of their runs."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


DIMENSION = 4


def make_table(folder: Path) -> None:
    with s3dlio.EmbeddingTable.open(folder, dim=DIMENSION, memory="4MiB", optimizer=s3dlio.table.SGD(lr=1.0)) as table:
        for step in range(3):
            keys = np.arange(20 * step, 20 * step + 40, dtype=np.int64)
            table.apply_gradients(keys, np.full((40, DIMENSION), -1.0, np.float32), serial=step)
            table.checkpoint()


def newest_segment(table: Path) -> Path:
    """Of those that the newest checkpoint names."""
    manifest = json.loads(max(table.glob("checkpoint-*")).read_text())
    return table / str(manifest["segments"][-1]["name"])


TABLES: dict[str, Callable[[Path], None]] = {
    "whole": lambda table: None,
    "page-flipped": lambda table: change(newest_segment(table), newest_segment(table).stat().st_size // 2),
    "manifest-flipped": lambda table: change(max(table.glob("checkpoint-*")), 40),
    "newest-manifest-lost": lambda table: max(table.glob("checkpoint-*")).unlink(),
    "segment-lost": lambda table: newest_segment(table).unlink(),
}


def look_at_table(folder: Path) -> dict[str, Any]:
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copy)
    try:
        with s3dlio.EmbeddingTable.open(copy, mode="r") as table:
            keys = np.arange(80, dtype=np.int64)
            rows = table.lookup(keys)
            return {
                "version": table.version,
                "count": len(table),
                "sessions": dict(table.sessions),
                "sum": float(rows.sum(dtype=np.float64)),
            }
    except s3dlio.errors.S3dlioError as error:
        return {"error": type(error).__name__}
    finally:
        shutil.rmtree(copy)


def pack(archive: Path, root: Path, expected: dict[str, Any]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.name != "LOCK":
                packed.writestr(zipfile.ZipInfo(str(path.relative_to(root)), TIME), path.read_bytes(), zipfile.ZIP_DEFLATED)
        text = json.dumps(expected, indent=1, sort_keys=True)
        packed.writestr(zipfile.ZipInfo("expected.json", TIME), text, zipfile.ZIP_DEFLATED)


def main() -> int:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as root:
        logs, tables = Path(root, "logs"), Path(root, "tables")
        expected: dict[str, Any] = {}
        for name, damage in (LOGS | KILLED_LOGS).items():
            closed = ["close"] if name in LOGS else []
            subprocess.run([sys.executable, "-c", WRITE_LOG, str(logs / name), str(RECORDS), *closed], check=True)
            damage(logs / name)
            expected[name] = {on_damage: look_at_log(logs / name, on_damage) for on_damage in ("raise", "skip", "cut")}
        pack(target / "log-1.zip", logs, expected)
        expected = {}
        os.makedirs(tables)
        for name, damage in TABLES.items():
            make_table(tables / name)
            damage(tables / name)
            expected[name] = look_at_table(tables / name)
        pack(target / "table-1.zip", tables, expected)
    return 0


if __name__ == "__main__":
    sys.exit(main())

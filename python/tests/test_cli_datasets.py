"""The program's verbs for manifests of data sets, beside what Python reads and writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from cli_program import Cli, needs_program
from servers_fixture import s3_server

import s3dlio
from s3dlio import datasets
from s3dlio.datasets import _sections


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    needs_program()
    return Cli(tmp_path)


@pytest.fixture
def folder(cli: Cli) -> Path:
    names = ["a.jpg", "b.jpg", "c.txt", "sub/é d.jpg", "sub/deep/e.jpg"]
    s3dlio.put_many([(str(cli.folder / "train" / name), name.encode() * 9) for name in names])
    return cli.folder / "train"


@pytest.mark.parametrize("checksums", ["none", "recorded", "read"])
def test_manifests_of_the_program_and_of_python_hold_the_same(cli: Cli, folder: Path, checksums: str) -> None:
    out = cli("dataset", "index", "train", "one", "--include", "*.jpg", "--checksums", checksums)
    assert out.startswith("4 objects in ")
    assert datasets.index(folder, cli.folder / "two", "*.jpg", checksums=checksums) == 4
    (head, one), (other, two) = (_sections.read(cli.folder / name, "manifest") for name in ("one", "two"))
    assert {**head, "created": 0} == {**other, "created": 0}
    assert one.keys() == two.keys() and all((one[name] == two[name]).all() for name in one)
    listed = datasets.objects(folder, "*.jpg")
    read = datasets.manifest(cli.folder / "one")
    assert [read.uri(i) for i in range(4)] == [listed.uri(i) for i in range(4)] and read.changed() == []
    if checksums == "none":
        # names, sizes and ETags are what a listing gives
        assert read.digest == listed.digest


def test_program_reads_what_python_packs(cli: Cli, folder: Path) -> None:
    """The reader of the core and that of Python agree about the bytes of docs/formats.md, bases and missing sections too."""
    keys = ["a.jpg", "sub/é d.jpg", "none"]
    text = "".join(keys).encode()
    starts = np.cumsum([0, *(len(key.encode()) for key in keys)]).astype(np.uint64)
    for sizes in (None, np.array([45, 108, 1], np.int64)):
        arrays = {"keys": np.frombuffer(text, np.uint8), "starts": starts} | ({} if sizes is None else {"sizes": sizes})
        header = {"version": 1, "kind": "manifest", "samples": 3, "bases": [f"{folder}/"], "later": [1]}
        _sections.write(cli.folder / "m", header, arrays)
        assert cli("dataset", "ls", "m").splitlines() == [f"{folder}/{key}" for key in keys]
        found = cli.lines("dataset", "ls", "m")
        assert [one.get("size") for one in found] == ([None] * 3 if sizes is None else [45, 108, 1])
        out = cli("dataset", "verify", "m", code=3)
        size = (folder / "sub" / "é d.jpg").stat().st_size
        wrong = [] if sizes is None or size == 108 else [f"changed: {folder}/sub/é d.jpg: {size} bytes, 108 when the manifest was made"]
        assert out.splitlines()[:-1] == [*wrong, f"gone: {folder}/none: there is no such object"]


def test_verify_tells_of_each_change_with_its_place(cli: Cli, folder: Path) -> None:
    cli("dataset", "index", "train", "m", "--checksums", "read")
    assert cli("dataset", "verify", "m") == "5 objects, 5 as the manifest says, 0 changed or damaged\n"
    assert cli("dataset", "verify", "--read", "m").startswith("5 objects, 5 as")
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").write_bytes(b"longer" * 20)
    # the same length at the same moment: only its bytes tell
    path = folder / "c.txt"
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    out = cli("dataset", "verify", "--read", "m", code=3)
    assert f"gone: {folder}/a.jpg: there is no such object" in out and f"changed: {folder}/b.jpg: 120 bytes, 45" in out
    assert f"{folder}/c.txt: " in out and out.endswith("5 objects, 2 as the manifest says, 3 changed or damaged\n")
    found = cli.lines("dataset", "verify", "m", code=3)
    assert found[-1]["changed"] >= 2 and {one["state"] for one in found[:-1]} <= {"gone", "changed", "damaged"}


def test_damaged_manifests_are_told_of_with_the_section(cli: Cli, folder: Path) -> None:
    cli("dataset", "index", "train", "m")
    show = cli("dataset", "show", "m")
    assert show.startswith(f"objects: 5\nbase: {folder}/\n") and "section: keys u8" in show
    sections = cli.lines("dataset", "show", "m")[0]["sections"]
    assert [one["name"] for one in sections] == ["keys", "starts", "sizes", "etags"]
    good = (cli.folder / "m").read_bytes()
    header = json.loads(good[16 : 16 + int.from_bytes(good[8:12], "little")])
    at = 16 + int.from_bytes(good[8:12], "little") + header["sections"]["sizes"]["offset"]
    damaged = bytearray(good)
    damaged[at] ^= 1
    (cli.folder / "m").write_bytes(damaged)
    out = cli("dataset", "verify", "m", code=3)
    assert f"damaged: file://{cli.folder}/m: bytes {at}..{at + 40} (the section 'sizes')" in out
    (cli.folder / "m").write_bytes(good[:100])
    assert cli.run("dataset", "verify", "m").returncode in (1, 3) and "m: " in cli.run("dataset", "verify", "m").stderr.decode()
    cli("dataset", "verify", "none", code=1)
    cli("dataset", "index", "nothing-here", "m", code=1)
    cli("dataset", "index", "train", "m", "--checksums", "all", code=2)


def test_manifest_of_a_server_verifies_there(cli: Cli) -> None:
    uri, options = s3_server()
    there = Cli(cli.folder, options)
    s3dlio.put_many([(f"{uri}/indexed/{i:02}", bytes([i]) * 100) for i in range(30)], storage_options=options)
    there("dataset", "index", f"{uri}/indexed", f"{uri}/indexed.manifest", "--checksums", "recorded")
    assert there("dataset", "verify", "--read", f"{uri}/indexed.manifest").startswith("30 objects, 30 as")
    data = datasets.manifest(f"{uri}/indexed.manifest", options)
    assert sorted(view.to_bytes()[0] for batch in datasets.Loader(data, 7, True, 1) for view in batch) == list(range(30))
    s3dlio.put(f"{uri}/indexed/07", b"x" * 100, storage_options=options)
    out = there("dataset", "verify", f"{uri}/indexed.manifest", code=3)
    assert f"changed: {uri}/indexed/07: " in out


@pytest.mark.parametrize("checksums", ["none", "recorded"])
def test_verify_asks_for_what_a_listing_cannot_judge_alone(cli: Cli, checksums: str) -> None:
    uri, options = s3_server()
    there = Cli(cli.folder, options)
    base = f"{uri}/listed-{checksums}"
    s3dlio.put_many([(f"{base}/{i:04}", bytes([i % 256]) * 10) for i in range(1200)], storage_options=options)
    there("dataset", "index", f"{base}/", "m", "--checksums", checksums)

    def asked(code: int) -> dict[str, int]:
        there("dataset", "verify", "m", "--op-log", "log.tsv", code=code)
        header, *rows = (cli.folder / "log.tsv").read_text().splitlines()
        at = header.split("\t").index("op")
        found = [row.split("\t")[at] for row in rows]
        (cli.folder / "log.tsv").unlink()
        return {op: found.count(op) for op in ("LIST", "STAT")}

    assert asked(0) == {"LIST": 1, "STAT": 0}
    s3dlio.delete(f"{base}/0700", storage_options=options)
    s3dlio.put(f"{base}/0300", b"other", storage_options=options)
    # what a listing does not have is asked for before it is said to be gone
    assert asked(3) == {"LIST": 1, "STAT": 1}
    out = there("dataset", "verify", "m", code=3)
    assert f"gone: {base}/0700: " in out and f"changed: {base}/0300: 5 bytes, 10 when" in out
    assert out.endswith("1200 objects, 1198 as the manifest says, 2 changed or damaged\n")

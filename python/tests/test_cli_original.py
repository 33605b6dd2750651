"""The original's program by its name: its verbs, options, summary lines and exit codes."""

from __future__ import annotations

import io
import os
import re
import subprocess
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_program import Cli, needs_program, tree, write
from servers_fixture import azure_server, s3_server

import s3dlio
from s3dlio import datasets


class Original(Cli):
    """The program with ``s3-cli`` as its first word, as the script of that name starts it."""

    def words(self, *words: str | Path) -> list[str | Path]:
        return super().words("s3-cli", *words)


@pytest.fixture(params=["file", "s3", "azure"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Original:
    needs_program()
    if request.param == "file":
        return Original(tmp_path, None, f"file://{tmp_path}/far")
    server: Callable[[], tuple[str, dict[str, Any]]] = {"s3": s3_server, "azure": azure_server}[request.param]
    uri, options = server()
    return Original(tmp_path, options, f"{uri.rstrip('/')}/original-{uuid.uuid4()}")


@pytest.fixture
def here(tmp_path: Path) -> Original:
    needs_program()
    return Original(tmp_path, None, f"file://{tmp_path}/far")


def counts(text: str, verb: str) -> tuple[int, ...]:
    """Attempted, succeeded and failed, of the summary line."""
    found = re.search(rf"^{verb} summary: attempted=(\d+), succeeded=(\d+), failed=(\d+)$", text, re.MULTILINE)
    assert found, text
    return tuple(map(int, found.groups()))


def test_every_verb(cli: Original) -> None:
    write(cli.folder, {"t/a.txt": b"a", "t/b.bin": b"bb", "t/deep/c.txt": b"ccc"})
    assert counts(cli("upload", "t/a.txt", "t/b.bin", f"{cli.uri}/up/"), "upload") == (2, 2, 0)
    assert counts(cli("upload", "t", f"{cli.uri}/tree/", "-j", "2"), "upload") == (3, 3, 0)
    listed = cli("ls", f"{cli.uri}/tree/", "-r").splitlines()
    assert [line.removeprefix(cli.uri) for line in listed[:3]] == ["/tree/a.txt", "/tree/b.bin", "/tree/deep/c.txt"]
    assert listed[3] == "" and re.fullmatch(r"Total objects: 3 \([\d.]+s, rate: \d+ objects/s\)", listed[4])
    assert [line.removeprefix(cli.uri) for line in cli("list", f"{cli.uri}/tree/").splitlines()[:3]] == [
        "/tree/a.txt", "/tree/b.bin", "/tree/deep/"
    ]  # fmt: skip
    assert cli("ls", f"{cli.uri}/tree/", "-r", "-p", r"^deep/.*\.txt$").splitlines()[0].endswith("/tree/deep/c.txt")
    assert cli("ls", "-c", "-r", f"{cli.uri}/").startswith("Total objects: 5 (")
    told = dict(re.findall(r"^(\S+) *: (.*)$", cli("stat", f"{cli.uri}/up/b.bin"), re.MULTILINE))
    assert told["URI"] == f"{cli.uri}/up/b.bin" and told["Size"] == "2" and "LastModified" in told
    assert counts(cli("get", f"{cli.uri}/tree/", "-r", "--concurrent", "3"), "get") == (3, 3, 0)
    assert "6 bytes in " in cli("get", "-r", f"{cli.uri}/tree/")
    assert counts(cli("get", f"{cli.uri}/up/b.bin", "--offset", "1", "--length", "9"), "get") == (1, 1, 0)
    assert "1 bytes in " in cli("get", f"{cli.uri}/up/b.bin", "--offset=1")
    assert counts(cli("download", f"{cli.uri}/tree/", "down", "-r"), "download") == (3, 3, 0)
    assert tree(cli.folder / "down") == {"a.txt": b"a", "b.bin": b"bb", "deep/c.txt": b"ccc"}
    assert counts(cli("cp", "t/a.txt", f"{cli.uri}/one"), "cp") == (1, 1, 0)
    cli("cp", f"{cli.uri}/one", "back")
    assert (cli.folder / "back").read_bytes() == b"a"
    assert counts(cli("cp", "-r", "t", f"{cli.uri}/again"), "cp") == (3, 3, 0)
    assert counts(cli("rm", f"{cli.uri}/tree/", "-r", "-p", r"\.txt$"), "delete") == (2, 2, 0)
    assert cli("ls", "-r", f"{cli.uri}/tree/").splitlines()[0].endswith("/tree/b.bin")
    assert counts(cli("delete", "-r", f"{cli.uri}/"), "delete")[2] == 0
    # nothing to delete is no failure
    assert counts(cli("delete", "-r", f"{cli.uri}/"), "delete") == (0, 0, 0)
    assert counts(cli("rm", f"{cli.uri}/none"), "delete") == (0, 0, 0)


def test_delete_takes_no_neighbours(cli: Original) -> None:
    write(cli.folder, {"t/ab": b"1", "t/abc": b"2"})
    cli("upload", "t", f"{cli.uri}/t/")
    assert counts(cli("rm", f"{cli.uri}/t/ab"), "delete") == (1, 1, 0)
    assert cli("ls", "-r", f"{cli.uri}/t/").splitlines()[0].endswith("/t/abc")


def test_put_makes_distinct_objects_that_compress_as_asked(here: Original) -> None:
    made = here(
        "put", here.uri, "-n", "3", "-s", "2Mi", "-x", "4", "-d", "2", "-t", "object_{}_of_{}.dat", "--data-gen-mode", "single-pass"
    )
    assert counts(made, "put") == (3, 3, 0) and f"{6 << 20} bytes in " in made
    files = tree(here.folder / "far")
    assert sorted(files) == [f"object_{i}_of_3.dat" for i in range(3)] and len(set(files.values())) == 3
    for data in files.values():
        assert len(data) == 2 << 20 and data[: 1 << 20] == data[1 << 20 :]
        assert 3.6 < (1 << 20) / len(zlib.compress(data[: 1 << 20])) < 4.2
    here("put", f"{here.uri}/npz", "-n", "1", "-o", "NPZ", "-s", "100_000", "-t", "a.npz")
    data = (here.folder / "far/npz/a.npz").read_bytes()
    with np.load(io.BytesIO(data)) as arrays:
        assert arrays["y"].tolist() == [0] and arrays["x"].dtype == "<f4" and np.isfinite(arrays["x"]).all()
    assert abs(len(data) - 100_000) < 1000
    here("put", f"{here.uri}/tf", "-o", "tf-record", "-s", "5k", "-t", "a.tfrecord")
    assert (here.folder / "far/tf/a.tfrecord").stat().st_size == 5000
    assert [len(row["record"] if isinstance(row, dict) else row) for row in datasets.tfrecord(f"{here.uri}/tf/a.tfrecord")] == [4984]
    assert "h5py" in here.run("put", here.uri, "-o", "hdf5").stderr.decode()


def test_exit_codes_and_summaries_of_failures(here: Original) -> None:
    write(here.folder, {"list": f"# those\n{here.uri}/there\n\n{here.uri}/missing\n".encode(), "far/there": b"x"})
    assert counts(here("get", "--keylist", "list", code=1), "get") == (2, 1, 1)
    assert "missing" in here.errors
    here("get", f"{here.uri}/missing", code=1)
    here("get", f"{here.uri}/none/", code=1)
    here("stat", f"{here.uri}/missing", code=1)
    here("upload", "nowhere", f"{here.uri}/", code=1)
    for words in (
        ["get"],
        ["get", "--offset", "1", "-r", here.uri],
        ["ls"],
        ["nonsense"],
        ["put", here.uri, "-o", "gif"],
        ["ls", here.uri, "-p", "("],
    ):
        here(*words, code=2)
    here("put", here.uri, "-j", "4097", code=2)
    assert here("--version") == here("version") and re.fullmatch(r"s3-cli \d+\.\d+\.\d+\S*\n", here("--version"))
    for verb in ("list-buckets", "create-bucket", "delete-bucket", "ls", "stat", "delete", "get", "put", "upload", "download", "cp"):
        assert f"  {verb} " in here("--help") and "usage: s3-cli " + verb in here(verb, "--help")


def test_buckets_endpoints_and_env_file(tmp_path: Path) -> None:
    needs_program()
    _, options = s3_server()
    name = f"original-{uuid.uuid4()}"
    # nothing but the file says how to log in
    (tmp_path / "below").mkdir()
    (tmp_path / ".env").write_text(
        "# a login\n"
        f"export AWS_ACCESS_KEY_ID={options['access_key_id']}\nAWS_SECRET_ACCESS_KEY='{options['secret_access_key']}' # quoted\n"
        'AWS_REGION="us-east-1"\nAWS_ENDPOINT_URL=http://127.0.0.1:9\nnonsense\n'
    )
    cli = Original(tmp_path / "below")
    ambient = {key: "" for key in os.environ if key.startswith("AWS_")}
    server = ["--endpoint-url", options["endpoint_url"]]
    told = cli(*server, "create-bucket", name, environment=ambient or None)
    assert told == f"Successfully created or verified bucket '{name}'.\n"
    assert re.search(rf"^{name} +20\d\d-", cli(*server, "list-buckets"), re.MULTILINE)
    both = ["--endpoints", f"{options['endpoint_url']},{options['endpoint_url']}/"]
    assert counts(cli(*server, "put", f"s3://{name}/p", "-n", "4", "-s", "1k", *both), "put") == (4, 4, 0)
    assert counts(cli(*server, "get", f"s3://{name}/p/", *both), "get") == (4, 4, 0)
    # what the environment sets goes first
    assert cli.run(*server, "ls", f"s3://{name}/", environment={"AWS_SECRET_ACCESS_KEY": "wrong"}).returncode == 1
    cli(*server, "rm", "-r", f"s3://{name}/")
    assert cli(*server, "delete-bucket", f"s3://{name}/") == f"Successfully deleted bucket '{name}'.\n"
    cli(*server, "put", f"s3://{name}/q", "-c", "-s", "10", "-t", "x")
    assert bytes(s3dlio.get(f"s3://{name}/q/x", storage_options=options | {"region": "us-east-1"})) != b""
    cli(*server, "rm", f"s3://{name}/q/x")
    cli(*server, "delete-bucket", name)


def test_get_tells_of_damage(here: Original) -> None:
    s3dlio.put(f"{here.uri}/good", b"x" * 100_000)
    s3dlio.put(f"{here.uri}/bad", b"x" * 100_000)
    path = here.folder / "far/bad"
    kept = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    with path.open("r+b") as file:
        file.seek(50_000)
        file.write(b"y")
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    assert kept and counts(here("get", "-r", f"{here.uri}/", code=1), "get") == (2, 1, 1)
    assert "far/bad" in here.errors and "crc32c:" in here.errors


def test_op_log_of_every_operation(here: Original) -> None:
    here("put", here.uri, "-n", "5", "-s", "1k", "--op-log", "put.tsv.zst")
    here("--op-log", "get.tsv.zst", "get", "-r", f"{here.uri}/")
    assert [row.op for row in s3dlio.oplog.read(here.folder / "put.tsv.zst")] == ["PUT"] * 5
    assert [row.op for row in s3dlio.oplog.read(here.folder / "get.tsv.zst")].count("GET") == 5


def test_hostile_names_are_shown_quoted(here: Original) -> None:
    name = "a\x1b[31m\nb"
    s3dlio.put(f"{here.uri}/{name}", b"x")
    text = here("ls", "-r", f"{here.uri}/")
    assert "\x1b" not in text and "Total objects: 1 " in text


def test_script_of_that_name_starts_it(here: Original) -> None:
    scripts = Path(__file__).parents[1] / "scripts"
    (here.folder / "bin").mkdir()
    started = here.folder / "bin/s3-cli"
    started.write_bytes((scripts / "s3-cli").read_bytes())
    program = here.folder / "bin/s3dlio"
    program.write_text(f'#!/bin/sh\nexec {" ".join(map(str, Cli.words(here)))} "$@"\n')
    for file in (started, program):
        file.chmod(0o755)
    by_path = subprocess.run(["s3-cli", "--version"], capture_output=True, text=True, check=True, timeout=60,
                             env=os.environ | {"PATH": f"{here.folder}/bin:{os.environ['PATH']}"})  # fmt: skip
    assert by_path.stdout == here("--version")

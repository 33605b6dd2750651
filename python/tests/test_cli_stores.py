"""The program between stores: files, S3 (new and old), Azure."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Cli, needs_program, tree, write
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio

SERVERS = [s3_server, s3_old_server, azure_server]


@pytest.fixture(params=SERVERS, ids=["s3", "s3-old", "azure"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Cli:
    needs_program()
    server: Callable[[], tuple[str, dict[str, Any]]] = request.param
    uri, options = server()
    return Cli(tmp_path, options, f"{uri.rstrip('/')}/cli-{uuid.uuid4()}")


def test_every_verb_on_a_server(cli: Cli) -> None:
    files = {f"t/{i // 10}/{i:03}.bin": os.urandom(i * 700) for i in range(60)} | {"t/top": b"top", "t/big": os.urandom(20 << 20)}
    write(cli.folder, files)
    here = {name[2:]: data for name, data in files.items()}
    up = cli.lines("cp", "-r", "t", cli.uri)
    assert up[-1]["objects"] == 62 and up[-1]["failed"] == 0
    assert cli("ls", cli.uri).splitlines() == ["0/", "1/", "2/", "3/", "4/", "5/", "big", "top"]
    assert cli("ls", "-r", cli.uri + "/").splitlines() == sorted(here)
    assert cli("cat", f"{cli.uri}/top") == "top"
    assert cli("cat", "--range", "5-9", f"{cli.uri}/big", binary=True) == here["big"][5:10]
    assert cli.lines("du", cli.uri) == [{"uri": cli.uri, "objects": 62, "bytes": sum(map(len, here.values()))}]
    assert cli.lines("cp", "-r", "t", cli.uri)[-1] | {"seconds": 0} == {
        "summary": "copy", "objects": 0, "bytes": 0, "skipped": 62, "deleted": 0, "failed": 0, "seconds": 0
    }  # fmt: skip
    verified = cli.lines("verify", cli.uri)[-1]
    # the old Ceph keeps nothing with objects that came in parts
    assert (
        verified["good"] in (61, 62) and verified["good"] + verified["unrecorded"] == 62 and verified["damaged"] == verified["failed"] == 0
    )
    assert cli("check", "t", cli.uri) == "62 same, 0 different, 0 missing\n"
    cli("cp", f"{cli.uri}/3/*5.bin", "some/")
    assert tree(cli.folder / "some") == {"035.bin": here["3/035.bin"]}
    cli("sync", cli.uri, "back")
    assert tree(cli.folder / "back") == here
    # within the server
    cli("cp", "-r", f"{cli.uri}/3", f"{cli.uri}/copy")
    cli("mv", f"{cli.uri}/copy/035.bin", f"{cli.uri}/copy/moved.bin")
    assert cli("cat", f"{cli.uri}/copy/moved.bin", binary=True) == here["3/035.bin"]
    cli("check", f"{cli.uri}/3", f"{cli.uri}/copy", code=3)
    assert cli.lines("sync", "--delete", f"{cli.uri}/3", f"{cli.uri}/copy")[-1]["deleted"] == 1
    cli("check", f"{cli.uri}/3", f"{cli.uri}/copy")
    cli("pipe", f"{cli.uri}/piped", data=b"piped")
    assert cli.lines("stat", f"{cli.uri}/piped")[0]["size"] == 5
    assert cli("tail", "-c", "2", f"{cli.uri}/piped") == "ed"
    assert cli("rm", "-r", cli.uri).startswith("deleted 73 objects")
    cli("ls", cli.uri, code=1)


def test_damage_is_not_copied(cli: Cli, recorded: None) -> None:
    s3dlio.put_bytes(str(cli.folder / "t/one"), b"damaged soon")
    s3dlio.put_bytes(str(cli.folder / "t/two"), b"whole")
    with (cli.folder / "t/one").open("r+b") as file:
        file.write(b"D")
    cli("cp", "-r", "t", cli.uri, code=1)
    assert "t/one: at byte 0: checksum mismatch" in cli.errors
    assert cli("ls", "-r", cli.uri) == "two\n"


def test_sync_in_place_change_and_restart(cli: Cli) -> None:
    write(cli.folder, {f"t/{i:03}": os.urandom(1000) for i in range(30)})
    cli("sync", "t", cli.uri)
    with (cli.folder / "t/007").open("r+b") as file:
        file.write(b"changed!")
    assert cli.lines("sync", "--checksum", "t", cli.uri)[-1]["objects"] == 1
    assert cli("cat", f"{cli.uri}/007", binary=True).startswith(b"changed!")
    (cli.folder / "t/003").unlink()
    assert cli.lines("sync", "--delete", "t", cli.uri)[-1]["deleted"] == 1
    assert len(cli("ls", "-r", cli.uri).splitlines()) == 29


def test_hostile_keys_never_leave_the_destination(cli: Cli) -> None:
    if cli.uri.startswith("az:"):
        pytest.skip("Azure folds such names itself")
    options = json.loads(cli.environment["S3DLIO_STORAGE_OPTIONS"])
    for key in ("../outside", "a/../../outside", "/absolute", "a//b", "a/./b", "fine"):
        s3dlio.put_bytes(f"{cli.uri}/{key}", key.encode(), storage_options=options)
    cli("cp", "-r", cli.uri + "/", "deep/in/here", code=1)
    assert tree(cli.folder) == {"deep/in/here/fine": b"fine"}
    assert cli.errors.count("leave the destination") == 5
    cli("sync", cli.uri, "deep/in/here", code=1)
    assert tree(cli.folder) == {"deep/in/here/fine": b"fine"}


def test_presign_and_buckets(cli: Cli) -> None:
    import urllib.request

    cli("pipe", f"{cli.uri}/p", data=b"public")
    url = cli("presign", "-e", "5m", f"{cli.uri}/p").strip()
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"public"
    scheme, rest = cli.uri.split("://")
    name = f"cli-{uuid.uuid4()}"
    bucket = f"{scheme}://{rest.split('/')[0] + '/' if scheme == 'az' else ''}{name}"
    cli("mb", bucket)
    account = f"az://{rest.split('/')[0]}" if scheme == "az" else "s3://"
    assert f"{bucket}/" in cli("ls", account).splitlines()
    cli("pipe", f"{bucket}/x", data=b"x")
    cli("rb", bucket, code=1)
    cli("rm", f"{bucket}/x")
    cli("rb", bucket)
    assert f"{bucket}/" not in cli("ls", account).splitlines()


def test_between_two_services(tmp_path: Path) -> None:
    needs_program()
    place, options = s3_server()
    other, more = azure_server()
    both = Cli(tmp_path)
    both.environment = {"S3DLIO_STORAGE_OPTIONS": json.dumps({"s3": options, "az": more})}
    one, two = f"{place.rstrip('/')}/cli-{uuid.uuid4()}", f"{other.rstrip('/')}/cli-{uuid.uuid4()}"
    write(tmp_path, {f"t/{i}": os.urandom(i * 999) for i in range(20)})
    both("cp", "-r", "t", one)
    both("cp", "-r", one, two)
    both("check", one, two)
    both("sync", two, "back")
    assert tree(tmp_path / "t") == tree(tmp_path / "back")


def test_failed_login_is_told_once_and_fails(tmp_path: Path) -> None:
    needs_program()
    uri, options = s3_server()
    wrong = Cli(tmp_path, options | {"secret_access_key": "hushhush"}, uri)
    wrong("ls", uri, code=1)
    assert "s3dlio: " in wrong.errors and "hushhush" not in wrong.errors

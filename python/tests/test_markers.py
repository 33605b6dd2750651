"""Folder markers on S3: objects of zero bytes that consoles, s3fs and others leave where they make a directory."""

import re
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import s3dlio


class Bucket(BaseHTTPRequestHandler):
    """A bucket in memory: listings, objects, and deletes of many."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        Bucket.asked.append(self.headers["Host"] + address.path)
        key = urllib.parse.unquote(address.path).removeprefix("/bucket").removeprefix("/")
        asked = urllib.parse.parse_qs(address.query)
        if "list-type" in asked:
            self.list(asked.get("prefix", [""])[0], "delimiter" in asked)
        elif key in Bucket.objects:
            self.answer(Bucket.objects[key], 200, {"ETag": '"e"'})
        else:
            self.answer(b"" if self.command == "HEAD" else b"<Error><Code>NoSuchKey</Code></Error>", 200 if not key else 404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        for key in re.findall(r"<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])).decode()):
            del Bucket.objects[key]
        self.answer(b"<DeleteResult></DeleteResult>")

    def do_DELETE(self) -> None:
        del Bucket.objects[urllib.parse.unquote(self.path).removeprefix("/bucket/")]
        self.answer(b"", 204)

    def list(self, prefix: str, folded: bool) -> None:
        """One page with everything."""
        keys = [key for key in sorted(Bucket.objects) if key.startswith(prefix)]
        names = sorted({key[: key.find("/", len(prefix)) + 1] if folded and "/" in key[len(prefix) :] else key for key in keys})
        entries = [
            f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
            if name != prefix and name.endswith("/") and folded
            else f"<Contents><Key>{name}</Key><Size>{len(Bucket.objects[name])}</Size></Contents>"
            for name in names
        ]
        self.answer(f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(entries)}</ListBucketResult>".encode())

    def answer(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """One whole answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def bucket() -> Iterator[tuple[int, dict[str, Any]]]:
    """The server's port, and options for it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Bucket.asked.clear()
    Bucket.objects.clear()
    keys = {"access_key_id": "id", "secret_access_key": "a-secret", "region": "us-east-1", "max_attempts": 1}
    yield server.server_port, keys
    server.shutdown()
    thread.join()
    server.server_close()


def tree(folder: Path) -> dict[str, bytes | None]:
    """What is below a directory; None for directories."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))}


def test_download_makes_directories_of_markers(bucket: tuple[int, dict[str, Any]], tmp_path: Path) -> None:
    port, options = bucket
    options["endpoint_url"] = f"http://127.0.0.1:{port}"
    # a marker of the prefix, of folders with and without something in them, and one that has no slash at its end
    Bucket.objects.update({"p/": b"", "p/a": b"1", "p/d/": b"", "p/d/b": b"2", "p/e/": b"", "p/f": b"", "p/f/c": b"3", "p/g": b""})
    found = s3dlio.download("s3://bucket/p", tmp_path / "x", storage_options=options)
    expected = {"a": b"1", "d": None, "d/b": b"2", "e": None, "f": None, "f/c": b"3", "g": b""}
    assert tree(tmp_path / "x") == expected
    assert [Path(path).name for path, _ in found] == ["a", "b", "c", "g"]
    s3dlio.download("s3://bucket/", tmp_path / "y", storage_options=options)
    assert tree(tmp_path / "y" / "p") == expected
    s3dlio.download("s3://bucket/p/", tmp_path / "z", recursive=False, storage_options=options)
    assert tree(tmp_path / "z") == {"a": b"1", "f": b"", "g": b""}
    s3dlio.download("s3://bucket/p/e/", tmp_path / "only", storage_options=options)
    assert (tmp_path / "only").is_dir() and tree(tmp_path / "only") == {}


@pytest.mark.parametrize(("key", "data"), [("p/../x/", b""), ("p//", b""), ("p/d//", b""), ("p/./", b""), ("p/d/", b"data")])
def test_download_refuses_markers_that_lead_elsewhere(bucket: tuple[int, dict[str, Any]], tmp_path: Path, key: str, data: bytes) -> None:
    port, options = bucket
    options["endpoint_url"] = f"http://127.0.0.1:{port}"
    Bucket.objects.update({"p/a": b"1", key: data})
    if key == "p//":
        # nothing but the prefix's own directory
        s3dlio.download("s3://bucket/p", tmp_path / "x", storage_options=options)
        assert tree(tmp_path / "x") == {"a": b"1"}
        return
    with pytest.raises(s3dlio.InvalidArgumentError, match="cannot be a path"):
        s3dlio.download("s3://bucket/p", tmp_path / "x", storage_options=options)
    assert not (tmp_path / "x").exists()


def test_delete_and_list_take_markers_as_they_are(bucket: tuple[int, dict[str, Any]]) -> None:
    port, options = bucket
    options["endpoint_url"] = f"http://127.0.0.1:{port}"
    Bucket.objects.update({"p/": b"", "p/a": b"1", "p/d/": b"", "q/": b""})
    assert s3dlio.list("s3://bucket/p/", storage_options=options) == ["s3://bucket/p/", "s3://bucket/p/a", "s3://bucket/p/d/"]
    assert s3dlio.exists("s3://bucket/p/d", storage_options=options)
    assert s3dlio.delete("s3://bucket/p", recursive=True, storage_options=options) == 3
    assert list(Bucket.objects) == ["q/"]
    assert s3dlio.delete("s3://bucket/q", recursive=True, storage_options=options) == 1
    assert not Bucket.objects


def test_address_with_host_and_port_goes_to_that_server(bucket: tuple[int, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    port, options = bucket
    # another server in the environment is not asked
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    Bucket.objects.update({"p/a": b"1"})
    uri = f"s3://127.0.0.1:{port}/bucket/p/a"
    assert bytes(s3dlio.get(uri, storage_options=options)) == b"1"
    assert s3dlio.list(f"s3://127.0.0.1:{port}/bucket/p", storage_options=options) == [uri]
    assert s3dlio.stat(uri, storage_options=options)["size"] == 1
    assert bytes(s3dlio.Store(f"s3://127.0.0.1:{port}/bucket/p", storage_options=options).get("a")) == b"1"
    assert {asked.split("/")[0] for asked in Bucket.asked} == {f"127.0.0.1:{port}"}
    with pytest.raises(s3dlio.InvalidArgumentError, match="leave out one"):
        s3dlio.get(uri, storage_options={**options, "endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(s3dlio.InvalidArgumentError, match="no bucket"):
        s3dlio.get(f"s3://127.0.0.1:{port}", storage_options=options)

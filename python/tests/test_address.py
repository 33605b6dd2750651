from __future__ import annotations

import os
import weakref
from pathlib import Path

import pytest
from conftest import Child

import s3dlio
from s3dlio._core._address import resolve


@pytest.mark.parametrize(
    ("text", "root", "key", "base"),
    [
        ("file:///a/b", "file:///", "a/b", "file:///"),
        ("FILE:///a/b", "file:///", "a/b", "file:///"),
        ("file://localhost/a/b", "file:///", "a/b", "file:///"),
        ("file:///a/b/", "file:///", "a/b/", "file:///"),
        ("file:///a%20b/%2e%2e?c#d", "file:///", "a%20b/%2e%2e?c#d", "file:///"),
        ("direct:///a", "direct:///", "a", "direct:///"),
        ("memory://n/a/b", "memory://n/", "a/b", "memory://n/"),
        ("memory://n", "memory://n/", "", "memory://n/"),
        ("memory://n/a//b", "memory://n/", "a//b", "memory://n/"),
        ("/a/b", "file:///", "a/b", "/"),
        ("//a//b", "file:///", "a/b", "/"),
        ("/a/./b/", "file:///", "a/b/", "/"),
        ("/", "file:///", "", "/"),
        ("/a/file:///b", "file:///", "a/file:/b", "/"),
        ("/100%/a%41", "file:///", "100%/a%41", "/"),
    ],
)
def test_resolve_finds_store_and_key(text: str, root: str, key: str, base: str) -> None:
    found = resolve(text)
    assert (found.root.uri, found.key, found.base) == (root, key, base)


def test_resolve_keeps_stores_that_are_used_and_lets_the_others_go() -> None:
    often = resolve("memory://often/a", {"durable": True}).root
    held = resolve("memory://held/a", {"durable": True})
    held.root.number()
    rare = weakref.ref(resolve("memory://rare/a", {"durable": True}).root)
    for i in range(1000):
        resolve(f"memory://{i}/a", {"durable": True})
        assert resolve("memory://often/b", {"durable": True}).root is often
    assert rare() is None
    assert resolve("memory://rare/a", {"durable": True}).root is not None
    # whoever holds one goes on
    s3dlio.put_bytes(held, b"x")
    assert s3dlio.get("memory://held/a") == b"x"


def test_tokens_that_change_leave_nothing_behind(child: Child) -> None:
    child(
        """
import gc, http.server, os, threading
import s3dlio
from s3dlio._core import _address

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.send_header("ETag", '"e"')
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
options = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}

def use(first, last):
    for i in range(first, last):
        now = options | {"session_token": f"token-{i:06}" + "t" * 2000}
        if i % 10 == 0:
            s3dlio.stat("s3://b/x", storage_options=now)
        else:
            s3dlio.presign("s3://b/x", storage_options=now)

def state():
    rows = open("/proc/self/smaps_rollup").read().splitlines()
    private = sum(int(row.split()[1]) for row in rows if row.startswith("Private_Dirty"))
    return private / 1024, len(os.listdir("/proc/self/fd"))

# memory goes up and down with what is not collected yet: the highest before is compared with the lowest after
use(0, 4000)
before = state()
for first in range(4000, 6000, 500):
    use(first, first + 500)
    before = max(before, state())
use(6000, 26_000)
after = state()
for first in range(26_000, 28_000, 500):
    if after[0] > before[0] + 64:
        use(first, first + 500)
        after = min(after, state())
gc.collect()
kept = {one.options["session_token"][:12] for one in gc.get_objects() if isinstance(one, _address.Root)}
assert len(kept) <= 64 and min(kept) > "token-025900", (len(kept), sorted(kept)[:3])
assert after[1] <= before[1] + 4, (before, after)
# 20,000 stores with a token of 4 KB each: 176 MiB when they were kept. The heap grows by regions of up to 36 MiB at once
assert after[0] <= before[0] + 64, (before, after)
""",
        timeout=120,
        # collects often: else the memory goes up and down by 140 MiB, whatever is kept
        environment={"DOTNET_GCgen0size": "400000"},
    )


def test_resolve_shares_the_store_of_equal_roots() -> None:
    assert resolve("/a").root is resolve("file:///b").root
    assert resolve("/a").root is not resolve("direct:///a").root
    assert resolve("/a", {"durable": True}).root is resolve("/b", {"durable": True}).root
    assert resolve("/a", {"durable": True}).root is not resolve("/a", {"durable": False}).root


def test_relative_path_is_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    s3dlio.put_bytes("a", b"1")
    s3dlio.put_bytes("./d/b", b"2")
    s3dlio.put_bytes(Path("c"), b"3")
    s3dlio.put_bytes("d/../e", b"4")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a", "b", "c", "e"]
    monkeypatch.chdir("d")
    assert bytes(s3dlio.get("../a")) == b"1"
    assert s3dlio.list(".") == [f"{tmp_path}/d/b"]
    assert s3dlio.list("..", recursive=True) == [f"{tmp_path}/{key}" for key in ("a", "c", "d/b", "e")]


def test_parent_of_a_link_is_the_parent_of_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/sub")
    (tmp_path / "real" / "x").write_bytes(b"kernel")
    (tmp_path / "x").write_bytes(b"text")
    assert bytes(s3dlio.get(tmp_path / "link" / ".." / "x")) == b"kernel"
    monkeypatch.chdir(tmp_path)
    assert bytes(s3dlio.get("link/../x")) == Path("link/../x").read_bytes() == b"kernel"
    assert s3dlio.exists("link/..")
    s3dlio.put_bytes("link/../made", b"")
    assert (tmp_path / "real" / "made").exists()


def test_parent_in_a_uri_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "d").mkdir()
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"'\.\.'"):
        s3dlio.get(f"file://{tmp_path}/d/../a")


@pytest.mark.parametrize("text", ["file://relative", "file://relative/a", "direct://a", "file://", "file://host/a"])
def test_uri_with_a_relative_path_is_refused(text: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="write (file|direct):///absolute/path") as caught:
        s3dlio.get(text)
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["~", "~/a", "~user/a", Path("~/a")])
def test_tilde_is_refused_with_what_to_do(text: str | Path) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="expanduser"):
        s3dlio.get(text)


def test_tilde_further_on_is_literal(tmp_path: Path) -> None:
    s3dlio.put_bytes(tmp_path / "~", b"x")
    assert (tmp_path / "~").read_bytes() == b"x"


@pytest.mark.parametrize("text", ["s4://bucket/key", "http://host/key", "nonsense://a/b"])
def test_unknown_scheme_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"unknown scheme .* memory://") as caught:
        s3dlio.get(text)
    assert text.split(":")[0] in str(caught.value)


@pytest.mark.parametrize("text", ["", "memory://", "memory:///a"])
def test_address_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="empty"):
        s3dlio.get(text)


@pytest.mark.parametrize("text", ["/a\0b", "file:///a\0b", "memory://n\0m/a", "memory://n/a\0b"])
def test_nul_in_an_address_is_refused(text: str) -> None:
    for action in (s3dlio.get, s3dlio.exists, s3dlio.list):
        with pytest.raises(s3dlio.InvalidArgumentError, match="NUL"):
            action(text)


def test_nul_in_a_stores_address_is_refused(tmp_path: Path) -> None:
    for text in (f"{tmp_path}\0x", "memory://n\0m", "memory://n/a\0b"):
        with pytest.raises(s3dlio.InvalidArgumentError, match="NUL"):
            s3dlio.Store(text)


@pytest.mark.parametrize("address", [None, 5, ["a"], object()])
def test_address_of_a_wrong_type_is_refused(address: object) -> None:
    with pytest.raises(TypeError, match=type(address).__name__):
        s3dlio.get(address)  # type: ignore[arg-type]


def test_address_as_bytes_is_refused() -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="found bytes"):
        s3dlio.get(b"/a")  # type: ignore[arg-type]


def test_address_of_a_path_object_is_taken_from_fspath(tmp_path: Path) -> None:
    class Somewhere:
        def __fspath__(self) -> str:
            return f"file://{tmp_path}/a"

    s3dlio.put_bytes(Somewhere(), b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_percent_signs_are_literal(tmp_path: Path) -> None:
    s3dlio.put_bytes(f"file://{tmp_path}/a%20b%2Fc", b"x")
    assert os.listdir(tmp_path) == ["a%20b%2Fc"]
    assert s3dlio.list(f"file://{tmp_path}/") == [f"file://{tmp_path}/a%20b%2Fc"]

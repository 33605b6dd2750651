"""The original's names: what docs/original.md says of each is so, and those that changed behave as the original's."""

from __future__ import annotations

import ast
import inspect
import re
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Base, Child, takes_direct
from servers_fixture import s3_server

import s3dlio

_TABLE = Path(__file__).parents[2] / "docs" / "original.md"
_ROW = re.compile(r"^\| `([\w.]+)(?:\((.*)\))?` \| (same|different|not here) \| (.*) \|$")
_ROWS = [match.groups() for line in _TABLE.read_text(encoding="utf-8").splitlines() if (match := _ROW.match(line))]


def _found(name: str) -> Any:
    found: Any = s3dlio
    for part in name.split("."):
        found = inspect.getattr_static(found, part) if inspect.isclass(found) and part in vars(found) else getattr(found, part)
    return found.__func__ if isinstance(found, (classmethod, staticmethod)) else found


def test_read_table_every_row_is_understood() -> None:
    lines = [line for line in _TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(lines) == len(_ROWS) > 130
    assert len({row[0] for row in _ROWS}) == len(_ROWS)


@pytest.mark.parametrize(("name", "parameters", "kind", "why"), _ROWS, ids=[row[0] for row in _ROWS])
def test_find_name_the_table_is_right(name: str, parameters: str | None, kind: str, why: str) -> None:
    if kind == "not here":
        assert not hasattr(s3dlio, name.split(".")[0]) and why
        return
    found = _found(name)
    assert why or kind == "same"
    if parameters is None:
        return
    ours = [one for one in inspect.signature(found).parameters.values() if one.name not in ("self", "cls")]
    theirs = ast.parse(f"def f({parameters}): pass").body[0].args  # type: ignore[attr-defined]
    positional = [one for one in ours if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    names = ["name" if one.arg == "bucket_name" else one.arg for one in theirs.args]
    assert [one.name for one in positional[: len(names)]] == names
    defaults = [inspect.Parameter.empty] * (len(names) - len(theirs.defaults)) + [ast.literal_eval(one) for one in theirs.defaults]
    for one, default in zip(positional, defaults, strict=False):
        # a parameter that ours can do without asks nothing of a script
        assert default is inspect.Parameter.empty or one.default == default, one
    assert all(one.default is not inspect.Parameter.empty for one in positional[len(names) :])


class _HasBytes:
    def __bytes__(self) -> bytes:
        return b"123456789"


def test_put_what_has_dunder_bytes_is_taken() -> None:
    uri = "memory://original/bytes"
    assert s3dlio.put_bytes(uri, _HasBytes()) == "crc32c:e3069283"
    assert s3dlio.put_many([(uri, _HasBytes())]) == [(uri, "crc32c:e3069283")]
    assert s3dlio.get(uri) == b"123456789"
    for wrong in (9, [1, 2], "text", None):
        with pytest.raises(s3dlio.InvalidArgumentError):
            s3dlio.put_bytes(uri, wrong)
    with pytest.raises(s3dlio.InvalidArgumentError, match="no buffer"):
        s3dlio.get_range(uri, 0, 9, out=_HasBytes())


def test_delete_with_slash_takes_what_is_right_below(base: Base) -> None:
    for key in ("d/a", "d/b", "d/sub/c", "dd"):
        s3dlio.put_bytes(base.text(key), b"1")
    assert s3dlio.delete(base.text("d") + "/") == 2
    assert s3dlio.exists(base.text("d/sub/c")) and s3dlio.exists(base.text("dd"))
    assert s3dlio.delete(base.text("d") + "/") == 0 == s3dlio.delete(base.text("none") + "/")
    with pytest.raises(FileNotFoundError):
        s3dlio.delete(base.text("d*"))


def test_delete_the_root_is_not_emptied_by_a_slash() -> None:
    s3dlio.put_bytes("memory://original-root/a", b"1")
    for text in ("memory://original-root/", "memory://original-root//"):
        with pytest.raises(s3dlio.InvalidArgumentError):
            s3dlio.delete(text)
    assert s3dlio.exists("memory://original-root/a")


def test_stat_many_gives_dictionaries_in_order() -> None:
    import asyncio

    uris = [f"memory://original-stat/{i}" for i in range(3)]
    s3dlio.put_many([(uri, b"x" * i) for i, uri in enumerate(uris)])
    found = asyncio.run(s3dlio.stat_many_async([*uris, uris[2]]))
    assert [one["size"] for one in found] == [0, 1, 2, 2]
    assert s3dlio.stat_many(uris) == [s3dlio.stat(uri) for uri in uris]
    missing = s3dlio.stat_many([uris[0], "memory://original-stat/none"], on_error="return")[1]
    assert isinstance(missing, s3dlio.NotFoundError)


@pytest.mark.parametrize("name", ["zstd", "ZSTD", "Zstd", "none", "NONE"])
def test_checksum_of_a_live_writer_is_that_of_its_bytes(tmp_path: Path, name: str) -> None:
    options = s3dlio.PyWriterOptions().with_compression(name, 3)
    writer = s3dlio.create_filesystem_writer(f"file://{tmp_path}/a", options)
    assert writer.checksum() == "crc32c:00000000"
    seen = b""
    for piece in (b"1234", b"", b"56789", b"x" * (3 << 20)):
        writer.write_chunk(piece)
        seen += piece
        assert writer.checksum() == s3dlio.put_bytes("memory://original/live", seen)
    assert writer.finalize()[0] == len(seen)
    assert writer.checksum() == s3dlio.put_bytes("memory://original/live", seen)
    assert (tmp_path / ("a.zst" if name.lower() == "zstd" else "a")).exists()
    with pytest.raises(s3dlio.InvalidArgumentError, match="'zstd' or 'none'"):
        s3dlio.PyWriterOptions().with_compression("gzip")


@pytest.mark.parametrize("scheme", ["file://", "direct://", ""])
def test_create_direct_writer_any_form_of_a_path(tmp_path: Path, scheme: str) -> None:
    if not takes_direct(tmp_path):
        pytest.skip("no O_DIRECT here")
    writer = s3dlio.create_direct_filesystem_writer(f"{scheme}{tmp_path}/a")
    assert writer._writer.uri == f"direct://{tmp_path}/a"
    writer.write_chunk(b"123456789")
    assert writer.finalize() == (9, 9) and (tmp_path / "a").read_bytes() == b"123456789"


def test_multipart_writer_close_and_reserve() -> None:
    uri, options = s3_server()
    before = time.time()
    writer = s3dlio.MultipartUploadWriter.from_uri(f"{uri}/original/mpu", storage_options=options)
    memory = writer.reserve(4)
    with pytest.raises(s3dlio.InvalidArgumentError, match="reserved already"):
        writer.reserve(4)
    memory[:] = b"1234"
    writer.commit(4)
    writer.reserve(9)[:5] = b"56789"
    writer.commit(nbytes=5)
    done = writer.close()
    assert isinstance(done["started_at"], float) and before <= done["started_at"] <= done["completed_at"] <= time.time()
    assert done["total_bytes"] == 9 and s3dlio.get(f"{uri}/original/mpu", storage_options=options) == b"123456789"
    s3dlio.delete(f"{uri}/original/mpu", storage_options=options)


def test_helpers_of_old_scripts(child: Child) -> None:
    s3dlio.put_many([("memory://original-keys/a/b", b"1"), ("memory://original-keys/c", b"22")])
    assert (
        s3dlio.list_full_uris("memory://original-keys/")
        == s3dlio.list_uris("memory://original-keys/")
        == ["memory://original-keys/a/b", "memory://original-keys/c"]
    )
    assert s3dlio.list_keys("memory://original-keys/") == s3dlio.list_keys_from_s3("memory://original-keys/") == ["a/b", "c"]
    assert s3dlio.get_object("memory://original-keys/c") == b"22" and s3dlio.stat_object("memory://original-keys/c")["size"] == 2
    assert s3dlio.get_many_stats(["memory://original-keys/c", "memory://original-keys/a/b"], 8) == (2, 3)
    assert s3dlio.parse_s3_uri_full("s3://bucket/key") == {"endpoint": None, "bucket": "bucket", "key": "key"}
    assert s3dlio.parse_s3_uri_full("s3://h:9000/bucket/") == {"endpoint": "h:9000", "bucket": "bucket", "key": ""}
    with pytest.raises(s3dlio.InvalidArgumentError):
        s3dlio.parse_s3_uri_full("file:///x")
    from s3dlio import _pymod as core

    assert core.PyCheckpointStore is s3dlio.PyCheckpointStore and core.put_bytes is s3dlio.put_bytes
    ended = child(
        """
import logging, s3dlio
s3dlio.init_logging("nonsense")
assert logging.getLogger("s3dlio").level == logging.INFO
s3dlio.init_logging("warn")
logging.getLogger("s3dlio").info("not shown")
logging.getLogger("s3dlio").warning("shown once")
s3dlio.configure_s3(region="eu-1", endpoint_url="http://127.0.0.1:9")
try:
    s3dlio.configure_s3(region=3)
except s3dlio.InvalidArgumentError:
    pass
""",
        check=False,
    )
    assert ended.returncode == 0 and ended.stderr.count("WARNING s3dlio: shown once") == 1 and "not shown" not in ended.stderr, ended.stderr

"""What is said of an object beside its bytes: content type, metadata, attributes and tags, on every store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers_fixture import azure_server, s3_old_server, s3_server, s3_tls_server

import s3dlio

Place = tuple[str, dict[str, Any] | None]

SAID = {"cache_control": "no-store", "content_disposition": "attachment", "content_encoding": "zstd", "content_language": "de"}


@pytest.fixture(params=["file", "memory", s3_server, s3_old_server, azure_server], ids=["file", "memory", "s3", "s3-old", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A prefix of this test's own in every store."""
    if isinstance(request.param, str):
        if request.param == "file":
            request.getfixturevalue("recorded")
        return (f"file://{tmp_path}" if request.param == "file" else f"memory://attributes-{request.node.name}"), None
    server: Callable[[], tuple[str, dict[str, Any]]] = request.param
    uri, options = server()
    return f"{uri}/{request.node.name.replace('[', '/').rstrip(']')}", options


def test_every_write_keeps_what_is_said(place: Place) -> None:
    uri, options = place
    said: dict[str, Any] = {"attributes": SAID, "storage_options": options}
    s3dlio.put_bytes(f"{uri}/one", b"1", content_type="text/plain", metadata={"epoch": "3"}, **said)
    s3dlio.put_many([(f"{uri}/many", b"2")], content_type="text/plain", metadata={"epoch": "3"}, **said)
    s3dlio.save_numpy_array(f"{uri}/array", np.arange(3), metadata={"epoch": "3"}, **said)
    s3dlio.save_tensors(f"{uri}/tensors", {"w": np.arange(3)}, **said)
    s3dlio.copy(f"{uri}/one", f"{uri}/copied", storage_options=options)
    for name in ("one", "many", "array", "tensors", "copied"):
        found = s3dlio.stat(f"{uri}/{name}", storage_options=options)
        assert {key: found[key] for key in SAID} == SAID, name
        assert found["metadata"] == ({} if name == "tensors" else {"epoch": "3"}), name
        assert name in ("array", "tensors") or found["content_type"] == "text/plain"


def test_upload_says_it_of_every_file(place: Place, tmp_path: Path) -> None:
    uri, options = place
    (tmp_path / "a.txt").write_bytes(b"a")
    s3dlio.upload(tmp_path / "a.txt", f"{uri}/up", content_type="text/plain", metadata={"k": "v"}, attributes=SAID, storage_options=options)
    found = s3dlio.stat(f"{uri}/up/a.txt", storage_options=options)
    assert (found["content_type"], found["metadata"], found["cache_control"]) == ("text/plain", {"k": "v"}, "no-store")


def test_copy_takes_what_is_given(place: Place) -> None:
    uri, options = place
    s3dlio.put_bytes(f"{uri}/from", b"1", content_type="a/b", metadata={"old": "1"}, attributes=SAID, storage_options=options)
    s3dlio.copy(
        f"{uri}/from",
        f"{uri}/to",
        content_type="c/d",
        metadata={"new": "2"},
        attributes={"content_language": "fr"},
        storage_options=options,
    )
    found = s3dlio.stat(f"{uri}/to", storage_options=options)
    assert (found["content_type"], found["metadata"], found["content_language"]) == ("c/d", {"new": "2"}, "fr")
    assert found["cache_control"] == "no-store"


def test_unknown_attributes_are_refused_with_the_nearest(place: Place) -> None:
    uri, options = place
    for write in (
        lambda: s3dlio.put_bytes(f"{uri}/wrong", b"", attributes={"cachecontrol": "x"}, storage_options=options),
        lambda: s3dlio.save_numpy_array(f"{uri}/wrong", np.arange(3), attributes={"cachecontrol": "x"}, storage_options=options),
    ):
        with pytest.raises(s3dlio.InvalidArgumentError, match="did you mean 'cache_control'"):
            write()
    with pytest.raises(s3dlio.BulkError, match="did you mean 'cache_control'"):
        s3dlio.put_many([(f"{uri}/wrong", b"")], attributes={"cachecontrol": "x"}, storage_options=options)
    with pytest.raises(s3dlio.InvalidArgumentError, match="attributes must be a dictionary"):
        s3dlio.put_bytes(f"{uri}/wrong", b"", attributes=["x"], storage_options=options)  # type: ignore[arg-type]
    assert not s3dlio.exists(f"{uri}/wrong", storage_options=options)


def test_tags_are_told_or_refused(place: Place) -> None:
    uri, options = place
    if options is None:
        with pytest.raises(s3dlio.InvalidArgumentError, match="tags are kept by S3 and Azure"):
            s3dlio.put_bytes(f"{uri}/tagged", b"", tags={"team": "a"})
        return
    s3dlio.put_bytes(f"{uri}/tagged", b"", tags={"team": "a", "run": "1"}, storage_options=options)
    s3dlio.copy(f"{uri}/tagged", f"{uri}/copied", storage_options=options)
    if uri.startswith("az://"):
        for name in ("tagged", "copied"):
            assert s3dlio.stat(f"{uri}/{name}", storage_options=options)["attributes"]["tag_count"] == "2"


def test_a_key_of_the_users_own_is_needed_again_and_never_shown() -> None:
    uri, options = s3_tls_server()
    key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    store = s3dlio.Store(uri, storage_options={**options, "sse_customer_key": key})
    store.put_bytes("secret", b"123456789")
    assert store.get("secret") == b"123456789" and store.stat("secret")["sse_customer_algorithm"] == "AES256"
    for stranger in (options, {**options, "sse_customer_key": key[::-1].lstrip("=") + "="}):
        with pytest.raises(s3dlio.S3dlioError) as caught:
            s3dlio.get(f"{uri}/secret", storage_options=stranger)
        assert key not in str(caught.value) and key not in repr(store)
    store.delete("secret")

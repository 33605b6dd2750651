"""boto3 reads what we write, byte for byte and checksum for checksum, and the reverse."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boto3_side import boto3_client
from servers_fixture import s3_old_server, s3_server, s3_tls_server

import s3dlio

MIB = 1 << 20


class Sides:
    """One prefix, seen by us and by boto3."""

    def __init__(self, uri: str, options: dict[str, Any], s3: Any) -> None:
        self.uri, self.options, self.s3 = uri, options, s3
        self.store = s3dlio.Store(uri, storage_options=options)
        self.bucket, _, self.prefix = uri.removeprefix("s3://").partition("/")

    def place(self, key: str) -> dict[str, str]:
        """How boto3 is told of our key."""
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{key}"}

    def crc(self, key: str) -> str:
        """Our checksum of an object as S3 writes it."""
        return base64.b64encode(bytes.fromhex(self.store.stat(key)["checksum"].removeprefix("crc32c:"))).decode()


def _sides(request: pytest.FixtureRequest, server: Callable[[], tuple[str, dict[str, Any]]], checks: str) -> Iterator[Sides]:
    uri, options = server()
    with boto3_client(options, request_checksum_calculation=checks, response_checksum_validation=checks) as s3:
        yield Sides(f"{uri}/boto3/{request.node.name.replace('[', '/').rstrip(']')}", options, s3)


@pytest.fixture(params=[s3_server, s3_tls_server], ids=["s3", "s3-tls"])
def sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    """On the servers that keep checksums."""
    yield from _sides(request, request.param, "when_supported")


@pytest.fixture(params=[s3_server, s3_old_server], ids=["s3", "s3-old"])
def any_sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    """On every generation, with no more asked of the server than the oldest knows."""
    yield from _sides(request, request.param, "when_required")


def theirs(metadata: dict[str, str]) -> dict[str, str]:
    """The user's own metadata: until a server is known to keep checksums, ours goes there too."""
    return {name: value for name, value in metadata.items() if name not in ("s3dlio-crc32c", "s3dlio-blocks")}


def data(length: int) -> bytes:
    return np.random.default_rng(length).bytes(length)


@pytest.mark.parametrize("length", [0, 9, 20 * MIB + 7])
def test_ours_is_read_with_its_checksum(sides: Sides, length: int) -> None:
    sides.store.put_bytes("ours", data(length), content_type="application/x-demo", metadata={"epoch": "3"})
    found = sides.s3("checked_get_object", **sides.place("ours"))
    assert found["Body"] == data(length)
    assert (found["ContentType"], theirs(found["Metadata"])) == ("application/x-demo", {"epoch": "3"})
    assert found["ChecksumCRC32C"] == sides.crc("ours")
    assert found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"


@pytest.mark.parametrize("algorithm", ["CRC32C", "CRC64NVME", "SHA256"])
@pytest.mark.parametrize("length", [1000, 17 * MIB + 1])
def test_theirs_is_read_and_told_as_checked_or_not(sides: Sides, tmp_path: Path, algorithm: str, length: int) -> None:
    (tmp_path / "file").write_bytes(data(length))
    extra = {"ChecksumAlgorithm": algorithm, "Metadata": {"who": "boto3"}, "ContentType": "text/x"}
    try:
        sides.s3("upload_file", Filename=str(tmp_path / "file"), **sides.place("theirs"), ExtraArgs=extra, PartSize=5 * MIB)
    except Exception as error:
        # botocore has CRC32C and CRC64NVME with awscrt alone, and older ones know less
        if not any(
            word in str(error)
            for word in ("MissingDependency", "FlexibleChecksumError", "ParamValidation", "InvalidRequest", "NotImplemented")
        ):
            raise
        pytest.skip(f"this boto3 or server has no {algorithm}: {error}")
    found = sides.store.stat("theirs")
    assert (found["size"], found["metadata"], found["content_type"]) == (length, {"who": "boto3"}, "text/x")
    assert sides.store.get("theirs") == data(length)
    head = sides.s3("head_object", **sides.place("theirs"), ChecksumMode="ENABLED")
    whole = algorithm == "CRC32C" and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" and "-" not in head["ChecksumCRC32C"]
    # other algorithms and checksums of checksums are no CRC32C of the bytes: nothing is claimed
    assert found["checksum"] == ("crc32c:" + base64.b64decode(head["ChecksumCRC32C"]).hex() if whole else None)
    checksum = s3dlio.put_bytes("memory://boto3/same", data(length))
    assert sides.store.get("theirs", expected_checksum=checksum) == data(length)
    with pytest.raises(s3dlio.ChecksumMismatchError):
        sides.store.get("theirs", expected_checksum="crc32c:00000000")


ODD = ["with space", "a+b", "100%", "%2F%20", "ünï/日本", "two//slashes", "trailing ", "q?x=1&y#z", "~tilde'\"<>"]


@pytest.mark.parametrize("key", ODD)
def test_odd_keys_are_the_same_on_both_sides(any_sides: Sides, key: str) -> None:
    store, s3 = any_sides.store, any_sides.s3
    store.put_bytes(f"k/{key}", b"ours")
    assert s3("get_object", **any_sides.place(f"k/{key}"))["Body"] == b"ours"
    s3("put_object", **any_sides.place(f"k/{key}"), Body=b"theirs")
    assert store.get(f"k/{key}") == b"theirs"
    assert store.list("k", recursive=True) == [f"k/{key}"]
    assert (
        s3("list_objects_v2", Bucket=any_sides.bucket, Prefix=f"{any_sides.prefix}/k/")["Contents"][0]["Key"]
        == f"{any_sides.prefix}/k/{key}"
    )
    assert store.delete("k", recursive=True) == 1
    assert s3("list_objects_v2", Bucket=any_sides.bucket, Prefix=f"{any_sides.prefix}/k/")["KeyCount"] == 0


def test_batches_are_deleted_by_either_side(any_sides: Sides) -> None:
    keys = [f"batch/{i:03} ü+%" for i in range(120)]
    any_sides.store.put_bytes("batch2", b"")
    s3dlio.put_many([(f"{any_sides.uri}/{key}", b"x") for key in keys], storage_options=any_sides.options)
    gone = any_sides.s3(
        "delete_objects", Bucket=any_sides.bucket, Delete={"Objects": [{"Key": any_sides.place(key)["Key"]} for key in keys[:50]]}
    )
    assert len(gone["Deleted"]) == 50
    assert any_sides.store.list("batch", recursive=True) == keys[50:]
    assert any_sides.store.delete("batch", recursive=True) == 70
    listed = any_sides.s3("list_objects_v2", Bucket=any_sides.bucket, Prefix=f"{any_sides.prefix}/batch")
    assert [found["Key"] for found in listed["Contents"]] == [any_sides.place("batch2")["Key"]]


def test_metadata_and_attributes_are_the_same_on_both_sides(any_sides: Sides) -> None:
    said = {"cache_control": "no-store", "content_disposition": "attachment", "content_encoding": "zstd", "content_language": "de"}
    any_sides.store.put_bytes("ours", b"1", content_type="a/b", metadata={"plain": "x y"}, attributes=said)
    head = any_sides.s3("head_object", **any_sides.place("ours"))
    assert (head["ContentType"], theirs(head["Metadata"])) == ("a/b", {"plain": "x y"})
    assert [head[name] for name in ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")] == [*said.values()]
    any_sides.s3(
        "put_object",
        **any_sides.place("theirs"),
        Body=b"1",
        ContentType="c/d",
        Metadata={"k": "v"},
        CacheControl="max-age=1",
        Tagging="a=1&b=2",
    )
    found = any_sides.store.stat("theirs")
    assert (found["content_type"], found["metadata"], found["cache_control"]) == ("c/d", {"k": "v"}, "max-age=1")
    any_sides.store.copy("theirs", "copied")
    tags = any_sides.s3("get_object_tagging", **any_sides.place("copied"))["TagSet"]
    assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("a", "1"), ("b", "2")]


def _trust(options: dict[str, Any]) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=options["ca_bundle"]) if "ca_bundle" in options else None


def _read(address: str, options: dict[str, Any]) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_trust(options)))
    with opener.open(address, timeout=30) as answer:
        return bytes(answer.read())


def _write(address: str, body: bytes, options: dict[str, Any]) -> int:
    """Without a Content-Type: urllib adds one to every body, and Ceph refuses one that the address does not sign."""
    url = urllib.parse.urlsplit(address)
    to: http.client.HTTPConnection
    if url.scheme == "https":
        to = http.client.HTTPSConnection(url.netloc, timeout=30, context=_trust(options))
    else:
        to = http.client.HTTPConnection(url.netloc, timeout=30)
    with contextlib.closing(to):
        to.request("PUT", f"{url.path}?{url.query}", body)
        return to.getresponse().status


def test_presigned_addresses_work_both_ways(sides: Sides) -> None:
    ours = s3dlio.presign(f"{sides.uri}/by url+ü", "PUT", storage_options=sides.options)
    assert _write(ours, b"via url", sides.options) == 200
    assert sides.s3("get_object", **sides.place("by url+ü"))["Body"] == b"via url"
    theirs = sides.s3("generate_presigned_url", ClientMethod="get_object", Params=sides.place("by url+ü"))
    for address in (theirs, s3dlio.presign(f"{sides.uri}/by url+ü", storage_options=sides.options)):
        assert _read(address, sides.options) == b"via url"
    again = sides.s3("generate_presigned_url", ClientMethod="put_object", Params=sides.place("theirs"))
    assert _write(again, b"by their url", sides.options) == 200
    assert sides.store.get("theirs") == b"by their url"


@pytest.mark.parametrize("kind", ["FULL_OBJECT", "COMPOSITE"])
def test_their_parts_with_crc32c_are_checked_or_plainly_not(sides: Sides, kind: str) -> None:
    """Values of our own making in boto3's requests: its own CRC32C needs awscrt, which few Pythons have."""

    def crc(of: bytes) -> str:
        return base64.b64encode(bytes.fromhex(s3dlio.put_bytes("memory://boto3/crc", of).removeprefix("crc32c:"))).decode()

    pieces = [data(5 * MIB), data(MIB + 1)]
    place = sides.place("parts")
    begun = sides.s3("create_multipart_upload", **place, ChecksumAlgorithm="CRC32C", ChecksumType=kind)
    parts = []
    for number, piece in enumerate(pieces, 1):
        part = {"PartNumber": number, "ChecksumCRC32C": crc(piece)}
        parts.append({**part, "ETag": sides.s3("upload_part", **place, **part, UploadId=begun["UploadId"], Body=piece)["ETag"]})
    whole = {"ChecksumCRC32C": crc(b"".join(pieces)), "ChecksumType": kind} if kind == "FULL_OBJECT" else {}
    sides.s3("complete_multipart_upload", **place, UploadId=begun["UploadId"], MultipartUpload={"Parts": parts}, **whole)
    assert sides.store.get("parts") == b"".join(pieces)
    found = sides.store.stat("parts")["checksum"]
    true = "crc32c:" + base64.b64decode(crc(b"".join(pieces))).hex()
    # A checksum of the parts' checksums is none of the object's bytes and must not pass for one. Ceph makes one of the bytes all the same.
    assert found in ((true,) if kind == "FULL_OBJECT" else (true, None))

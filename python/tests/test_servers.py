"""The servers of the tests are real: they refuse a wrong signature, and the newest checks what it is given."""

import base64
import urllib.error
import urllib.request

import pytest
from boto3_side import OtherSideError, boto3_client
from servers_fixture import azure_server, s3_old_server, s3_server, s3_tls_server

CONTENT = b"123456789"
CRC32C = base64.b64encode((0xE3069283).to_bytes(4, "big")).decode()  # the check value of CRC-32C's definition


def place(uri: str) -> dict:
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    return {"Bucket": bucket, "Key": f"{key}/server"}


CHECKED = {"request_checksum_calculation": "when_supported", "response_checksum_validation": "when_supported"}
BARE = dict.fromkeys(CHECKED, "when_required")


@pytest.mark.parametrize("server", [s3_server, s3_tls_server])
def test_put_with_checksum_is_verified_and_stored(server):
    uri, options = server()
    where = place(uri)
    with boto3_client(options, **CHECKED) as s3:
        s3("put_object", **where, Body=CONTENT, ChecksumAlgorithm="CRC32C", ChecksumCRC32C=CRC32C)
        head = s3("head_object", **where, ChecksumMode="ENABLED")
        assert (head["ContentLength"], head["ChecksumCRC32C"]) == (9, CRC32C)
        with pytest.raises(OtherSideError, match="BadDigest"):
            s3("put_object", **where, Body=CONTENT + b"0", ChecksumAlgorithm="CRC32C", ChecksumCRC32C=CRC32C)
        s3("delete_object", **where)


def test_put_on_old_server_keeps_no_checksum():
    uri, options = s3_old_server()
    where = place(uri)
    with boto3_client(options, **BARE) as s3:
        s3("put_object", **where, Body=CONTENT)
        found = s3("get_object", **where)
        assert found["Body"] == CONTENT
        assert "ChecksumCRC32C" not in found
        s3("delete_object", **where)


@pytest.mark.parametrize("server", [s3_server, s3_tls_server, s3_old_server])
def test_get_with_wrong_secret_is_refused(server):
    uri, options = server()
    refused = {**options, "access_key_id": options.get("access_key_id", "nobody"), "secret_access_key": "wrong"}
    with (
        boto3_client(refused, **CHECKED) as s3,
        pytest.raises(OtherSideError, match=r"403|Forbidden|SignatureDoesNotMatch|InvalidAccessKeyId"),
    ):
        s3("get_object", **place(uri))


def test_get_without_authority_is_refused():
    uri, options = s3_tls_server()
    with boto3_client({**options, "ca_bundle": None}, **CHECKED) as s3, pytest.raises(OtherSideError, match="SSLError"):
        s3("get_object", **place(uri))


def test_azure_without_key_is_refused():
    uri, options = azure_server()
    if "endpoint_url" not in options:
        pytest.skip("a real account is not asked for the emulator's manners")
    container = uri.removeprefix("az://").split("/")[1]
    with pytest.raises(urllib.error.HTTPError, match="403|404"):
        urllib.request.urlopen(f"{options['endpoint_url']}/{container}/nothing", timeout=60)

"""The servers of the tests are real: they refuse a wrong signature, and the newest checks what it is given."""

import base64
import urllib.error
import urllib.request

import pytest

from servers_fixture import azure_server, s3_old_server, s3_server, s3_tls_server

CONTENT = b"123456789"
CRC32C = base64.b64encode((0xE3069283).to_bytes(4, "big")).decode()  # the check value of CRC-32C's definition


def client(options: dict, checksums: str = "when_supported"):
    boto3 = pytest.importorskip("boto3")
    from botocore.config import Config

    settings = {"request_checksum_calculation": checksums, "response_checksum_validation": checksums}
    known = {name: value for name, value in settings.items() if name in Config.OPTION_DEFAULTS}  # older ones have neither
    return boto3.client(
        "s3",
        endpoint_url=options.get("endpoint_url"),
        aws_access_key_id=options.get("access_key_id"),
        aws_secret_access_key=options.get("secret_access_key"),
        region_name=options.get("region"),
        verify=options.get("ca_bundle"),
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **known),
    )


def place(uri: str) -> dict:
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    return {"Bucket": bucket, "Key": f"{key}/server"}


@pytest.mark.parametrize("server", [s3_server, s3_tls_server])
def test_put_with_checksum_is_verified_and_stored(server):
    uri, options = server()
    s3, where = client(options), place(uri)
    s3.put_object(**where, Body=CONTENT, ChecksumAlgorithm="CRC32C", ChecksumCRC32C=CRC32C)
    head = s3.head_object(**where, ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ChecksumCRC32C"]) == (9, CRC32C)
    with pytest.raises(s3.exceptions.ClientError, match="BadDigest"):
        s3.put_object(**where, Body=CONTENT + b"0", ChecksumAlgorithm="CRC32C", ChecksumCRC32C=CRC32C)
    s3.delete_object(**where)


def test_put_on_old_server_keeps_no_checksum():
    uri, options = s3_old_server()
    s3, where = client(options, checksums="when_required"), place(uri)
    s3.put_object(**where, Body=CONTENT)
    found = s3.get_object(**where)
    assert found["Body"].read() == CONTENT
    assert "ChecksumCRC32C" not in found
    s3.delete_object(**where)


@pytest.mark.parametrize("server", [s3_server, s3_tls_server, s3_old_server])
def test_get_with_wrong_secret_is_refused(server):
    uri, options = server()
    s3 = client({**options, "access_key_id": options.get("access_key_id", "nobody"), "secret_access_key": "wrong"})
    with pytest.raises(s3.exceptions.ClientError, match=r"403|Forbidden|SignatureDoesNotMatch|InvalidAccessKeyId"):
        s3.get_object(**place(uri))


def test_get_without_authority_is_refused():
    uri, options = s3_tls_server()
    s3 = client({**options, "ca_bundle": None})
    from botocore.exceptions import SSLError

    with pytest.raises(SSLError):
        s3.get_object(**place(uri))


def test_azure_without_key_is_refused():
    uri, options = azure_server()
    if "endpoint_url" not in options:
        pytest.skip("a real account is not asked for the emulator's manners")
    container = uri.removeprefix("az://").split("/")[1]
    with pytest.raises(urllib.error.HTTPError, match="403|404"):
        urllib.request.urlopen(f"{options['endpoint_url']}/{container}/nothing", timeout=10)

"""boto3 as the other side of a test, in whichever Python has it: that is often not the one that has NumPy.

    with boto3_client(options) as s3:
        s3("put_object", Bucket="b", Key="k", Body=b"x")

Run as a program it answers calls, one JSON object a line, from standard input to standard output.
"""

from __future__ import annotations

import base64
import functools
import glob
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

try:
    import pytest
except ImportError:  # the Python that has boto3 may have nothing else
    pytest = None  # type: ignore[assignment]


class OtherSideError(Exception):
    """What boto3 raised, by its type and words."""


@functools.cache
def python_with_boto3() -> str | None:
    """A Python that can import boto3: this one, the first ones on PATH, or those beside them; None when there is none."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    found = [sys.executable, os.environ.get("S3DLIO_TEST_BOTO3_PYTHON", "")]
    for folder in folders:
        found += [os.path.join(folder, "python3"), *sorted(glob.glob(os.path.join(glob.escape(folder), "python3.[0-9]*")), reverse=True)]
    for candidate in dict.fromkeys(path for path in found if path and shutil.which(path)):
        # without what this test's Python was told about its own packages
        if subprocess.run([candidate, "-c", "import boto3"], capture_output=True, env=_environment(candidate), check=False).returncode == 0:
            return candidate
    return None


def _environment(python: str) -> dict[str, str]:
    return (
        dict(os.environ)
        if python == sys.executable
        else {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    )


@contextmanager
def boto3_client(options: dict[str, Any], **config: Any) -> Iterator[Any]:
    """A client of the server that the storage options name; skips the test where no Python has boto3.

    The client is called with a method's name and arguments. ``checked_get_object`` reads the body too, which boto3 compares
    with the object's checksum as it reads.
    """
    python = python_with_boto3()
    if python is None:
        pytest.skip("no Python on this machine has boto3: pip install boto3 in one of them, or name it in S3DLIO_TEST_BOTO3_PYTHON")
    process = subprocess.Popen([python, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment(python))
    assert process.stdin is not None and process.stdout is not None
    requests, answers = process.stdin, process.stdout

    def call(method: str, **arguments: Any) -> Any:
        requests.write(json.dumps({"method": method, "arguments": _packed(arguments)}) + "\n")
        requests.flush()
        answer = _unpacked(json.loads(answers.readline() or '{"error":"boto3\'s side ended; its words are on stderr"}'))
        if "error" in answer:
            raise OtherSideError(answer["error"])
        return answer["result"]

    try:
        call("begin", options=options, config=config)
        yield call
    finally:
        requests.close()
        process.wait(timeout=30)
        answers.close()


def _packed(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["$bytes"]) if "$bytes" in value else {key: _unpacked(item) for key, item in value.items()}
    return [_unpacked(item) for item in value] if isinstance(value, list) else value


def _client(options: dict[str, Any], config: dict[str, Any]) -> Any:
    import boto3
    from botocore.config import Config

    known = {name: value for name, value in config.items() if name in Config.OPTION_DEFAULTS}  # older ones have fewer
    return boto3.client(
        "s3",
        endpoint_url=options.get("endpoint_url"),
        aws_access_key_id=options.get("access_key_id"),
        aws_secret_access_key=options.get("secret_access_key"),
        region_name=options.get("region"),
        verify=options.get("ca_bundle"),
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1}, **known),
    )


def _run(client: Any, method: str, arguments: dict[str, Any]) -> Any:
    if method == "upload_file":
        from boto3.s3.transfer import TransferConfig

        part = arguments.pop("PartSize")
        return client.upload_file(**arguments, Config=TransferConfig(multipart_threshold=part, multipart_chunksize=part))
    if method == "checked_get_object":
        found = client.get_object(**arguments, ChecksumMode="ENABLED")
        return {**found, "Body": found["Body"].read()}
    if method == "generate_presigned_url":
        return client.generate_presigned_url(arguments.pop("ClientMethod"), **arguments)
    found = getattr(client, method)(**arguments)
    if isinstance(found, dict) and hasattr(found.get("Body"), "read"):
        found["Body"] = found["Body"].read()
    return found


def main() -> None:
    """Answers calls until there are no more."""
    client = None
    for line in sys.stdin:
        asked = _unpacked(json.loads(line))
        try:
            if asked["method"] == "begin":
                client, result = _client(**asked["arguments"]), None
            else:
                result = _run(client, asked["method"], asked["arguments"])
            print(json.dumps({"result": _packed(result)}), flush=True)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    main()

"""The servers that cases run against: a plain web server of our own, and the real gateway of the tests."""

from __future__ import annotations

import atexit
import base64
import functools
import http.client
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REGION = "us-east-1"


class NoServer(Exception):
    """Why it cannot be had here."""


@dataclass(frozen=True)
class Server:
    """An S3 service on this machine.

    Attributes:
        name: ``plain`` or ``gateway``.
        options: The ``storage_options`` of s3dlio for it.
        keeps: The bucket whose objects can be read again.
        drops: The bucket to which uploads are measured; of ``plain`` it takes the bytes and forgets them.
    """

    name: str
    options: dict[str, Any]
    keeps: str
    drops: str

    @property
    def endpoint(self) -> str:
        return str(self.options["endpoint_url"])

    def place(self, key: str, data: memoryview, checksum: str) -> None:
        """Makes an object, with its CRC32C, without the help of any contender where that can be."""
        import s3dlio

        if self.name != "plain":
            s3dlio.put_bytes(f"s3://{self.keeps}/{key}", data, storage_options=self.options)
            return
        crc = base64.b64encode(bytes.fromhex(checksum.removeprefix("crc32c:"))).decode()
        connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"))
        try:
            connection.request("PUT", f"/{self.keeps}/{key}", data, {"x-amz-checksum-crc32c": crc})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise AssertionError(f"the plain server answered {answer.status} to the object that a case needs")
        finally:
            connection.close()


@functools.cache
def plain() -> Server:
    """Compiles and starts ``bench/server/plain.c``; it ends when this process does."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    built = ROOT / "build/bench-plain-server"
    source = ROOT / "bench/server/plain.c"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        if compiler is None:
            raise NoServer("no C compiler for the plain web server")
        built.parent.mkdir(exist_ok=True)
        subprocess.run([compiler, "-O2", "-pthread", "-o", f"{built}.new", str(source)], check=True)
        os.replace(f"{built}.new", built)
    process = subprocess.Popen([str(built)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _kept.append(process)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    # it does not look at signatures; everybody signs as for a real service
    options = {"endpoint_url": f"http://127.0.0.1:{port}", "region": REGION, "access_key_id": "bench", "secret_access_key": "bench"}
    return Server("plain", options, "keep", "sink")


@functools.cache
def gateway() -> Server:
    """The gateway that the tests' variables name, or one brought up for the time of this process."""
    uri, options = os.environ.get("S3DLIO_TEST_S3_URI"), os.environ.get("S3DLIO_TEST_S3_OPTIONS")
    if not uri or not options:
        uri, options = _bring_up()
    bucket = uri.removeprefix("s3://").strip("/")
    return Server("gateway", {"region": REGION, **json.loads(options)}, bucket, bucket)


def _bring_up() -> tuple[str, str]:
    (ROOT / "build").mkdir(exist_ok=True)
    parent = tempfile.mkdtemp(prefix="bench-servers-", dir=ROOT / "build")
    folder = f"{parent}/run"
    script = str(ROOT / "tests/servers/servers.sh")
    atexit.register(_take_down, script, parent)
    # told our id, it also takes them down when this process is killed
    subprocess.run([script, "up", folder, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)
    settings = dict(line.split("=", 1) for line in Path(folder, "env").read_text().splitlines())
    if "S3DLIO_TEST_S3_URI" not in settings:
        raise NoServer(settings.get("S3DLIO_TEST_S3_SKIP", "no gateway"))
    return settings["S3DLIO_TEST_S3_URI"], settings["S3DLIO_TEST_S3_OPTIONS"]


def _take_down(script: str, parent: str) -> None:
    subprocess.run([script, "down", f"{parent}/run"], check=False, stdout=subprocess.DEVNULL)
    shutil.rmtree(parent, ignore_errors=True)


_kept: list[object] = []
BY_NAME = {"plain": plain, "gateway": gateway}

"""Amazon's own C runtime for S3, which boto3 uses on some machines when it is installed."""

from __future__ import annotations

from typing import Any

import awscrt
from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType, create_default_s3_signing_config
from contest import Operation
from s3_scene import S3Scene

NAME = "awscrt"
VERSION = awscrt.__version__


def download(scene: S3Scene) -> Operation:
    """To a file in memory, as it does it itself."""
    client, key = _client(scene), scene.large
    path = str(scene.memory_folder / "theirs")

    def run() -> None:
        request = HttpRequest("GET", f"/{scene.server.keeps}/{key}", _headers(scene))
        client.make_request(request=request, type=S3RequestType.GET_OBJECT, recv_filepath=path).finished_future.result()

    return Operation(run=run, check=lambda _: scene.same_file(path), size=scene.size)


def upload(scene: S3Scene) -> Operation:
    client = _client(scene)
    path = scene.memory_folder / "given"
    path.write_bytes(scene.data)

    def run() -> None:
        headers = _headers(scene)
        headers.add("Content-Length", str(scene.size))
        request = HttpRequest("PUT", f"/{scene.server.drops}/bench/theirs", headers)
        client.make_request(request=request, type=S3RequestType.PUT_OBJECT, send_filepath=str(path)).finished_future.result()

    return Operation(run=run, check=lambda _: scene.is_stored("bench/theirs"), size=scene.size)


def _headers(scene: S3Scene) -> HttpHeaders:
    return HttpHeaders([("Host", scene.server.endpoint.removeprefix("http://"))])


def _client(scene: S3Scene) -> Any:
    options = scene.server.options
    group = EventLoopGroup()
    bootstrap = ClientBootstrap(group, DefaultHostResolver(group))
    keys = AwsCredentialsProvider.new_static(options["access_key_id"], options["secret_access_key"])
    return S3Client(
        bootstrap=bootstrap,
        region=options["region"],
        tls_mode=S3RequestTlsMode.DISABLED,
        signing_config=create_default_s3_signing_config(region=options["region"], credential_provider=keys),
        throughput_target_gbps=10,
    )


OPERATIONS = {"download": download, "upload": upload}

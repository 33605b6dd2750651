"""boto3, as its manual uses it: the managed transfers for large objects, get_object and put_object for small ones."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from contest import Operation
from s3_scene import S3Scene, same_listing

NAME = "boto3"
VERSION = boto3.__version__


def client(scene: S3Scene) -> Any:
    options = scene.server.options
    return boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        region_name=options["region"],
        aws_access_key_id=options["access_key_id"],
        aws_secret_access_key=options["secret_access_key"],
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=max(10, scene.in_flight)),
    )


def download_file(scene: S3Scene) -> Operation:
    s3, key = client(scene), scene.large
    path = str(scene.memory_folder / "theirs")
    return Operation(run=lambda: s3.download_file(scene.server.keeps, key, path), check=lambda _: scene.same_file(path), size=scene.size)


def model(scene: S3Scene) -> Operation:
    """Every file of a model downloaded, to memory, and loaded by the format's reference into a module that is there."""
    import safetensors.torch

    s3, module = client(scene), scene.module
    keys = [key for key in scene.model if key.endswith(".safetensors")]

    def run() -> Any:
        for key in keys:
            path = str(scene.memory_folder / key.rpartition("/")[2])
            s3.download_file(scene.server.keeps, key, path)
            module.load_state_dict(safetensors.torch.load_file(path), strict=False)
            os.unlink(path)
        return module

    return Operation(run=run, check=lambda _: scene.same_module(module), size=scene.size)


def upload_file(scene: S3Scene) -> Operation:
    s3 = client(scene)
    path = scene.memory_folder / "given"
    path.write_bytes(scene.data)
    return Operation(
        run=lambda: s3.upload_file(str(path), scene.server.drops, "bench/theirs"),
        check=lambda _: scene.is_stored("bench/theirs"),
        size=scene.size,
    )


def upload_fileobj(scene: S3Scene) -> Operation:
    """From memory, as ours; BytesIO costs the copy that it takes."""
    s3 = client(scene)
    return Operation(
        run=lambda: s3.upload_fileobj(io.BytesIO(scene.data), scene.server.drops, "bench/theirs"),
        check=lambda _: scene.is_stored("bench/theirs"),
        size=scene.size,
    )


def get_object_array(scene: S3Scene) -> Operation:
    """A large object in one request, and an array over its bytes."""
    s3, key = client(scene), scene.large
    return Operation(
        run=lambda: np.frombuffer(s3.get_object(Bucket=scene.server.keeps, Key=key)["Body"].read(), np.float32),
        check=scene.same_array,
        size=scene.size,
    )


def get_object_serial(scene: S3Scene) -> Operation:
    return _get_objects(scene, 1)


def get_object(scene: S3Scene) -> Operation:
    """Small objects, by as many threads as there are requests at once."""
    return _get_objects(scene, scene.in_flight)


def _get_objects(scene: S3Scene, threads_count: int) -> Operation:
    s3, keys = client(scene), scene.keys()

    def get(key: str) -> bytes:
        return s3.get_object(Bucket=scene.server.keeps, Key=key)["Body"].read()

    def run() -> list[bytes]:
        if threads_count == 1:
            return [get(key) for key in keys]
        with ThreadPoolExecutor(threads_count) as threads:
            return list(threads.map(get, keys))

    return Operation(run=run, check=scene.same_many, calls=scene.calls)


def put_object(scene: S3Scene) -> Operation:
    s3, data = client(scene), bytes(scene.data)

    def put(i: int) -> None:
        s3.put_object(Bucket=scene.server.drops, Key=f"bench/put/{i:04}", Body=data)

    def run() -> None:
        with ThreadPoolExecutor(scene.in_flight) as threads:
            list(threads.map(put, range(scene.calls)))

    return Operation(run=run, check=lambda _: scene.is_stored("bench/put/0000"), calls=scene.calls)


def listing(scene: S3Scene) -> Operation:
    s3 = client(scene)

    def run() -> list[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="list")
        return [entry["Key"] for page in pages for entry in page["Contents"]]

    return Operation(run=run, check=same_listing, calls=scene.calls)


OPERATIONS = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", None) == __name__ and not name.startswith("_") and name != "client"
}

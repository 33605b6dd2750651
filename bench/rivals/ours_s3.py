"""s3dlio on S3."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from contest import Operation
from s3_scene import S3Scene, same_listing

import s3dlio

NAME = "s3dlio"
VERSION = s3dlio.__version__


def download(scene: S3Scene) -> Operation:
    """Into an array that is there; what came is compared with the CRC32C that was uploaded."""
    store = _store(scene, scene.server.keeps)
    key = scene.large

    def check(_: object) -> None:
        scene.same_out()

    return Operation(
        run=lambda: store.get_range(key, 0, scene.size, out=scene.out, expected_checksum=scene.checksum), check=check, size=scene.size
    )


def download_new(scene: S3Scene) -> Operation:
    """Into new memory."""
    store = _store(scene, scene.server.keeps)
    key = scene.large
    return Operation(run=lambda: store.get(key), check=scene.same_bytes, size=scene.size)


def upload(scene: S3Scene) -> Operation:
    return _upload(scene)


def upload_unsigned(scene: S3Scene) -> Operation:
    """As over TLS: the body is no part of the signature, its CRC32C is checked by the server."""
    return _upload(scene, payload_signing="never")


def _upload(scene: S3Scene, **options: Any) -> Operation:
    store = _store(scene, scene.server.drops, **options)
    return Operation(run=lambda: store.put_bytes("bench/ours", scene.data), check=lambda _: scene.is_stored("bench/ours"), size=scene.size)


def model(scene: S3Scene) -> Operation:
    """A model in several files into a module of torch that is there, every tensor checked."""
    # where one of them is not installed, the case is left out by its name
    for needed in ("torch", "transformers"):
        importlib.import_module(needed)
    from s3dlio.integrations.transformers import load_into

    # the plain server lists invented objects, so the index is named
    index = next(key for key in scene.model if key.endswith(".index.json"))
    uri = f"s3://{scene.server.keeps}/{index}"
    module = scene.module
    return Operation(
        run=lambda: load_into(module, uri, storage_options=scene.server.options), check=lambda _: scene.same_module(module), size=scene.size
    )


def get_many(scene: S3Scene) -> Operation:
    uris = [f"s3://{scene.server.keeps}/{key}" for key in scene.keys()]  # noqa: SIM118 - a method of the scene

    def run() -> list[object]:
        found = s3dlio.get_many(uris, scene.in_flight, storage_options=scene.server.options)
        return [view for _, view in found]

    return Operation(run=run, check=scene.same_many, calls=scene.calls)


def get_each(scene: S3Scene) -> Operation:
    """A call for each object, by as many threads as there are requests at once."""
    store = _store(scene, scene.server.keeps)
    keys = scene.keys()

    def run() -> list[object]:
        if scene.in_flight == 1:
            return [store.get(key) for key in keys]
        with ThreadPoolExecutor(scene.in_flight) as threads:
            return list(threads.map(store.get, keys))

    return Operation(run=run, check=scene.same_many, calls=scene.calls)


def put_many(scene: S3Scene) -> Operation:
    items = [(f"s3://{scene.server.drops}/bench/put/{i:04}", scene.data) for i in range(scene.calls)]
    return Operation(
        run=lambda: s3dlio.put_many(items, scene.in_flight, storage_options=scene.server.options),
        check=lambda _: scene.is_stored("bench/put/0000"),
        calls=scene.calls,
    )


def listing(scene: S3Scene) -> Operation:
    # the server of the benchmark knows no folders and no key to begin after: page after page, as the rival asks, too
    store = _store(scene, "list", list_concurrency=1)
    return Operation(run=lambda: store.list(recursive=True), check=same_listing, calls=scene.calls)


def _store(scene: S3Scene, bucket: str, **options: Any) -> s3dlio.Store:
    return s3dlio.Store(f"s3://{bucket}", storage_options=scene.server.options | options)


OPERATIONS = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", None) == __name__ and not name.startswith("_")
}

"""s3fs, the S3 of fsspec, on which pandas, zarr and others stand."""

from __future__ import annotations

from typing import Any

import s3fs
from contest import Operation, Unusable
from s3_scene import S3Scene, same_listing

NAME = "s3fs"
VERSION = s3fs.__version__


def _files(scene: S3Scene) -> Any:
    options = scene.server.options
    files = s3fs.S3FileSystem(
        key=options["access_key_id"],
        secret=options["secret_access_key"],
        endpoint_url=options["endpoint_url"],
        client_kwargs={"region_name": options["region"]},
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    try:
        files.connect()
    except TypeError as error:
        # some distributions ship an aiobotocore and a botocore that do not fit each other
        raise Unusable(f"s3fs {VERSION} cannot be used with the botocore that is installed: {error}") from error
    return files


def cat_file(scene: S3Scene) -> Operation:
    files, key = _files(scene), scene.large
    return Operation(run=lambda: files.cat_file(f"{scene.server.keeps}/{key}"), check=scene.same_bytes, size=scene.size)


def pipe_file(scene: S3Scene) -> Operation:
    files, data = _files(scene), bytes(scene.data)
    return Operation(
        run=lambda: files.pipe_file(f"{scene.server.drops}/bench/theirs", data),
        check=lambda _: scene.is_stored("bench/theirs"),
        size=scene.size,
    )


def cat_many(scene: S3Scene) -> Operation:
    files = _files(scene)
    paths = [f"{scene.server.keeps}/{key}" for key in scene.small]
    if len(paths) != scene.calls:
        raise AssertionError("it gives a dictionary: a key cannot be asked for twice")
    return Operation(
        run=lambda: list(files.cat(paths, batch_size=scene.in_flight).values()), check=scene.same_many, calls=scene.calls
    )


def listing(scene: S3Scene) -> Operation:
    files = _files(scene)
    return Operation(run=lambda: files.find("list"), check=same_listing, calls=scene.calls)


OPERATIONS = {"cat_file": cat_file, "pipe_file": pipe_file, "cat_many": cat_many, "listing": listing}

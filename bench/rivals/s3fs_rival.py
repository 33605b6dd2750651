"""s3fs, the S3 of fsspec, on which pandas, zarr and others stand."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import s3fs
from contest import Operation, Unusable
from formats import FORMATS
from s3_scene import S3Scene, same_listing

NAME = "s3fs"
VERSION = s3fs.__version__


def _mend_botocore() -> None:
    """Some distributions ship a botocore that wants one argument more than their aiobotocore gives.

    It gets the value that it had before there was one.
    """
    from botocore.args import ClientArgsCreator

    wanted = ClientArgsCreator.compute_endpoint_resolver_builtin_defaults
    if "s3_disable_express_session_auth" in inspect.signature(wanted).parameters and not hasattr(wanted, "__wrapped__"):

        @functools.wraps(wanted)
        def lenient(self: Any, *arguments: Any, **named: Any) -> Any:
            named.setdefault("s3_disable_express_session_auth", None)
            return wanted(self, *arguments, **named)

        ClientArgsCreator.compute_endpoint_resolver_builtin_defaults = lenient


def _files(scene: S3Scene, asynchronous: bool = False) -> Any:
    options = scene.server.options
    _mend_botocore()
    files = s3fs.S3FileSystem(
        key=options["access_key_id"],
        secret=options["secret_access_key"],
        endpoint_url=options["endpoint_url"],
        client_kwargs={"region_name": options["region"]},
        skip_instance_cache=True,
        use_listings_cache=False,
        asynchronous=asynchronous,
    )
    if asynchronous:
        # its client is made in the loop that uses it
        return files
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
    return Operation(run=lambda: list(files.cat(paths, batch_size=scene.in_flight).values()), check=scene.same_many, calls=scene.calls)


def listing(scene: S3Scene) -> Operation:
    files = _files(scene)
    return Operation(run=lambda: files.find("list"), check=same_listing, calls=scene.calls)


def _format(name: str, scene: S3Scene) -> Operation:
    return FORMATS[name](scene, functools.partial(_files, scene), "theirs")


OPERATIONS = {name: functools.partial(_format, name) for name in FORMATS} | {
    "cat_file": cat_file,
    "pipe_file": pipe_file,
    "cat_many": cat_many,
    "listing": listing,
}

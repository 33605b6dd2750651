"""s3dlio's file system for fsspec, under zarr and pandas."""

from __future__ import annotations

import functools
from typing import Any

from contest import Operation, Unusable
from formats import FORMATS
from s3_scene import S3Scene

import s3dlio

NAME = "s3dlio.fsspec"
VERSION = s3dlio.__version__


def _files(scene: S3Scene, asynchronous: bool) -> Any:
    try:
        from s3dlio.fsspec import S3FileSystem
    except ImportError as error:
        raise Unusable(str(error)) from error
    return S3FileSystem(**scene.server.options, asynchronous=asynchronous, skip_instance_cache=True)


def _operation(name: str, scene: S3Scene) -> Operation:
    return FORMATS[name](scene, functools.partial(_files, scene), "ours")


OPERATIONS = {name: functools.partial(_operation, name) for name in FORMATS}

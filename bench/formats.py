"""zarr and Parquet through a file system of fsspec: the same calls for both sides."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from contest import Operation
from s3_scene import S3Scene

CHUNK = 1 << 20


def zarr_write_read(scene: S3Scene, files: Callable[[bool], Any], name: str) -> Operation:
    """An array in uncompressed chunks of 1 MiB, written and read back."""
    import zarr

    fs = files(True)
    path = f"{scene.server.keeps}/bench/{name}.zarr"

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store = zarr.storage.FsspecStore(fs, path=path)
            made = zarr.create_array(
                store, shape=scene.array.shape, chunks=(min(CHUNK // 4, scene.array.size),), dtype="f4", compressors=None, overwrite=True
            )
            made[:] = scene.array
            return zarr.open_array(store, mode="r")[:]

    return Operation(run=run, check=lambda found: _same(found, scene.array), size=2 * scene.size)


def parquet_read(scene: S3Scene, files: Callable[[bool], Any], name: str) -> Operation:
    """A table of eight columns, read by pandas."""
    import pandas

    import s3dlio

    fs = files(False)
    path = f"{scene.server.keeps}/bench/{name}.parquet"
    columns = {f"c{number}": part for number, part in enumerate(np.split(scene.array, 8))}
    made = io.BytesIO()
    pandas.DataFrame(columns).to_parquet(made, compression=None)
    with made.getbuffer() as data:
        scene.server.place(f"bench/{name}.parquet", data, str(s3dlio.put_bytes("memory://bench/parquet", data)))

    def check(found: Any) -> None:
        for column, wanted in columns.items():
            _same(found[column].to_numpy(), wanted)

    return Operation(run=lambda: pandas.read_parquet(path, filesystem=fs), check=check, size=scene.size)


def parquet_write(scene: S3Scene, files: Callable[[bool], Any], name: str) -> Operation:
    """The same table, written by pandas."""
    import pandas

    fs = files(False)
    path = f"{scene.server.keeps}/bench/{name}-written.parquet"
    table = pandas.DataFrame({f"c{number}": part for number, part in enumerate(np.split(scene.array, 8))})

    def check(_: object) -> None:
        found = pandas.read_parquet(path, filesystem=fs)
        _same(found["c7"].to_numpy(), table["c7"].to_numpy())

    return Operation(run=lambda: table.to_parquet(path, filesystem=fs, compression=None), check=check, size=scene.size)


def _same(found: Any, wanted: Any) -> None:
    if not np.array_equal(found, wanted):
        raise AssertionError("what was read is not what was written")


FORMATS = {"zarr": zarr_write_read, "parquet_read": parquet_read, "parquet_write": parquet_write}

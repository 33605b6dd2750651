"""What opens files by fsspec, for real: pandas, pyarrow, zarr, xarray, dask, torch and transformers, over files and S3."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Child
from servers_fixture import azure_server, s3_server

fsspec = pytest.importorskip("fsspec", reason="no fsspec")
if not hasattr(pytest.importorskip("fsspec.tests.abstract", reason="a fsspec older than those that are supported"), "AbstractPipeTests"):
    pytest.skip("a fsspec older than those that are supported", allow_module_level=True)

import s3dlio.fsspec as ours  # noqa: E402


class Place:
    """An address of this test's own, and the options that open it."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.url = url
        self.options = options
        self.fs, self.path = fsspec.url_to_fs(url, **options)

    def at(self, name: str) -> str:
        return f"{self.url}/{name}"


@pytest.fixture(params=["file", "s3", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "file":
        yield Place(f"s3dlio+file://{tmp_path}/data", {})
        return
    uri, options = s3_server() if request.param == "s3" else azure_server()
    made = Place(f"s3dlio+{uri}/{uuid.uuid4()}", options)
    yield made
    if made.fs.exists(made.path):
        made.fs.rm(made.path, recursive=True)


def test_pandas_writes_and_reads_csv(place: Place) -> None:
    pandas = pytest.importorskip("pandas", reason="no pandas")
    table = pandas.DataFrame({"a": range(1000), "b": [f"text {n}, 'quoted'" for n in range(1000)]})
    for name in ("t.csv", "t.csv.gz"):
        table.to_csv(place.at(name), index=False, storage_options=place.options)
        found = pandas.read_csv(place.at(name), storage_options=place.options)
        pandas.testing.assert_frame_equal(found, table)
        chunks = list(pandas.read_csv(place.at(name), chunksize=300, storage_options=place.options))
        assert sum(map(len, chunks)) == 1000
    with pytest.raises(FileNotFoundError):
        pandas.read_csv(place.at("gone.csv"), storage_options=place.options)


def test_pandas_writes_and_reads_parquet(place: Place) -> None:
    pandas = pytest.importorskip("pandas", reason="no pandas")
    pytest.importorskip("pyarrow", reason="no pyarrow")
    table = pandas.DataFrame({"a": np.arange(200_000), "b": np.random.default_rng(0).random(200_000), "c": ["x"] * 200_000})
    table.to_parquet(place.at("t.parquet"), storage_options=place.options)
    pandas.testing.assert_frame_equal(pandas.read_parquet(place.at("t.parquet"), storage_options=place.options), table)
    column = pandas.read_parquet(place.at("t.parquet"), columns=["b"], storage_options=place.options)
    pandas.testing.assert_frame_equal(column, table[["b"]])


def test_pyarrow_writes_and_reads_datasets(place: Place) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="no pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset", reason="no datasets of pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="no Parquet of pyarrow")
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    table = pyarrow.table({"year": [2024] * 50 + [2025] * 50, "n": list(range(100)), "t": ["x"] * 100})
    parts = dataset.partitioning(pyarrow.schema([("year", pyarrow.int64())]), flavor="hive")
    dataset.write_dataset(table, f"{place.path}/set", filesystem=place.fs, format="parquet", partitioning=parts)
    found = dataset.dataset(f"{place.path}/set", filesystem=place.fs, format="parquet", partitioning=parts)
    assert len(found.files) == 2
    assert found.to_table(filter=dataset.field("year") == 2025, columns=["n"]).column("n").to_pylist() == list(range(50, 100))
    assert found.count_rows() == 100
    wrapped = PyFileSystem(FSSpecHandler(place.fs))
    parquet.write_table(table, f"{place.path}/one.parquet", filesystem=wrapped)
    assert parquet.read_table(f"{place.path}/one.parquet", filesystem=wrapped) == table
    assert parquet.read_metadata(place.fs.open(f"{place.path}/one.parquet")).num_rows == 100


def _zarr_chunks(store: Any) -> None:
    zarr = pytest.importorskip("zarr", "3", reason="no zarr 3")
    data = np.random.default_rng(1).random((60, 50))
    root = zarr.open_group(store=store, mode="w")
    array = root.create_array("a", shape=data.shape, chunks=(20, 25), dtype=data.dtype)
    array[:] = data
    array.attrs["unit"] = "m"
    sharded = root.create_array("s", shape=data.shape, chunks=(10, 10), shards=(30, 50), dtype=data.dtype)
    sharded[:] = data
    again = zarr.open_group(store=store, mode="r")
    np.testing.assert_array_equal(again["a"][:], data)
    assert again["a"].attrs["unit"] == "m"
    # ranges, and the index at a shard's end
    np.testing.assert_array_equal(again["s"][5:15, 40:50], data[5:15, 40:50])
    assert sorted(name for name, _ in again.arrays()) == ["a", "s"]
    root = zarr.open_group(store=store, mode="a")
    del root["a"]
    assert sorted(name for name, _ in zarr.open_group(store=store, mode="r").arrays()) == ["s"]


def test_zarr_works_on_an_asynchronous_file_system(place: Place) -> None:
    zarr = pytest.importorskip("zarr", "3", reason="no zarr 3")
    fs, path = fsspec.url_to_fs(place.url, asynchronous=True, **place.options)
    _zarr_chunks(zarr.storage.FsspecStore(fs, path=path))


def test_zarr_works_on_an_address(place: Place) -> None:
    zarr = pytest.importorskip("zarr", "3", reason="no zarr 3")
    _zarr_chunks(zarr.storage.FsspecStore.from_url(place.at("z"), storage_options=place.options))


def test_zarr_asynchronous_api_works(place: Place) -> None:
    zarr = pytest.importorskip("zarr", "3", reason="no zarr 3")
    asynchronous = pytest.importorskip("zarr.api.asynchronous")

    async def use() -> None:
        fs, path = fsspec.url_to_fs(place.url, asynchronous=True, **place.options)
        store = zarr.storage.FsspecStore(fs, path=path)
        array = await asynchronous.create_array(store=store, name="a", shape=(40,), chunks=(7,), dtype="i4")
        await array.setitem(slice(None), np.arange(40, dtype="i4"))
        again = await asynchronous.open_array(store=store, path="a")
        np.testing.assert_array_equal(await again.getitem(slice(3, 33)), np.arange(3, 33, dtype="i4"))
        proto = zarr.core.buffer.default_buffer_prototype()
        from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest

        await store.set("blob", proto.buffer.from_bytes(b"0123456789"))
        for asked, wanted in (
            (RangeByteRequest(2, 5), b"234"),
            (OffsetByteRequest(7), b"789"),
            (SuffixByteRequest(2), b"89"),
            (OffsetByteRequest(10), b""),
        ):
            found = await store.get("blob", proto, asked)
            assert found is not None and found.to_bytes() == wanted
        assert await store.get("gone", proto) is None
        assert [key async for key in store.list_prefix("a/c")]
        await store.delete_dir("a")
        assert not await store.exists("a/zarr.json")
        # once more, in another loop below

    asyncio.run(use())
    asyncio.run(use())


def test_xarray_reads_and_writes_zarr(place: Place) -> None:
    xarray = pytest.importorskip("xarray", reason="no xarray")
    zarr = pytest.importorskip("zarr", "3", reason="no zarr 3")
    data = xarray.Dataset({"t": (("x", "y"), np.random.default_rng(2).random((30, 20)))}, coords={"x": np.arange(30)})
    store = zarr.storage.FsspecStore.from_url(place.at("d.zarr"), storage_options=place.options)
    data.to_zarr(store, mode="w")
    xarray.testing.assert_identical(xarray.open_zarr(store).load(), data)


XARRAY = """
import sys
import numpy as np, xarray
import s3dlio.fsspec
s3dlio.fsspec.register(["s3"])
url, options = sys.argv[1], eval(sys.argv[2])
data = xarray.Dataset({"t": ("x", np.arange(100.0))})
data.to_zarr(url, storage_options=options, mode="w")
xarray.testing.assert_identical(xarray.open_zarr(url, storage_options=options).load(), data)
import fsspec
fs, path = fsspec.url_to_fs(url, **options)
assert type(fs) is s3dlio.fsspec.S3FileSystem and fs.exists(path + "/zarr.json")
fs.rm(path, recursive=True)
"""


def test_xarray_takes_addresses_of_a_protocol_that_was_taken_over(child: Child) -> None:
    # it knows no protocol with a plus
    pytest.importorskip("xarray", reason="no xarray")
    pytest.importorskip("zarr", "3", reason="no zarr 3")
    uri, options = s3_server()
    child(XARRAY, f"{uri}/{uuid.uuid4()}", options, environment={"PYTHONWARNINGS": "ignore"})


def test_xarray_reads_netcdf_by_h5netcdf(place: Place) -> None:
    xarray = pytest.importorskip("xarray", reason="no xarray")
    pytest.importorskip("h5netcdf", reason="no h5netcdf")
    data = xarray.Dataset({"t": (("x", "y"), np.random.default_rng(3).random((300, 200)))})
    with place.fs.open(f"{place.path}/d.nc", "wb") as file:
        file.write(bytes(data.to_netcdf(engine="h5netcdf")))
    with place.fs.open(f"{place.path}/d.nc") as file, xarray.open_dataset(file, engine="h5netcdf") as found:
        xarray.testing.assert_identical(found.load(), data)


def test_numpy_reads_and_writes_archives(place: Place) -> None:
    for save in (np.savez, np.savez_compressed):
        with place.fs.open(f"{place.path}/set.npz", "wb") as file:
            save(file, x=np.arange(100_000.0).reshape(100, -1), y=np.array(["a", "b"]))
        with place.fs.open(f"{place.path}/set.npz") as file, np.load(file) as found:
            assert found["x"].sum() == np.arange(100_000.0).sum() and found["y"].tolist() == ["a", "b"]


def test_h5py_reads_what_it_wrote(place: Place, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="no h5py")
    with h5py.File(tmp_path / "set.h5", "w") as made:
        made.create_dataset("x", data=np.arange(300_000).reshape(300, -1), chunks=(30, 100), compression="gzip")
        made["group/y"] = np.ones(7)
        made.attrs["told"] = "by us"
    place.fs.put_file(str(tmp_path / "set.h5"), f"{place.path}/set.h5")
    with place.fs.open(f"{place.path}/set.h5") as file, h5py.File(file, "r") as found:
        assert found["x"][17, 5] == 17_005 and found["x"][:].sum() == np.arange(300_000).sum()
        assert found["group/y"][:].sum() == 7 and found.attrs["told"] == "by us"


def test_dask_reads_and_writes_frames_in_processes(place: Place) -> None:
    dask = pytest.importorskip("dask", reason="no dask")
    frames = pytest.importorskip("dask.dataframe", reason="no data frames of dask")
    pandas = pytest.importorskip("pandas", reason="no pandas")
    table = pandas.DataFrame({"a": range(1000), "b": np.random.default_rng(4).random(1000)})
    for context in ("fork", "spawn"):
        with dask.config.set(scheduler="processes", num_workers=2, **{"multiprocessing.context": context}):
            frames.from_pandas(table, npartitions=4).to_parquet(place.at(f"{context}.parquet"), storage_options=place.options)
            found = frames.read_parquet(place.at(f"{context}.parquet"), storage_options=place.options)
            assert found.npartitions == 4 and int(found["a"].sum().compute()) == 499_500
            frames.from_pandas(table, npartitions=3).to_csv(place.at(f"{context}-*.csv"), index=False, storage_options=place.options)
            assert len(frames.read_csv(place.at(f"{context}-*.csv"), storage_options=place.options)) == 1000


def _rows(told: bytes) -> tuple[int, int]:
    form, path, filesystem, expression = pickle.loads(told)
    table = form.make_fragment(path, filesystem, expression).to_table(columns=["a"])
    with filesystem.open_input_stream(path) as file:
        return table.num_rows, len(file.read())


def test_fragments_are_read_in_other_processes_as_ray_data_reads_them(place: Place) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="no pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset", reason="no datasets of pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="no Parquet of pyarrow")
    from pyarrow.fs import FileSelector, FileType, FSSpecHandler, PyFileSystem

    # what Ray Data makes of a file system of fsspec, writes by, lists by, and pickles to its tasks
    filesystem = PyFileSystem(FSSpecHandler(place.fs))
    folder = f"{place.path}/set"
    filesystem.create_dir(folder, recursive=True)
    for number in range(3):
        with filesystem.open_output_stream(f"{folder}/{number}_000000.parquet") as file:
            parquet.write_table(pyarrow.table({"a": range(number * 100, 2000)}), file)
    found = filesystem.get_file_info(FileSelector(folder, recursive=True))
    files = {info.path: info.size for info in found if info.type == FileType.File}
    assert len(files) == 3 and [info.type for info in filesystem.get_file_info([folder, f"{folder}/none"])] == [
        FileType.Directory,
        FileType.NotFound,
    ]
    fragments = dataset.dataset(sorted(files), filesystem=filesystem, format="parquet").get_fragments()
    told = [pickle.dumps((one.format, one.path, one.filesystem, one.partition_expression)) for one in fragments]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert sorted(pool.map(_rows, told)) == sorted((2000 - number * 100, files[path]) for number, path in enumerate(sorted(files)))


def test_torch_saves_and_loads(place: Place) -> None:
    torch = pytest.importorskip("torch", reason="no torch")
    state = {"w": torch.arange(1_000_000, dtype=torch.float32), "step": 3}
    with fsspec.open(place.at("state.pt"), "wb", **place.options) as file:
        torch.save(state, file)
    with fsspec.open(place.at("state.pt"), "rb", **place.options) as file:
        found = torch.load(file, weights_only=True)
    assert torch.equal(found["w"], state["w"]) and found["step"] == 3


def test_transformers_saves_and_loads_through_a_copy(place: Place, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="no transformers")
    torch = pytest.importorskip("torch", reason="no torch")
    settings = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=100, n_positions=32)
    model = transformers.GPT2LMHeadModel(settings)
    model.save_pretrained(tmp_path / "model")
    place.fs.put(str(tmp_path / "model"), f"{place.path}/model", recursive=True)
    place.fs.get(f"{place.path}/model", str(tmp_path / "again"), recursive=True)
    again = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "again")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def _row(number: int, url: str, options: dict[str, Any]) -> int:
    with fsspec.open(f"{url}/part-{number}", "rb", **options) as file:
        return int.from_bytes(file.read(), "little")


def test_workers_of_a_pool_read_what_the_parent_opened(place: Place) -> None:
    place.fs.pipe({f"{place.path}/part-{number}": number.to_bytes(4, "little") for number in range(40)})
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.starmap(_row, [(number, place.url, place.options) for number in range(40)]) == list(range(40))
            assert pool.map(place.fs.cat_file, [f"{place.path}/part-{number}" for number in range(40)])[7] == (7).to_bytes(4, "little")


def test_caches_of_fsspec_stand_on_it(place: Place, tmp_path: Path) -> None:
    place.fs.pipe_file(f"{place.path}/x", b"0123456789" * 1000)
    protocol = place.url.partition("://")[0]
    for kind in ("simplecache", "blockcache", "filecache"):
        opened = fsspec.open(f"{kind}::{place.at('x')}", **{protocol: place.options, kind: {"cache_storage": str(tmp_path / kind)}})
        with opened as file:
            file.seek(5)
            assert file.read(6) == b"567890"
    for kind in ("simplecache", "blockcache", "filecache"):
        assert any(Path(tmp_path / kind).iterdir())
    assert ours.S3dlioFileSystem in type(place.fs).__mro__

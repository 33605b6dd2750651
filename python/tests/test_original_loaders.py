"""The original's loaders, options, generated data: its names, and what they do here."""

from __future__ import annotations

import asyncio
import io
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base
from servers_fixture import s3_server

import s3dlio


@pytest.fixture
def prefix(base: Base) -> str:
    uri = base.text("original/")
    s3dlio.put_many([(f"{uri}{i:02}", bytes([i]) * (i + 1)) for i in range(20)])
    return uri


def _batches(loader: Any) -> list[list[int]]:
    async def gather() -> list[list[int]]:
        return [[view[0] for view in batch] async for batch in loader]

    return asyncio.run(gather())


def test_four_ways_to_iterate_give_the_same(prefix: str) -> None:
    loader = s3dlio.create_async_loader(prefix, {"batch_size": 6})
    assert _batches(loader) == [list(range(at, min(at + 6, 20))) for at in range(0, 20, 6)] and len(loader) == 4
    assert [view[0] for view in loader] == list(range(20))
    items = list(loader.items())
    assert (
        [item.byte_count for item in items] == list(range(1, 21))
        and items[3].uri == f"{prefix}03"
        and bytes(items[3]) == b"\3" * 4
        and len(items[3]) == 4
    )
    several = loader.items()
    assert [len(several.collect_batch(8)) for _ in range(4)] == [8, 8, 4, 0]


def test_batch_size_shuffle_seed_drop_last_and_shards_are_honoured(prefix: str) -> None:
    assert [len(batch) for batch in _batches(s3dlio.create_async_loader(prefix, {"batch_size": 32}))] == [20]
    assert [len(batch) for batch in _batches(s3dlio.create_async_loader(prefix, {"batch_size": 6, "drop_last": True}))] == [6, 6, 6]
    orders = [_batches(s3dlio.create_async_loader(prefix, {"shuffle": True, "seed": seed, "batch_size": 20}))[0] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[2]) == list(range(20))
    taken = []
    for rank in range(2):
        for worker in range(3):
            opts = {
                "shard_rank": rank,
                "shard_world_size": 2,
                "worker_id": worker,
                "num_workers_pytorch": 3,
                "batch_size": 2,
                "shuffle": True,
            }
            taken += [view[0] for view in s3dlio.create_async_loader(prefix, opts)]
    assert sorted(taken) == list(range(20))


def test_unknown_options_and_bad_values_are_refused_by_name(prefix: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="no option 'batchsize'.*did you mean 'batch_size'"):
        s3dlio.create_async_loader(prefix, {"batchsize": 3})
    for wrong in (
        {"batch_size": 0},
        {"batch_size": "3"},
        {"reader_mode": "fast"},
        {"shard_rank": 2, "shard_world_size": 2},
        {"seed": -1},
        {"shuffle": "yes"},
    ):
        with pytest.raises(s3dlio.InvalidArgumentError, match=next(iter(wrong))):
            s3dlio.PyDataset(prefix, wrong)


def test_data_sets_by_pattern_by_names_and_by_number(prefix: str) -> None:
    data = s3dlio.create_dataset(prefix)
    assert len(data) == 20 and data.keys()[3].endswith("03") and len(s3dlio.PyDataset(prefix + "1*")) == 10
    assert asyncio.run(_item(data, 4)) == b"\4" * 5
    named = s3dlio.PyDataset.from_uris([f"{prefix}07", f"{prefix}03"])
    loader = s3dlio.PyBytesAsyncDataLoader(named, {"prefetch": 64, "skip_head": True})
    assert [bytes(item) for item in loader.items().collect_batch(9)] == [b"\7" * 8, b"\3" * 4]
    with pytest.raises(s3dlio.InvalidArgumentError):
        s3dlio.PyDataset.from_uris([])
    with pytest.raises(s3dlio.InvalidArgumentError, match="s3://"):
        s3dlio.PyS3Dataset("memory://x/")


async def _item(data: Any, index: int) -> bytes:
    return bytes(await data.get_item(index))


def test_failure_reaches_the_consumer(prefix: str) -> None:
    loader = s3dlio.PyBytesAsyncDataLoader(s3dlio.PyDataset.from_uris([f"{prefix}01", f"{prefix}none"]), {"batch_size": 1})
    with pytest.raises(s3dlio.NotFoundError):
        list(loader)
    with pytest.raises(s3dlio.NotFoundError):
        _batches(loader)


def test_builder_has_methods_that_equal_their_values(prefix: str) -> None:
    options = (
        s3dlio.PyLoaderOptions()
        .with_batch_size(4)
        .shuffle(True, 9)
        .num_workers(2)
        .prefetch(3)
        .pin_memory(True)
        .persistent_workers(True)
        .use_spawn()
    )
    assert options.batch_size == 4 and options.seed == 9 and options.pin_memory == True and options.drop_last == False  # noqa: E712
    assert options.drop_last(True).drop_last == True and options.distributed_sampling(1, 2).shard_rank == 1  # noqa: E712
    assert options.gpu_optimized().non_blocking == True and options.with_timeout(3.5).timeout_seconds == 3.5  # noqa: E712
    assert [len(batch) for batch in _batches(s3dlio.create_async_loader(prefix, options))] == [4] * 5
    with pytest.raises(s3dlio.InvalidArgumentError, match="replacement"):
        options.random_sampling(True)


def test_lists_as_data_sets() -> None:
    async def gather(opts: dict[str, Any]) -> list[list[int]]:
        return [batch async for batch in s3dlio.PyAsyncDataLoader(s3dlio.PyVecDataset(range(10)), opts)]

    assert asyncio.run(gather({"batch_size": 4})) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert asyncio.run(gather({"batch_size": 4, "drop_last": True})) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    shuffled = asyncio.run(gather({"batch_size": 10, "shuffle": True, "seed": 4}))[0]
    assert sorted(shuffled) == list(range(10)) != shuffled


@pytest.mark.parametrize(("dedup", "compress"), [(1, 1), (4, 1), (1, 3), (2, 2)])
def test_generated_data_repeats_and_compresses_as_asked(dedup: int, compress: int) -> None:
    data = s3dlio.generate_data(8 << 20, dedup, compress)
    blocks = [data[at : at + (1 << 20)].to_bytes() for at in range(0, len(data), 1 << 20)]
    assert len(blocks) / len(set(blocks)) == dedup
    packed = sum(len(zlib.compress(block, 1)) for block in blocks)
    assert 0.93 < len(data) / packed / compress < 1.05
    assert s3dlio.generate_data(1000) != s3dlio.generate_data(1000)


def test_generator_gives_the_same_bytes_however_they_are_cut() -> None:
    size = (3 << 20) + 12_345
    whole = bytearray(size)
    assert s3dlio.Generator(size, 2, 3, seed=5).fill_chunk(whole) == size
    for cut in (777_777, 1 << 20, 4 << 20):
        generator = s3dlio.Generator(size, 2, 3, threads=2, seed=5)
        piece, found = bytearray(cut), bytearray()
        while count := generator.fill_chunk(piece):
            found += piece[:count]
        assert found == whole and generator.is_complete()
        generator.reset()
        assert not generator.is_complete()
    buffer = np.zeros(5000, np.uint16)
    assert s3dlio.generate_into_buffer(buffer) == 10_000 and len(np.unique(buffer)) > 4000
    for wrong in (b"read only", np.zeros((4, 4))[:, ::2]):
        with pytest.raises(ValueError, match="buffer"):
            s3dlio.generate_into_buffer(wrong)  # type: ignore[arg-type]
    with pytest.raises(s3dlio.InvalidArgumentError, match="dedup"):
        s3dlio.generate_data(5, 0)
    with np.load(io.BytesIO(s3dlio.generate_npz_bytes((4, 5), "<f2", 3))) as found_arrays:
        assert found_arrays["x"].shape == (4, 5, 3) and found_arrays["x"].dtype == np.float16 and found_arrays["y"].tolist() == [0, 0, 0]
    assert s3dlio.py_total_cpus() >= s3dlio.py_default_data_gen_threads() >= 1


def test_reads_in_several_processes_are_counted(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"object_{i}.dat").write_bytes(bytes(100))
    told = s3dlio.mp_get(str(tmp_path), procs=2, jobs=4, num=12)
    assert (told["attempted"], told["succeeded"], told["failed"], told["total_bytes"]) == (12, 10, 2, 1000)
    assert [worker["exit_code"] for worker in told["workers"]] == [0, 0] and told["workers"][1]["first_failure"]


def test_generated_objects_differ_and_hold_what_was_asked_for(tmp_path: Path) -> None:
    done = s3dlio.put_objects(f"{tmp_path}/out", 6, "{}_of_{}.bin", size=3 << 20, max_in_flight=4, dedup_factor=3, compress_factor=2)
    assert [uri.rpartition("/")[2] for uri, _ in done] == [f"{number}_of_6.bin" for number in range(6)]
    held = [(tmp_path / "out" / f"{number}_of_6.bin").read_bytes() for number in range(6)]
    assert len(set(held)) == 6 and {len(data) for data in held} == {3 << 20}
    blocks = [data[at : at + (1 << 20)] for data in held for at in range(0, 3 << 20, 1 << 20)]
    # one block of three is unlike the others of its object, and half of each is zeros
    assert len(set(blocks)) == 6 and all(0.45 < block.count(0) / len(block) < 0.55 for block in blocks)
    s3dlio.put_objects(tmp_path / "npz", 2, object_type="NPZ", size=4000)
    assert s3dlio.read_npz(tmp_path / "npz" / "object-1").nbytes == 4000
    s3dlio.put_objects(tmp_path / "records", 1, "x.tfrecord", object_type="tf-record", size=100)
    assert [len(view) for view in s3dlio.datasets.tfrecord(tmp_path / "records" / "x.tfrecord")] == [84]
    with pytest.raises(s3dlio.InvalidArgumentError, match="HDF5"):
        s3dlio.put_objects(tmp_path, 1, object_type="HDF5")


def test_builder_gives_numbers_and_lists_become_objects() -> None:
    options = s3dlio.PyLoaderOptions().num_workers(3).prefetch(5).collate_buffer_size(7)
    assert (options.num_workers, options.prefetch, options.collate_buffer_size) == (3, 5, 64)
    assert s3dlio.PyLoaderOptions().num_workers == 0
    data = s3dlio.PyDataset.from_bytes_list([b"one", b"", b"three"])
    assert [view.to_bytes() for view in s3dlio.PyBytesAsyncDataLoader(data)] == [b"one", b"", b"three"]


def test_indexes_of_records_without_checksums() -> None:
    """Programs that make files for tests leave the checksums out; what is wrong and no zero is refused."""
    bare = b"".join(len(body).to_bytes(8, "little") + bytes(4) + body + bytes(4) for body in (b"abc", b"defgh"))
    assert s3dlio.get_tfrecord_index_entries(bare) == [(0, 19), (19, 21)]
    with pytest.raises(s3dlio.ChecksumMismatchError):
        s3dlio.get_tfrecord_index_entries(bare[:8] + b"\1" + bare[9:])


def test_arrays_for_jax(prefix: str) -> None:
    found = list(s3dlio.jax_tf.JaxIterable.from_prefix(prefix))
    assert [array.tolist() for array in found] == [[i] * (i + 1) for i in range(20)] and {array.dtype for array in found} == {
        np.dtype("u1")
    }
    shuffled = s3dlio.jax_tf.JaxIterable.from_prefix(prefix, shuffle=True, seed=4, batch_size=3, transform=lambda array: int(array[0]))
    order = list(shuffled)
    assert sorted(order) == list(range(20)) != order and order == list(shuffled)
    writable = next(iter(s3dlio.jax_tf.S3JaxIterable.from_prefix(prefix, writable=True)))
    writable[:] = 7
    half = s3dlio.jax_tf.JaxIterable(prefix, loader_opts={"shard_rank": 1, "shard_world_size": 2})
    assert len(list(half)) == 10
    s3dlio.delete(f"{prefix}19")
    with pytest.raises(s3dlio.NotFoundError):
        list(shuffled)


def test_data_set_of_tensorflow_by_its_protocol(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow is not to be had here: a stand-in takes what its documentation says that from_generator and map take."""
    from types import SimpleNamespace

    class Data:
        def __init__(self, generator: Any) -> None:
            self.generator = generator

        @staticmethod
        def from_generator(generator: Any, *, output_signature: Any) -> Data:
            assert output_signature == ("spec", (None,), "uint8") and callable(generator)
            return Data(generator)

        def map(self, function: Any) -> Data:
            return Data(lambda: map(function, self.generator()))

        def __iter__(self) -> Any:
            return iter(self.generator())

    stand_in = SimpleNamespace(data=SimpleNamespace(Dataset=Data), TensorSpec=lambda shape, dtype: ("spec", shape, dtype), uint8="uint8")
    monkeypatch.setitem(sys.modules, "tensorflow", stand_in)
    data = s3dlio.jax_tf.make_tf_dataset(prefix, batch_size=4, map_fn=lambda array: int(array.sum()))
    # each epoch asks the generator anew
    assert list(data) == [i * (i + 1) for i in range(20)] == list(data)
    assert len(list(s3dlio.jax_tf.make_tf_dataset(prefix, shuffle=True))) == 20
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError):
        s3dlio.jax_tf.make_tf_dataset(prefix)


# ---- Parquet ----


@pytest.fixture
def parquet() -> Any:
    pytest.importorskip("pyarrow")
    return pytest.importorskip("pyarrow.parquet", reason="no Parquet of pyarrow")


def _batch(view: Any) -> Any:
    import pyarrow

    reader = pyarrow.ipc.open_stream(pyarrow.py_buffer(bytes(view)))
    batch = reader.read_next_batch()
    with pytest.raises(StopIteration):
        reader.read_next_batch()
    return batch


@pytest.mark.parametrize("dims", [(1, 1, 1), (4, 16, 2), (200, 512, 3)], ids=str)
def test_generated_parquet_is_what_pyarrow_reads(parquet: Any, base: Base, dims: tuple[int, int, int]) -> None:
    import pyarrow

    columns, rows, groups = dims
    raw = bytes(s3dlio.generate_parquet_bytes(*dims))
    written = s3dlio.generate_and_write_parquet(base.text("made/a.parquet"), *dims)
    assert raw[:4] == raw[-4:] == b"PAR1" and written.size == s3dlio.stat(base.text("made/a.parquet"))["size"]
    assert bytes(s3dlio.generate_parquet_bytes(*dims)) != raw
    for data in (raw, s3dlio.get(base.text("made/a.parquet")).to_bytes()):
        found = parquet.ParquetFile(io.BytesIO(data))
        assert [found.metadata.row_group(group).num_rows for group in range(found.metadata.num_row_groups)] == [rows] * groups
        assert found.schema_arrow.names == [f"col{i}" for i in range(columns)] and set(found.schema_arrow.types) == {pyarrow.float32()}
        column = found.metadata.row_group(0).column(0)
        assert column.compression == "UNCOMPRESSED" and not column.is_stats_set and not column.has_dictionary_page
    assert len(zlib.compress(raw)) > 0.9 * 4 * columns * rows * groups


def test_generated_parquet_has_the_columns_that_are_named(parquet: Any, base: Base) -> None:
    import pyarrow

    columns = [("t5", 300), ("one", 1), ("seven", 7)]
    for write in (s3dlio.generate_and_write_parquet_schema, s3dlio.generate_and_write_parquet_schema_streaming):
        write(base.text("made/named.parquet"), columns, 12, 3)
        table = parquet.read_table(io.BytesIO(s3dlio.get(base.text("made/named.parquet")).to_bytes()))
        assert table.schema.names == ["t5", "one", "seven"] and table.num_rows == 36 and table.schema.field("one").type == pyarrow.float32()
        assert [table.schema.field(name).type.list_size for name in ("t5", "seven")] == [300, 7]
    assert parquet.read_metadata(io.BytesIO(bytes(s3dlio.generate_parquet_bytes_schema(columns, 5, 2)))).num_row_groups == 2
    for wrong in (([], 1, 1), ([("x", 0)], 1, 1), ([("x", 1)], 0, 1), ([("x", 1)], 1, 0)):
        with pytest.raises(s3dlio.InvalidArgumentError, match="1 or more"):
            s3dlio.generate_parquet_bytes_schema(*wrong)
    with pytest.raises(s3dlio.InvalidArgumentError):
        s3dlio.generate_and_write_parquet(base.text("made/none.parquet"), 0, 1, 1)
    assert not s3dlio.exists(base.text("made/none.parquet"))


def _tables(parquet: Any, base: Base, name: str, first: int, rows: int, each: int) -> Any:
    import pyarrow

    table = pyarrow.table(
        {
            "id": np.arange(first, first + rows),
            "deep": [{"a": i, "b": [i, -i]} for i in range(rows)],
            "text": [f"row {i % 7}" for i in range(rows)],
            "last": np.arange(rows, dtype=np.float32),
        }
    )
    memory = io.BytesIO()
    parquet.write_table(table, memory, row_group_size=each)
    s3dlio.put(base.text(name), memory.getvalue())
    return table


def test_row_groups_by_number_are_what_pyarrow_reads(parquet: Any, base: Base) -> None:
    uri = base.text("groups/a.parquet")
    table = _tables(parquet, base, "groups/a.parquet", 0, 250, 100)
    file = parquet.ParquetFile(io.BytesIO(s3dlio.get(uri).to_bytes()))
    for group in range(3):
        import pyarrow

        assert pyarrow.Table.from_batches([_batch(s3dlio.parquet_get_rg(uri, group))]).equals(table.slice(100 * group, 100))
        # columns are counted as the file has them, those within others each
        assert _batch(s3dlio.parquet_get_rg(uri, group, [4, 0])).schema.names == ["id", "last"]
        assert _batch(s3dlio.parquet_get_rg(uri, group, [1])).column("deep").to_pylist()[3] == {"a": 100 * group + 3}
        raw = s3dlio.parquet_get_rg(uri, group, None, 4 << 20, "raw")
        first = file.metadata.row_group(group).column(0)
        begin = first.dictionary_page_offset or first.data_page_offset
        assert raw == s3dlio.get_range(uri, begin, len(raw)) and len(raw) > 500
    assert s3dlio.parquet_rg_row_offsets(uri) == [0, 100, 200, 250]
    for wrong in ((3,), (-1,), (0, []), (0, [5])):
        with pytest.raises(s3dlio.InvalidArgumentError, match="row group|col_indices"):
            s3dlio.parquet_get_rg(uri, *wrong)
    with pytest.raises(s3dlio.InvalidArgumentError, match="'arrow' or 'raw'"):
        s3dlio.parquet_get_rg(uri, 0, None, 1, "pandas")
    s3dlio.put(base.text("groups/no"), b"x" * 100)
    with pytest.raises(s3dlio.InvalidDataError, match="no Parquet file"):
        s3dlio.parquet_rg_row_offsets(base.text("groups/no"))
    with pytest.raises(s3dlio.NotFoundError):
        s3dlio.parquet_get_rg(base.text("groups/none"), 0)


def test_replaced_parquet_file_is_read_by_its_own_footer(parquet: Any, base: Base) -> None:
    uri = base.text("replaced/a.parquet")
    _tables(parquet, base, "replaced/a.parquet", 0, 100, 50)
    assert _batch(s3dlio.parquet_get_rg(uri, 1)).column("id").to_pylist() == list(range(50, 100))
    _tables(parquet, base, "replaced/a.parquet", 7000, 90, 30)
    assert _batch(s3dlio.parquet_get_rg(uri, 1)).column("id").to_pylist() == list(range(7030, 7060))
    assert s3dlio.parquet_rg_row_offsets(uri) == [0, 30, 60, 90]
    with pytest.raises(s3dlio.NotFoundError):
        s3dlio.delete(uri)
        s3dlio.parquet_get_rg(uri, 1)


def test_footers_are_kept_until_somebody_lets_go_of_them(parquet: Any, base: Base) -> None:
    before = s3dlio.parquet_cache_len()
    uris = [base.text(f"kept/{number}.parquet") for number in range(3)]
    for number, uri in enumerate(uris):
        s3dlio.generate_and_write_parquet(uri, 2, 8, 2)
        s3dlio.parquet_rg_row_offsets(uri)
        s3dlio.parquet_get_rg(uri, 1)
        assert s3dlio.parquet_cache_len() == before + number + 1
    s3dlio.parquet_cache_invalidate(uris[0])
    s3dlio.parquet_cache_invalidate(uris[0])
    assert s3dlio.parquet_cache_len() == before + 2
    s3dlio.parquet_cache_clear()
    assert s3dlio.parquet_cache_len() == 0


def test_index_of_row_groups(parquet: Any, base: Base) -> None:
    import pickle
    from concurrent.futures import ThreadPoolExecutor

    uris = [base.text(f"index/{number}.parquet") for number in range(20)]
    for number in range(20):
        _tables(parquet, base, f"index/{number}.parquet", 0, 60 + number, 25)
    index = s3dlio.PyParquetIndex([0, 4])
    index.ensure_indexed(uris, epoch=1, batch_size=4)
    assert index.file_count() == 20 and len(index) == 20 * 3 + sum(60 + number > 75 for number in range(20))
    assert index.is_indexed(uris[3]) and not index.is_indexed("s3://none/a") and index.file_rg_count("s3://none/a") is None
    assert [index.rg_for_sample(uris[0], row) for row in (0, 24, 25, 49, 50, 59)] == [0, 0, 1, 1, 2, 2]
    group, offset, length = index.rg_lookup(uris[0], 30)
    assert (group, (offset, length)) == (1, index.rg_range(uris[0], 1))
    assert s3dlio.get_range(uris[0], offset, length) == s3dlio.parquet_get_rg(uris[0], 1, [0, 4], decode="raw")
    for wrong in (lambda: index.rg_lookup(uris[0], 60), lambda: index.rg_lookup(uris[0], -1), lambda: index.rg_range(uris[0], 3)):
        with pytest.raises(s3dlio.InvalidArgumentError, match="there is no row"):
            wrong()
    with pytest.raises(s3dlio.InvalidArgumentError, match="not indexed"):
        index.rg_for_sample("s3://none/a", 0)
    assert not index.was_fetched(uris[0], 1, 1)
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: index.check_and_mark(uris[0], 1, 1), range(50)))[:2] == [False, True]
    again = pickle.loads(pickle.dumps(index))
    assert again.was_fetched(uris[0], 1, 1) and not again.was_fetched(uris[0], 1, 2) and repr(again) == repr(index)
    index.mark_fetched(uris[0], 1, 3)
    assert index.was_fetched(uris[0], 1, 2) and not index.check_and_mark("s3://none/a", 0, 1)
    _tables(parquet, base, "index/0.parquet", 0, 10, 5)
    index.invalidate_uri(uris[0])
    index.ensure_indexed(uris)
    assert index.file_rg_count(uris[0]) == 2 and not index.was_fetched(uris[0], 1, 1)
    index.clear()
    assert len(index) == 0 == index.file_count()


def test_threads_read_row_groups_at_once(parquet: Any, base: Base) -> None:
    from concurrent.futures import ThreadPoolExecutor

    uri = base.text("threads/a.parquet")
    _tables(parquet, base, "threads/a.parquet", 0, 400, 20)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: _batch(s3dlio.parquet_get_rg(uri, number % 20)).column("id")[0].as_py(), range(160)))
    assert found == [20 * (number % 20) for number in range(160)]


def test_row_group_of_a_server_is_one_request_and_of_one_version(parquet: Any) -> None:
    uri, options = s3_server()

    def put(first: int, rows: int, each: int) -> None:
        import pyarrow

        memory = io.BytesIO()
        parquet.write_table(pyarrow.table({"id": np.arange(first, first + rows)}), memory, row_group_size=each)
        s3dlio.put(name, memory.getvalue(), storage_options=options)

    name = f"{uri}/groups/a.parquet"
    put(0, 200_000, 20_000)
    s3dlio.parquet_get_rg(name, 0, storage_options=options)
    before = s3dlio.stats()
    for group in range(10):
        batch = _batch(s3dlio.parquet_get_rg(name, group, storage_options=options))
        assert batch.column("id")[0].as_py() == 20_000 * group and batch.num_rows == 20_000
    asked = sum(one.requests for one in s3dlio.stats().values()) - sum(one.requests for one in before.values())
    assert asked <= 10, f"{asked} requests for 10 row groups"
    # the footer is of the version before: its places would be those of other bytes
    put(7_000_000, 200_000, 50_000)
    assert _batch(s3dlio.parquet_get_rg(name, 2, storage_options=options)).column("id").to_pylist() == list(range(7_100_000, 7_150_000))
    index = s3dlio.PyParquetIndex(storage_options=options)
    index.ensure_indexed([name])
    group, offset, length = index.rg_lookup(name, 199_999)
    assert group == 3 and s3dlio.get_range(name, offset, length, storage_options=options) == s3dlio.parquet_get_rg(
        name, 3, decode="raw", storage_options=options
    )
    s3dlio.parquet_cache_clear()
    written = s3dlio.generate_and_write_parquet(f"{uri}/groups/made.parquet", 100, 60_000, 2, storage_options=options)
    assert (
        written.size > 100 * 60_000 * 2 * 4 and s3dlio.stat(f"{uri}/groups/made.parquet", storage_options=options)["size"] == written.size
    )
    assert s3dlio.parquet_rg_row_offsets(f"{uri}/groups/made.parquet", storage_options=options) == [0, 60_000, 120_000]

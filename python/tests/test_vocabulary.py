"""One word for one thing: what writes give, what ``stat`` gives, ``verify``, ``missing_ok``, and settings of a block."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import warnings
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from conftest import Base

import s3dlio
from s3dlio import _config
from s3dlio.types import ObjectMeta, WriteResult


def test_every_write_gives_a_result(base: Base, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123456789")
    results = [
        s3dlio.put(base.at("a"), b"123456789"),
        s3dlio.put_bytes(base.at("a"), b"123456789"),
        s3dlio.put_file(tmp_path / "file", base.at("b")),
        s3dlio.copy(base.at("a"), base.at("c")),
        s3dlio.move(base.at("c"), base.at("d")),
        s3dlio.put_many([(base.at("e"), b"123456789")])[0][1],
        s3dlio.upload(tmp_path / "file", base.at("f"))[0][1],
        s3dlio.download(base.at("a"), tmp_path / "down")[0][1],
        s3dlio.get_file(base.at("a"), tmp_path / "got" / "a"),
    ]
    assert [result.uri for result in results[:7]] == [base.text(key) for key in ("a", "a", "b", "c", "d", "e", "f/file")]
    for result in results:
        assert isinstance(result, WriteResult) and result.size == result.stored_size == 9
        assert result == result.checksum == "crc32c:e3069283" == str(result) and f"{result}" == "crc32c:e3069283"
        assert result.etag and json.dumps(result) == '"crc32c:e3069283"'
        again = pickle.loads(pickle.dumps(result))
        assert (again, again.uri, again.size, again.etag) == (result, result.uri, 9, result.etag)
    assert repr(results[0]).startswith(f"WriteResult({base.text('a')!r}, checksum='crc32c:e3069283', size=9")
    assert (tmp_path / "got" / "a").read_bytes() == b"123456789"
    assert bytes(s3dlio.get(results[0].uri, expected_checksum=results[0])) == b"123456789"


def test_result_of_a_compressed_write_names_what_is_there(base: Base) -> None:
    zeros = np.zeros(100_000)
    for result in (
        s3dlio.save_numpy_array(base.at("x.npy"), zeros, compress=True),
        s3dlio.save_tensors(base.at("m.safetensors"), {"x": zeros}, compress=True),
        s3dlio.save(base.at("y.npy"), zeros, compress=True),
    ):
        assert result.uri.endswith(".zst") and result.stored_size is not None and result.stored_size < 100_000
        assert result.size == len(s3dlio.get(result.uri, decompress=True)) > 800_000
        meta = s3dlio.stat(result.uri)
        assert meta.size == result.stored_size and meta.checksum != result.checksum
        assert s3dlio.exists(result.uri) and result.uri in s3dlio.list(base.text())
        assert len(s3dlio.get(result.uri)) == result.stored_size
        assert s3dlio.delete(result.uri) == 1 and not s3dlio.exists(result.uri)


def test_stat_is_typed_and_has_the_keys_of_the_original(base: Base) -> None:
    before = datetime.now(timezone.utc)
    s3dlio.put(base.at("a"), b"abc")
    meta = s3dlio.stat(base.at("a"))
    assert isinstance(meta, ObjectMeta) and isinstance(meta, dict)
    assert meta.size == meta["size"] == 3 and meta.checksum == meta["checksum"]
    assert isinstance(meta["last_modified"], str) and abs((meta.last_modified - before).total_seconds()) < 60
    assert meta.etag == meta["etag"] and meta.metadata == {} == meta["metadata"] and meta.uri is None
    assert {"content_encoding", "ssekms_key_id", "replication_status"} <= set(meta)
    assert json.loads(json.dumps(meta)) == meta and pickle.loads(pickle.dumps(meta)).last_modified == meta.last_modified
    [listed] = s3dlio.list_stream(base.text())
    assert (listed.uri, listed.size, listed["uri"]) == (base.text("a"), 3, base.text("a"))


def test_delete_what_is_not_there(base: Base) -> None:
    with pytest.raises(s3dlio.errors.NotFoundError):
        s3dlio.delete(base.at("none"))
    assert s3dlio.delete(base.at("none"), missing_ok=True) == 0
    s3dlio.put(base.at("a"), b"")
    assert s3dlio.delete(base.at("a"), missing_ok=True) == 1


def test_verify_is_one_word_for_every_read(file_base: Base) -> None:
    path = file_base.folder
    assert path is not None
    s3dlio.put(file_base.at("a"), b"0123456789")
    s3dlio.save(file_base.at("x.npy"), np.arange(100))
    for name in ("a", "x.npy"):
        with (path / name).open("r+b") as file:
            file.seek(-1, 2)
            last = file.read()
            file.seek(-1, 2)
            file.write(bytes([last[0] ^ 1]))
        for verify in ("auto", True, "require"):
            with pytest.raises(s3dlio.errors.ChecksumMismatchError):
                s3dlio.get(file_base.at(name), verify=verify)
        assert len(s3dlio.get(file_base.at(name), verify=False))
    with pytest.raises(s3dlio.errors.ChecksumMismatchError):
        s3dlio.load(file_base.at("x.npy"))
    assert s3dlio.load(file_base.at("x.npy"), verify=False).size == 100
    assert s3dlio.load_numpy_array(file_base.at("x.npy"), validate_checksum=False).size == 100
    (path / "bare").write_bytes(b"of another program")
    assert len(s3dlio.get(file_base.at("bare"))) == 18
    for call in (
        lambda: s3dlio.get(file_base.at("bare"), verify="require"),
        lambda: s3dlio.get_range(file_base.at("bare"), 2, verify="require"),
    ):
        with pytest.raises(s3dlio.errors.NoChecksumError):
            call()
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="'auto', 'require' or False"):
        s3dlio.get(file_base.at("a"), verify="yes")  # type: ignore[arg-type]


def test_ranges_come_in_their_order(base: Base) -> None:
    data = np.random.default_rng(0).bytes(1 << 20)
    s3dlio.put(base.at("a"), data)
    ranges = [(i * 7919 % 1_000_000, i % 100) for i in range(300)] + [(0, 1 << 20), (1 << 20, 0)]
    assert [bytes(part) for part in s3dlio.get_ranges(base.at("a"), ranges)] == [data[offset:][:length] for offset, length in ranges]
    assert s3dlio.get_ranges(base.at("a"), []) == []
    for wrong in ([(0, (1 << 20) + 1)], [5], [(0, -1)], [("0", 1)]):
        with pytest.raises(s3dlio.errors.InvalidArgumentError):
            s3dlio.get_ranges(base.at("a"), wrong)  # type: ignore[arg-type]


def test_save_and_load_go_by_the_name_or_the_format() -> None:
    where = "memory://vocabulary"
    s3dlio.save(f"{where}/a.npy", [1, 2])
    s3dlio.save(f"{where}/b.npy.zst", np.arange(3))
    s3dlio.save(f"{where}/m.safetensors", {"w": np.ones(2)})
    s3dlio.save(f"{where}/bare", {"w": np.ones(2)}, format="safetensors")
    assert s3dlio.load(f"{where}/a.npy").tolist() == [1, 2] and s3dlio.load(f"{where}/b.npy").tolist() == [0, 1, 2]
    assert list(s3dlio.load(f"{where}/m.safetensors")) == list(s3dlio.load(f"{where}/bare", format="safetensors")) == ["w"]
    for call in (
        lambda: s3dlio.save(f"{where}/a.bin", np.ones(1)),
        lambda: s3dlio.load(f"{where}/bare"),
        lambda: s3dlio.save(f"{where}/a.npy", {"w": np.ones(1)}),
        lambda: s3dlio.save(f"{where}/a.safetensors", np.ones(1)),
        lambda: s3dlio.save(f"{where}/a", np.ones(1), format="npz"),  # type: ignore[arg-type]
    ):
        with pytest.raises(s3dlio.errors.InvalidArgumentError):
            call()


@pytest.mark.parametrize("address", ["memory://vocabulary/x", "file:///tmp/x"])
def test_files_are_paths(address: str) -> None:
    for call in (lambda: s3dlio.put_file(address, "memory://vocabulary/y"), lambda: s3dlio.get_file("memory://vocabulary/a.npy", address)):
        with pytest.raises(s3dlio.errors.InvalidArgumentError, match="path of a local file"):
            call()


def test_config_holds_in_its_block_alone() -> None:
    with s3dlio.config(timeout=0, storage_options={"region": "eu-west-1"}):
        assert _config.defaults() == {"region": "eu-west-1"} and _config.default_timeout() == 0
        with pytest.raises(s3dlio.errors.StoreTimeoutError):
            s3dlio.list("/usr/lib", recursive=True)
        s3dlio.exists("memory://vocabulary/none", timeout=60)
        with s3dlio.config(storage_options={"max_attempts": 2}):
            assert _config.defaults() == {"region": "eu-west-1", "max_attempts": 2} and _config.default_timeout() == 0
            with s3dlio.config(timeout=9, storage_options={"region": None}):
                assert _config.defaults() == {"max_attempts": 2} and _config.default_timeout() == 9
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.append((dict(_config.defaults()), _config.default_timeout())))
        thread.start()
        thread.join()
        assert seen == [({}, None)]
    assert _config.defaults() == {} and _config.default_timeout() is None


def test_config_of_tasks_does_not_mix() -> None:
    async def one(seconds: float) -> float | None:
        with s3dlio.config(timeout=seconds):
            await asyncio.sleep(0.01)
            return _config.default_timeout()

    async def use() -> list[float | None]:
        return await asyncio.gather(*(one(seconds) for seconds in range(1, 6)))

    assert asyncio.run(use()) == [1, 2, 3, 4, 5]


def test_config_of_the_process_and_wrong_ones() -> None:
    try:
        s3dlio.config.set(timeout=np.float32(30), storage_options={"max_attempts": 3})
        assert _config.defaults() == {"max_attempts": 3} and _config.default_timeout() == 30
        s3dlio.config.set(storage_options={"region": "x"})
        assert _config.default_timeout() == 30
    finally:
        s3dlio.config.set(timeout=float("inf"), storage_options={"max_attempts": None, "region": None})
    assert _config.defaults() == {} and _config.default_timeout() is None
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="regoin"):
        s3dlio.config(storage_options={"regoin": "x"})
    for wrong in (-1, "1", True):
        with pytest.raises(s3dlio.errors.InvalidArgumentError, match="timeout"):
            s3dlio.config(timeout=wrong)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="sets nothing by itself"):
        s3dlio.config(timeout=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with s3dlio.config(timeout=1):
            pass

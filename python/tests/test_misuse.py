"""What is easily done wrong, and must either work or say what is wrong."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import hashlib
import importlib.util
import json
import pathlib
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CHECKOUT, Child

import s3dlio
from s3dlio._core import _address
from s3dlio.errors import CheckpointWarning, InvalidArgumentError


@pytest.mark.parametrize("path", ["C:\\data\\x.npy", "c:/data/x.npy", "\\\\server\\share\\x", pathlib.PureWindowsPath("C:/data/x")])
def test_windows_paths_are_refused(path: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for call in (lambda: s3dlio.put(path, b"1"), lambda: s3dlio.Store(path), lambda: s3dlio.upload(path, "memory://misuse/x")):
        with pytest.raises(InvalidArgumentError, match="Windows"):
            call()
    assert list(tmp_path.iterdir()) == []
    s3dlio.put("./C:/x", b"1")
    assert (tmp_path / "C:" / "x").read_bytes() == b"1"


@pytest.mark.parametrize(
    "query", ["versionId=3", "X-Amz-Signature=ab&X-Amz-Date=c", "endpoint_url=http://h", "region=eu", "sv=2024&sig=abc"]
)
def test_query_strings_are_refused(query: str) -> None:
    for address in (f"s3://bucket/key?{query}", f"az://account/container/key?{query}"):
        with pytest.raises(InvalidArgumentError, match=r"storage_options.*Store") as caught:
            s3dlio.get(address, timeout=5)
        assert "abc" not in str(caught.value) and "abc" not in caught.value.uri, "a secret"
    # what is no query is a key
    assert s3dlio.put("memory://misuse/what?", b"1").uri == "memory://misuse/what?"
    assert s3dlio.Store("memory://misuse").put(f"key?{query}", b"1") == s3dlio.put("memory://misuse/k", b"1")


CALLS: list[Callable[[Any, Any], object]] = [
    lambda i, f: s3dlio.get_many(["memory://misuse/n"], i(3)),
    lambda i, f: s3dlio.put_many([("memory://misuse/n", b"123")], max_in_flight=i(3)),
    lambda i, f: s3dlio.stat_many(["memory://misuse/n"], i(3)),
    lambda i, f: s3dlio.get_range("memory://misuse/n", i(0), i(1)),
    lambda i, f: s3dlio.get_ranges("memory://misuse/n", np.array([[0, 1], [1, 2]]), i(2)),
    lambda i, f: s3dlio.save_numpy_array("memory://misuse/x.npy", np.ones(3), i(3)),
    lambda i, f: s3dlio.save_tensors("memory://misuse/x", {"a": np.ones(3)}, compress=i(3)),
    lambda i, f: s3dlio.get("memory://misuse/n", timeout=f(60)),
    lambda i, f: s3dlio.list("memory://misuse/", timeout=i(60)),
    lambda i, f: s3dlio.admin.list_uploads("memory://misuse/", older_than=f(3)),
    lambda i, f: s3dlio.admin.abort_uploads("memory://misuse/", older_than=i(3)),
    lambda i, f: s3dlio.checkpoint.save("memory://misuse-ck", {"a": np.ones(2)}, i(3), epoch=i(2), compress=i(3)),
    lambda i, f: s3dlio.checkpoint.load("memory://misuse-ck", step=i(3)),
    lambda i, f: s3dlio.checkpoint.prune("memory://misuse-ck", i(3), i(2), grace=i(60)),
    lambda i, f: s3dlio.open("memory://misuse/n", buffering=i(9)).read(),
    lambda i, f: s3dlio.Store("s3://bucket", storage_options={"max_in_flight": i(3)}),
    lambda i, f: s3dlio.checkpoint.Saver("memory://misuse-ck", max_in_flight=i(3), memory_budget=i(100)),
    lambda i, f: s3dlio.checkpoint.Store("memory://misuse-ck", compression_level=i(3)).writer(i(2), i(1)),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("integer", "real"), [(np.int64, np.float32), (np.uint8, np.float64)])
def test_numbers_of_numpy_are_numbers(call: Callable[[Any, Any], object], integer: Any, real: Any) -> None:
    s3dlio.put("memory://misuse/n", b"123")
    s3dlio.checkpoint.save("memory://misuse-ck", {"a": np.ones(2)}, 3)
    call(integer, real)


def test_bytes_have_the_methods_of_bytes() -> None:
    data = b'  {"a": [1, 2]}  \nline two\n'
    s3dlio.put("memory://misuse/bytes", data)
    view = s3dlio.get("memory://misuse/bytes")
    assert view.startswith(b"  {") and view.endswith((b"x", b"\n")) and not view.startswith(b"x")
    assert (view.find(b"line"), view.rfind(b"n"), view.index(b"a"), view.count(b"\n"), view.find(b"absent")) == (
        data.find(b"line"),
        data.rfind(b"n"),
        data.index(b"a"),
        2,
        -1,
    )
    assert view.split(b"\n") == data.split(b"\n") and view.split() == data.split() and view.splitlines() == data.splitlines()
    assert view.strip() == data.strip() and view.hex() == data.hex() and view.hex("-", 2) == data.hex("-", 2)
    assert hash(view) == hash(data) and {view: 1}[data] == 1
    assert view < b"z" and view <= data and view > b" " and view >= data and not view < data
    assert view[:16].json() == {"a": [1, 2]}
    assert hashlib.sha256(view).digest() == hashlib.sha256(data).digest() and json.loads(bytes(view[:16])) == {"a": [1, 2]}
    assert np.shares_memory(np.asarray(view), view) and type(np.asarray(view)) is np.ndarray
    assert np.frombuffer(view, np.uint8).base is not None
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(view)[0] = 1


def test_torch_takes_bytes_without_a_copy() -> None:
    torch = pytest.importorskip("torch")
    s3dlio.put("memory://misuse/bytes", np.arange(4, dtype="<f4"))
    view = s3dlio.get("memory://misuse/bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.frombuffer(view, dtype=torch.float32).tolist() == [0, 1, 2, 3]


def test_open_tensors_is_a_mapping_and_what_safetensors_opens() -> None:
    s3dlio.save_tensors("memory://misuse/m", {"b": np.arange(6.0).reshape(2, 3), "a": np.float32(2)}, {"step": "3"})
    with s3dlio.open_tensors("memory://misuse/m") as file:
        assert isinstance(file, Mapping)
        assert sorted(file.keys()) == ["a", "b"] == sorted(file) == sorted(name for name, _ in file.items())
        assert [tensor.shape for tensor in file.values()] == [file[name].shape for name in file]
        assert file.get("absent") is None and file.get("a") is not None
        assert file.metadata() == {"step": "3"}
        assert file.get_tensor("b").tolist() == [[0, 1, 2], [3, 4, 5]]
        part = file.get_slice("b")
        assert part.get_shape() == [2, 3] and part.get_dtype() == "F64" and part[:, 1:].tolist() == [[1, 2], [4, 5]]
        assert {name: np.asarray(tensor).shape for name, tensor in dict(file).items()} == {"a": (), "b": (2, 3)}
        assert file == file and hash(file) == hash(file) and file != dict(file)
        for call in (lambda: file.get_tensor("absent"), lambda: file.get_slice("absent"), lambda: file["absent"]):
            with pytest.raises(KeyError, match="absent"):
                call()


def test_pending_save_is_a_future_and_can_be_awaited() -> None:
    with s3dlio.checkpoint.Saver("memory://misuse-saver") as saver:
        pending = saver.save({"a": np.ones(3)}, step=1)
        assert isinstance(pending, concurrent.futures.Future)
        told: list[Any] = []
        pending.add_done_callback(told.append)
        done, _ = concurrent.futures.wait([pending], timeout=60)
        assert done == {pending} and told == [pending] and pending.done() and not pending.cancelled()
        assert pending.exception() is None and pending.result() == s3dlio.checkpoint.latest("memory://misuse-saver").manifest_key  # type: ignore[union-attr]

        async def use() -> str | None:
            return await saver.save({"a": np.ones(3)}, step=2)

        assert asyncio.run(use()) == s3dlio.checkpoint.latest("memory://misuse-saver").manifest_key  # type: ignore[union-attr]


def test_failed_save_is_told_once_however_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for ask in ("exception", "await", "result"):
        saver = s3dlio.checkpoint.Saver(tmp_path / "file" / "below")
        pending = saver.save({"a": np.ones(3)}, step=1)
        if ask == "exception":
            assert isinstance(pending.exception(60), s3dlio.errors.S3dlioError)
        elif ask == "await":

            async def use(pending: Any = pending) -> None:
                await pending

            with pytest.raises(s3dlio.errors.S3dlioError):
                asyncio.run(use())
        else:
            with pytest.raises(s3dlio.errors.S3dlioError):
                pending.result()
        saver.close()
    saver = s3dlio.checkpoint.Saver(tmp_path / "file" / "below")
    saver.save({"a": np.ones(3)}, step=1)
    with pytest.raises(s3dlio.errors.S3dlioError):
        saver.close()


def _drop_writer() -> None:
    s3dlio.open("memory://misuse/dropped", "wb").write(b"1")


def _drop_async_writer() -> None:
    async def use() -> None:
        await (await s3dlio.aio.open("memory://misuse/dropped", "wb")).write(b"1")

    asyncio.run(use())


def _drop_stream() -> None:
    s3dlio.checkpoint.Store("memory://misuse-ck").writer(1, 0).get_distributed_shard_stream(9, 0, "x").write(b"1")


@pytest.mark.parametrize("drop", [_drop_writer, _drop_async_writer, _drop_stream])
def test_writer_that_nobody_finished_warns(drop: Callable[[], None]) -> None:
    with pytest.warns(ResourceWarning, match="nothing is stored"):  # noqa: PT031
        drop()
        gc.collect()
    assert not s3dlio.exists("memory://misuse/dropped")


def test_writer_that_was_finished_or_cancelled_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with s3dlio.open("memory://misuse/finished", "wb") as file:
            file.write(b"1")
        s3dlio.open("memory://misuse/finished", "wb").close()
        s3dlio.open("memory://misuse/finished", "wb").cancel()
        with pytest.raises(KeyError), s3dlio.open("memory://misuse/finished", "wb"):
            raise KeyError
        del file
        gc.collect()


def test_warnings_point_at_the_caller(tmp_path: Path) -> None:
    for step in (1, 2):
        s3dlio.checkpoint.save(tmp_path, {"a": np.ones(100)}, step)
        s3dlio.compat.save_checkpoint(tmp_path / "plain", step, 0, "x", b"data")
    for folder in (tmp_path, tmp_path / "plain"):
        newest = max((file for file in (folder / "shards").rglob("rank-0*")), key=lambda file: file.stat().st_mtime_ns)
        newest.write_bytes(newest.read_bytes()[:-1] + b"~")
    damaged = sorted((tmp_path / "manifests").iterdir())
    with pytest.warns(CheckpointWarning) as told:
        assert s3dlio.checkpoint.load(tmp_path, on_damage="previous").step == 1
    with pytest.warns(CheckpointWarning) as told_plain:
        assert s3dlio.load_checkpoint(tmp_path / "plain") == b"data"
    damaged[0].write_text("{")
    with pytest.warns(CheckpointWarning) as told_list:
        s3dlio.checkpoint.list(tmp_path)

    async def use() -> None:
        await s3dlio.aio.checkpoint.list(tmp_path)

    with pytest.warns(CheckpointWarning) as told_aio:
        asyncio.run(use())
    for one in (*told, *told_plain, *told_list, *told_aio):
        assert one.filename == __file__, one


def test_damage_is_raised_or_passed_over(tmp_path: Path) -> None:
    where = tmp_path / "ck"
    assert s3dlio.checkpoint.latest(where) is None
    with pytest.raises(s3dlio.errors.NotFoundError):
        s3dlio.checkpoint.load(where)
    with pytest.raises(s3dlio.errors.NotFoundError):
        s3dlio.checkpoint.load(where, on_damage="previous")
    for step in (1, 2):
        s3dlio.checkpoint.save(where, {"w": np.full(100, float(step)), "step": step}, step)
    newest = max((where / "shards").rglob("rank-0*"), key=lambda file: file.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    with pytest.raises(s3dlio.errors.ChecksumMismatchError):
        s3dlio.checkpoint.load(where)
    assert not s3dlio.checkpoint.validate(where) and s3dlio.checkpoint.validate(where, step=1)
    into = {"w": np.zeros(100)}
    with pytest.warns(CheckpointWarning, match="passed over"):
        found = s3dlio.checkpoint.load(where, into=into, on_damage="previous")
    assert found.step == 1 and found.state is into and into["w"][0] == 1 and found.manifest["global_step"] == 1
    with pytest.raises(InvalidArgumentError, match="one is named"):
        s3dlio.checkpoint.load(where, step=2, on_damage="previous")
    with pytest.raises(TypeError):
        s3dlio.checkpoint.load(where, into)  # type: ignore[misc]


def test_load_into_another_dtype_is_an_error_that_changes_nothing() -> None:
    where = "memory://misuse-cast"
    s3dlio.checkpoint.save(where, {"a": np.ones(3), "b": np.ones(3), "n": 5}, 1)
    into: dict[str, Any] = {"a": np.zeros(3), "b": np.zeros(3, np.float32), "n": 0}
    with pytest.raises(InvalidArgumentError, match="float32"):
        s3dlio.checkpoint.load(where, into=into)
    assert into["a"].sum() == 0 and into["n"] == 0
    s3dlio.checkpoint.load(where, into=into, cast="same_kind")
    assert into["b"].tolist() == [1, 1, 1] and into["b"].dtype == np.float32 and into["n"] == 5
    absent = {"a": np.zeros(3), "absent": np.zeros(1)}
    with pytest.raises(InvalidArgumentError, match="absent"):
        s3dlio.checkpoint.load(where, into=absent)
    assert absent["a"].sum() == 0
    with pytest.raises(InvalidArgumentError):
        s3dlio.load_tensors("memory://misuse/m2", out={"a": np.zeros(3, np.float32)}) if s3dlio.save_tensors(
            "memory://misuse/m2", {"a": np.ones(3)}
        ) else None


def test_put_many_looks_at_all_before_it_writes() -> None:
    where = "memory://misuse-many"
    for wrong in ((f"{where}/b", "text"), ("s3:/b/x", b"1"), (f"{where}/b", [1, 2])):
        with pytest.raises(InvalidArgumentError):
            s3dlio.put_many([(f"{where}/a", b"1"), wrong])
        assert not s3dlio.exists(where + "/a")


def test_bulk_errors_keep_duplicates_apart() -> None:
    s3dlio.put("memory://misuse-dup/a", b"1")
    with pytest.raises(s3dlio.errors.BulkError) as caught:
        s3dlio.get_many(["memory://misuse-dup/none", "memory://misuse-dup/a", "memory://misuse-dup/none"])
    assert sorted(caught.value.errors) == [0, 2] and len(caught.value.results) == 1


def test_rotating_tokens_are_no_keys_and_let_stores_go() -> None:
    def live() -> int:
        gc.collect()
        return sum(isinstance(one, _address.Root) for one in gc.get_objects())

    before = live()
    for i in range(200):
        with pytest.raises(s3dlio.errors.S3dlioError):
            s3dlio.get(
                "s3://127.0.0.1:9/bucket/x",
                storage_options={"access_key_id": "me", "secret_access_key": f"rotating-secret-{i}", "max_attempts": 1},
            )
    kept = repr([*_address._roots, *_address._older])
    assert "rotating-secret" not in kept
    assert live() - before <= 2 * _address._MOST + 2


def test_names_in_the_documents_exist() -> None:
    pages = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
    if not pages[0].is_file():
        pytest.skip("the package is not in a checkout")
    modules = {"h", "so", "dll", "dcp", "crc32c", "S"}
    wrong = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"(?<![\w/.-])s3dlio((?:\.[A-Za-z]\w*)+)", text):
            place: Any = s3dlio
            parts = name[1:].split(".")
            if (
                parts[0] in modules
                or parts[0] == "torch"
                or (parts[0] == "fsspec" and importlib.util.find_spec("fsspec") is None)
                or parts[0].startswith("crc32c")
                or parts[0] in ("format", "meta", "NAME")
            ):
                continue
            for count, part in enumerate(parts, 1):
                try:
                    place = getattr(place, part, None) or importlib.import_module(".".join(["s3dlio", *parts[:count]]))
                except ImportError as error:
                    # of a module for a package that is not here nothing is known
                    missing = getattr(error.__cause__, "name", None) or error.name
                    if missing is None or missing.partition(".")[0] == "s3dlio":
                        wrong.append(f"{page.name}: s3dlio{name}")
                    break
    assert wrong == []


def test_numpy_oddities_are_saved_or_refused_by_name() -> None:
    class Sub(np.ndarray):
        pass

    where = "memory://misuse/odd"
    for value in (np.float32(3), np.array(2.5), np.arange(3.0).view(Sub), np.arange(6).reshape(2, 3)[:, ::-1]):
        s3dlio.save(f"{where}.npy", value)
        assert np.array_equal(s3dlio.load(f"{where}.npy"), np.asarray(value)) and type(s3dlio.load(f"{where}.npy")) is np.ndarray
        s3dlio.save(f"{where}.safetensors", {"x": value})
        assert np.array_equal(s3dlio.load(f"{where}.safetensors")["x"], np.asarray(value))
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    for call in (
        lambda: s3dlio.save(f"{where}.npy", masked),
        lambda: s3dlio.save(f"{where}.safetensors", {"x": masked}),
        lambda: s3dlio.checkpoint.save("memory://misuse-odd", {"x": masked}, 1),
    ):
        with pytest.raises(InvalidArgumentError, match="mask"):
            call()
    with pytest.raises(InvalidArgumentError, match="object"):
        s3dlio.save(f"{where}.npy", np.array([object()]))
    s3dlio.save(f"{where}.npy", np.ones(2))
    s3dlio.save(f"{where}.safetensors", {"x": np.ones(2)})
    s3dlio.checkpoint.save("memory://misuse-odd", {"x": np.ones(2)}, 1)
    for load in (
        lambda: s3dlio.load_numpy_array(f"{where}.npy", out=masked),
        lambda: s3dlio.load_tensors(f"{where}.safetensors", out={"x": masked}),
        lambda: s3dlio.checkpoint.load("memory://misuse-odd", into={"x": masked}),
    ):
        with pytest.raises(InvalidArgumentError, match="mask"):
            load()
        assert masked.data.tolist() == [1.0, 2.0]


def test_torch_oddities_are_saved_or_refused_by_name() -> None:
    torch = pytest.importorskip("torch")
    weight = torch.arange(4.0)
    s3dlio.save(
        "memory://misuse/t.safetensors",
        {"a": weight, "tied": weight, "conj": torch.tensor([1 + 2j]).conj(), "neg": torch.tensor([1 + 2j]).conj().imag},
    )
    found = s3dlio.load("memory://misuse/t.safetensors", framework="pt")
    assert torch.equal(found["tied"], weight) and found["conj"][0] == 1 - 2j and found["neg"][0] == -2
    for value in (torch.eye(2).to_sparse(), torch.empty(2, device="meta")):
        with pytest.raises(InvalidArgumentError, match="'odd'"):
            s3dlio.save("memory://misuse/t.safetensors", {"odd": value})


def test_array_of_a_lazy_tensor_is_one_checked_read(tmp_path: Path) -> None:
    place = tmp_path / "m.safetensors"
    values = np.arange(3000.0).reshape(30, 100)
    s3dlio.save(place, {"a": np.ones(5), "b": values})
    with s3dlio.open_tensors(place) as file:
        before = s3dlio.stats()["file:///"]
        assert np.array_equal(np.asarray(file["b"]), values)
        spent = s3dlio.stats()["file:///"] - before
        assert (spent.requests, spent.bytes_read) == (0, values.nbytes), "of the file that is open, and each byte once"
    data = bytearray(place.read_bytes())
    data[-1] ^= 1
    place.write_bytes(data)
    with s3dlio.open_tensors(place) as file, pytest.raises(s3dlio.errors.ChecksumMismatchError, match='tensor "b"'):
        np.asarray(file["b"])


def test_text_is_not_taken_for_many_addresses() -> None:
    store = s3dlio.Store("memory://misuse-several")
    store.put("a", b"1")
    for call in (
        lambda: s3dlio.get_many("memory://misuse-several/a"),
        lambda: s3dlio.stat_many(Path("a")),
        lambda: s3dlio.put_many(b"data"),  # type: ignore[arg-type]
        lambda: store.get_many("a"),
        lambda: s3dlio.get_many(3),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidArgumentError, match="takes a list|a key is text"):
            call()
    with pytest.raises(InvalidArgumentError, match="a key is text"):
        store.get_many([3])  # type: ignore[list-item]


def test_stores_take_many_keys() -> None:
    store = s3dlio.Store("memory://misuse-several/below")
    written = store.put_many([("a", b"1"), ("b", b"22")])
    assert [(key, result.size, result.uri) for key, result in written] == [("a", 1, "a"), ("b", 2, "b")]
    assert store.get_many(key for key in ("b", "a")) == [("b", b"22"), ("a", b"1")]
    assert [meta.size for meta in store.stat_many(["b", "a"])] == [2, 1]
    with pytest.raises(s3dlio.errors.BulkError) as caught:
        store.get_many(["none", "a"])
    assert list(caught.value.failures) == ["none"] and caught.value.results == [("a", b"1")]

    async def use() -> None:
        assert await store.aio.get_many(["a"]) == [("a", b"1")]
        await store.aio.put_many([("c", b"3")], overwrite=False)
        assert [meta.size for meta in await store.aio.stat_many(["c"])] == [1]

    asyncio.run(use())


def test_arguments_that_do_nothing_warn_once_by_name(child: Child) -> None:
    child("""
import warnings
import numpy as np, s3dlio
calls = {
    "with_buffer_size": lambda: s3dlio.PyWriterOptions().with_buffer_size(1 << 20),
    "abort_on_drop": lambda: s3dlio.MultipartUploadWriter("bucket", "key", abort_on_drop=False, storage_options={"access_key_id": "a", "secret_access_key": "b", "endpoint_url": "http://127.0.0.1:9"}).abort(),
    "multipart_threshold": lambda: s3dlio.PyCheckpointStore("memory://ignored", None, 1 << 20),
    "validate": lambda: s3dlio.save_numpy_array("memory://ignored/a.npy", np.ones(2), validate=False),
    "configure_tokio_threads": lambda: s3dlio.configure_tokio_threads(8),
}
for name, call in calls.items():
    for wanted in (1, 0):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            call()
        assert len(told) == wanted, (name, told)
        for one in told:
            assert name in str(one.message) and "is ignored" in str(one.message) and one.filename == __file__, (name, one)
# what was not said is not warned of
with warnings.catch_warnings():
    warnings.simplefilter("error")
    s3dlio.PyCheckpointStore("memory://ignored"), s3dlio.save_numpy_array("memory://ignored/a.npy", np.ones(2), validate=True)
""")  # noqa: E501

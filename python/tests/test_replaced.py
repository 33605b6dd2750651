"""Objects that are overwritten while they are read, on servers where the old version is gone then: old or new, never a mix."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from faults.proxy import Request
from servers_fixture import azure_server, s3_old_server, s3_server
from test_faults import Bench

import s3dlio

#: 32-bit numbers of an object; more than three parts on each server.
COUNT = (17 << 20) // 4


def version(number: int, count: int = COUNT) -> np.ndarray[Any, Any]:
    """All of an object says which write it is of."""
    return np.full(count, number, np.uint32)


def of_bytes(data: Any) -> np.ndarray[Any, Any]:
    return np.frombuffer(data, np.uint32)


class Form(NamedTuple):
    """A way to write an object of that version, and to read it whole."""

    write: Callable[[str, int, dict[str, Any]], object]
    read: Callable[[str, dict[str, Any]], np.ndarray[Any, Any]]


def put(uri: str, number: int, options: dict[str, Any]) -> None:
    s3dlio.put_bytes(uri, version(number), storage_options=options)


def save_tensors(uri: str, number: int, options: dict[str, Any]) -> None:
    tensors = {f"t{i}": version(number, COUNT // 3) for i in range(3)}
    s3dlio.save_tensors(uri, tensors, storage_options=options)


def get_many(uri: str, options: dict[str, Any]) -> np.ndarray[Any, Any]:
    ((_, data),) = s3dlio.get_many([uri], storage_options=options)
    return of_bytes(data)


def load_tensors(uri: str, options: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.concatenate(list(s3dlio.load_tensors(uri, storage_options=options).values()))


def load_into(uri: str, options: dict[str, Any]) -> np.ndarray[Any, Any]:
    return s3dlio.load_numpy_array(uri, out=np.zeros(COUNT, np.uint32), storage_options=options)


FORMS = {
    "get": Form(put, lambda uri, options: of_bytes(s3dlio.get(uri, storage_options=options))),
    "get_many": Form(put, get_many),
    "get_range": Form(put, lambda uri, options: of_bytes(s3dlio.get_range(uri, 4000, 16 << 20, storage_options=options))),
    "checked": Form(put, lambda uri, options: of_bytes(s3dlio.get_with_validation(uri, storage_options=options))),
    "array": Form(lambda uri, number, options: s3dlio.save_numpy_array(uri, version(number), storage_options=options), load_into),
    "tensors": Form(save_tensors, load_tensors),
}


@pytest.fixture(scope="module", params=[s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(*request.param())
    made.broken |= {"part_size": 5 << 20, "read_timeout": 20, "total_timeout": 60}
    yield made
    made.proxy.close()


class Overwriter:
    """Writes a new version right before the server hears of so many of the reader's later requests for the object."""

    def __init__(self, bench: Bench, write: Callable[[str, int, dict[str, Any]], object], uri: str, times: int) -> None:
        self._bench, self._write, self._uri, self._left = bench, write, uri, times
        self.number = 1
        write(uri, self.number, bench.options)

    def __call__(self, request: Request) -> None:
        # those of parts name the version that they want
        if request.method != "GET" or "if-match" not in request.headers or not self._left:
            return
        self._left -= 1
        self.number += 1
        self._write(self._uri, self.number, self._bench.options)


def only(data: np.ndarray[Any, Any]) -> int:
    first = int(data[0])
    assert (data == first).all(), f"a mix of {np.unique(data)}"
    return first


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", FORMS)
def test_read_of_an_object_that_is_replaced_meanwhile_begins_anew(bench: Bench, name: str, times: int) -> None:
    form, uri = FORMS[name], f"{bench.uri}/replaced-{name}-{times}"
    bench.proxy.script = script = Overwriter(bench, form.write, uri, times)
    found = only(form.read(uri, bench.broken))
    # parts are asked for side by side: the last of them may come when the read has begun anew
    assert script.number == times + 1 and 1 < found <= script.number


@pytest.mark.parametrize("name", ["get", "get_range", "checked"])
def test_read_of_an_object_that_is_replaced_all_the_time_ends_well(bench: Bench, name: str) -> None:
    """In the end it is asked for in one answer, which needs no second look at the object."""
    form, uri = FORMS[name], f"{bench.uri}/restless-{name}"
    bench.proxy.script = script = Overwriter(bench, form.write, uri, 1000)
    assert 2 < only(form.read(uri, bench.broken)) <= script.number


@pytest.mark.parametrize("name", ["array", "tensors"])
def test_tensors_that_are_replaced_all_the_time_are_of_one_version_or_an_error(bench: Bench, name: str) -> None:
    """A header is opened first, and only what opens in one answer is sure to see the rest."""
    form, uri = FORMS[name], f"{bench.uri}/restless-{name}"
    bench.proxy.script = script = Overwriter(bench, form.write, uri, 1000)
    try:
        assert 2 < only(form.read(uri, bench.broken)) <= script.number
    except s3dlio.PreconditionError as error:
        assert error.uri == uri and "was written while it was read" in str(error) and script.number > 5


def test_reader_of_an_object_that_is_replaced_keeps_to_its_version(bench: Bench) -> None:
    uri = f"{bench.uri}/held"
    bench.proxy.script = lambda request: None
    put(uri, 1, bench.options)
    with s3dlio.open(uri, buffering=0, storage_options=bench.broken) as file:
        assert only(of_bytes(file.read(4000))) == 1
        put(uri, 2, bench.options)
        file.seek(16 << 20)
        with pytest.raises(s3dlio.PreconditionError, match="was written while it was read"):
            file.read(4000)
    save_tensors(uri, 1, bench.options)
    with s3dlio.open_tensors(uri, storage_options=bench.broken) as held:
        bench.proxy.script = Overwriter(bench, save_tensors, uri, 1)
        with pytest.raises(s3dlio.PreconditionError, match="was written while it was read"):
            held.load()
    bench.proxy.script = lambda request: None


@pytest.mark.parametrize("name", FORMS)
def test_readers_beside_a_writer_see_old_or_new(bench: Bench, name: str) -> None:
    form, uri = FORMS[name], f"{bench.uri}/busy-{name}"
    bench.proxy.script = lambda request: None
    form.write(uri, 1, bench.options)
    began, done, failures, stop = [1], [1], [], threading.Event()

    def write() -> None:
        while not stop.is_set():
            began[0] += 1
            form.write(uri, began[0], bench.options)
            done[0] = began[0]

    def read() -> None:
        try:
            for _ in range(8):
                least = done[0]
                found = only(form.read(uri, bench.broken))
                assert least <= found <= began[0], f"version {found} was read, {least} to {began[0]} were there"
        except Exception as error:
            failures.append(error)

    writer, readers = threading.Thread(target=write), [threading.Thread(target=read) for _ in range(2)]
    writer.start()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    stop.set()
    writer.join()
    # what opens first and then reads has no last resort, only some more reads
    wrong = [error for error in failures if not (name in ("array", "tensors") and isinstance(error, s3dlio.PreconditionError))]
    assert not wrong and len(failures) < 2, failures

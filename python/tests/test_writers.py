"""Writers end whole or not at all: interrupted anywhere, closed by several threads, wrapped, let go, closed while an exception passes."""

from __future__ import annotations

import _pyio
import asyncio
import contextlib
import gc
import io
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from conftest import Base, Child

import s3dlio

MIB = 1 << 20

# coroutines that an interrupt kept from beginning
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


class Stop(BaseException):
    """As KeyboardInterrupt: no ``except Exception`` holds it."""


# Interrupts


SOURCES = os.path.dirname(s3dlio.__file__) + os.sep


class Interrupt:
    """Raises before the given line, counted from 0, that runs in the package while this is entered."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __enter__(self) -> None:
        sys.settrace(self._call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, _: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(SOURCES) else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        # what strikes when the outermost call returns strikes the caller, for whom all was done
        if event == "line" or (event == "return" and getattr(frame.f_back, "f_code", frame.f_code).co_filename.startswith(SOURCES)):
            if self.left == 0:
                sys.settrace(None)
                raise Stop
            self.left -= 1
        return self._line


#: What is interrupted: bytes of each write; the last is the one.
SIZES = {"gathered": [10, 20], "gathered and sent": [MIB - 1, 20], "sent": [10, MIB + 1]}


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_write_interrupted_at_any_line_is_not_counted_or_nothing_is_stored(sizes: list[int], compress: bool) -> None:
    # zstd's name
    uri = "memory://interrupted/x.zst" if compress else "memory://interrupted/x"
    refused = kept = 0
    for at in range(1000):
        s3dlio.put_bytes(uri, b"OLD")
        writer = s3dlio.ObjectWriter(uri, compress=compress)
        for size in sizes[:-1]:
            writer.write(b"a" * size)
        try:
            with Interrupt(at):
                writer.write(b"b" * sizes[-1])
        except Stop:
            pass
        else:
            writer.cancel()
            break
        try:
            writer.close()
        except s3dlio.ClosedError as error:
            refused += 1
            assert "not be whole" in str(error) and bytes(s3dlio.get(uri)) == b"OLD"
            with pytest.raises(s3dlio.ClosedError):
                writer.write(b"c")
        else:
            # before the writer took any of it
            kept += 1
            whole = b"".join(b"a" * size for size in sizes[:-1])
            assert bytes(s3dlio.get(uri, decompress=compress)) == whole and writer.bytes_written == len(whole)
        assert writer.closed
        writer.close()
    else:
        raise AssertionError("a write of more than 1,000 lines")
    assert refused >= 5 and kept >= 5


@pytest.mark.parametrize("step", ["commit", "flush", "finalize"])
def test_other_calls_interrupted_at_any_line_store_all_or_nothing(step: str) -> None:
    uri = "memory://interrupted/y"
    ends = set()
    for at in range(1000):
        s3dlio.put_bytes(uri, b"OLD")
        writer = s3dlio.ObjectWriter(uri)
        writer.write(b"a" * 10)
        writer.reserve(5)[:] = b"bbbbb"
        work: Callable[[], object] = {"commit": lambda w=writer: w.commit(5), "flush": writer.flush, "finalize": writer.finalize}[step]  # type: ignore[misc]
        try:
            with Interrupt(at):
                work()
        except Stop:
            pass
        else:
            writer.cancel()
            break
        try:
            writer.close()
            end = "closed"
        except s3dlio.ClosedError:
            end = "refused"
        ends.add(end)
        found = bytes(s3dlio.get(uri))
        # finalize that is interrupted at its end has stored the object all the same
        assert found in ({b"OLD", b"a" * 10} if step == "finalize" else {b"OLD"} if "refused" == end else {b"a" * 10})
    else:
        raise AssertionError("a call of more than 1,000 lines")
    # a finalize that fails ends the writer
    assert ends == ({"closed"} if step == "finalize" else {"closed", "refused"})


def test_shards_write_interrupted_at_any_line_makes_no_shard(tmp_path: Path) -> None:
    refused = 0
    for at in range(1000):
        stream = s3dlio.CheckpointStore(tmp_path / str(at)).writer(1, 0).get_distributed_shard_stream(1, 0, "torch")
        stream.write_chunk(b"a")
        try:
            with Interrupt(at):
                stream.write_chunk(b"bcd")
        except Stop:
            pass
        else:
            stream.cancel()
            break
        try:
            assert stream.finalize()["size"] == stream.bytes_written == 1
        except s3dlio.ClosedError as error:
            refused += 1
            assert "not be whole" in str(error)
    assert refused >= 5


def test_writes_interrupted_by_signals_store_what_was_counted_or_nothing(child: Child, tmp_path: Path) -> None:
    """S3DLIO_WRITER_INTERRUPTS=5000 is the long form."""
    child(
        """
import os, random, signal, sys, warnings
import numpy as np, s3dlio

# of coroutines that an interrupt kept from beginning
warnings.simplefilter("ignore", RuntimeWarning)

class Stop(Exception):
    pass

def stop(*_):
    raise Stop

signal.signal(signal.SIGALRM, stop)
large, small, dice = np.full(160 << 20, 7, np.uint8), bytes(1 << 19), random.Random(1)
count, torn = int(os.environ.get("S3DLIO_WRITER_INTERRUPTS", "60")), 0
for i in range(count):
    for uri in (sys.argv[1] + "/x", "memory://m/x"):
        s3dlio.put_bytes(uri, b"OLD")
        writer = s3dlio.ObjectWriter(uri)
        is_large = i % 6 == 0
        try:
            signal.setitimer(signal.ITIMER_REAL, dice.uniform(0.0003, 0.06 if is_large else 0.004))
            if is_large:
                writer.write(large)
            else:
                for _ in range(30):
                    writer.write(small)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Stop:
            pass
        told = writer.bytes_written
        try:
            writer.close()
        except s3dlio.ClosedError:
            torn += 1
            assert bytes(s3dlio.get_range(uri, 0, 3)) == b"OLD"
        else:
            found = s3dlio.stat(uri)["size"]
            assert found == told, (found, told)
            s3dlio.delete(uri)
assert torn > count / 4, torn
        """,
        tmp_path,
        timeout=600,
        environment={"S3DLIO_WRITER_INTERRUPTS": os.environ.get("S3DLIO_WRITER_INTERRUPTS", "60")},
    )
    assert not list(tmp_path.glob(".s3dlio*"))


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
def test_write_that_fails_leaves_a_writer_that_cannot_be_closed_well(base: Base, compress: bool) -> None:
    def broken(done: int, total: int) -> None:
        raise Stop

    target = "f.zst" if compress else "f"
    s3dlio.put_bytes(base.at(target), b"OLD")
    writer = s3dlio.ObjectWriter(base.at("f"), compress=compress, progress=broken)
    with pytest.raises(Stop):
        writer.write(b"x" * 2 * MIB)
    for call in (lambda: writer.write(b"y"), writer.flush, writer.close):
        with pytest.raises(s3dlio.ClosedError, match="not be whole"):
            call()
    assert writer.closed
    writer.close()
    assert bytes(s3dlio.get(base.at(target))) == b"OLD"
    if base.folder is not None:
        assert base.files() == [target]


def test_arguments_that_cannot_be_written_do_no_harm(base: Base) -> None:
    with s3dlio.ObjectWriter(base.at("a")) as writer:
        writer.write(b"1")
        for wrong in ("text", 3, memoryview(b"123456")[::2]):
            with pytest.raises(s3dlio.InvalidArgumentError):
                writer.write(wrong)
        writer.write(b"2")
    assert bytes(s3dlio.get(base.at("a"))) == b"12"


def test_failed_write_under_a_wrapper_is_told_by_its_close(tmp_path: Path) -> None:
    def broken(done: int, total: int) -> None:
        raise Stop

    with (
        pytest.raises(s3dlio.ClosedError, match="not be whole"),
        io.BufferedWriter(s3dlio.ObjectWriter(tmp_path / "x", progress=broken)) as file,
        pytest.raises(Stop),
    ):
        file.write(b"x" * 2 * MIB)
    assert list(tmp_path.iterdir()) == []


def test_call_by_a_signals_handler_within_a_write_is_refused(child: Child, tmp_path: Path) -> None:
    child(
        """
import signal, sys
import numpy as np, s3dlio
told = []

def handler(*_):
    for call in (lambda: writer.write(b"x"), writer.finalize):
        try:
            call()
        except s3dlio.ClosedError as error:
            told.append(str(error))

signal.signal(signal.SIGALRM, handler)
writer = s3dlio.ObjectWriter(sys.argv[1] + "/x")
signal.setitimer(signal.ITIMER_REAL, 0.03)
try:
    writer.write(np.zeros(1 << 28, np.uint8))
    writer.close()
    assert len(told) < 2
except s3dlio.ClosedError:
    # the handler's finalize ended it
    assert len(told) == 2, told
    try:
        s3dlio.stat(sys.argv[1] + "/x")
        raise SystemExit("there is an object")
    except s3dlio.NotFoundError:
        pass
        """,
        tmp_path,
    )


# Threads and tasks


def together(count: int, work: Callable[[int], object]) -> list[object]:
    """What each of several threads gives or raises that begin at once."""
    gate, ends = threading.Barrier(count), [None] * count  # type: list[object]

    def run(number: int) -> None:
        gate.wait()
        try:
            ends[number] = work(number)
        except Exception as error:
            ends[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
def test_closed_by_several_threads_is_whole(base: Base, compress: bool) -> None:
    for turn in range(40):
        writer = s3dlio.ObjectWriter(base.text(f"c{turn}"), compress=compress)
        writer.write(b"abc")
        assert together(4, lambda _, w=writer: w.close()) == [None] * 4  # type: ignore[misc]
        assert bytes(s3dlio.get(base.text(f"c{turn}"), decompress="auto")) == b"abc"


def test_written_beside_a_close_is_in_it_or_refused(base: Base) -> None:
    pieces = [bytes([65 + number]) * (MIB if number == 3 else 1000) for number in range(4)]
    for turn in range(40):
        writer = s3dlio.ObjectWriter(base.text(f"w{turn}"))

        def work(number: int, file: s3dlio.ObjectWriter = writer) -> object:
            return file.close() if number == 4 else file.write(pieces[number])

        ends = together(5, work)
        found = bytes(s3dlio.get(base.text(f"w{turn}")))
        taken = [number for number in range(4) if isinstance(ends[number], int)]
        assert ends[4] is None and all(isinstance(ends[number], s3dlio.ClosedError) for number in range(4) if number not in taken)
        assert sorted(found) == sorted(b"".join(pieces[number] for number in taken))


def test_written_by_several_threads_piece_by_piece(base: Base) -> None:
    with s3dlio.ObjectWriter(base.at("p")) as writer:

        def work(number: int) -> None:
            for _ in range(200):
                writer.write(bytes([number]) * 1000)
            writer.write(bytes([number]) * MIB)

        assert together(4, work) == [None] * 4
    found = bytes(s3dlio.get(base.at("p")))
    assert len(found) == writer.bytes_written == 4 * (200_000 + MIB)
    for number in range(4):
        assert bytes([number]) * MIB in found


def test_closed_beside_a_cancel_stores_all_or_raises(base: Base) -> None:
    for turn in range(40):
        writer = s3dlio.ObjectWriter(base.text(f"k{turn}"))
        writer.write(b"x" * 3 * MIB)
        closed = together(2, lambda number, w=writer: w.close() if number else w.cancel())[1]  # type: ignore[misc]
        if closed is None and s3dlio.exists(base.text(f"k{turn}")):
            assert s3dlio.stat(base.text(f"k{turn}"))["size"] == 3 * MIB
        else:
            # the cancel came first, or in between
            assert closed is None or isinstance(closed, s3dlio.S3dlioError)
            assert not s3dlio.exists(base.text(f"k{turn}"))


def test_second_closer_is_told_that_the_first_failed(tmp_path: Path) -> None:
    for turn in range(20):
        writer = s3dlio.ObjectWriter(tmp_path / f"x{turn}", overwrite=False)
        s3dlio.put_bytes(tmp_path / f"x{turn}", b"OLD")
        ends = together(2, lambda _, w=writer: w.close())  # type: ignore[misc]
        assert sum(isinstance(end, s3dlio.AlreadyExistsError) for end in ends) == 1
        # quiet where it began when the first had ended
        assert all(end is None or isinstance(end, s3dlio.S3dlioError) for end in ends)
        assert bytes(s3dlio.get(tmp_path / f"x{turn}")) == b"OLD"


def test_cancel_by_another_thread_ends_a_write(child: Child) -> None:
    child(
        """
import socket, threading, time
import s3dlio
server = socket.create_server(("127.0.0.1", 0))
options = {"endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
writer = s3dlio.ObjectWriter("s3://b/x", storage_options=options)
other = threading.Timer(0.5, writer.cancel)
other.start()
begin = time.monotonic()
try:
    writer.write(bytes(64 << 20))
    raise SystemExit("the write ended well")
except s3dlio.S3dlioError:
    assert time.monotonic() - begin < 20
other.join()
writer.close()
        """  # noqa: E501
    )


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_tasks_that_write_and_close_at_once_take_turns(base: Base) -> None:
    async def use() -> None:
        for turn in range(20):
            uri = base.text(f"t{turn}")
            file = await s3dlio.open_async(uri, "wb")
            pieces = [b"a" * 10, b"b" * 2 * MIB, b"c" * 10, b"d" * MIB]
            ends = await asyncio.gather(*map(file.write, pieces), file.close(), file.close(), file.write(b"late"), return_exceptions=True)
            assert ends[:6] == [10, 2 * MIB, 10, MIB, None, None] and isinstance(ends[6], s3dlio.ClosedError)
            assert bytes(await s3dlio.get_async(uri)) == b"".join(pieces)

    run(use())


@pytest.mark.parametrize("size", [10, 3 * MIB])
def test_cancelled_write_of_a_task_leaves_a_writer_that_cannot_be_closed_well(base: Base, size: int) -> None:
    async def use() -> None:
        cancelled = 0
        for turn in range(10):
            uri = base.text(f"u{turn}")
            file = await s3dlio.open_async(uri, "wb")
            await file.write(b"x" * (MIB - 1))
            task = asyncio.ensure_future(file.write(b"y" * size))
            await asyncio.sleep(0)
            task.cancel()
            (end,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(end, asyncio.CancelledError):
                cancelled += 1
                with pytest.raises(s3dlio.ClosedError, match="not be whole"):
                    await file.close()
                assert not await s3dlio.exists_async(uri) and file.closed
            else:
                await file.close()
                assert (await s3dlio.stat_async(uri))["size"] == MIB - 1 + size
            await file.close()
        assert cancelled

    run(use())


# Exceptions that pass


def by_text(uri: str, fail: Callable[[], object]) -> None:
    with io.TextIOWrapper(s3dlio.open(uri, "wb")) as file:
        file.write("half\n")
        fail()


def by_text_and_with(uri: str, fail: Callable[[], object]) -> None:
    with s3dlio.open(uri, "wb") as raw, io.TextIOWrapper(raw) as file:
        file.write("half\n")
        fail()


def by_buffer(uri: str, fail: Callable[[], object]) -> None:
    with io.BufferedWriter(s3dlio.open(uri, "wb")) as file:
        file.write(b"half\n")
        fail()


def by_both(uri: str, fail: Callable[[], object]) -> None:
    with io.TextIOWrapper(io.BufferedWriter(s3dlio.open(uri, "wb"))) as file:
        file.write("half\n")
        file.flush()
        file.write("more\n")
        fail()


def by_text_in_python(uri: str, fail: Callable[[], object]) -> None:
    with _pyio.TextIOWrapper(_pyio.BufferedWriter(s3dlio.open(uri, "wb"))) as file:
        file.write("half\n")
        fail()


def by_closing(uri: str, fail: Callable[[], object]) -> None:
    with contextlib.closing(s3dlio.open(uri, "wb")) as file:
        file.write(b"half\n")
        fail()


def by_stack(uri: str, fail: Callable[[], object]) -> None:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(io.TextIOWrapper(s3dlio.open(uri, "wb")))
        file.write("half\n")
        fail()


def by_stack_of_callbacks(uri: str, fail: Callable[[], object]) -> None:
    with contextlib.ExitStack() as stack:
        file = s3dlio.open(uri, "wb")
        stack.callback(file.close)
        file.write(b"half\n")
        fail()


@contextlib.contextmanager
def opened(uri: str) -> Iterator[Any]:
    file = s3dlio.open(uri, "wb")
    try:
        yield file
    finally:
        file.close()


def by_generator(uri: str, fail: Callable[[], object]) -> None:
    with opened(uri) as file:
        file.write(b"half\n")
        fail()


def by_finally(uri: str, fail: Callable[[], object]) -> None:
    file = s3dlio.open(uri, "wb")
    try:
        file.write(b"half\n")
        fail()
    finally:
        file.close()


def by_task(uri: str, fail: Callable[[], object]) -> None:
    async def use() -> None:
        file = await s3dlio.open_async(uri, "wb")
        try:
            await file.write(b"half\n")
            fail()
        finally:
            await file.close()

    run(use())


def by_task_and_deadline(uri: str, fail: Callable[[], object]) -> None:
    async def use() -> None:
        file = await s3dlio.open_async(uri, "wb")
        try:
            await file.write(b"half\n")
            fail()
        finally:
            # another task, which knows of no exception
            await asyncio.create_task(file.close())

    run(use())


def by_with(uri: str, fail: Callable[[], object]) -> None:
    with s3dlio.open(uri, "wb") as file:
        file.write(b"half\n")
        fail()


SHAPES = [
    by_text,
    by_text_and_with,
    by_buffer,
    by_both,
    by_text_in_python,
    by_closing,
    by_stack,
    by_stack_of_callbacks,
    by_generator,
    by_finally,
    by_task,
    by_task_and_deadline,
    by_with,
]
Shape = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def uri() -> str:
    s3dlio.put_bytes("memory://shapes/x", b"OLD")
    return "memory://shapes/x"


@pytest.mark.parametrize("shape", SHAPES)
def test_exception_that_passes_a_close_stores_nothing_and_goes_on(shape: Shape, uri: str) -> None:
    mine = ZeroDivisionError("mine")

    def fail() -> None:
        raise mine

    with pytest.raises(ZeroDivisionError) as caught:
        shape(uri, fail)
    assert caught.value is mine
    assert bytes(s3dlio.get(uri)) == b"OLD"


@pytest.mark.parametrize("shape", SHAPES)
def test_without_an_exception_it_is_stored(shape: Shape, uri: str) -> None:
    shape(uri, lambda: None)
    assert bytes(s3dlio.get(uri)).startswith(b"half\n")


@pytest.mark.parametrize("shape", SHAPES)
def test_opened_while_an_exception_is_handled_it_is_stored(shape: Shape, uri: str) -> None:
    try:
        raise KeyError("handled")
    except KeyError:
        shape(uri, lambda: None)
    assert bytes(s3dlio.get(uri)).startswith(b"half\n")


@pytest.mark.parametrize("shape", SHAPES)
def test_opened_while_one_is_handled_another_stores_nothing(shape: Shape, uri: str) -> None:
    def fail() -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        try:
            raise KeyError("handled")
        except KeyError:
            shape(uri, fail)
    assert bytes(s3dlio.get(uri)) == b"OLD"


@pytest.mark.parametrize("shape", SHAPES)
def test_exception_handled_inside_does_no_harm(shape: Shape, uri: str) -> None:
    def fail() -> None:
        with contextlib.suppress(ZeroDivisionError):
            raise ZeroDivisionError

    shape(uri, fail)
    assert bytes(s3dlio.get(uri)).startswith(b"half\n")


@pytest.mark.parametrize("shape", [by_finally, by_closing, by_text, by_task])
def test_interrupt_that_passes_a_close_stores_nothing(shape: Shape, uri: str) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shape(uri, fail)
    assert bytes(s3dlio.get(uri)) == b"OLD"


def test_close_in_an_except_block_is_told_and_finalize_stores(uri: str) -> None:
    file = s3dlio.open(uri, "wb")
    with pytest.raises(KeyError) as caught:
        try:
            raise KeyError("mine")
        except KeyError:
            file.close()
    # of the exception in hand, since close cannot know that it is not passing
    assert sys.version_info < (3, 11) or "call finalize()" in caught.value.__notes__[0]
    assert file.closed and bytes(s3dlio.get(uri)) == b"OLD"
    file = s3dlio.open(uri, "wb")
    try:
        raise KeyError("mine")
    except KeyError:
        file.write(b"NEW")
        file.finalize()
    assert bytes(s3dlio.get(uri)) == b"NEW"
    with s3dlio.open(uri, "wb") as file:
        try:
            raise KeyError("mine")
        except KeyError:
            file.write(b"NEWER")
    assert bytes(s3dlio.get(uri)) == b"NEWER"
    file = s3dlio.open(uri, "wb")
    try:
        raise KeyError("mine")
    except KeyError:
        # a with knows that it ends well
        with file:
            file.write(b"NEWEST")
    assert bytes(s3dlio.get(uri)) == b"NEWEST"


def test_close_in_a_finally_block_without_an_exception_stores(uri: str) -> None:
    file = s3dlio.open(uri, "wb")
    try:
        try:
            file.write(b"NEW")
            raise KeyError
        except KeyError:
            pass
    finally:
        file.close()
    assert bytes(s3dlio.get(uri)) == b"NEW"


def test_close_in_another_thread_does_not_hear_of_this_ones_exception(uri: str) -> None:
    file = s3dlio.open(uri, "wb")
    file.write(b"NEW")
    try:
        raise KeyError("mine")
    except KeyError:
        thread = threading.Thread(target=file.close)
        thread.start()
        thread.join()
    assert bytes(s3dlio.get(uri)) == b"NEW"


def test_exception_stays_free_of_cycles(uri: str) -> None:
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(ZeroDivisionError):
            by_closing(uri, lambda: 1 / 0)
        file = s3dlio.open(uri, "wb")
        number = file._output.number
        del file
        with pytest.raises(s3dlio.ClosedError):
            s3dlio._core._native.writer_counts(number)  # type: ignore[attr-defined]
    finally:
        gc.enable()


def test_generator_that_is_let_go_stores_nothing(uri: str) -> None:
    def produce(manner: Any) -> Iterator[None]:
        with manner(s3dlio.open(uri, "wb")) as file:
            file.write("half" if manner is io.TextIOWrapper else b"half")
            yield

    for manner in (io.TextIOWrapper, io.BufferedWriter, contextlib.closing):
        work = produce(manner)
        next(work)
        del work
        gc.collect()
        assert bytes(s3dlio.get(uri)) == b"OLD"
        work = produce(manner)
        next(work)
        assert next(work, None) is None
        assert bytes(s3dlio.get(uri)) == b"half"
        s3dlio.put_bytes(uri, b"OLD")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_wrapper_that_is_let_go_stores_nothing(uri: str, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    class Owner:
        def __init__(self) -> None:
            self.file = s3dlio.open(uri, "wb")
            self.file.write(b"half")

        def __del__(self) -> None:
            self.file.close()

    makers: list[Callable[[], Any]] = [
        lambda: io.TextIOWrapper(s3dlio.open(uri, "wb")),
        lambda: io.BufferedWriter(s3dlio.open(uri, "wb")),
        lambda: io.TextIOWrapper(io.BufferedWriter(s3dlio.open(uri, "wb"))),
        lambda: _pyio.TextIOWrapper(s3dlio.open(uri, "wb")),
        lambda: _pyio.BufferedWriter(s3dlio.open(uri, "wb")),
        Owner,
    ]
    for make in makers:
        for in_a_cycle in (False, True):
            made = make()
            if not isinstance(made, Owner):
                made.write("half" if hasattr(made, "encoding") else b"half")
            if in_a_cycle:
                keep: list[Any] = [made]
                keep.append(keep)
                del keep
            del made
            gc.collect()
            assert bytes(s3dlio.get(uri)) == b"OLD"
    # the writer below a wrapper is closed with it
    raw = s3dlio.open(uri, "wb")
    io.TextIOWrapper(raw).write("half")
    gc.collect()
    with pytest.raises(s3dlio.ClosedError):
        raw.write(b"x")
    raw.close()
    # but not one that was taken out of it
    raw = s3dlio.open(uri, "wb")
    wrapper = io.TextIOWrapper(raw)
    wrapper.write("whole")
    wrapper.detach()
    del wrapper
    gc.collect()
    raw.close()
    assert bytes(s3dlio.get(uri)) == b"whole"
    assert unraisable == []


def test_writers_open_at_the_end_of_the_interpreter_store_nothing(child: Child, tmp_path: Path) -> None:
    child(
        """
import io, sys, s3dlio
files = [io.TextIOWrapper(s3dlio.open(f"{sys.argv[1]}/a", "wb")), s3dlio.open(f"{sys.argv[1]}/b", "wb")]
files[0].write("half")
files[1].write(b"half")
        """,
        tmp_path / "out",
    )
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_original_multipart_writer_that_an_exception_closes_stores_nothing() -> None:
    from servers_fixture import s3_server

    uri, options = s3_server()
    with (
        pytest.raises(ZeroDivisionError),
        contextlib.closing(s3dlio.MultipartUploadWriter.from_uri(f"{uri}/half", storage_options=options)) as file,
    ):
        file.write(b"half")
        raise ZeroDivisionError
    assert not s3dlio.exists(f"{uri}/half", storage_options=options)

"""How calls wait: blocking with an eye on signals, or in an event loop without a thread; each with a deadline.

A function's body is written once, as a coroutine that awaits nothing but operations of the library. ``blocking`` makes of it the
function that users call, ``twin`` the one for asyncio. Both get each operation handed out as it is begun and wait for it in their
own way.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
import threading
import time
import types
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from .._config import default_timeout, seconds
from ..exceptions import StoreTimeoutError
from . import _native

if TYPE_CHECKING:
    import asyncio

P = ParamSpec("P")
R = TypeVar("R")

#: Its eventfd is not in every release's types.
_os: Any = os

#: Seconds between two calls of a progress function in an event loop.
_TICK = 0.02
#: Seconds after which an interrupt of a cell in Jupyter is seen.
_BEAT = 0.05


#: Threads that hear no signals and must not keep others from the GIL set ``slice``: seconds between two looks at their operation.
patience = threading.local()


def in_background() -> bool:
    """Whether this thread works beside a program that computes, and is to leave it its cores."""
    return hasattr(patience, "slice")


#: Makes a span of each call, where somebody asked for that; takes the function's name and the address that it is about.
_span: Callable[[str, str], AbstractContextManager[None]] | None = None


def trace(span: Callable[[str, str], AbstractContextManager[None]] | None) -> None:
    """Has each call made in a context of its own; None ends that."""
    global _span
    _span = span


class Call:
    """One call of a public function: its name, what it is about, and when it has to end.

    Args:
        name: The function's.
        arguments: Its positional arguments.
        keywords: Its keyword arguments; ``timeout`` is the one that matters here.
    """

    def __init__(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self._name = name
        self._arguments = (*arguments, *keywords.values())
        given = keywords.get("timeout")
        self._timeout = default_timeout() if given is None else seconds(given)
        self._deadline: float | None = None
        if self._timeout is not None:
            self.begin()

    def begin(self) -> None:
        """The time begins to run (again)."""
        if self._timeout is not None:
            self._deadline = time.monotonic() + self._timeout

    def left(self, most: float) -> float:
        """Seconds to wait for now."""
        return most if self._deadline is None else max(0.0, min(most, self._deadline - time.monotonic()))

    def is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    @property
    def has_deadline(self) -> bool:
        return self._deadline is not None

    def error(self, running: _native.Running) -> StoreTimeoutError:
        """What a call raises whose time ran out, after its operation has ended or was given the time to."""
        uri = _subject(self._arguments[0]) if self._arguments else ""
        done, total = running.counts
        far = "" if total < 0 else f" ({done} of {total} done)"
        state = (
            "was cancelled and its buffers are free"
            if running.wait(0)
            else ("was cancelled, and the system holds it still: what it uses is kept until it has ended")
        )
        detail = (
            f"{self._name} did not end within timeout={self._timeout} seconds{far}; it {state}. "
            "Give a longer timeout, or look at what holds the store up"
        )
        return StoreTimeoutError(f"{uri}: {detail}" if uri else detail, uri, detail)


def _subject(about: Any) -> str:
    """The address that a call is about, as its error shows it."""
    if isinstance(about, (str, os.PathLike)):
        return os.fspath(about) if isinstance(os.fspath(about), str) else ""
    address = getattr(about, "_what", None)
    if isinstance(address, str):
        return address
    key = getattr(about, "key", None)
    return str(about.root.uri + key) if isinstance(key, str) else ""


def _about(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The address that a call is about, wherever it was given."""
    return _subject(args[0] if args else next(iter(kwargs.values()), ""))


def run(
    function: str, *arguments: Any, keep: object = None, lent: bool = False, about: str = "", timeout: float | None = None, **result: Any
) -> Any:
    """One operation of a file-like object or the like, blocking; see ``_native.run``.

    Args:
        function: The operation.
        arguments: Its arguments.
        keep: What has to stay alive until it ended.
        lent: As for ``_native.run``.
        about: The object, for the message of a call whose time ran out.
        timeout: Seconds for the operation.
        result: What is the result, as for ``_native.run``.
    """
    return block(_native.run(function, *arguments, keep=keep, lent=lent, **result), Call(function, (about,), {"timeout": timeout}))


async def run_in_loop(
    function: str, *arguments: Any, keep: object = None, lent: bool = False, about: str = "", timeout: float | None = None
) -> Any:
    """The same in an event loop, without a thread."""
    return await pump(_native.run(function, *arguments, keep=keep, lent=lent), Call(function, (about,), {"timeout": timeout}))


class Background:
    """An operation that goes on while its result is not needed yet.

    ``running`` is the operation while it runs.

    Letting go of it, or of whatever holds it, cancels the operation and waits until its buffers are free, or abandons it.
    """

    def __init__(self, function: str, *arguments: Any, keep: object = None, **result: Any) -> None:
        self._name = function
        self._work = _native.run(function, *arguments, keep=keep, **result)
        self.running: _native.Running | None = None
        self._result: Any = None
        self._error: BaseException | None = None
        try:
            self.running = self._work.send(None)
        except StopIteration as ended:
            self._result = ended.value
        except BaseException as error:
            # told when the result is asked for
            self._error = error

    def finish(self, about: str = "", timeout: float | None = None) -> Any:
        """Waits for it as ``run`` does."""
        running, self.running = self.running, None
        if running is not None:
            return block(self._work, Call(self._name, (about,), {"timeout": timeout}), running)
        if self._error is not None:
            raise self._error
        return self._result

    def close(self) -> None:
        """Cancels it unless it has ended."""
        self.running = None
        self._work.close()


def block(work: Any, call: Call, begun: _native.Running | None = None) -> Any:
    try:
        running = work.send(None) if begun is None else begun
        first = True
        while True:
            try:
                _wait(running, call, first)
            except BaseException as error:
                running = work.throw(error)
            else:
                running = work.send(None)
            first = False
    except StopIteration as ended:
        return ended.value


def _wait(running: _native.Running, call: Call, first: bool) -> None:
    late = not first and call.is_over()
    while not late:
        if running.wait(call.left(getattr(patience, "slice", _native.SLICE))):
            return
        running.report()
        late = call.is_over()
    running.cancel()
    while running.patience != 0.0 and not running.wait(_native.SLICE):
        pass
    # one that ended well at the last moment did what it was asked to
    if running.was_cancelled() or not first:
        raise call.error(running)


async def pump(work: Any, call: Call) -> Any:
    import asyncio

    try:
        try:
            running = work.send(None)
        except StopIteration:
            # a loop of calls that end at once must not keep the others waiting
            await asyncio.sleep(0)
            raise
        first = True
        while True:
            try:
                await _wait_in_loop(running, call, first)
            except BaseException as error:
                running = work.throw(error)
            else:
                running = work.send(None)
            first = False
    except StopIteration as ended:
        return ended.value


async def _wait_in_loop(running: _native.Running, call: Call, first: bool) -> None:
    import asyncio

    late = not first and call.is_over()
    if not late and running.wait(0):
        await asyncio.sleep(0)
        return
    ended = Notifier.of(asyncio.get_running_loop()).watch(running)
    try:
        while not late:
            limited = call.has_deadline or running.progress is not None
            longest = call.left(_TICK if running.progress is not None else 1e9) if limited else None
            await asyncio.wait({ended}, timeout=longest)
            if ended.done():
                return
            running.report()
            late = call.is_over()
    except BaseException:
        await _cancelled(running, ended)
        raise
    await _cancelled(running, ended)
    if running.was_cancelled() or not first:
        raise call.error(running)


async def _cancelled(running: _native.Running, ended: asyncio.Future[None]) -> None:
    """Cancels and waits until the buffers are let go, or until its patience ends, however often this task itself is cancelled meanwhile."""
    import asyncio

    if not running.is_ours:
        return
    running.cancel()
    while not ended.done() and running.patience != 0.0:
        try:
            await asyncio.wait({ended}, timeout=running.patience)
        except asyncio.CancelledError:
            continue


class Notifier:
    """One descriptor in one event loop, by which the library tells of every operation that the loop waits for."""

    _of: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Notifier] = weakref.WeakKeyDictionary()

    @staticmethod
    def of(loop: asyncio.AbstractEventLoop) -> Notifier:
        found = Notifier._of.get(loop)
        if found is None or found._generation != _native.generation:
            found = Notifier._of[loop] = Notifier(loop)
        return found

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._generation = _native.generation
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._fd: int = _os.eventfd(0, _os.EFD_NONBLOCK | _os.EFD_CLOEXEC)
        self._queue = _native.open_queue(self._fd)
        self._loop = weakref.ref(loop)
        self._beating = False
        loop.add_reader(self._fd, _weakly(self._take))

    def watch(self, running: _native.Running) -> asyncio.Future[None]:
        """A future that is done when the operation has ended."""
        loop = self._loop()
        assert loop is not None
        future: asyncio.Future[None] = loop.create_future()
        self._waiting[running.number] = future
        _native.notify(running.number, self._queue)
        if not self._beating and threading.current_thread() is threading.main_thread():
            self._beating = True
            loop.call_later(_BEAT, _weakly(self._beat))
        return future

    def _beat(self) -> None:
        """Wakes the loop while something is waited for: in Jupyter an interrupt is seen only when something else wakes it."""
        loop = self._loop()
        _native.hear()
        self._beating = bool(self._waiting) and loop is not None
        if self._beating and loop is not None:
            loop.call_later(_BEAT, _weakly(self._beat))

    def _take(self) -> None:
        try:
            _os.eventfd_read(self._fd)
        except BlockingIOError:
            return
        for number in _native.take_ended(self._queue):
            future = self._waiting.pop(number, None)
            if future is not None and not future.done():
                future.set_result(None)

    def __del__(self, close: Any = _native.close, close_fd: Any = os.close) -> None:
        # the interpreter takes modules' names away before the last objects
        if hasattr(self, "_queue"):
            close("queue", self._queue, self._generation)
        if hasattr(self, "_fd"):
            close_fd(self._fd)


def _weakly(method: Callable[[], None]) -> Callable[[], None]:
    """A loop's callback that does not keep alive what ends with the loop."""
    weak = weakref.WeakMethod(method)

    def call() -> None:
        alive = weak()
        if alive is not None:
            alive()

    return call


def blocking(body: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """The function that users call, from its body; its ``timeout`` is kept here."""

    @functools.wraps(body)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if _span is not None:
            with _span(body.__name__, _about(args, kwargs)):
                return finish(args, kwargs)
        limited = kwargs.get("timeout") is not None or default_timeout() is not None
        begun = Call(body.__name__, args, kwargs) if limited else None
        work = body(*args, **kwargs)
        try:
            running = work.send(None)
        except StopIteration as ended:
            # most calls of small things end at once
            value: R = ended.value
            return value
        result: R = block(work, begun or Call(body.__name__, args, kwargs), running)
        return result

    def finish(args: Any, kwargs: Any) -> R:
        work: Any = body
        result: R = block(work(*args, **kwargs), Call(body.__name__, args, kwargs))
        return result

    call.body = body  # type: ignore[attr-defined]
    return call


def blocking_each(body: Callable[P, AsyncIterator[R]]) -> Callable[P, Iterator[R]]:
    """The same for generators; ``timeout`` is for each step."""

    @functools.wraps(body)
    def call(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        begun = Call(body.__name__, args, kwargs)
        items: Any = body(*args, **kwargs)
        try:
            while True:
                begun.begin()
                try:
                    item: R = block(items.__anext__(), begun)
                except StopAsyncIteration:
                    return
                yield item
        finally:
            block(items.aclose(), begun)

    call.body = body  # type: ignore[attr-defined]
    return call


async def awaited(name: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """What a function that ``blocking`` made does, in an event loop and without a thread.

    ``name`` is for the error of a call without time.
    """
    with nullcontext() if _span is None else _span(name, _about(args, kwargs)):
        result: R = await pump(function.body(*args, **kwargs), Call(name, args, kwargs))  # type: ignore[attr-defined]
    return result


async def awaited_each(name: str, function: Callable[P, Iterator[R]], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
    """The same for generators."""
    begun = Call(name, args, kwargs)
    items: Any = function.body(*args, **kwargs)  # type: ignore[attr-defined]
    try:
        while True:
            begun.begin()
            try:
                item: R = await pump(items.__anext__(), begun)
            except StopAsyncIteration:
                return
            yield item
    finally:
        await pump(items.aclose(), begun)


def twin(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The asyncio twin of a function that ``blocking`` made. Cancelling its task cancels the operation and waits for its buffers."""

    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await awaited(call.__name__, function, *args, **kwargs)

    named: Callable[P, Coroutine[Any, Any, R]] = _named(call, function, sys._getframe(1).f_globals["__name__"])
    return named


def twin_each(function: Callable[P, Iterator[R]]) -> Callable[P, AsyncIterator[R]]:
    """The same for generators."""

    async def call(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        items = awaited_each(call.__name__, function, *args, **kwargs)
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()  # type: ignore[attr-defined]

    named: Callable[P, AsyncIterator[R]] = _named(call, function, sys._getframe(1).f_globals["__name__"])
    return named


async def together(works: Sequence[Any], most: int) -> list[Any]:
    """Awaits coroutines that await operations, ``most`` of them begun at once; the first failure ends all."""
    results: list[Any] = [None] * len(works)
    begun: list[tuple[int, Any]] = []
    at = 0
    try:
        while at < len(works) or begun:
            while at < len(works) and len(begun) < most:
                running = _advance(works[at], results, at)
                if running is not None:
                    begun.append((at, running))
                at += 1
            if begun:
                index, running = begun.pop(0)
                await running
                running = _advance(works[index], results, index)
                if running is not None:
                    begun.insert(0, (index, running))
    except BaseException:
        # what runs is cancelled, and its memory let go, before this returns
        for work in works:
            work.close()
        raise
    return results


def _advance(work: Any, results: list[Any], index: int) -> Any:
    try:
        return work.send(None)
    except StopIteration as ended:
        results[index] = ended.value
        return None


def renamed(function: Callable[P, R], name: str) -> Callable[P, R]:
    """The same function under a name of its own: what calls that run out of time, help and pickles call it."""
    body: Any = function.body  # type: ignore[attr-defined]
    made = types.FunctionType(body.__code__, body.__globals__, name, body.__defaults__, body.__closure__)
    functools.update_wrapper(made, body)
    made.__kwdefaults__ = body.__kwdefaults__
    made.__name__ = made.__qualname__ = name
    made.__doc__ = (body.__doc__ or "").replace(f"s3dlio.{body.__name__}(", f"s3dlio.{name}(")
    del made.__dict__["__wrapped__"]
    return blocking(made)


def keyed(function: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, str, P], R]:
    """A method of ``Store`` that takes a key where the function takes an address."""

    def call(self: Any, key: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(self._at(key), *args, **kwargs)

    call.__name__, call.__doc__ = function.__name__, f"See :func:`s3dlio.{function.__name__}`."
    return call


def _named(call: Any, function: Any, module: str) -> Any:
    functools.update_wrapper(call, function)
    call.__name__ = f"{function.__name__}_async"
    # where it is assigned, so that pickle finds it
    call.__module__ = module
    call.__qualname__ = f"{function.__qualname__}_async"
    # from Python 3.13 on docstrings come without their indentation
    text = re.sub(r"\n\s*Example:\n.*", "\n", inspect.cleandoc(function.__doc__ or ""), flags=re.S)
    head, _, rest = text.partition("\n")
    call.__doc__ = (
        f"{head}\n\nThe twin of ``{function.__name__}`` for asyncio, without a thread. Cancelling its task cancels the operation and "
        "waits until\n"
        f"its buffers are free, one second at most where the system holds it and it writes to no memory of the caller.\n{rest}"
        f"\nExample:\n    >>> found = await s3dlio.{call.__name__}(...)  # doctest: +SKIP\n"
    )
    return call

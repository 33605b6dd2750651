"""What the library opened for one process, and what becomes of it in a forked child."""

from __future__ import annotations

from typing import Any, ClassVar

from ..exceptions import ClosedError, ForkError
from . import _native


class Handle:
    """Something that is open in the library: a reader is opened again in a forked child, a writer stays with its parent.

    A subclass tells what it is, and how it is opened. It has no state of the library in it that a pickle would need.
    """

    #: The library's word for it, and ours.
    _KIND: ClassVar[str]
    _NOUN: ClassVar[str]
    #: What a child is told to do instead of using its parent's writer.
    _INSTEAD: ClassVar[str]

    _what: str
    _number = 0
    _generation = _native.ELSEWHERE

    @property
    def mode(self) -> str:
        """``"r"`` or ``"a"``."""
        raise NotImplementedError

    @property
    def path(self) -> str:
        """The directory, or the address in a store."""
        return self._what

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return not self._number

    def _opened_now(self) -> dict[str, Any]:
        """Opens it in this process; gives what the library tells of it."""
        raise NotImplementedError

    def _leave_behind(self) -> None:
        """Lets go of what belongs to the process that this one was forked from."""

    def _is_here(self) -> bool:
        return self._generation == _native.generation

    def _open(self) -> dict[str, Any]:
        generation = _native.generation
        opened = self._opened_now()
        self._number, self._generation = opened[self._KIND], generation
        return opened

    def _handle(self) -> int:
        """The native number; a reader of another process is opened here."""
        if not self._number:
            raise ClosedError(f"{self._what}: the {self._NOUN} was closed", self._what)
        if self._generation != _native.generation:
            if self.mode == "a":
                raise ForkError(f"{self._what}: {self._INSTEAD}")
            self._leave_behind()
            self._open()
        return self._number

    def _let_go(self) -> None:
        number, self._number = self._number, 0
        _native.close(self._KIND, number, self._generation)

"""What every writer of this package stands on: a writer of the native library, and whether the bytes in it are whole."""

from __future__ import annotations

import sys
from types import FrameType

from ..exceptions import ClosedError
from . import _native


class Output:
    """A native writer that is finalized whole or not at all.

    From the moment a write begins until it has ended well the bytes count as torn, so an exception that ends it anywhere (an interrupt, a
    deadline, a failure of the store) leaves a writer that nothing can finalize.

    Args:
        uri: The object's address, for messages.
        number: The native writer.
        generation: The process that opened it, as ``_native.generation`` counts them.
        noun: What messages call it.
    """

    def __init__(self, uri: str, number: int, generation: int, noun: str = "writer") -> None:
        self.uri = uri
        self.number = number
        self._generation = generation
        self._noun = noun
        #: A write is under way, or one failed or was interrupted.
        self.torn = False
        #: Whether the object is there.
        self.stored = False
        # held, not its id: another exception could get the same one later
        self._handled_at_first = sys.exc_info()[1] if number else None

    def require_own(self) -> None:
        """Raises where the writer is the parent's of this process."""
        if self._generation != _native.generation:
            raise ClosedError(f"{self.uri}: the {self._noun} was begun before this process was forked; it goes on in the parent", self.uri)

    def require_open(self) -> None:
        """Raises where the writer has ended, or is the parent's of this process; one with a torn write is open."""
        self.require_own()
        if not self.number and not self.torn:
            raise ClosedError(f"{self.uri}: the {self._noun} was finalized, cancelled or closed", self.uri)

    def begin(self) -> int:
        """Begins a write; set ``torn`` back where it ended well.

        Returns:
            The native writer's number.

        Raises:
            ClosedError: The writer has ended, or an earlier write failed or was interrupted.
        """
        self.require_open()
        if self.torn:
            raise self.loss()
        self.torn = True
        return self.number

    def loss(self) -> ClosedError:
        """What is raised where bytes are missing."""
        return ClosedError(
            f"{self.uri}: an earlier call failed or was interrupted, so the object would not be whole and is not stored; "
            f"begin again with a new {self._noun}",
            self.uri,
        )

    def end(self) -> None:
        """Closes the native writer: unless it was finalized nothing is left behind. In a forked child there is nothing to do."""
        if self.number:
            # closing once more does no harm, so an interrupt in between does none
            _native.close("writer", self.number, self._generation)
            self.number = 0
            self._handled_at_first = None

    @property
    def is_here(self) -> bool:
        """Whether the native writer is open, and this process's own."""
        return bool(self.number) and self._generation == _native.generation

    def unwinding(self) -> BaseException | None:
        """The exception being handled by this thread or task that came after the writer was opened.

        A file's ``close`` is not told why it is called. ``io.TextIOWrapper``, ``contextlib.closing``, ``finally`` and the like call it
        while an exception passes, in the middle of whatever was being written.
        """
        error = sys.exc_info()[1]
        return None if error is self._handled_at_first else error

    def refusal(self, error: BaseException) -> BaseException:
        """The exception that passes, to be raised again in place of storing half an object."""
        note = (
            f"{self.uri}: not stored, because close() was called while this exception was being handled; "
            "to store an object from an except or finally block call finalize()"
        )
        if hasattr(error, "add_note"):
            error.add_note(note)
        return error


def in_finalizer() -> bool:
    """Whether a ``__del__`` of Python called what calls this: something was let go, not closed."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False

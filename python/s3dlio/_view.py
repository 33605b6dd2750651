"""The read-only bytes of an object, in the memory the library read them into."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    _Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
else:
    _Bytes = np.ndarray


class BytesView(_Bytes):
    """Read-only bytes without a copy.

    Behaves as ``bytes`` do where that costs nothing (``len``, ``==``, ``in``, slices, ``bytes(view)``, anything that takes
    a buffer) and is a one-dimensional ``uint8`` array to NumPy and torch. The memory lives as long as any view of it.

    Example:
        >>> import s3dlio
        >>> uri = s3dlio.put_bytes("memory://doc/a", b"hello") and "memory://doc/a"
        >>> view = s3dlio.get(uri)
        >>> len(view), view == b"hello", view[1:3].to_bytes()
        (5, True, b'el')
    """

    @classmethod
    def _over(cls, memory: object) -> BytesView:
        view = np.asarray(memory).view(cls)
        view.flags.writeable = False
        return view

    def memoryview(self) -> memoryview:
        """The bytes as a read-only memoryview of format ``B``."""
        return self.data

    def to_bytes(self) -> bytes:
        """The bytes copied into a ``bytes`` object."""
        return self.tobytes()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The bytes as text."""
        return str(self.data, encoding, errors)

    def __bytes__(self) -> bytes:
        return self.tobytes()

    def __bool__(self) -> bool:
        return self.size > 0

    def __eq__(self, other: object) -> bool:
        try:
            with memoryview(other) as theirs:  # type: ignore[arg-type]
                return theirs.nbytes == self.nbytes and self.data == theirs.cast("B")
        except TypeError:
            return NotImplemented

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = None

    def __contains__(self, item: object) -> bool:
        return item in self.tobytes()  # type: ignore[operator]

    def __iter__(self) -> Iterator[int]:
        return iter(self.data)

    def __repr__(self) -> str:
        shown = self[:16].tobytes()
        return f"BytesView({shown!r}{'…' if self.size > 16 else ''}, {self.size} bytes)"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_bytes, (self.tobytes(),)


def _from_bytes(data: bytes) -> BytesView:
    return BytesView._over(np.frombuffer(data, np.uint8))

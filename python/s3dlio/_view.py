"""The read-only bytes of an object, in the memory the library read them into."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Self

    _Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
else:
    _Bytes = np.ndarray


#: What is compared as bytes.
_BYTES = (bytes, bytearray, memoryview)


class BytesView(_Bytes):
    """Read-only bytes without a copy.

    Behaves as ``bytes`` do where that costs nothing (``len``, ``==``, ``in``, slices, ``bytes(view)``, anything that takes
    a buffer) and is a one-dimensional ``uint8`` array to NumPy and torch. What NumPy makes of it, by ``view``, ``reshape``,
    ``astype`` or arithmetic, is a plain array. The memory lives as long as any view of it.

    Example:
        >>> import s3dlio
        >>> uri = s3dlio.put_bytes("memory://doc/a", b"hello") and "memory://doc/a"
        >>> view = s3dlio.get(uri)
        >>> len(view), view == b"hello", view[1:3].to_bytes()
        (5, True, b'el')
    """

    @classmethod
    def _over(cls, memory: object) -> Self:
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
        return str(self.data if self.flags.c_contiguous else self.tobytes(), encoding, errors)

    def json(self) -> Any:
        """What the bytes say as JSON."""
        import json

        return json.loads(self.tobytes())

    def hex(self, *args: Any) -> str:
        """As ``bytes.hex``."""
        return self.tobytes().hex(*args)

    def startswith(self, prefix: bytes | tuple[bytes, ...]) -> bool:
        """As ``bytes.startswith``."""
        return bytes(self[: _longest(prefix)]).startswith(prefix)

    def endswith(self, suffix: bytes | tuple[bytes, ...]) -> bool:
        """As ``bytes.endswith``."""
        return bytes(self[max(0, self.size - _longest(suffix)) :]).endswith(suffix)

    def find(self, sub: bytes | int, *args: Any) -> int:
        """As ``bytes.find``."""
        return self.tobytes().find(sub, *args)

    def rfind(self, sub: bytes | int, *args: Any) -> int:
        """As ``bytes.rfind``."""
        return self.tobytes().rfind(sub, *args)

    def index(self, sub: bytes | int, *args: Any) -> int:
        """As ``bytes.index``."""
        return self.tobytes().index(sub, *args)

    def count(self, sub: bytes | int, *args: Any) -> int:
        """As ``bytes.count``."""
        return self.tobytes().count(sub, *args)

    def split(self, sep: bytes | None = None, maxsplit: int = -1) -> list[bytes]:
        """As ``bytes.split``."""
        return self.tobytes().split(sep, maxsplit)

    def splitlines(self, keepends: bool = False) -> list[bytes]:
        """As ``bytes.splitlines``."""
        return self.tobytes().splitlines(keepends)

    def strip(self, chars: bytes | None = None) -> bytes:
        """As ``bytes.strip``."""
        return self.tobytes().strip(chars)

    def __hash__(self) -> int:  # type: ignore[override]
        # equal to bytes, and nothing can change it
        return hash(self.tobytes())

    def __lt__(self, other: Any) -> Any:
        return self.tobytes() < bytes(other) if isinstance(other, _BYTES) else super().__lt__(other)

    def __le__(self, other: Any) -> Any:
        return self.tobytes() <= bytes(other) if isinstance(other, _BYTES) else super().__le__(other)

    def __gt__(self, other: Any) -> Any:
        return self.tobytes() > bytes(other) if isinstance(other, _BYTES) else super().__gt__(other)

    def __ge__(self, other: Any) -> Any:
        return self.tobytes() >= bytes(other) if isinstance(other, _BYTES) else super().__ge__(other)

    def __bytes__(self) -> bytes:
        return self.tobytes()

    def __bool__(self) -> bool:
        return self.size > 0

    # A BytesView of other elements or dimensions would still compare, iterate and print as bytes do.

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return found if not isinstance(found, BytesView) or found.ndim == 1 else np.asarray(found)

    def view(self, *args: Any, **options: Any) -> Any:
        """NumPy's ``view``: a plain array over the same memory, unless asked for a class."""
        return np.asarray(self).view(*args, **options) if args or options else super().view()

    def reshape(self, *args: Any, **options: Any) -> Any:
        """NumPy's ``reshape``: a plain array over the same memory."""
        return np.asarray(self).reshape(*args, **options)

    def astype(self, *args: Any, **options: Any) -> Any:
        """NumPy's ``astype``: a plain array."""
        return np.asarray(self).astype(*args, **options)

    def copy(self, *args: Any, **options: Any) -> Any:
        """NumPy's ``copy``: a plain array, which can be written to."""
        return np.asarray(self).copy(*args, **options)

    def __copy__(self) -> BytesView:
        return self

    def __deepcopy__(self, memo: object) -> BytesView:
        return _from_bytes(self.tobytes())

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain[()] if return_scalar or plain.ndim == 0 else plain

    def __eq__(self, other: object) -> bool:
        if isinstance(other, np.ndarray):
            # types that NumPy exports no buffer of, dates for one
            other = other.view(np.ndarray).tobytes() if other.nbytes == self.nbytes else None
            return other is not None and self.data == other
        try:
            with memoryview(other) as theirs:  # type: ignore[arg-type]
                return theirs.nbytes == self.nbytes and self.data == theirs.cast("B")
        except (TypeError, ValueError, BufferError):
            return NotImplemented

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

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


def _longest(parts: bytes | tuple[bytes, ...]) -> int:
    return max((len(part) for part in parts), default=0) if isinstance(parts, tuple) else len(parts)


def _from_bytes(data: bytes) -> BytesView:
    return BytesView._over(np.frombuffer(data, np.uint8))

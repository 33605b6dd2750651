"""The read-only bytes of an object, in the memory the library read them into."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np

from ._native import Exporter

#: Anything that exports a contiguous buffer.
Bytes: TypeAlias = Any


class BytesView(Exporter):
    """Read-only bytes without a copy.

    Behaves as ``bytes`` do: ``len``, ``==`` and ``<``, ``in``, indexing, slices (which share the memory), iteration, hashing and the
    methods of ``bytes``. Whatever takes a buffer takes it without a copy: ``np.asarray(view)``, ``np.frombuffer(view, "<f4")``,
    ``torch.frombuffer(view, dtype=torch.float32)``, ``hashlib``, files and sockets. It is no array: arithmetic is what the array of
    ``np.asarray`` is for. The memory lives as long as any view of it.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://doc/a", b"hello")
        >>> view = s3dlio.get("memory://doc/a")
        >>> len(view), view == b"hello", view[1:3].to_bytes(), view.startswith(b"he")
        (5, True, b'el', True)
    """

    __slots__ = ("__weakref__", "_array")

    _array: np.ndarray[Any, np.dtype[np.uint8]]

    #: NumPy's arrays leave comparisons with this to it, and refuse arithmetic.
    __array_ufunc__ = None

    def __init__(self, data: Bytes = b"") -> None:
        """The bytes of anything that exports a contiguous buffer."""
        self._array = _read_only(np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8))

    @property
    def nbytes(self) -> int:
        """How many bytes."""
        return self._array.size

    def memoryview(self) -> memoryview:
        """The bytes as a read-only memoryview of format ``B``."""
        return self._array.data

    def to_bytes(self) -> bytes:
        """The bytes copied into a ``bytes`` object."""
        return self._array.tobytes()

    tobytes = to_bytes

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The bytes as text."""
        return str(self._array.data if self._array.flags.c_contiguous else self.to_bytes(), encoding, errors)

    def json(self) -> Any:
        """What the bytes say as JSON."""
        import json

        return json.loads(self.to_bytes())

    def hex(self, *args: Any) -> str:
        """As ``bytes.hex``."""
        return self.to_bytes().hex(*args)

    def startswith(self, prefix: Bytes | tuple[Bytes, ...], *args: SupportsIndex) -> bool:
        """As ``bytes.startswith``."""
        if not args:
            return self[: _longest(prefix)].to_bytes().startswith(_plain(prefix))
        return self.to_bytes().startswith(_plain(prefix), *args)

    def endswith(self, suffix: Bytes | tuple[Bytes, ...], *args: SupportsIndex) -> bool:
        """As ``bytes.endswith``."""
        if not args:
            return self[max(0, len(self) - _longest(suffix)) :].to_bytes().endswith(_plain(suffix))
        return self.to_bytes().endswith(_plain(suffix), *args)

    def find(self, sub: Bytes | int, *args: SupportsIndex) -> int:
        """As ``bytes.find``."""
        return self.to_bytes().find(sub, *args)

    def rfind(self, sub: Bytes | int, *args: SupportsIndex) -> int:
        """As ``bytes.rfind``."""
        return self.to_bytes().rfind(sub, *args)

    def index(self, sub: Bytes | int, *args: SupportsIndex) -> int:
        """As ``bytes.index``."""
        return self.to_bytes().index(sub, *args)

    def rindex(self, sub: Bytes | int, *args: SupportsIndex) -> int:
        """As ``bytes.rindex``."""
        return self.to_bytes().rindex(sub, *args)

    def count(self, sub: Bytes | int, *args: SupportsIndex) -> int:
        """As ``bytes.count``."""
        return self.to_bytes().count(sub, *args)

    def split(self, sep: Bytes | None = None, maxsplit: int = -1) -> list[bytes]:
        """As ``bytes.split``."""
        return self.to_bytes().split(sep, maxsplit)

    def rsplit(self, sep: Bytes | None = None, maxsplit: int = -1) -> list[bytes]:
        """As ``bytes.rsplit``."""
        return self.to_bytes().rsplit(sep, maxsplit)

    def splitlines(self, keepends: bool = False) -> list[bytes]:
        """As ``bytes.splitlines``."""
        return self.to_bytes().splitlines(keepends)

    def partition(self, sep: Bytes) -> tuple[bytes, bytes, bytes]:
        """As ``bytes.partition``."""
        return self.to_bytes().partition(sep)

    def rpartition(self, sep: Bytes) -> tuple[bytes, bytes, bytes]:
        """As ``bytes.rpartition``."""
        return self.to_bytes().rpartition(sep)

    def replace(self, old: Bytes, new: Bytes, count: int = -1) -> bytes:
        """As ``bytes.replace``."""
        return self.to_bytes().replace(old, new, count)

    def strip(self, chars: Bytes | None = None) -> bytes:
        """As ``bytes.strip``."""
        return self.to_bytes().strip(chars)

    def lstrip(self, chars: Bytes | None = None) -> bytes:
        """As ``bytes.lstrip``."""
        return self.to_bytes().lstrip(chars)

    def rstrip(self, chars: Bytes | None = None) -> bytes:
        """As ``bytes.rstrip``."""
        return self.to_bytes().rstrip(chars)

    def __len__(self) -> int:
        return self._array.size

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> BytesView: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return view_of(self._array[index])
        if not hasattr(index, "__index__"):
            raise TypeError(f"indices of bytes are integers or slices, not {type(index).__name__}; np.asarray(view) has those of arrays")
        return int(self._array[operator.index(index)])

    def __iter__(self) -> Iterator[int]:
        return iter(self._array.data)

    def __contains__(self, item: Any) -> bool:
        return item in self.to_bytes()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, np.ndarray):
            # types that NumPy exports no buffer of, dates for one
            other = other.tobytes() if other.nbytes == len(self) else None
            return other is not None and self._array.data == other
        try:
            with memoryview(other) as theirs:  # type: ignore[arg-type]
                return theirs.nbytes == len(self) and self._array.data == theirs.cast("B")
        except (TypeError, ValueError, BufferError):
            return NotImplemented

    def __hash__(self) -> int:
        # equal to bytes, and nothing can change it
        return hash(self.to_bytes())

    def __lt__(self, other: Any) -> bool:
        return self._ordered(operator.lt, other)

    def __le__(self, other: Any) -> bool:
        return self._ordered(operator.le, other)

    def __gt__(self, other: Any) -> bool:
        return self._ordered(operator.gt, other)

    def __ge__(self, other: Any) -> bool:
        return self._ordered(operator.ge, other)

    def _ordered(self, compare: Callable[[bytes, bytes], bool], other: Any) -> bool:
        if not isinstance(other, (bytes, bytearray, memoryview, BytesView)):
            return NotImplemented
        return compare(self.to_bytes(), bytes(other))

    def __add__(self, other: Any) -> bytes:
        # as bytes do, with anything that has a buffer
        if isinstance(other, (str, int)):
            return NotImplemented
        joined: bytes = self.to_bytes() + other
        return joined

    def __bytes__(self) -> bytes:
        return self.to_bytes()

    def __bool__(self) -> bool:
        return self._array.size > 0

    def __copy__(self) -> BytesView:
        return self

    def __deepcopy__(self, memo: object) -> BytesView:
        return BytesView(self.to_bytes())

    def __repr__(self) -> str:
        return f"BytesView({self[:16].to_bytes()!r}{'…' if len(self) > 16 else ''}, {len(self)} bytes)"

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_bytes, (self.to_bytes(),)


V = TypeVar("V", bound=BytesView)


@overload
def view_of(memory: object) -> BytesView: ...


@overload
def view_of(memory: object, kind: type[V]) -> V: ...


def view_of(memory: object, kind: type[BytesView] = BytesView) -> BytesView:
    """Memory of numbers of any dtype as its bytes, without a copy."""
    made = kind.__new__(kind)
    made._array = _read_only(np.asarray(memory))
    return made


def _read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A view of it that cannot be written to, whoever else can."""
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _plain(parts: Any) -> Any:
    """What ``bytes`` take for prefixes: bytes, or a tuple of them."""
    return tuple(bytes(part) for part in parts) if isinstance(parts, tuple) else bytes(parts) if isinstance(parts, BytesView) else parts


def _longest(parts: Any) -> int:
    return max((len(part) for part in parts), default=0) if isinstance(parts, tuple) else len(parts)


def _from_bytes(data: bytes) -> BytesView:
    return BytesView(data)

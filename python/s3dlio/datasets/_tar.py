"""Tar files whose members are samples, grouped by name as WebDataset does: an index finds them, one request reads a sample."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import _objects
from .._core._address import Address, Location
from .._core._options import StorageOptions
from .._core._view import view_of
from ..exceptions import InvalidArgumentError, InvalidDataError, NotFoundError
from . import _sections
from ._packed import MemoryWindow, PackedFiles, is_packed, packed_files, plain_name, unpack, whole_file
from ._records import StretchDataset, firsts
from ._table import Numbers, ObjectTable, listed, of_uris
from ._window import Window

KIND = "tar index"
#: What the name of an index has behind that of its file.
SUFFIX = ".s3index"
_BLOCK = 512
#: Bytes of a member's name or of a header of attributes, at most.
_MOST_NAME = 1 << 20
#: Members of one file at most.
_MOST_MEMBERS = 1 << 27


class Member(NamedTuple):
    """A file in a tar file."""

    name: str
    offset: int
    size: int


def members(window: Window | MemoryWindow) -> Iterator[Member]:
    """The plain files of a tar file, in order.

    Formats: POSIX ustar and pax, GNU long names and large sizes.

    Raises:
        InvalidDataError: It is no tar file, was cut short, or says what cannot be; with the byte where.
    """
    at, name, size = 0, "", -1
    zeros = 0
    while at < window.size:
        head = window.read(at, _BLOCK)
        if len(head) < _BLOCK:
            raise _wrong(window, at, f"a header of {len(head)} bytes, {_BLOCK} expected: the file was cut short")
        if not head.strip(b"\0"):
            # two blocks of zeros are the end; what is behind them is padding
            zeros += 1
            at += _BLOCK
            if zeros == 2:
                return
            continue
        zeros = 0
        told = _number(head[148:156], window, at + 148)
        summed = sum(head) - sum(head[148:156]) + 8 * 32
        if told != summed:
            raise _wrong(window, at, f"a header whose sum is {summed}, {told} is written in it: this is no tar file, or it is damaged")
        kind = head[156:157]
        length = _number(head[124:136], window, at + 124) if size < 0 else size
        data = at + _BLOCK
        after = data + -(-length // _BLOCK) * _BLOCK
        if length < 0 or data + length > window.size:
            raise _wrong(
                window, at, f"a member of {length} bytes, {window.size - data} are left: the file was cut short, or the header is damaged"
            )
        if kind in (b"L", b"K", b"x", b"g"):
            if length > _MOST_NAME:
                raise _wrong(window, at, f"a name or attributes of {length} bytes; {_MOST_NAME} are taken at most")
            extra = window.read(data, length)
            if kind == b"L":
                name = extra.rstrip(b"\0").decode("utf-8", "surrogateescape")
            elif kind == b"x":
                told_by = dict(_attributes(extra, window, data))
                name = told_by.get("path", name)
                if "size" in told_by:
                    if not told_by["size"].isdecimal() or len(told_by["size"]) > 18:
                        raise _wrong(window, data, f"attributes with the size {told_by['size'][:40]!r}")
                    size = int(told_by["size"])
        else:
            if kind in (b"0", b"\0", b"7"):
                yield Member(name or _name(head), data, length)
            elif kind not in (b"1", b"2", b"3", b"4", b"5", b"6"):
                raise _wrong(window, at, f"a member of kind {kind!r}, such as sparse files, which cannot be read in place")
            name, size = "", -1
            if kind in (b"1", b"2", b"3", b"4", b"5", b"6"):
                # links, devices and directories have no bytes, whatever the header says
                after = data
        at = after


def _name(head: bytes) -> str:
    name = head[:100].split(b"\0", 1)[0]
    prefix = head[345:500].split(b"\0", 1)[0] if head[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def _number(field: bytes, window: Window | MemoryWindow, at: int) -> int:
    if field[0] & 0x80:
        # GNU: the rest is the number itself
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    text = field.split(b"\0", 1)[0].strip()
    if not text:
        return 0
    if text.strip(b"01234567"):
        raise _wrong(window, at, f"the number {field!r}, which is not octal")
    return int(text, 8)


def _attributes(data: bytes, window: Window | MemoryWindow, at: int) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(data) and data[place:].strip(b"\0"):
        digits, _, _ = data[place : place + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[place : place + length]
        if length <= len(digits) + 2 or len(record) < length or record[-1:] != b"\n" or b"=" not in record:
            raise _wrong(
                window,
                at + place,
                f"attributes that begin with {data[place : place + 20]!r}: length, space, name=value and a new line are expected",
            )
        name, _, value = record[len(digits) + 1 : -1].partition(b"=")
        yield name.decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")
        place += length


def _wrong(window: Window | MemoryWindow, at: int, what: str) -> InvalidDataError:
    return InvalidDataError(f"{window.uri}: at byte {at} is {what}", window.uri, what, at)


def split_name(name: str) -> tuple[str, str]:
    """A member's name as WebDataset splits it: the key up to the first dot of the last part, and what is behind it in small letters."""
    folder, slash, last = name.rpartition("/")
    key, dot, extension = last.partition(".")
    return (folder + slash + key, extension.lower()) if dot and key else (name, "")


class TarIndex(NamedTuple):
    """The samples of one tar file: arrays by sample and by member."""

    size: int
    #: Bytes of the file in its store: fewer where it is compressed.
    stored: int
    #: The first member of each sample, and how many there are in all.
    first: Numbers
    offsets: Numbers
    sizes: Numbers
    #: All keys and all extensions, one behind the other, and where each begins.
    keys: Numbers
    key_starts: Numbers
    extensions: Numbers
    extension_starts: Numbers


def build(uri: Address, storage_options: StorageOptions | None = None) -> TarIndex:
    """Reads the headers of a tar file; of a compressed one, all of it."""
    if is_packed(str(uri)):
        data, stored = whole_file(str(uri), storage_options)
        return _gathered(MemoryWindow(str(uri), data))._replace(stored=stored)
    with Window(uri, storage_options) as window:
        return _gathered(window)


def _gathered(window: Window | MemoryWindow) -> TarIndex:
    first: list[int] = [0]
    offsets: list[int] = []
    sizes: list[int] = []
    keys, extensions, key_starts, extension_starts = bytearray(), bytearray(), [0], [0]
    last: str | None = None
    seen: set[str] = set()
    for member in members(window):
        key, extension = split_name(member.name)
        if not extension or key.rpartition("/")[2].startswith("."):
            # no sample: WebDataset passes over it, too
            continue
        if key != last:
            if last is not None:
                first.append(len(offsets))
            keys += key.encode("utf-8", "surrogateescape")
            key_starts.append(len(keys))
            last, seen = key, set()
        if extension in seen:
            raise InvalidDataError(
                f"{window.uri}: the sample {key!r} has two members {extension!r}; the second is at byte {member.offset}",
                window.uri,
                offset=member.offset,
            )
        seen.add(extension)
        extensions += extension.encode("utf-8", "surrogateescape")
        extension_starts.append(len(extensions))
        offsets.append(member.offset)
        sizes.append(member.size)
        if len(offsets) > _MOST_MEMBERS:
            raise InvalidDataError(f"{window.uri}: more than {_MOST_MEMBERS} members", window.uri)
    size = window.size
    if last is not None:
        first.append(len(offsets))

    def wide(values: list[int]) -> Numbers:
        return np.array(values, np.int64)

    def text(values: bytearray) -> Numbers:
        return np.frombuffer(bytes(values), np.uint8)

    return TarIndex(
        size, size, wide(first), wide(offsets), wide(sizes), text(keys), wide(key_starts), text(extensions), wide(extension_starts)
    )


def save_index(uri: Address, to: Address, found: TarIndex, storage_options: StorageOptions | None = None) -> None:
    """Writes an index."""
    header = {"version": 1, "kind": KIND, "tar": str(uri).rpartition("/")[2], "tar_size": found.size, "samples": len(found.first) - 1}
    if found.stored != found.size:
        header["stored_size"] = found.stored
    _sections.write(to, header, {name: getattr(found, name) for name in _ARRAYS}, storage_options)


def load_index(uri: Address, storage_options: StorageOptions | None = None) -> TarIndex:
    """Reads an index.

    Raises:
        NotFoundError: There is none.
        InvalidDataError: It is damaged, or contradicts itself.
    """
    header, arrays = _sections.read(uri, KIND, storage_options)
    text, size = str(uri), header.get("tar_size")
    stored = header.get("stored_size", size)
    _sections.require(
        isinstance(size, int) and isinstance(stored, int) and all(name in arrays for name in _ARRAYS),
        text,
        "an index of a tar file without all of its arrays",
    )
    assert isinstance(size, int) and isinstance(stored, int)
    found = TarIndex(size, stored, *(arrays[name] for name in _ARRAYS))
    count = len(found.offsets)
    good = (
        _sections.ascending(found.first, count)
        and len(found.sizes) == count
        and len(found.extension_starts) == count + 1
        and len(found.key_starts) == len(found.first)
        and _sections.ascending(found.key_starts, len(found.keys))
        and _sections.ascending(found.extension_starts, len(found.extensions))
        and bool((found.first[1:] > found.first[:-1]).all())
        and (
            count == 0
            or (int(found.sizes.min()) >= 0 and int(found.offsets.min()) >= 0 and bool((found.offsets <= size - found.sizes).all()))
        )
        and bool((found.offsets[1:] >= found.offsets[:-1] + found.sizes[:-1]).all())
    )
    _sections.require(good, text, "an index of a tar file whose arrays contradict each other; make it again")
    return found


#: The fields that are arrays, by the names of their sections.
_ARRAYS = TarIndex._fields[2:]


class TarDataset(StretchDataset):
    """Samples of tar files: each a dictionary of its members; see :func:`tar`."""

    _plain = False

    def __init__(self, table: ObjectTable, indexes: list[TarIndex], packed: PackedFiles | None = None, decompress: bool = False) -> None:
        self._indexes = indexes
        self._decompress = decompress
        starts, sizes = [], []
        for found in indexes:
            begin, end = found.first[:-1], found.first[1:] - 1
            starts.append(found.offsets[begin])
            # a sample is read in one piece, with the headers between its members
            sizes.append(found.offsets[end] + found.sizes[end] - found.offsets[begin])
        super().__init__(table, firsts([len(found.first) - 1 for found in indexes]), np.concatenate(starts), np.concatenate(sizes), packed)

    def key(self, index: int) -> str:
        """The key of a sample: what the names of its members have in common."""
        _, found, place = self._place(self._number(index))
        return _text(found.keys, found.key_starts, place)

    def _place(self, index: int) -> tuple[int, TarIndex, int]:
        file = int(np.searchsorted(self._first, index, "right")) - 1
        return file, self._indexes[file], index - int(self._first[file])

    def _decode(self, index: int, data: Any) -> dict[str, Any]:
        file, found, place = self._place(index)
        begin, end = int(found.first[place]), int(found.first[place + 1])
        base = int(found.offsets[begin])
        sample: dict[str, Any] = {"__key__": _text(found.keys, found.key_starts, place), "__url__": self._table.uri(file)}
        for member in range(begin, end):
            start = int(found.offsets[member]) - base
            name, part = _text(found.extensions, found.extension_starts, member), data[start : start + int(found.sizes[member])]
            if self._decompress and is_packed("." + name):
                part, name = unpack(part, "." + name, f"{self._table.uri(file)}: {sample['__key__']}.{name}"), plain_name("." + name)[1:]
            sample[name] = view_of(part)
        return sample


def _text(texts: Numbers, starts: Numbers, index: int) -> str:
    return bytes(texts[int(starts[index]) : int(starts[index + 1])]).decode("utf-8", "surrogateescape")


def tar(
    uris: Address | Iterable[Address],
    *,
    index: Literal["auto", "require", "rebuild", "memory"] = "auto",
    decompress: bool = False,
    storage_options: StorageOptions | None = None,
) -> TarDataset:
    """The samples of tar files as WebDataset groups them: members that follow each other and have one name up to the first dot.

    A sample is a dictionary: each member's bytes by its extension, ``__key__`` and ``__url__``. An index of each file is kept beside it,
    named like the file with ``.s3index`` behind it; where it is missing it is made by reading the headers, and written if the store allows.

    A file that is compressed as a whole (``.tar.gz``, ``.tgz``, ``.tar.zst``) is read and unpacked in memory before the first of its
    samples, and the last four stay there; a shuffle then uses one file before the next.

    Args:
        uris: A tar file, a prefix (its objects ending in ``.tar``, ``.tar.gz``, ``.tgz`` or ``.tar.zst``), a JSON index of wids, or
            addresses of tar files.
        index: ``"auto"``: use indexes, and make and write those that are missing or of a file of another size; ``"require"``: only use
            them; ``"rebuild"``: make all anew; ``"memory"``: neither read nor write any.
        decompress: True: members ending in ``.gz`` and ``.zst`` are unpacked, and are named without that.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such file, or with ``"require"`` no index of one.
        InvalidDataError: A file is no tar file or damaged, with the byte where.

    Example:
        >>> import io, tarfile, s3dlio
        >>> memory = io.BytesIO()
        >>> with tarfile.open(fileobj=memory, mode="w") as file:
        ...     for name, text in (("a.txt", b"one"), ("a.cls", b"0"), ("b.txt", b"two"), ("b.cls", b"1")):
        ...         info = tarfile.TarInfo(name)
        ...         info.size = len(text)
        ...         file.addfile(info, io.BytesIO(text))
        >>> _ = s3dlio.put("memory://shards/0.tar", memory.getvalue())
        >>> data = s3dlio.datasets.tar("memory://shards/0.tar")
        >>> len(data), data.key(1), data[1]["txt"].to_bytes()
        (2, 'b', b'two')
    """
    if index not in ("auto", "require", "rebuild", "memory"):
        raise InvalidArgumentError(f"index is 'auto', 'require', 'rebuild' or 'memory', found {index!r}")
    files = files_of(uris, (".tar", ".tar.gz", ".tgz", ".tar.zst"), storage_options)
    indexes = [_index_of(file, index, storage_options) for file in files]
    if not any(len(found.first) > 1 for found in indexes):
        raise InvalidDataError(
            f"{files[0]}: there is no sample in {'it' if len(files) == 1 else f'these {len(files)} files'}: no member has a name with an "
            "extension",
            files[0],
        )
    packed = packed_files(files, storage_options)
    return TarDataset(of_uris(files, [found.stored for found in indexes], storage_options), indexes, packed, decompress)


def _index_of(file: str, how: str, options: StorageOptions | None) -> TarIndex:
    beside = file + SUFFIX
    if how in ("auto", "require"):
        try:
            found = load_index(beside, options)
            size = _objects.stat(file, storage_options=options).size
            if size == found.stored:
                return found
            if how == "require":
                raise InvalidDataError(
                    f"{beside}: the index is of a file of {found.stored} bytes, {file} has {size}; make it again with index='rebuild'",
                    beside,
                )
        except NotFoundError:
            if how == "require":
                raise
        except InvalidDataError:
            if how == "require":
                raise
    found = build(file, options)
    if how != "memory" and len(found.first) > 1:
        try:
            save_index(file, beside, found, options)
        except PermissionError:
            # whoever may write there makes it once; until then it is made by each that reads
            pass
    return found


def files_of(uris: Address | Iterable[Address], suffixes: tuple[str, ...], options: StorageOptions | None) -> list[str]:
    """The files that are meant: one, those below a prefix, those that a JSON index names, or those given."""
    if not (isinstance(uris, (str, Location)) or hasattr(uris, "__fspath__")):
        each: Any = uris
        found = [str(uri) for uri in each]
        if not found:
            raise InvalidArgumentError("a data set needs one file at least, found an empty list of addresses")
        return found
    text = str(uris)
    if text.endswith(suffixes):
        return [text]
    if text.endswith(".json"):
        return _wids(text, options)
    table = listed(text, None, True, storage_options=options)
    below = [table.uri(number) for number in range(len(table))]
    chosen = sorted(one for one in below if one.endswith(suffixes))
    if not chosen:
        raise NotFoundError(
            f"{text}: there are {len(below)} objects and none ends with {' or '.join(suffixes)}; name the files one by one", text
        )
    return chosen


def _wids(uri: str, options: StorageOptions | None) -> list[str]:
    """The files of an index that wids writes: JSON with ``shardlist``, of ``url`` and ``nsamples`` each."""
    try:
        told = json.loads(bytes(_objects.get(uri, storage_options=options)))
        urls = [shard["url"] for shard in told["shardlist"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDataError(f"{uri}: no JSON index of wids: {type(error).__name__}: {error}", uri) from None
    if not urls or not all(isinstance(url, str) for url in urls):
        raise InvalidDataError(f"{uri}: a JSON index of wids without addresses in its shardlist", uri)
    folder = uri.rpartition("/")[0]
    return [url if "://" in url or url.startswith("/") else f"{folder}/{url}" for url in urls]

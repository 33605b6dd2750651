"""What a manifest tells of a state, believed only after it was checked, and how it comes into memory."""

from __future__ import annotations

import difflib
import itertools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._core import _plain
from .._core._dtypes import is_torch_tensor
from .._core._memory import empty_array, empty_tensor
from .._core._plain import TensorRef
from .._pieces import Piece, Reading, Want
from ..exceptions import InvalidArgumentError, InvalidDataError, OutOfSpaceError
from . import _cover, _tree
from ._sharded import NPY, Part, in_framework, part_of

#: What this library writes; it reads no later one.
VERSION = 1

#: Gives what comes in the place of a part of a state, once the memory for it is there.
Later = Callable[[], Any]


class SavedState:
    """What a manifest tells of a state.

    Nothing is allocated, imported or changed for what it says before all of that was found to be consistent: parts cover their wholes, and
    lie within their shards.

    Args:
        manifest: The manifest, with its key.
        what: The store's address, for errors.

    Raises:
        InvalidDataError: It tells of no state, or of one that contradicts itself.
    """

    def __init__(self, manifest: Mapping[str, Any], what: str) -> None:
        self._what = f"{what}{manifest.get('manifest_key', '')}"
        self._parts: dict[str, list[_SavedPart]] = {}
        self._new: list[_New] = []
        self._used: set[str] = set()
        self.tree: Any = None
        shards = manifest.get("shards")
        if not isinstance(shards, list) or not all(isinstance(shard, dict) and type(shard.get("rank")) is int for shard in shards):
            raise InvalidDataError(f"{self._what}: expected the shards of a checkpoint, each with its rank")
        for shard in sorted(shards, key=lambda shard: int(shard["rank"])):
            extra = shard.get("extra")
            if not isinstance(extra, dict) or "s3dlio_state" not in extra:
                raise InvalidDataError(f"{self._what}: this checkpoint is no state; its shards are read with CheckpointStore.reader()")
            about = f"{self._what}: shard of rank {shard['rank']}"
            try:
                self._add(extra, shard, about)
            except InvalidDataError:
                raise
            except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
                raise InvalidDataError(f"{about} does not describe a state: {type(error).__name__}: {str(error)[:200]}") from None

    def _add(self, extra: dict[str, Any], shard: dict[str, Any], about: str) -> None:
        version = extra["s3dlio_state"]
        if type(version) is not int or not 1 <= version <= VERSION:
            raise InvalidDataError(f"{about}: states of format {version!r:.20} are not known here; update s3dlio")
        tensors, tree = extra.get("tensors"), extra.get("tree")
        if not isinstance(tensors, dict) or not isinstance(tree, str):
            raise InvalidDataError(f"{about}: expected fields 'tensors' and 'tree' of a state, found {sorted(extra)!r:.80}")
        for name, found in tensors.items():
            place = f"{about}: tensor {name!r:.80}"
            if not isinstance(found, list):
                raise InvalidDataError(f"{place}: expected a list of parts, found {type(found).__name__}")
            for one in found:
                self._parts.setdefault(name, []).append(_SavedPart(one, shard, place))
        values = _plain.decode(json.loads(tree), f"{about}: tree")
        self.tree = values if self.tree is None else _merged(self.tree, values)

    @property
    def allocates(self) -> int:
        """Bytes of the memory that :meth:`allocate` makes."""
        return sum(new.nbytes for new in self._new)

    @property
    def shards_used(self) -> set[str]:
        """Keys of the shards of which tensors with memory to be made are read."""
        return self._used

    def make(self, framework: str | None) -> Later:
        """A new state."""
        return self._copy(self.tree, framework)

    def fill(self, into: Any, strict: bool, framework: str | None, reading: Reading) -> Later:
        """The state given, its values replaced by what is returned; its arrays and tensors by ``reading``.

        Raises:
            InvalidArgumentError: They do not fit; nothing was changed.
        """
        if not isinstance(into, (dict, list, tuple)) and part_of(into) is None:
            hint = f"; step={into} chooses a checkpoint" if isinstance(into, int) else ""
            raise InvalidArgumentError(
                f"{self._what}: a state to load into is a dictionary, a list, an array, a tensor or a TensorShard, found "
                f"{type(into).__name__}{hint}"
            )
        missing: list[_tree.Path] = []
        filled = self._fill(into, self.tree, (), framework, reading, missing)
        if missing and strict:
            first = _tree.text(missing[0])
            known = [_tree.text(path) for path, _ in itertools.islice(_tree.leaves(self.tree), 10_000)]
            near = difflib.get_close_matches(first[:200], known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise InvalidArgumentError(
                f"{self._what}: the checkpoint has no {first!r}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}{hint} "
                "strict=False leaves alone what it does not have"
            )
        return filled

    def allocate(self, reading: Reading) -> None:
        """Makes the memory for new tensors, and has ``reading`` fill it.

        Raises:
            OutOfSpaceError: The machine has not so much memory.
            InvalidDataError: There can be no array or tensor of such a shape here.
        """
        for new in self._new:
            about = f"{self._what}: tensor {new.name!r}"
            try:
                new.made = empty_tensor(new.shape, new.dtype) if new.torch else empty_array(new.shape, new.dtype)
            except MemoryError as error:
                raise OutOfSpaceError(f"{about} of {new.shape} and {new.dtype} needs {new.nbytes} bytes: {error}") from None
            except (ValueError, RuntimeError) as error:
                raise InvalidDataError(f"{about}: there can be no array of shape {new.shape} and {new.dtype} here: {error}") from None
            self._read(new.name, Part(new.made, new.shape, (0,) * len(new.shape), True, True), reading)

    def _copy(self, saved: Any, framework: str | None) -> Later:
        """A part of the saved state, its tensors in new memory."""
        held = _tree.replaced(saved, lambda _, leaf: self._plan(leaf, framework) if isinstance(leaf, TensorRef) else leaf)
        return lambda: _tree.replaced(held, lambda _, leaf: leaf.made if isinstance(leaf, _New) else leaf)

    def _plan(self, leaf: TensorRef, framework: str | None) -> _New:
        """Memory to be made for a tensor, all of whose bytes are there as far as the manifest says."""
        parts = self._of(leaf.name)
        about = f"{self._what}: tensor {leaf.name!r}"
        torch_wanted = leaf.framework == "pt" if framework is None else framework in ("pt", "torch") and not parts[0].dtype.startswith(NPY)
        shape = parts[0].shape
        if (wrong := _cover.fault([(part.offsets, part.sizes) for part in parts], shape)) is not None:
            raise InvalidDataError(f"{about}: the saved parts {wrong}")
        dtype = in_framework(parts[0].dtype, torch_wanted, about)
        for part in parts:
            part.check_length(dtype.itemsize)
        self._used.update(part.piece.uri for part in parts)
        new = _New(leaf.name, shape, dtype, torch_wanted)
        self._new.append(new)
        return new

    def _fill(self, into: Any, saved: Any, path: _tree.Path, framework: str | None, reading: Reading, missing: list[_tree.Path]) -> Later:
        """What comes in the place of a part of the state given: itself, where it can be changed."""
        if len(path) > _tree.DEEPEST:
            raise InvalidArgumentError(
                f"{self._what}: the state to load into is nested too deep, or holds itself, at {_tree.text(path)[:200]!r}"
            )
        if isinstance(into, dict) and not isinstance(saved, TensorRef):
            known = saved if isinstance(saved, dict) else {}
            missing += [(*path, name) for name in into if name not in known]
            named = [
                (name, self._fill(into[name], known[name], (*path, name), framework, reading, missing)) for name in into if name in known
            ]
            return lambda: _set(into, named)
        part = part_of(into)
        about = f"{self._what}: {_tree.text(path)!r}"
        if part is not None:
            return self._fill_part(part, into, saved, about, reading)
        if type(into) in (list, tuple) and any(part_of(leaf) is not None for _, leaf in _tree.leaves(into)):
            there = saved if isinstance(saved, (list, tuple)) else ()
            missing += [(*path, index) for index in range(len(there), len(into))]
            items = [
                self._fill(one, other, (*path, index), framework, reading, missing)
                for index, (one, other) in enumerate(zip(into, there, strict=False))
            ]
            if type(into) is tuple:
                return lambda: (*(item() for item in items), *into[len(items) :])
            return lambda: _set(into, list(enumerate(items)))
        if isinstance(saved, TensorRef):
            raise InvalidArgumentError(f"{about} is a tensor in the checkpoint, and {type(into).__name__} in what is to be loaded into")
        return self._copy(saved, framework)

    def _fill_part(self, part: Part, into: Any, saved: Any, about: str, reading: Reading) -> Later:
        if isinstance(saved, TensorRef):
            self._read(saved.name, part, reading)
            return lambda: into
        if isinstance(saved, np.ndarray) and isinstance(into, np.ndarray):
            # text and dates, which were values of the manifest once
            if (saved.dtype, saved.shape) != (into.dtype, into.shape) or not into.flags.writeable:
                raise InvalidArgumentError(
                    f"{about}: the checkpoint has {saved.dtype} and shape {saved.shape}, the memory to load into {into.dtype} and "
                    f"{into.shape}"
                    f"{'' if into.flags.writeable else ', read-only'}"
                )

            def copy() -> Any:
                into[...] = saved
                return into

            return copy
        raise InvalidArgumentError(f"{about} is {type(saved).__name__} in the checkpoint, and a tensor in what is to be loaded into")

    def _of(self, name: str) -> list[_SavedPart]:
        parts = self._parts.get(name)
        if not parts:
            raise InvalidDataError(f"{self._what}: no rank has saved tensor {name!r}")
        first = parts[0]
        for part in parts:
            if (part.shape, part.dtype) != (first.shape, first.dtype):
                raise InvalidDataError(
                    f"{self._what}: parts of tensor {name!r} are of {first.dtype} {first.shape} and of {part.dtype} {part.shape}"
                )
        return parts

    def _read(self, name: str, part: Part, reading: Reading) -> None:
        parts = self._of(name)
        about = f"tensor {name!r}"
        if part.shape != parts[0].shape:
            raise InvalidArgumentError(
                f"{self._what}: {about} has shape {parts[0].shape}, the memory to load into is of one of {part.shape}"
            )
        dtype = in_framework(parts[0].dtype, is_torch_tensor(part.data), f"{self._what}: {about}")
        lengths = tuple(part.data.shape)
        covered: list[_cover.Box] = []
        seen = set()
        for saved in parts:
            if (saved.offsets, saved.sizes) in seen:
                continue
            seen.add((saved.offsets, saved.sizes))
            low = tuple(max(a, b) for a, b in zip(part.offsets, saved.offsets, strict=True))
            high = tuple(min(a + n, b + m) for a, n, b, m in zip(part.offsets, lengths, saved.offsets, saved.sizes, strict=True))
            if any(a >= b for a, b in zip(low, high, strict=True)):
                continue
            inner = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, part.offsets, strict=True))
            target = part.data[inner] if inner else part.data
            starts = tuple(a - o for a, o in zip(low, saved.offsets, strict=True))
            size = tuple(b - a for a, b in zip(low, high, strict=True))
            covered.append((tuple(a - o for a, o in zip(low, part.offsets, strict=True)), size))
            saved.check_length(dtype.itemsize)
            reading.add(Want(about, saved.piece, dtype.itemsize, saved.sizes, starts, size, target, dtype))
        if (wrong := _cover.fault(covered, lengths)) is not None:
            raise InvalidDataError(f"{self._what}: {about}: the saved parts {wrong}")


class _New:
    """A tensor for which memory is to be made."""

    def __init__(self, name: str, shape: tuple[int, ...], dtype: Any, torch: bool) -> None:
        self.name, self.shape, self.dtype, self.torch = name, shape, dtype, torch
        self.nbytes: int = math.prod(shape) * dtype.itemsize
        self.made: Any = None


class _SavedPart:
    """A part of a tensor, as a rank saved it."""

    def __init__(self, found: Any, shard: Mapping[str, Any], about: str) -> None:
        self._about = about
        if not isinstance(found, dict) or not isinstance(found.get("dtype"), str):
            raise InvalidDataError(f"{about}: expected a part with a 'dtype', found {found!r:.80}")
        self.dtype: str = found["dtype"]
        self.shape, self.offsets, self.sizes = (self._extents(found, name) for name in ("shape", "offsets", "sizes"))
        self.piece = Piece.from_json(found, str(shard["key"]), about)
        if not len(self.shape) == len(self.offsets) == len(self.sizes) or any(
            o + n > e for o, n, e in zip(self.offsets, self.sizes, self.shape, strict=True)
        ):
            raise InvalidDataError(f"{about}: a part at {self.offsets} of {self.sizes} does not lie in a tensor of {self.shape}")
        size = shard.get("raw_size") if shard.get("compression") == "zstd" else shard.get("size")
        if type(size) is int and self.piece.offset + self.piece.nbytes > size:
            raise InvalidDataError(
                f"{about}: bytes {self.piece.offset} to {self.piece.offset + self.piece.nbytes} lie beyond the shard's {size}"
            )

    def _extents(self, found: dict[str, Any], name: str) -> tuple[int, ...]:
        try:
            return _plain.extents(found.get(name))
        except ValueError as error:
            raise InvalidDataError(f"{self._about}: field {name!r}: {error}") from None

    def check_length(self, itemsize: int) -> None:
        """Refuses a part whose bytes are not those of its elements."""
        if math.prod(self.sizes) * itemsize != self.piece.nbytes:
            raise InvalidDataError(
                f"{self._about}: {self.sizes} elements of {self.dtype} do not fit {self.piece.nbytes} bytes in {self.piece.uri}"
            )


def _set(into: Any, items: list[tuple[Any, Later]]) -> Any:
    for name, item in items:
        into[name] = item()
    return into


def _merged(first: Any, second: Any) -> Any:
    """The first rank's values, and of others what it has not."""
    if isinstance(first, dict) and isinstance(second, dict):
        for name, item in second.items():
            first[name] = _merged(first[name], item) if name in first else item
    return first

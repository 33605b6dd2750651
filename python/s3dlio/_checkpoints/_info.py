"""What is known of checkpoints: their descriptions, what a validation found, what a prune did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .._core._failures import to_error
from .._core._warnings import warn


class CheckpointWarning(UserWarning):
    """A checkpoint was passed over; the message says which and why."""


def warn_skipped(skipped: Iterable[dict[str, Any]]) -> None:
    """Says which damaged manifests were passed over."""
    for told in skipped:
        warn(f"checkpoint {told['manifest_key']} was passed over: {told['message']}", CheckpointWarning)


class CheckpointInfo:
    """One checkpoint of a store, as its manifest describes it.

    Example:
        >>> import s3dlio
        >>> store = s3dlio.CheckpointStore("memory://doc-info")
        >>> _ = store.save(10, 1, "torch", b"x" * 1_000_000)
        >>> [info] = store.list_checkpoints()
        >>> info.step, info.world_size, info.size_mb, info.is_complete
        (10, 1, 0.95367431640625, True)
    """

    def __init__(self, listed: dict[str, Any]) -> None:
        self._manifest: dict[str, Any] = listed["manifest"]
        self._size: int = listed["total_size"]
        self._key: str = listed["manifest_key"]

    @property
    def manifest_key(self) -> str:
        """The manifest's key, relative to the store's address: the name of this checkpoint and no other."""
        return self._key

    @property
    def step(self) -> int:
        """The global step."""
        return int(self._manifest["global_step"])

    @property
    def epoch(self) -> int:
        """The epoch."""
        return int(self._manifest["epoch"])

    @property
    def timestamp(self) -> str:
        """What follows the step in the names of the checkpoint's objects: the save's id, or the original's time in seconds."""
        return self._key.removeprefix(f"manifests/ckpt-{self.step}-").removesuffix(".json")

    @property
    def wall_time(self) -> str:
        """When it was taken, RFC 3339, UTC."""
        return str(self._manifest["wall_time"])

    @property
    def status(self) -> str:
        """``"complete"`` or ``"incomplete"``."""
        return str(self._manifest["status"])

    @property
    def framework(self) -> str:
        """As it was given to the save."""
        return str(self._manifest["framework"])

    @property
    def world_size(self) -> int:
        """How many ranks saved it, and how many shards it has."""
        return int(self._manifest["world_size"])

    @property
    def format_version(self) -> int:
        """1 for the original's, 2 for this library's."""
        return int(self._manifest["format_version"])

    @property
    def user_meta(self) -> Any:
        """As it was given to the save."""
        return self._manifest["user_meta"]

    @property
    def total_size(self) -> int:
        """Bytes of all shards as stored."""
        return self._size

    @property
    def size_mb(self) -> float:
        """The same in MiB."""
        return self._size / (1 << 20)

    @property
    def size_gb(self) -> float:
        """The same in GiB."""
        return self._size / (1 << 30)

    @property
    def is_complete(self) -> bool:
        """Whether the shards of all ranks are there; incomplete ones are never loaded."""
        return self.status == "complete"

    @property
    def is_single_rank(self) -> bool:
        """Whether one rank saved it."""
        return self.world_size == 1

    def __repr__(self) -> str:
        return f"CheckpointInfo({self._key!r}, {self.status}, {self.world_size} ranks, {self._size} bytes)"


@dataclass(frozen=True)
class IntegrityReport:
    """What a validation of a checkpoint found; true when every byte is as it was saved.

    Attributes:
        problems: Everything that is wrong: ``rank`` (None for the manifest), ``key`` and ``error``, an exception.
        bytes_checked: Stored bytes that were compared.
        unchecked: Ranks whose shards have no checksum to compare with.
        ieee_crc32: Ranks whose shards match by the IEEE CRC-32 that the original library labels as a CRC32C.
    """

    problems: list[dict[str, Any]] = field(default_factory=list)
    bytes_checked: int = 0
    unchecked: list[int] = field(default_factory=list)
    ieee_crc32: list[int] = field(default_factory=list)

    @property
    def bad_ranks(self) -> list[int]:
        """Ranks whose shards are missing or damaged."""
        return [problem["rank"] for problem in self.problems if problem["rank"] is not None]

    def __bool__(self) -> bool:
        return not self.problems

    def __eq__(self, other: object) -> bool:
        # the original gives a bool
        return bool(self) == other if isinstance(other, bool) else self is other

    __hash__ = object.__hash__


def to_report(told: dict[str, Any]) -> IntegrityReport:
    """The report of a validation's result."""
    problems = [{"rank": one.get("rank"), "key": one["key"], "error": to_error(one)} for one in told["problems"]]
    return IntegrityReport(problems, told["bytes"], told["unchecked"], told["ieee_crc32"])


@dataclass(frozen=True)
class PruneReport:
    """What a prune did, or would do.

    Attributes:
        deleted: Manifest keys of checkpoints that are gone.
        kept: Those of complete checkpoints that are there, the newest first.
        verified: The kept one that was found whole; None where nothing was to be deleted, or none is whole.
        collected: Keys of shards that no manifest referred to.
        skipped: Damaged manifests, which stay: ``key`` and ``error``.
    """

    deleted: list[str]
    kept: list[str]
    verified: str | None
    collected: list[str]
    skipped: list[dict[str, Any]]

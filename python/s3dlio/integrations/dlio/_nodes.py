"""What DLIO asks of a storage: nodes by name, over any store."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import s3dlio

from ...exceptions import InvalidArgumentError

#: Variables of launchers that tell the rank.
_RANKS = ("OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "PMI_RANK")

#: Options of DLIO's configuration, and the variables by which every process of the benchmark learns of them.
_VARIABLES = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "region": "AWS_REGION",
    "endpoint_url": "AWS_ENDPOINT_URL",
}


def configure(arguments: Any) -> None:
    """Sets the variables that the configuration of a benchmark asks for; the processes that it starts have them, too.

    Args:
        arguments: DLIO's: ``storage_options``, ``endpoint_uris``, ``load_balance_strategy``, ``use_mpi_endpoint_distribution``.

    Raises:
        InvalidArgumentError: A strategy that there is not.
    """
    options: Mapping[str, Any] = getattr(arguments, "storage_options", None) or {}
    for name, variable in _VARIABLES.items():
        if options.get(name):
            os.environ.setdefault(variable, str(options[name]))
    endpoints: Sequence[str] = getattr(arguments, "endpoint_uris", None) or ()
    if endpoints:
        by_rank = bool(getattr(arguments, "use_mpi_endpoint_distribution", False))
        os.environ["AWS_ENDPOINT_URL"] = _endpoint(endpoints, by_rank, getattr(arguments, "load_balance_strategy", None) or "round_robin")


def _endpoint(endpoints: Sequence[str], by_rank: bool, strategy: str) -> str:
    """The endpoint of this process."""
    if by_rank:
        rank = next((os.environ[name] for name in _RANKS if os.environ.get(name)), None)
        if rank is None:
            raise InvalidArgumentError(f"use_mpi_endpoint_distribution: none of {', '.join(_RANKS)} tells the rank of this process")
        return endpoints[int(rank) % len(endpoints)]
    if strategy == "random":
        return random.choice(endpoints)
    if strategy in ("round_robin", "least_connections"):
        # a process has one endpoint; s3dlio.create_multi_endpoint_store spreads the calls of one
        return endpoints[os.getpid() % len(endpoints)]
    raise InvalidArgumentError(f"load_balance_strategy is 'round_robin', 'least_connections' or 'random', found {strategy!r}")


class Nodes:
    """The methods of DLIO's storages. What is missing is told by their results; every other failure is raised.

    Attributes:
        prefix: The address below which names are.
        kinds: DLIO's ``MetadataType``.
    """

    prefix: str
    kinds: Any

    def get_uri(self, id: str) -> str:
        """A name as an address."""
        if "://" in id or (self.prefix.startswith("/") and id.startswith("/")):
            return id
        # DLIO's own storage for S3 has the bucket's name alone
        root = self.prefix if "://" in self.prefix or self.prefix.startswith("/") else f"s3://{self.prefix}"
        return "/".join(part for part in (root.rstrip("/"), id.lstrip("/")) if part)

    def create_namespace(self, exist_ok: bool = False) -> bool:
        """Buckets are there before a benchmark begins."""
        return True

    def get_namespace(self) -> Any:
        """What the address of all names is."""
        return self.get_node()

    def create_node(self, id: str, exist_ok: bool = False) -> bool:
        """Makes a folder, where the store has such."""
        try:
            s3dlio.mkdir(self.get_uri(id))
        except FileExistsError:
            if not exist_ok:
                raise
        return True

    def get_node(self, id: str = "") -> Any:
        """Whether a name is a file or a folder; None: there is neither."""
        uri = self.get_uri(id)
        if not uri.endswith("/") and self._is_object(uri):
            return self.kinds.FILE
        return self.kinds.DIRECTORY if s3dlio.exists(uri.rstrip("/") + "/") else None

    def walk_node(self, id: str, use_pattern: bool = False) -> list[str]:
        """The names right below a folder, or with ``use_pattern`` those that match the last part of ``id``."""
        uri = self.get_uri(id)
        folder, _, pattern = uri.rpartition("/") if use_pattern else (uri.rstrip("/"), "", "*")
        try:
            found = s3dlio.list(folder + "/")
        except FileNotFoundError:
            return []
        names = [one.rstrip("/").rpartition("/")[2] for one in found]
        return [name for name in names if name and fnmatchcase(name, pattern)]

    def delete_node(self, id: str) -> bool:
        """Deletes an object; False: it was not there."""
        try:
            s3dlio.delete(self.get_uri(id))
        except FileNotFoundError:
            return False
        return True

    def put_data(self, id: str, data: Any, offset: int | None = None, length: int | None = None) -> None:
        """Writes an object of bytes, or of what a file holds."""
        if hasattr(data, "getbuffer"):
            data = data.getbuffer()
        elif hasattr(data, "read"):
            data.seek(0)
            data = data.read()
        # large ones go in parts by themselves
        s3dlio.put_bytes(self.get_uri(id), data)

    def get_data(self, id: str, data: Any = None, offset: int | None = None, length: int | None = None) -> Any:
        """Reads an object or a range of it, as a ``BytesView``."""
        uri = self.get_uri(id)
        return s3dlio.get(uri) if offset is None or length is None else s3dlio.get_range(uri, offset, length)

    def isfile(self, id: str) -> bool:
        """Whether there is an object of that name."""
        return self._is_object(self.get_uri(id))

    def get_basename(self, id: str) -> str:
        """The last part of a name."""
        return os.path.basename(id)

    @staticmethod
    def _is_object(uri: str) -> bool:
        try:
            s3dlio.stat(uri)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return False
        return True

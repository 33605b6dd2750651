"""What the cases against S3 servers move."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scene import Scene
from servers import Server

#: Of a model.
LAYERS = 32


class S3Scene(Scene):
    """A scene with a server in it.

    Args:
        server: The server.
        in_flight: Requests at once, for both sides.
        others: What :class:`Scene` takes.
    """

    def __init__(self, server: Server, in_flight: int, folder: Path, size: int, overwrite: bool, calls: int) -> None:
        super().__init__(folder, size, overwrite, calls)
        self.server = server
        self.in_flight = in_flight

    @functools.cached_property
    def large(self) -> str:
        """The key of an object of the array's bytes."""
        self.server.place("bench/large", self.data, self.checksum)
        return "bench/large"

    @functools.cached_property
    def small(self) -> list[str]:
        """As many keys as there are calls, at most a thousand, of objects of the array's bytes."""
        keys = [f"bench/small-{self.size}/{i:04}" for i in range(min(self.calls, 1000))]
        for key in keys:
            self.server.place(key, self.data, self.checksum)
        return keys

    @functools.cached_property
    def model(self) -> list[str]:
        """The keys of a model's files, about eight of them, and of its index; its tensors are the array's parts."""
        import s3dlio

        parts = np.split(self.array.reshape(LAYERS, -1), LAYERS)
        state = {f"{number}.weight": part.reshape(-1, 1024) for number, part in enumerate(parts)}
        # on the disk, and one file after the other: all of it in memory once more is more than small machines have
        s3dlio.save_tensors(self.path("model"), state, max_shard_size=self.size // 8)
        keys = []
        for file in sorted(Path(self.path("model")).iterdir()):
            key = f"bench/model/{file.name}"
            data = s3dlio.get(file)
            file.unlink()
            self.server.place(key, memoryview(data), str(s3dlio.put_bytes("memory://bench/checksum-of-a-file", data)))
            s3dlio.delete("memory://bench/checksum-of-a-file")
            keys.append(key)
        return keys

    @functools.cached_property
    def module(self) -> Any:
        """A module of torch for that model, its memory in place; the sides take turns with it."""
        import torch

        rows = self.size // 4 // LAYERS // 1024
        made = torch.nn.Sequential(*(torch.nn.Linear(1024, rows, bias=False) for _ in range(LAYERS)))
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.fill_(-1)
        return made

    def same_module(self, module: Any) -> None:
        parts = np.split(self.array.reshape(LAYERS, -1), LAYERS)
        for part, parameter in zip(parts, module.parameters(), strict=True):
            found = parameter.detach().numpy().reshape(-1)
            if not np.array_equal(part.reshape(-1), found):
                raise AssertionError("the module does not hold the model")
            # so that the other side does not pass by what this one left
            found.fill(-1)

    def keys(self) -> list[str]:
        """A key for each call."""
        return [self.small[i % len(self.small)] for i in range(self.calls)]

    @functools.cached_property
    def checksum(self) -> str:
        """CRC32C of the array's bytes."""
        import s3dlio

        return s3dlio.put_bytes("memory://bench/checksum", self.data)

    @functools.cached_property
    def memory_folder(self) -> Path:
        """A folder in memory, for those who download to files only: no disk is measured with them."""
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        return folder

    def same_many(self, found: list[object]) -> None:
        if len(found) != self.calls:
            raise AssertionError(f"{self.calls} objects were asked for, {len(found)} came")
        for one in found:
            self.same_bytes(one)

    def same_out(self) -> None:
        self.same_array(self.out)
        self.out.fill(-1)

    def is_stored(self, key: str) -> None:
        """Reads what was uploaded where the server keeps it."""
        import s3dlio

        if self.server.name != "plain":
            self.same_bytes(s3dlio.get(f"s3://{self.server.drops}/{key}", storage_options=self.server.options))

    def clear(self) -> None:
        super().clear()
        if "memory_folder" in self.__dict__:
            for file in self.memory_folder.iterdir():
                file.unlink()
            self.memory_folder.rmdir()


LISTED = 100_000


def same_listing(found: list[str]) -> None:
    """The plain server's invented objects."""
    if (
        len(found) != LISTED
        or found[0].rsplit("/", 1)[1] != "shard-00000000.tar"
        or found[-1].rsplit("/", 1)[1] != f"shard-{LISTED - 1:08}.tar"
    ):
        raise AssertionError(f"{LISTED} keys were to be listed, {len(found)} came, {found[:1]} to {found[-1:]}")

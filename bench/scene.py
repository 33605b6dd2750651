"""The data that the contenders move, and the folder they move it to and from."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

TENSORS = 8


def remove_folder(folder: Path) -> None:
    """Removes a folder in which somebody else, such as a cache that makes room, may remove files at the same time."""
    for attempt in range(10):
        try:
            shutil.rmtree(folder)
            return
        except FileNotFoundError:
            if not folder.exists() or attempt == 9:
                return


class Scene:
    """One case's data and folder; the same for both sides.

    Args:
        folder: An empty folder on the file system to be measured.
        size: Bytes of the array, and of all tensors together.
        overwrite: Whether the file to be written already stands there, with as many bytes.
        calls: How many calls one run of a case of small calls makes.
    """

    def __init__(self, folder: Path, size: int, overwrite: bool = False, calls: int = 1) -> None:
        self.folder = folder
        self.size = size
        self.overwrite = overwrite
        self.calls = calls

    @functools.cached_property
    def array(self) -> np.ndarray:
        """float32, of random bits that are numbers: nothing on the way can make them smaller."""
        return np.random.default_rng(7).random(self.size // 4, dtype=np.float32)

    @functools.cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        """The array cut into tensors, as a model's file has them."""
        return {f"layer{i}.weight": part for i, part in enumerate(np.split(self.array.reshape(TENSORS, -1), TENSORS))}

    @functools.cached_property
    def data(self) -> memoryview:
        return memoryview(self.array).cast("B")

    @functools.cached_property
    def out(self) -> np.ndarray:
        """Memory to load into, resident already."""
        return np.full(self.size // 4, -1, np.float32)

    def use(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """Copies torch tensors into memory that is there, and gives them back."""
        import torch

        at = 0
        for tensor in tensors.values():
            torch.from_numpy(self.out[at : at + tensor.numel()]).copy_(tensor.view(-1))
            at += tensor.numel()
        return tensors

    def program(self, code: str) -> None:
        """Runs Python code in a process of its own, whose modules were compiled by an earlier one, as those of an installed package are."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(self.folder.parent / "compiled")
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def place(self, path: str) -> None:
        """Makes the target's folder as the variant wants it: no such file, or one of about the size."""
        target = Path(path)
        if not self.overwrite:
            target.unlink(missing_ok=True)
        elif not target.exists():
            target.write_bytes(self.data)

    @functools.cached_property
    def npy(self) -> str:
        """A ``.npy`` file of the array, as s3dlio writes it: with a record of its checksum."""
        import s3dlio

        s3dlio.save_numpy_array(self.path("given.npy"), self.array)
        return self.path("given.npy")

    @functools.cached_property
    def safetensors(self) -> str:
        """A safetensors file of the tensors, as s3dlio writes it: with a checksum for each."""
        import s3dlio

        s3dlio.save_tensors(self.path("given.safetensors"), self.tensors)
        return self.path("given.safetensors")

    @functools.cached_property
    def blob(self) -> str:
        """A file of the array's bytes and nothing else, on the device."""
        import s3dlio

        s3dlio.put_bytes(self.path("given.bin"), self.data, durable=True)
        return self.path("given.bin")

    @functools.cached_property
    def words(self) -> memoryview:
        """Text of a few thousand words, some of them frequent; it shrinks to about a third."""
        dice = np.random.default_rng(7)
        letters = dice.integers(97, 123, 40_000, np.uint8).tobytes()
        words = [letters[at : at + 3 + at % 8] + b" " for at in range(0, 39_900, 10)]
        picks = np.minimum(dice.zipf(1.3, self.size // 6), len(words)) - 1
        text = b"".join([words[pick] for pick in picks])
        return memoryview((text * (self.size // len(text) + 1))[: self.size])

    @functools.cached_property
    def text(self) -> str:
        """A file of the words."""
        Path(self.path("given.txt")).write_bytes(self.words)
        return self.path("given.txt")

    @functools.cached_property
    def packed(self) -> str:
        """The words as the zstd program compresses them."""
        subprocess.run(["zstd", "-q", "-f", "-3", self.text, "-o", self.path("given.zst")], check=True)
        return self.path("given.zst")

    def same_text(self, path: str) -> None:
        """The file unpacks to the words."""
        if shutil.which("zstd"):
            unpacked: object = subprocess.run(["zstd", "-q", "-d", "-c", path], check=True, capture_output=True).stdout
        else:
            import s3dlio

            unpacked = s3dlio.get(path, decompress=True)
        if memoryview(unpacked) != self.words:  # type: ignore[arg-type]
            raise AssertionError("what was compressed is not the text that was given")

    def same_array(self, found: np.ndarray) -> None:
        if not np.array_equal(found.reshape(-1), self.array):
            raise AssertionError("the array that was loaded is not the one that was saved")

    def same_npy(self, path: str) -> None:
        self.same_array(np.load(path))

    def same_bytes(self, found: object) -> None:
        if memoryview(found).cast("B") != self.data:  # type: ignore[arg-type]
            raise AssertionError("the bytes that were read are not those that were written")

    def same_file(self, path: str) -> None:
        self.same_bytes(Path(path).read_bytes())

    def same_tensors(self, found: dict[str, object]) -> None:
        if set(found) != set(self.tensors):
            raise AssertionError(f"tensors {sorted(found)} were found, {sorted(self.tensors)} were saved")
        for name, tensor in self.tensors.items():
            if not np.array_equal(np.asarray(found[name]), tensor):
                raise AssertionError(f"tensor {name} is not the one that was saved")

    def clear(self) -> None:
        for file in self.folder.iterdir():
            if file.is_dir():
                remove_folder(file)
            else:
                file.unlink()

    def is_direct(self) -> bool:
        """Whether the file system takes O_DIRECT."""
        path = self.path("probe")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600))
        except OSError:
            return False
        finally:
            Path(path).unlink(missing_ok=True)
        return True

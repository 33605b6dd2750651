"""What s3dlio does, on real data in a temporary folder: run it with ``./build.ps1 demo`` or ``python examples/demo.py``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import s3dlio

MEGABYTE = 1_000_000


def main() -> int:
    """Runs every part; an assertion fails where something is not as it is shown."""
    print(f"s3dlio {s3dlio.__version__} (NumPy {np.__version__}, Python {sys.version.split()[0]})")
    with tempfile.TemporaryDirectory(prefix="s3dlio-demo-") as made:
        folder = Path(made)
        show_arrays(folder)
        show_tensors(folder)
        show_damage(folder)
        show_objects(folder)
        show_direct(folder)
    assert not folder.exists()
    print("\nAll of it is as it should be.")
    return 0


def show_arrays(folder: Path) -> None:
    """Saves and loads arrays, and has NumPy read what was saved."""
    print("\nArrays, saved as .npy files that np.load reads")
    print(f"  {'array':<14}{'shape':<16}{'size':>9}   {'checksum':<16}{'save':>10}{'load':>12}")
    for name, array in arrays().items():
        path = folder / f"{name}.npy"
        checksum, save = timed(lambda path=path, array=array: s3dlio.save_numpy_array(path, array))
        loaded, load = timed(lambda path=path: s3dlio.load_numpy_array(path))
        assert loaded.dtype == array.dtype
        assert np.array_equal(loaded, array)
        if array.dtype.type.__module__ == "numpy":
            assert np.array_equal(np.load(path), array)
        size = f"{array.nbytes / MEGABYTE:.1f} MB"
        print(f"  {name:<14}{array.shape!s:<16}{size:>9}   {checksum:<16}{rate(array, save):>10}{rate(array, load):>12}")
    if not (folder / "bfloat16.npy").exists():
        print("  (no bfloat16: the package ml_dtypes is not installed)")


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    """What a training run has at hand."""
    random = np.random.default_rng(1)
    weights = random.random((4096, 4096), np.float32)
    records = np.zeros(200_000, [("step", "<i8"), ("loss", "<f4"), ("tag", "S8")])
    records["step"] = np.arange(records.size)
    records["loss"] = random.random(records.size, np.float32)
    found = {"float32": weights, "fortran": np.asfortranarray(weights[:1024]), "structured": records}
    try:
        import ml_dtypes
    except ImportError:
        pass
    else:
        found["bfloat16"] = weights[:2048].astype(ml_dtypes.bfloat16)
    return found


def show_tensors(folder: Path) -> None:
    """Saves a dictionary of tensors and reads a part of one."""
    print("\nA dictionary of tensors, saved as one .safetensors file")
    tensors = {f"layer.{i}.weight": np.random.default_rng(i).random((1024, 1024), np.float32) for i in range(8)}
    path = folder / "model.safetensors"
    _, save = timed(lambda: s3dlio.save_tensors(path, tensors, {"step": "1000"}))
    loaded, load = timed(lambda: s3dlio.load_tensors(path))
    assert list(loaded) and all(np.array_equal(loaded[name], tensors[name]) for name in tensors)
    whole = np.concatenate(list(tensors.values()))
    print(f"  {len(tensors)} tensors, {whole.nbytes / MEGABYTE:.1f} MB: saved at {rate(whole, save)}, loaded at {rate(whole, load)}")
    with s3dlio.open_tensors(path) as file:
        lazy = file["layer.3.weight"]
        part = lazy[100:110, :]
        assert np.array_equal(part, tensors["layer.3.weight"][100:110])
        print(f"  {lazy.name}[100:110] read {part.nbytes:,} of the file's {path.stat().st_size:,} bytes; {lazy.checksum} covers the tensor")


def show_damage(folder: Path) -> None:
    """Flips one bit on the disk."""
    print("\nOne bit flipped on the disk")
    path = folder / "model.safetensors"
    with path.open("r+b") as file:
        file.seek(-5_000_000, 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    try:
        s3dlio.load_tensors(path)
    except s3dlio.ChecksumMismatchError as error:
        text = str(error).replace(str(folder), "…")
    else:
        raise AssertionError("the damage went unnoticed")
    assert "layer." in text
    for line in wrapped(f"{s3dlio.ChecksumMismatchError.__name__}: {text}"):
        print(f"  {line}")


def show_objects(folder: Path) -> None:
    """Plain bytes: conditions, metadata, listing."""
    print("\nObjects of any kind")
    uri = f"file://{folder}/notes/first.txt"
    s3dlio.put_bytes(uri, b"written once", overwrite=False, content_type="text/plain")
    try:
        s3dlio.put_bytes(uri, b"written twice", overwrite=False)
    except FileExistsError:
        print("  a second put with overwrite=False is a FileExistsError")
    else:
        raise AssertionError("the object was overwritten")
    assert s3dlio.get(uri) == b"written once"
    found = s3dlio.stat(uri)
    assert found["size"] == 12
    print(f"  stat    {', '.join(f'{name}={found[name]}' for name in ('size', 'checksum', 'content_type'))}")
    listed = s3dlio.list(folder)
    assert f"{folder}/notes/" in listed
    print(f"  list    {'  '.join(name.removeprefix(f'{folder}/') for name in listed)}")
    s3dlio.copy(uri, "memory://demo/first.txt")
    assert s3dlio.get("memory://demo/first.txt") == b"written once"
    assert s3dlio.delete(folder / "notes", recursive=True) == 1
    assert not s3dlio.exists(uri)


def show_direct(folder: Path) -> None:
    """The same past the page cache."""
    print("\nPast the page cache (direct://, O_DIRECT)")
    array = np.random.default_rng(9).random((2048, 4096), np.float32)
    uri = f"direct://{folder}/direct.npy"
    try:
        checksum, save = timed(lambda: s3dlio.save_numpy_array(uri, array))
    except s3dlio.InvalidArgumentError as error:
        assert "O_DIRECT" in str(error)
        print("  not possible here: the file system of the temporary folder refuses it")
        return
    loaded, load = timed(lambda: s3dlio.load_numpy_array(uri, validate_checksum=checksum))
    assert np.array_equal(loaded, array)
    print(f"  {array.nbytes / MEGABYTE:.1f} MB: saved at {rate(array, save)}, loaded at {rate(array, load)}, {checksum}")


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call and the seconds it took."""
    begin = time.perf_counter()
    return call(), time.perf_counter() - begin


def rate(array: np.ndarray[Any, Any], seconds: float) -> str:
    """Megabytes a second."""
    return f"{array.nbytes / MEGABYTE / seconds:,.0f} MB/s"


def wrapped(text: str) -> list[str]:
    """The text in lines that fit a terminal."""
    import textwrap

    return textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(main())

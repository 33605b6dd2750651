"""s3dlio itself."""

from __future__ import annotations

import compileall
import sys
from collections.abc import Callable
from typing import Any

from contest import Operation
from scene import Scene

import s3dlio

NAME = "s3dlio"
VERSION = s3dlio.__version__


def npy_save(scene: Scene, **options: Any) -> Operation:
    path = scene.path("ours.npy")
    return Operation(
        run=lambda: s3dlio.save_numpy_array(path, scene.array, **options),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_npy(path),
        size=scene.size,
    )


def npy_save_durable(scene: Scene) -> Operation:
    return npy_save(scene, durable=True)


def npy_save_compressed(scene: Scene) -> Operation:
    path = scene.path("packed.npy")
    return Operation(
        run=lambda: s3dlio.save_numpy_array(path, scene.array, compress=True),
        before=lambda: scene.place(path + ".zst"),
        check=lambda _: scene.same_array(s3dlio.load_numpy_array(path)),
        size=scene.size,
    )


def npy_load(scene: Scene, **options: Any) -> Operation:
    path = scene.npy
    return Operation(run=lambda: s3dlio.load_numpy_array(path, **options), check=scene.same_array, size=scene.size)


def npy_load_unchecked(scene: Scene) -> Operation:
    return npy_load(scene, validate_checksum=False)


def npy_load_kept(scene: Scene) -> Operation:
    path, kept = scene.npy, []

    def run() -> Any:
        kept.append(s3dlio.load_numpy_array(path))
        return kept[-1]

    return Operation(run=run, check=scene.same_array, size=scene.size)


def npy_load_out(scene: Scene) -> Operation:
    return npy_load(scene, out=scene.out)


def safetensors_save(scene: Scene) -> Operation:
    path = scene.path("ours.safetensors")
    return Operation(
        run=lambda: s3dlio.save_tensors(path, scene.tensors),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_tensors(s3dlio.load_tensors(path)),
        size=scene.size,
    )


def safetensors_load(scene: Scene) -> Operation:
    path = scene.safetensors
    return Operation(run=lambda: s3dlio.load_tensors(path), check=scene.same_tensors, size=scene.size)


def torch_save(scene: Scene) -> Operation:
    import torch

    path = scene.path("ours.safetensors")
    tensors = {name: torch.from_numpy(tensor) for name, tensor in scene.tensors.items()}
    return Operation(
        run=lambda: s3dlio.save_tensors(path, tensors),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_tensors(s3dlio.load_tensors(path)),
        size=scene.size,
    )


def torch_load(scene: Scene) -> Operation:
    path = scene.safetensors
    return Operation(run=lambda: s3dlio.load_tensors(path, framework="pt"), check=scene.same_tensors, size=scene.size)


def torch_load_touched(scene: Scene) -> Operation:
    """The same and a look at one number of each page, for rivals that map the file and read nothing before that."""
    path = scene.safetensors

    def run() -> Any:
        tensors = s3dlio.load_tensors(path, framework="pt")
        for tensor in tensors.values():
            tensor.view(-1)[::1024].sum()
        return tensors

    return Operation(run=run, check=scene.same_tensors, size=scene.size)


def torch_map_touched(scene: Scene, verify: bool = True) -> Operation:
    """The file mapped as the rival maps it, compared in one pass over the mapping, and the same look at each page."""
    path = scene.safetensors

    def run() -> Any:
        tensors = s3dlio.load_tensors(path, framework="pt", mmap=True, verify=verify)
        for tensor in tensors.values():
            tensor.view(-1)[::1024].sum()
        return tensors

    return Operation(run=run, check=scene.same_tensors, size=scene.size)


def torch_map_unchecked(scene: Scene) -> Operation:
    return torch_map_touched(scene, verify=False)


def torch_map_used(scene: Scene, verify: bool = True) -> Operation:
    """The same, and all of it copied into memory that is there, as ``load_state_dict`` does."""
    path = scene.safetensors
    return Operation(
        run=lambda: scene.use(s3dlio.load_tensors(path, framework="pt", mmap=True, verify=verify)),
        check=scene.same_tensors,
        size=scene.size,
    )


def torch_map_used_unchecked(scene: Scene) -> Operation:
    return torch_map_used(scene, verify=False)


def direct_write(scene: Scene) -> Operation:
    path = scene.path("ours.bin")
    return Operation(
        run=lambda: s3dlio.put_bytes(f"direct://{path}", scene.data),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_file(path),
        size=scene.size,
    )


def direct_read(scene: Scene) -> Operation:
    return _get(scene, f"direct://{scene.blob}")


def object_put(scene: Scene) -> Operation:
    path = scene.path("ours.bin")
    return Operation(
        run=lambda: s3dlio.put_bytes(path, scene.data),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_file(path),
        size=scene.size,
    )


def object_get(scene: Scene) -> Operation:
    return _get(scene, scene.blob)


def _get(scene: Scene, uri: str) -> Operation:
    return Operation(run=lambda: s3dlio.get(uri), check=scene.same_bytes, size=scene.size)


def small_put_file(scene: Scene) -> Operation:
    return _small_put(scene, scene.path("ours"))


def small_get_file(scene: Scene) -> Operation:
    return _small_get(scene, scene.path("ours"))


def small_put_memory(scene: Scene) -> Operation:
    return _small_put(scene, "memory://bench")


def small_get_memory(scene: Scene) -> Operation:
    return _small_get(scene, "memory://bench")


def _small_put(scene: Scene, root: str) -> Operation:
    store = s3dlio.Store(root if "://" in root else scene.path(""))
    data = bytes(scene.data)
    return Operation(
        run=lambda: _repeat(lambda i: store.put_bytes(f"ours-{i % 100}", data), scene.calls),
        check=lambda _: scene.same_bytes(store.get("ours-0")),
        calls=scene.calls,
    )


def compress_text(scene: Scene) -> Operation:
    path = scene.path("ours.zst")

    def run() -> None:
        with s3dlio.ObjectWriter(path, compress=3) as writer:
            writer.write(scene.words)

    return Operation(run=run, before=lambda: scene.place(path), check=lambda _: scene.same_text(path), size=scene.size)


def compress_noise(scene: Scene) -> Operation:
    path = scene.path("ours.zst")

    def run() -> None:
        with s3dlio.ObjectWriter(path, compress=True) as writer:
            writer.write(scene.data)

    def check(_: object) -> None:
        scene.same_bytes(s3dlio.get(path, decompress=True))

    return Operation(run=run, before=lambda: scene.place(path), check=check, size=scene.size)


def decompress_text(scene: Scene) -> Operation:
    path = scene.path("ours.zst")
    with s3dlio.ObjectWriter(path, compress=3) as writer:
        writer.write(scene.words)

    def check(found: object) -> None:
        if memoryview(found) != scene.words:  # type: ignore[arg-type]
            raise AssertionError("what was decompressed is not the text that was given")

    return Operation(run=lambda: s3dlio.get(path, decompress=True), check=check, size=scene.size)


def _small_get(scene: Scene, root: str) -> Operation:
    store = s3dlio.Store(root if "://" in root else scene.path(""))
    for i in range(100):
        store.put_bytes(f"ours-{i}", bytes(scene.data))
    return Operation(run=lambda: _repeat(lambda i: store.get(f"ours-{i % 100}"), scene.calls), check=scene.same_bytes, calls=scene.calls)


def _repeat(call: Callable[[int], Any], times: int) -> Any:
    result = None
    for i in range(times):
        result = call(i)
    return result


def _installed() -> str:
    """Where the package is, with its modules compiled as an installation leaves them: the rivals' are."""
    package = str(sys.modules["s3dlio"].__path__[0])
    compileall.compile_dir(package, maxlevels=1, quiet=1)
    return package.rsplit("/", 1)[0]


def first_import(scene: Scene) -> Operation:
    """A process that imports the package, as a program does that may use it later."""
    code = f"import sys; sys.path.insert(0, {_installed()!r}); import numpy; numpy.zeros(1); import s3dlio"
    return Operation(run=lambda: scene.program(code))


def first_call(scene: Scene) -> Operation:
    """A process that imports the package, loads the library and has a first answer from it."""
    folder = _installed()
    code = f"import sys; sys.path.insert(0, {folder!r}); import s3dlio; s3dlio.exists('memory://first/call')"
    return Operation(run=lambda: scene.program(code))


def first_save(scene: Scene) -> Operation:
    """A process that imports the package and saves a first array, library and all."""
    folder = _installed()
    path = scene.path("first.npy")
    code = f"import sys; sys.path.insert(0, {folder!r}); import s3dlio, numpy; s3dlio.save_numpy_array({path!r}, numpy.zeros(1000))"
    return Operation(run=lambda: scene.program(code))


OPERATIONS = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", None) == __name__ and not name.startswith("_")
}

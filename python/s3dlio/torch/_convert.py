"""Checkpoints of others as s3dlio's: those of torch's FileSystemWriter, and files of torch.save."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import default_planner, state_dict_loader

from .. import _bulk, _objects, _tensors, checkpoint
from .._core._address import Address, resolve
from .._core._options import StorageOptions
from ..exceptions import InvalidArgumentError, InvalidDataError, IsDirectoryError, NotFoundError, S3dlioError
from ._writer import StorageWriter

Target: TypeAlias = Literal["auto", "state", "dcp", "safetensors"]

_METADATA = ".metadata"
#: What torch's writer puts into its metadata, and nothing that can run: data classes and enumerations without code of their own in
#: their construction.
_HARMLESS = {
    "torch.distributed.checkpoint.metadata": {
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch": {"Size", *(name for name, value in vars(torch).items() if isinstance(value, torch.dtype))},
    "torch.serialization": {"_get_layout"},
    "collections": {"OrderedDict"},
    # the directory that it was written to; the module's name differs by release
    "pathlib": {"PosixPath", "PurePosixPath"},
    "pathlib._local": {"PosixPath", "PurePosixPath"},
    "builtins": {"set", "frozenset"},
}


class _Harmless(pickle.Unpickler):
    """Reads a pickle of the metadata's classes alone."""

    def find_class(self, module: str, name: str) -> Any:
        if name not in _HARMLESS.get(module, ()):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


class _Reader(dcp.FileSystemReader):  # type: ignore[misc]
    """torch's reader, with metadata that cannot run anything."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> dcp.Metadata:
        with Path(self.path, _METADATA).open("rb") as file:
            metadata = _Harmless(file).load()
        if getattr(metadata, "storage_meta", None) is None:
            metadata.storage_meta = dcp.metadata.StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        found: dcp.Metadata = metadata
        return found


class _Planner(default_planner._EmptyStateDictLoadPlanner):  # type: ignore[misc]
    """Everything that the metadata names, with values that cannot run anything."""

    def load_bytes(self, read_item: Any, value: Any) -> None:
        loaded = torch.load(value, weights_only=True)
        self.state_dict[read_item.dest_index.fqn] = loaded
        if self.flatten_state_dict:
            default_planner.set_element(self.original_state_dict, self.mappings[read_item.dest_index.fqn], loaded)


def convert(
    source: Address,
    target: Address,
    *,
    to: Target = "auto",
    step: int = 0,
    allow_pickle: bool = False,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> str:
    """Makes a checkpoint of s3dlio from one that torch wrote.

    The source is a directory of ``torch.distributed.checkpoint``'s FileSystemWriter, or a file of ``torch.save``. One in an object store is
    copied to a temporary directory first. All of it is in memory once.

    Nothing of it runs: the metadata's pickle may name the classes of torch's metadata only, and values are read as ``torch.load`` reads
    them with ``weights_only=True``. What that refuses needs ``allow_pickle``, for sources that you trust: then a process of its own,
    without this one's environment, unpickles it and hands back tensors and plain values.

    Args:
        source: The directory or the file.
        target: What is written: a folder of checkpoints, the folder of one DCP checkpoint, or a safetensors object.
        to: ``"state"`` for :func:`s3dlio.checkpoint.load`; ``"dcp"`` for :class:`StorageReader`; ``"safetensors"`` for tensors alone.
            ``"auto"``: ``"safetensors"`` where the target's name ends so, else ``"dcp"`` for a DCP checkpoint and ``"state"`` for a file.
        step: The step of the checkpoint, with ``"state"``.
        allow_pickle: Unpickle what cannot be read otherwise, in a process of its own. A pickle can run any program.
        timeout: Seconds for each transfer.
        storage_options: Settings of the stores.

    Returns:
        The address of what was written.

    Raises:
        NotFoundError: There is no such source.
        InvalidDataError: It is nothing that torch wrote, or needs ``allow_pickle``.
        InvalidArgumentError: It holds something that the target cannot.

    Example:
        >>> convert("/runs/old/step-100", "s3://runs/new/step-100")  # doctest: +SKIP
        's3://runs/new/step-100'
    """
    if to not in ("auto", "state", "dcp", "safetensors"):
        raise InvalidArgumentError(f"to is 'auto', 'state', 'dcp' or 'safetensors', found {to!r}")
    with _here(source, timeout, storage_options) as path:
        is_dcp = path.is_dir()
        try:
            state = read(path)
        except (pickle.UnpicklingError, AttributeError, EOFError, dcp.CheckpointException) as raised:
            error = _cause(raised)
            if not isinstance(error, (pickle.UnpicklingError, AttributeError, EOFError)):
                raise
            what = os.fspath(source) if isinstance(source, (str, os.PathLike)) else str(path)
            if not allow_pickle:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise InvalidDataError(
                    f"{what}: it holds more than tensors and plain values ({reason}); allow_pickle=True unpickles it in a process of its "
                    "own, which can run whatever the file says",
                    what,
                ) from None
            state = _unpickled(path, what)
    where = resolve(target, storage_options)
    if to == "auto":
        to = "safetensors" if where.key.endswith(".safetensors") else "dcp" if is_dcp else "state"
    if to == "dcp":
        options: Any = storage_options
        dcp.save(state, storage_writer=StorageWriter(where.address(where.key), storage_options=options), **_alone())
    elif to == "state":
        checkpoint.save(target, state, step, storage_options=storage_options, timeout=timeout)
    else:
        _tensors.save_tensors(target, _flat(state, where.address(where.key)), storage_options=storage_options, timeout=timeout)
    return where.address(where.key)


def _cause(error: BaseException) -> BaseException:
    """What one rank raised, of an exception that tells of all."""
    if not isinstance(error, dcp.CheckpointException):
        return error
    failures: dict[int, tuple[BaseException, Any]] = getattr(error, "failures", {})
    return next((found for found, _ in failures.values()), error)


def _alone() -> dict[str, Any]:
    return {} if torch.distributed.is_initialized() else {"no_dist": True}


@contextmanager
def _here(source: Address, timeout: float | None, storage_options: StorageOptions | None) -> Iterator[Path]:
    """The source as a local path."""
    where = resolve(source, storage_options)
    what = where.address(where.key)
    if where.root.uri in ("file:///", "direct:///"):
        path = Path("/" + where.key)
        if not path.exists():
            raise NotFoundError(f"{what}: there is no such file or directory", what)
        _require_kind(path, what)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="s3dlio-convert-") as folder:
        place = Path(folder, "source")
        try:
            _objects.get_file(where, place, timeout=timeout)
        except (NotFoundError, IsDirectoryError) as error:
            if type(error) not in (NotFoundError, IsDirectoryError):
                raise
            place.mkdir()
            _bulk.download(f"{what.rstrip('/')}/", place, storage_options=storage_options, timeout=timeout)
            if not any(place.iterdir()):
                raise NotFoundError(f"{what}: there is no such object, and nothing below it", what) from None
        _require_kind(place, what)
        yield place


def _require_kind(path: Path, what: str) -> None:
    if not path.is_dir() or (path / _METADATA).is_file():
        return
    others = {"_METADATA": "Orbax", "manifest.ocdbt": "Orbax or TensorStore", ".zarray": "zarr", "zarr.json": "zarr"}
    writer = next((name for file, name in others.items() if (path / file).exists()), None)
    hint = f"it looks like {writer}'s" if writer else f"it has no {_METADATA}"
    raise InvalidDataError(
        f"{what}: no checkpoint of torch's FileSystemWriter: {hint}; load it with the library that wrote it and save it with "
        "s3dlio.checkpoint.save",
        what,
    )


def read(path: Path, unsafe: bool = False) -> Any:
    """The state of a checkpoint.

    Args:
        path: The directory or the file.
        unsafe: Unpickle whatever it holds. Only a process that has nothing to lose does that.
    """
    if path.is_dir():
        state: dict[str, Any] = {}
        reader = dcp.FileSystemReader(path) if unsafe else _Reader(path)
        planner = default_planner._EmptyStateDictLoadPlanner() if unsafe else _Planner()
        if not unsafe:
            # torch would go on to look for another one
            reader.read_metadata()
        state_dict_loader._load_state_dict(state, storage_reader=reader, planner=planner, no_dist=True)
        return state
    return torch.load(path, map_location="cpu", weights_only=not unsafe)


#: What the process of its own runs.
_PROGRAM = """
import sys
from pathlib import Path
from s3dlio import checkpoint
from s3dlio.torch._convert import read
checkpoint.save(sys.argv[2], read(Path(sys.argv[1]), unsafe=True), 0, compress=False)
"""


def _unpickled(path: Path, what: str) -> Any:
    with tempfile.TemporaryDirectory(prefix="s3dlio-convert-") as folder:
        # no credentials, and no home with them; the modules of this process, since the pickle names classes
        environment = {"PATH": os.defpath, "HOME": folder, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
        command = [sys.executable, "-c", _PROGRAM, str(path.resolve()), f"{folder}/state"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise InvalidDataError(f"{what}: it cannot be unpickled: {said[-1] if said else f'exit status {done.returncode}'}", what)
        return checkpoint.load(f"{folder}/state", framework="pt").state


def _flat(state: Any, what: str, name: str = "") -> dict[str, torch.Tensor]:
    """Tensors by their names with dots."""
    if isinstance(state, torch.Tensor):
        return {name: state}
    if not isinstance(state, dict):
        found_type = type(state).__name__
        raise InvalidArgumentError(f"{what}: a safetensors object holds tensors by name, {name or 'the state'!r} is {found_type}", what)
    found: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        found |= _flat(value, what, f"{name}.{key}" if name else str(key))
    return found


def main(arguments: list[str] | None = None) -> int:
    """What ``s3dlio checkpoint convert`` starts; the stores' options come by the environment."""
    parser = argparse.ArgumentParser(prog="s3dlio checkpoint convert")
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--to", default="auto", choices=("auto", "state", "dcp", "safetensors"))
    parser.add_argument("--step", type=int, default=0)
    parser.add_argument("--allow-pickle", action="store_true")
    chosen = parser.parse_args(arguments)
    options = json.loads(os.environ.get("S3DLIO_STORAGE_OPTIONS") or "{}")
    try:
        made = convert(
            chosen.source, chosen.target, to=chosen.to, step=chosen.step, allow_pickle=chosen.allow_pickle, storage_options=options or None
        )
    except S3dlioError as error:
        print(f"s3dlio: {error}", file=sys.stderr)
        return 1
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())

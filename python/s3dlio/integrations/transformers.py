"""Models of transformers from where they lie, and to there, without a copy on the disk.

Importing this needs torch and transformers.

Example:
    >>> from s3dlio.integrations.transformers import from_pretrained, save_pretrained  # doctest: +SKIP
    >>> from transformers import AutoModelForCausalLM  # doctest: +SKIP
    >>> model = from_pretrained(AutoModelForCausalLM, "s3://models/tiny")  # doctest: +SKIP
    >>> save_pretrained(model, "s3://models/tiny-tuned", max_shard_size="2GB")  # doctest: +SKIP
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

try:
    import torch
    import transformers
except ImportError as error:
    raise ImportError(f"s3dlio.integrations.transformers needs torch and transformers, which cannot be imported here: {error}") from error

from .. import _bulk, _list, _tensors
from .._core._address import Address, Location, resolve
from .._core._options import StorageOptions
from .._core._progress import Progress
from .._core._results import WriteResult
from .._objects import Verify
from ..exceptions import InvalidArgumentError, NotFoundError
from ._module import LoadedKeys, load_into, load_shared

__all__ = ["LoadedKeys", "from_pretrained", "load_into", "load_shared", "save_pretrained"]

#: Bytes of the largest file of settings or of a tokenizer that goes through memory.
_SMALL = 256 << 20
_NOT_SETTINGS = (
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".msgpack",
    ".gguf",
    ".onnx",
    ".safetensors.index.json",
    ".py",
    ".pkl",
)


def from_pretrained(
    model_class: Any,
    uri: Address,
    *,
    verify: Verify = "auto",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
    **kwargs: Any,
) -> Any:
    """A model of transformers from its directory in a store.

    The tensors are read in parallel straight into memory that becomes the model's parameters, so that the peak is the model's own size.
    Only safetensors are read, and no code of the directory is run.

    Args:
        model_class: A class with ``from_pretrained``, such as ``transformers.AutoModelForCausalLM``.
        uri: The directory of ``config.json`` and of ``model.safetensors`` or its index.
        verify: As for ``s3dlio.load_tensors``.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the settings and for the tensors, each.
        storage_options: Settings of the store.
        kwargs: What the class's own ``from_pretrained`` takes, such as ``dtype`` or ``config``.

    Returns:
        The model, as the class's ``from_pretrained`` gives it, ready for evaluation.

    Raises:
        NotFoundError: There is no ``config.json``, or no model.
        InvalidArgumentError: ``trust_remote_code``, ``state_dict`` or another option that has no meaning here.
        ChecksumMismatchError: A tensor's bytes are not those that were written.

    Example:
        >>> from_pretrained(transformers.AutoModel, "s3://models/tiny", dtype="bfloat16")  # doctest: +SKIP
    """
    wrong = sorted(
        {"trust_remote_code", "state_dict", "gguf_file", "subfolder", "revision", "variant", "use_safetensors"}
        & {name for name in kwargs if kwargs[name]}
    )
    if wrong:
        raise InvalidArgumentError(
            f"from_pretrained of a store does not take {', '.join(wrong)}: only safetensors of the directory itself are read, and no code"
        )
    where = resolve(uri, storage_options)
    with tempfile.TemporaryDirectory() as folder:
        _fetch_settings(where, Path(folder), timeout)
        if "config" not in kwargs:
            if not Path(folder, "config.json").is_file():
                what = where.address(where.key)
                raise NotFoundError(f"{what}: there is no config.json; give the directory of a model of transformers", what)
            kwargs["config"] = transformers.AutoConfig.from_pretrained(folder)
        generation = transformers.GenerationConfig.from_pretrained(folder) if Path(folder, "generation_config.json").is_file() else None
    state = _tensors.load_tensors(_directory(where), framework="pt", verify=verify, progress=progress, timeout=timeout)
    if hasattr(model_class, "_model_mapping"):
        # one of the Auto classes, which want a name or a directory
        with torch.device("meta"):
            model_class = type(model_class.from_config(kwargs["config"]))
    model = model_class.from_pretrained(None, state_dict=state, **kwargs)
    made = model[0] if isinstance(model, tuple) else model
    if generation is not None and hasattr(made, "generation_config"):
        made.generation_config = generation
    return model


def save_pretrained(
    model: Any,
    uri: Address,
    *,
    max_shard_size: int | str = "5GB",
    overwrite: bool = True,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Writes a model of transformers into a directory of a store: its settings, and its tensors from their own memory.

    Args:
        model: The model.
        uri: The directory.
        max_shard_size: As for ``s3dlio.save_tensors``.
        overwrite: False fails where there is a model.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the settings and for the tensors, each.
        storage_options: Settings of the store.

    Returns:
        What was written last: the index, or the only file.

    Raises:
        AlreadyExistsError: ``overwrite=False`` and there is a model.

    Example:
        >>> save_pretrained(model, "s3://models/tiny")  # doctest: +SKIP
    """
    where = _directory(resolve(uri, storage_options))
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        if getattr(model, "generation_config", None) is not None and getattr(model, "can_generate", lambda: False)():
            model.generation_config.save_pretrained(folder)
        items = [(Location(where.root, where.key + file.name, where.base), file.read_bytes()) for file in sorted(Path(folder).iterdir())]
    state = model.state_dict()
    # of tied tensors the first is kept, which is to be the one that the others are tied to
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    state = {name: state[name] for name in sorted(state, key=tied.__contains__)}
    result = _tensors.save_tensors(where, state, max_shard_size=max_shard_size, overwrite=overwrite, progress=progress, timeout=timeout)
    # whoever finds the settings finds the tensors
    _bulk.put_many(items, timeout=timeout)
    return result


def _directory(where: Location) -> Location:
    return Location(where.root, f"{where.key.rstrip('/')}/", where.base)


def _fetch_settings(where: Location, folder: Path, timeout: float | None) -> None:
    """Small files of the directory itself, no weights and no code."""
    place = _directory(where)
    small = [
        meta
        for meta in _list.list_stream(place, recursive=False, timeout=timeout)
        if meta.size <= _SMALL and meta.uri is not None and not meta.uri.endswith(_NOT_SETTINGS) and meta.uri.endswith(".json")
    ]
    locations = [Location(place.root, (meta.uri or "")[len(place.base) :], place.base) for meta in small]
    for at, (_, data) in zip(locations, _bulk.get_many(locations, timeout=timeout), strict=True):
        Path(folder, at.key.rpartition("/")[2]).write_bytes(bytes(data))

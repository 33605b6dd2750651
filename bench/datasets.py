"""Samples a second of a torch DataLoader: s3dlio against boto3 and s3fs, in pairs, with the CPU time of each sample.

And tar files against a plain read; what one loader reads from a plain web server; and how long a loader of ten million samples takes to go
on in the middle of an epoch.

    eval "$(tests/servers/servers.sh env DIR)"
    PYTHONPATH=python python3 bench/datasets.py samples --count 20000 --size 16384 --workers 2 --rounds 3
    PYTHONPATH=python python3 bench/datasets.py tar --count 8 --size 67108864 --rounds 3
    PYTHONPATH=python python3 bench/datasets.py rate --count 512 --size 1048576 --rounds 5
    PYTHONPATH=python python3 bench/datasets.py resume --count 10000000

The store is that of S3DLIO_TEST_S3_URI and S3DLIO_TEST_S3_OPTIONS, or --uri with --options. Objects are written once and kept until
--clean.
"""

from __future__ import annotations

import argparse
import functools
import inspect
import io
import json
import os
import resource
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import s3dlio

try:
    import torch
    from torch.utils.data import DataLoader, Dataset

    from s3dlio.torch import IterableDataset
except ImportError:
    # rate and resume need none
    Dataset = object  # type: ignore[assignment,misc]

BATCH = 256


class Boto3(Dataset):  # type: ignore[misc]
    """One get_object a sample, one client a worker: what users write."""

    def __init__(self, bucket: str, keys: list[str], options: dict[str, Any]) -> None:
        self._bucket, self._keys, self._options, self._client = bucket, keys, options, None

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> Any:
        if self._client is None:
            import boto3

            self._client = boto3.client(
                "s3",
                endpoint_url=self._options.get("endpoint_url"),
                region_name=self._options.get("region", "us-east-1"),
                aws_access_key_id=self._options.get("access_key_id"),
                aws_secret_access_key=self._options.get("secret_access_key"),
            )
        body = self._client.get_object(Bucket=self._bucket, Key=self._keys[index])["Body"].read()
        return torch.frombuffer(bytearray(body), dtype=torch.uint8)


class S3fs(Dataset):  # type: ignore[misc]
    """One cat a batch: s3fs reads its objects at once."""

    def __init__(self, bucket: str, keys: list[str], options: dict[str, Any]) -> None:
        self._bucket, self._keys, self._options, self._fs = bucket, keys, options, None

    def __len__(self) -> int:
        return len(self._keys)

    def __getitems__(self, indices: list[int]) -> list[Any]:
        if self._fs is None:
            import botocore.args
            import s3fs

            # Debian's aiobotocore is older than its botocore, and does not give an argument that this one asks for
            creator = botocore.args.ClientArgsCreator
            name = "compute_endpoint_resolver_builtin_defaults"
            if "s3_disable_express_session_auth" in inspect.signature(getattr(creator, name)).parameters:
                setattr(creator, name, functools.partialmethod(getattr(creator, name), s3_disable_express_session_auth=None))

            self._fs = s3fs.S3FileSystem(
                key=self._options.get("access_key_id"),
                secret=self._options.get("secret_access_key"),
                endpoint_url=self._options.get("endpoint_url"),
                skip_instance_cache=True,
            )
        found = self._fs.cat([f"{self._bucket}/{self._keys[index]}" for index in indices])
        return [torch.frombuffer(bytearray(body), dtype=torch.uint8) for body in found.values()]


def measured(run: Callable[[], int]) -> tuple[float, float, int]:
    """Seconds, CPU seconds of this process and of the workers that ended, and what ``run`` counted."""

    def cpu() -> float:
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    begun, used = time.perf_counter(), cpu()
    counted = run()
    return time.perf_counter() - begun, cpu() - used, counted


def counted(loader: Any) -> int:
    return sum(len(batch) for batch in loader)


def samples(arguments: argparse.Namespace, base: str, options: dict[str, Any]) -> None:
    folder = f"{base}/samples-{arguments.count}-{arguments.size}/"
    try:
        data = s3dlio.datasets.objects(folder, storage_options=options)
    except s3dlio.NotFoundError:
        data = None
    if data is None or len(data) != arguments.count:
        for at in range(0, arguments.count, 1000):
            names = range(at, min(at + 1000, arguments.count))
            s3dlio.put_many([(f"{folder}{i:07}", os.urandom(arguments.size)) for i in names], storage_options=options)
        data = s3dlio.datasets.objects(folder, storage_options=options)
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    keys = [prefix + data.key(index) for index in range(len(data))]
    # forked: the CPU time of workers that a fork server started is not told of
    workers = {"num_workers": arguments.workers, "multiprocessing_context": "fork" if arguments.workers else None}

    def ours() -> int:
        return counted(DataLoader(IterableDataset(data, batch_size=BATCH, shuffle=True, seed=1), batch_size=None, **workers))

    rivals: dict[str, Callable[[], int]] = {
        name: lambda kind=kind: counted(DataLoader(kind(bucket, keys, options), batch_size=BATCH, shuffle=True, **workers))  # type: ignore[misc]
        for name, kind in (("boto3", Boto3), ("s3fs", S3fs))
        if name in arguments.rivals
    }
    report("samples/s", ours, rivals, arguments.rounds)


def tar(arguments: argparse.Namespace, base: str, options: dict[str, Any]) -> None:
    folder = f"{base}/tar-{arguments.count}-{arguments.size}/"
    uris = [f"{folder}{number:04}.tar" for number in range(arguments.count)]
    each = 128 << 10
    if len(s3dlio.list(folder, storage_options=options)) < arguments.count:
        for uri in uris:
            memory = io.BytesIO()
            with tarfile.open(fileobj=memory, mode="w") as file:
                for number in range(arguments.size // each):
                    info = tarfile.TarInfo(f"{number:06}.bin")
                    info.size = each
                    file.addfile(info, io.BytesIO(os.urandom(each)))
            s3dlio.put(uri, memory.getvalue(), storage_options=options)
    data = s3dlio.datasets.tar(uris, storage_options=options)

    def ours() -> int:
        # neighbours stay together in batches; --window mixes the samples of so many blocks of a batch, and then most come in a request each
        loader = s3dlio.datasets.Loader(data, 64, shuffle=True, seed=1, block=64, window=arguments.window)
        return sum(len(sample["bin"]) for batch in loader for sample in batch)

    def plain() -> int:
        return sum(len(view) for _, view in s3dlio.get_many(uris, storage_options=options))

    report("bytes/s", ours, {"get_many": plain}, arguments.rounds)


def rate(arguments: argparse.Namespace, base: str, options: dict[str, Any]) -> None:
    """One process reads objects whose checksums are compared; beside it ``get_many`` of the same."""
    import servers

    plain = servers.plain()
    uris = [f"s3://{plain.keeps}/rate/{number:05}" for number in range(arguments.count)]
    payload = os.urandom(arguments.size)
    s3dlio.put_many([(uri, payload) for uri in uris], storage_options=plain.options)
    data = s3dlio.datasets.objects(uris, sizes=[arguments.size] * arguments.count, storage_options=plain.options)
    each = max(1, (32 << 20) // arguments.size)

    def ours() -> int:
        loader = s3dlio.datasets.Loader(data, each, shuffle=True, seed=1, memory="256MiB")
        return sum(batch.array.nbytes for batch in loader)

    def many() -> int:
        return sum(
            len(view)
            for at in range(0, len(uris), each)
            for _, view in s3dlio.get_many(uris[at : at + each], storage_options=plain.options)
        )

    ours()
    report("bytes/s", ours, {"get_many": many}, arguments.rounds)


def resume(arguments: argparse.Namespace, base: str, options: dict[str, Any]) -> None:
    """A new loader over rows of an array goes on from a state in the middle of an epoch, until it gives the next batch."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "rows.npy")
        np.lib.format.open_memmap(file, "w+", np.int64, (arguments.count, 2)).flush()

        def loader(rank: int = 0, world: int = 1) -> Any:
            return s3dlio.datasets.Loader(s3dlio.datasets.npy(file), BATCH, shuffle=True, seed=1, rank=rank, world_size=world)

        state = json.dumps({**loader().state_dict(), "consumed": arguments.count // 2 // BATCH * BATCH})
        found = []
        for number in range(arguments.rounds):
            begun = time.perf_counter()
            again = loader(number, arguments.rounds)
            again.load_state_dict(json.loads(state))
            next(iter(again))
            found.append(time.perf_counter() - begun)
        print(
            f"resume of {arguments.count:,} samples on {arguments.rounds} ranks: {statistics.median(found):.3f} s (median), "
            f"{max(found):.3f} s at most"
        )


def report(unit: str, ours: Callable[[], int], rivals: dict[str, Callable[[], int]], rounds: int) -> None:
    """Runs the sides by turns and prints each pair and the median of the ratios."""
    for name, theirs in rivals.items():
        ratios = []
        for number in range(rounds):
            sides = [("s3dlio", ours), (name, theirs)][:: 1 if number % 2 else -1]
            found = {side: measured(run) for side, run in sides}
            # a tar file has some headers beside its samples
            assert 0.99 < found["s3dlio"][2] / found[name][2] <= 1, found
            rates = {side: count / seconds for side, (seconds, _, count) in found.items()}
            ratios.append(rates["s3dlio"] / rates[name])
            cpu = "  ".join(
                f"{side} {rates[side]:,.0f} {unit}, {1e6 * used / count:.3f} us CPU each" for side, (_, used, count) in found.items()
            )
            print(f"round {number}: {cpu}  ratio {ratios[-1]:.2f}", flush=True)
        print(
            f"s3dlio / {name}: {statistics.median(ratios):.2f} (median of {rounds} pairs, {min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("samples", "tar", "rate", "resume"))
    parser.add_argument("--uri", default=os.environ.get("S3DLIO_TEST_S3_URI"))
    parser.add_argument("--options", type=json.loads, default=json.loads(os.environ.get("S3DLIO_TEST_S3_OPTIONS") or "{}"))
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=16 << 10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rivals", nargs="*", default=["boto3", "s3fs"])
    parser.add_argument("--clean", action="store_true")
    arguments = parser.parse_args()
    needs_store = arguments.what in ("samples", "tar")
    if needs_store and not arguments.uri:
        parser.error("no store: give --uri, or bring the servers of the tests up")
    base = (arguments.uri or "").rstrip("/") + "/bench-datasets"
    try:
        {"samples": samples, "tar": tar, "rate": rate, "resume": resume}[arguments.what](arguments, base, arguments.options)
    finally:
        if arguments.clean and needs_store:
            s3dlio.delete(base + "/", recursive=True, storage_options=arguments.options)


if __name__ == "__main__":
    main()

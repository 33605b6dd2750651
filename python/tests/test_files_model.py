"""Random sequences of operations give on a store's file what they give on io.BytesIO. S3DLIO_FILE_SEQUENCES=1000 is the long form."""

from __future__ import annotations

import io
import os
import random
from typing import Any

import pytest
from conftest import Base

import s3dlio

SEQUENCES = int(os.environ.get("S3DLIO_FILE_SEQUENCES", "12"))
MOST = 60_000


def outcome(file: Any, name: str, *arguments: Any) -> Any:
    """What an operation gives, or of which builtin kind its error is."""
    try:
        if name == "readinto":
            memory = bytearray(b"\xaa" * arguments[0])
            return file.readinto(memory), bytes(memory)
        if name == "lines":
            return [line for line, _ in zip(file, range(arguments[0]), strict=False)]
        return getattr(file, name)(*arguments)
    except (TypeError, ValueError, io.UnsupportedOperation) as error:
        return TypeError if isinstance(error, TypeError) else ValueError


def size(dice: random.Random) -> int:
    return dice.choice([0, 1, 2, 7, 100, 4095, 4096, 5000, MOST, MOST + 10])


def reading(dice: random.Random) -> tuple[Any, ...]:
    name = dice.choice(
        [
            "read",
            "read",
            "readinto",
            "seek",
            "seek",
            "tell",
            "readline",
            "readlines",
            "lines",
            "readable",
            "writable",
            "seekable",
            "close",
            "fileno",
        ]
    )
    if name == "read":
        return name, dice.choice([-1, None, size(dice), size(dice), 1.5])
    if name in ("readinto", "readline"):
        return name, size(dice)
    if name == "seek":
        whence = dice.choice([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])
        low, high = {os.SEEK_SET: (0, MOST + 100), os.SEEK_CUR: (-300, 3000), os.SEEK_END: (-MOST, 100)}[whence]
        return name, dice.choice([dice.randint(low, high)] * 6 + [1.5, "1"]), whence
    if name == "readlines":
        return name, dice.choice([10, 1000])
    if name == "lines":
        return name, dice.randrange(5)
    if name == "close" and dice.random() < 0.9:
        return ("tell",)
    return (name,)


def at_least_zero(model: io.BufferedReader, arguments: tuple[Any, ...], length: int) -> bool:
    """Whether a seek leads behind the beginning: BytesIO goes to 0 where files raise."""
    if arguments[0] != "seek" or not isinstance(arguments[1], int) or model.closed:
        return True
    return arguments[1] + {os.SEEK_SET: 0, os.SEEK_CUR: model.tell(), os.SEEK_END: length}[arguments[2]] >= 0


def check_reads(uri: str, seed: int, compress: bool, options: dict[str, Any] | None = None, steps: int = 60) -> None:
    dice = random.Random(seed)
    data = b"".join(bytes([dice.choice(b"ab\n")]) * dice.randrange(1, 400) for _ in range(dice.choice([0, 1, 300])))[:MOST]
    with s3dlio.ObjectWriter(uri, compress=compress, storage_options=options) as writer:
        writer.write(data)
    file, model = (
        s3dlio.open(writer.uri, buffering=dice.choice([0, 1, 100, 1 << 20]), storage_options=options),
        io.BufferedReader(io.BytesIO(data)),
    )  # type: ignore[arg-type]
    done = []
    for _ in range(steps):
        operation = reading(dice)
        if not at_least_zero(model, operation, len(data)) or (model.closed and operation[0].endswith("able")):
            continue
        done.append(operation)
        found, wanted = outcome(file, *operation), outcome(model, *operation)
        # of two faults, closed and a wrong argument, either may be told
        assert found == wanted or (model.closed and {found, wanted} == {TypeError, ValueError}), (seed, done)
        assert file.closed == model.closed
    file.close()


def check_writes(uri: str, seed: int, compress: bool, options: dict[str, Any] | None = None) -> None:
    dice, model = random.Random(seed), io.BytesIO()
    file = s3dlio.open(uri, "wb", compress=compress, storage_options=options)
    for _ in range(40):
        kind = dice.choice(["write"] * 4 + ["flush", "tell", "writelines", "reserve", "readable", "writable", "seekable"])
        piece = dice.randbytes(dice.choice([0, 1, 1000, MOST, 3 << 19] if dice.random() < 0.2 else [0, 1, 1000]))
        if kind == "write":
            given = dice.choice([bytes, bytearray, memoryview])(piece)
            assert file.write(given) == model.write(given)
        elif kind == "writelines":
            file.writelines([piece, b"\n"])
            model.writelines([piece, b"\n"])
        elif kind == "reserve":
            file.reserve(len(piece) + 3)[: len(piece)] = piece
            assert file.commit(len(piece)) == model.write(piece)
        elif kind in ("readable", "seekable"):
            # an object in the making cannot be read or gone back in
            assert not getattr(file, kind)()
        else:
            assert getattr(file, kind)() == getattr(model, kind)(), (seed, kind)
    file.close()
    file.close()
    for name in ("flush", "tell"):
        with pytest.raises(ValueError):  # noqa: PT011
            getattr(file, name)()
    with pytest.raises(ValueError):  # noqa: PT011
        file.write(b"x")
    assert bytes(s3dlio.get(file.uri, decompress=compress, storage_options=options)) == model.getvalue()


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
def test_random_reads_are_those_of_bytes_io(base: Base, compress: bool) -> None:
    for seed in range(SEQUENCES):
        check_reads(base.text(f"r{seed}"), seed, compress)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
def test_random_writes_are_those_of_bytes_io(base: Base, compress: bool) -> None:
    for seed in range(SEQUENCES):
        check_writes(base.text(f"w{seed}"), seed, compress)


def test_line_is_not_longer_than_asked_for() -> None:
    s3dlio.put_bytes("memory://model/line", b"a" * 1000)
    with s3dlio.open("memory://model/line", buffering=100) as file:
        assert len(file.readline(2)) == 2 and len(file.readline(100)) == 100 and len(file.readline()) == 898


def test_random_reads_and_writes_on_s3_are_those_of_bytes_io() -> None:
    from servers_fixture import s3_server

    uri, options = s3_server()
    for seed in range(2):
        check_reads(f"{uri}/model-r{seed}", seed, seed % 2 == 1, options, steps=25)
        check_writes(f"{uri}/model-w{seed}", seed, seed % 2 == 1, options)

"""The program's verbs for embedding tables: look, check, export, compact."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_program import Cli, needs_program

import s3dlio


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    needs_program()
    return Cli(tmp_path)


@pytest.fixture
def rows(cli: Cli) -> np.ndarray[Any, Any]:
    """A table ``items`` of 3000 rows, each filled with its key, in two checkpoints of two sessions."""
    filled: np.ndarray[Any, Any] = np.arange(3000, dtype="f4")[:, None] * np.ones(4, "f4")
    with s3dlio.EmbeddingTable.open(cli.folder / "items", 4, optimizer=s3dlio.RowwiseAdagrad(lr=0.1), seed=5) as table:
        table.upsert(np.arange(2000), filled[:2000], serial=7)
        table.checkpoint()
        table.upsert(np.arange(2000, 3000), filled[2000:], session="other")
    return filled


def test_inspect_tells_what_the_table_is(cli: Cli, rows: Any) -> None:
    text = cli("table", "inspect", "items")
    assert "3000 rows of 4 f4, 8 shards" in text and "RowwiseAdagrad" in text and "seed 5" in text and "2 checkpoints" in text
    assert "session default: 7" in text and "session other: 0" in text and "state: closed" in text
    (found,) = cli.lines("table", "inspect", "items")
    assert found == s3dlio.table.inspect(cli.folder / "items") and found["rows"] == 3000
    with s3dlio.EmbeddingTable.open(cli.folder / "items"):
        assert f"process {os.getpid()}" in cli("table", "inspect", "items")
    cli("table", "inspect", "none", code=1)
    assert "there is no table" in cli.errors
    cli("table", "inspect", "memory://a/b", code=2)
    assert "on this machine" in cli.errors


def test_verify_reads_every_row_and_finds_a_flipped_bit(cli: Cli, rows: Any) -> None:
    assert "whole: 3000 rows read" in cli("table", "verify", "items")
    assert cli.lines("table", "verify", "items")[0]["rows_checked"] == 3000
    data = max((path for path in (cli.folder / "items").rglob("*.s3l")), key=lambda path: path.stat().st_size)
    whole = bytearray(data.read_bytes())
    at = whole.index(np.full(4, 1234, "f4").tobytes())
    whole[at] ^= 1
    data.write_bytes(whole)
    text = cli("table", "verify", "items", code=3)
    assert "damaged:" in text and data.name in text
    found = cli.lines("table", "verify", "items", code=3)[0]
    assert not found["whole"] and data.name in found["findings"][0]["path"]


def test_checkpoints_are_listed_here_and_in_a_store(cli: Cli, rows: Any) -> None:
    lines = cli("table", "checkpoints", "items").splitlines()
    assert len(lines) == 3 and "2000 rows" in lines[0] and lines[1].endswith("default=7 other=0") and lines[2] == "2 checkpoints"
    found = cli.lines("table", "checkpoints", "items")
    assert [(one["version"], one["rows"], one["sessions"]) for one in found] == [
        (1, 2000, {"default": 7}),
        (2, 3000, {"default": 7, "other": 0}),
    ]
    with s3dlio.EmbeddingTable.open(cli.folder / "items") as table:
        table.checkpoint(f"file://{cli.folder}/store/items")
    assert cli.lines("table", "checkpoints", "store/items")[0]["version"] == 3


def test_export_gives_the_forms_that_others_read(cli: Cli, rows: Any) -> None:
    assert "exported 3000 rows of checkpoint 2" in cli("table", "export", "items", "out/x.safetensors")
    found = s3dlio.load_tensors(cli.folder / "out/x.safetensors")
    order = np.argsort(found["keys"])
    assert found["keys"].dtype == np.int64 and (found["keys"][order] == np.arange(3000)).all() and (found["rows"][order] == rows).all()
    assert cli.lines("table", "export", "items", "out/x.npy")[0]["rows"] == 3000
    keys, values = np.load(cli.folder / "out/x.keys.npy"), np.load(cli.folder / "out/x.rows.npy")
    assert (values == rows[keys]).all() and sorted(keys) == list(range(3000))
    cli("table", "export", "--checkpoint", "1", "items", "out/x.jsonl")
    lines = [json.loads(line) for line in (cli.folder / "out/x.jsonl").read_text().splitlines()]
    assert len(lines) == 2000 and all(line["row"] == [line["key"]] * 4 for line in lines)
    assert len(cli("table", "export", "items", "-").splitlines()) == 3000
    with s3dlio.EmbeddingTable.open(cli.folder / "again", 4) as table:
        assert table.load(cli.folder / "out/x.safetensors") == 3000 and (table.lookup(np.arange(3000)) == rows).all()
    cli("table", "export", "items", "x.csv", code=2)
    assert "ends with none of" in cli.errors and not (cli.folder / "x.csv").exists()


@pytest.mark.parametrize("dtype", ["f2", "bf16"])
def test_rows_of_sixteen_bits_are_exported(cli: Cli, dtype: str) -> None:
    with s3dlio.EmbeddingTable.open(cli.folder / "half", 3, dtype, optimizer=s3dlio.Add()) as table:
        table.apply_gradients([4, 5], np.array([[1, 2, 3], [np.nan, np.inf, 0.5]], "f4"))
    lines = sorted(cli("table", "export", "half", "-").splitlines())
    assert lines == ['{"key":4,"row":[1,2,3]}', '{"key":5,"row":[null,null,0.5]}']
    cli("table", "export", "half", "half.safetensors")
    with s3dlio.open_tensors(cli.folder / "half.safetensors") as file:
        assert file["rows"].get_dtype() == {"f2": "F16", "bf16": "BF16"}[dtype] and file["rows"].get_shape() == [2, 3]
    cli("table", "export", "half", "half.npy")
    assert np.load(cli.folder / "half.rows.npy").itemsize == 2


def test_top_shows_the_greatest_and_the_least_norms(cli: Cli, rows: Any) -> None:
    assert [line.split() for line in cli("--quiet", "table", "top", "-n", "2", "items").splitlines()] == [
        ["2999", "5998"],
        ["2998", "5996"],
    ]
    assert [one["key"] for one in cli.lines("table", "top", "--least", "-n", "3", "items")] == [0, 1, 2]
    with s3dlio.EmbeddingTable.open(cli.folder / "items") as table:
        table.upsert([-1], [[np.nan, 0, 0, 0]])
    assert cli.lines("table", "top", "-n", "1", "items") == [{"key": -1, "norm": "NaN"}]


def test_compact_gives_room_back_and_keeps_every_row(cli: Cli) -> None:
    with s3dlio.EmbeddingTable.open(cli.folder / "items", 64, optimizer=s3dlio.Add(), segment_size="1MiB", memory="16MiB") as table:
        table.upsert(np.arange(20_000), np.ones((20_000, 64)))
        table.checkpoint()
        for start in (0, 1):
            table.upsert(np.arange(start, 20_000, 2), np.full((10_000, 64), 2.0))
            table.checkpoint()
        table.delete(np.arange(0, 20_000, 4))
    (done,) = cli.lines("table", "compact", "--live", "0.9", "--keep", "1", "items")
    assert done["bytes"] < done["bytes_before"] and done["emptied"] > 0
    with s3dlio.EmbeddingTable.open(cli.folder / "items", memory="16MiB", check=True) as table:
        assert len(table) == 15_000 and len(table.checkpoints()) == 1
        found = table.lookup(np.arange(20_000))
        assert (found[::4] == 0).all() and (found[1::4] == 2).all() and (found[2::4] == 2).all()
    cli("table", "compact", "--live", "2", "items", code=2)
    with s3dlio.EmbeddingTable.open(cli.folder / "items"):
        cli("table", "compact", "items", code=1)
        assert "another writer" in cli.errors

"""Files that earlier versions of the formats wrote, whole and damaged, are read as they were when they were kept."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(__file__).parent / "corpus"
sys.path.insert(0, str(CORPUS))

import make  # noqa: E402


def cases(kind: str) -> list[Any]:
    found = []
    for archive in sorted(CORPUS.glob(f"{kind}-*.zip")):
        expected = json.loads(zipfile.ZipFile(archive).read("expected.json"))
        found += [pytest.param(archive, name, expected[name], id=f"{archive.stem}-{name}") for name in expected]
    return found


def unpack(archive: Path, name: str, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder, [one for one in packed.namelist() if one.startswith(f"{name}/")])
    return folder / name


@pytest.mark.parametrize(("archive", "name", "expected"), cases("log"))
def test_log_is_read_as_ever(archive: Path, name: str, expected: dict[str, Any], tmp_path: Path) -> None:
    log = unpack(archive, name, tmp_path)
    assert {on_damage: make.look_at_log(log, on_damage) for on_damage in ("raise", "skip", "cut")} == expected


@pytest.mark.parametrize(("archive", "name", "expected"), cases("table"))
def test_table_is_read_as_ever(archive: Path, name: str, expected: dict[str, Any], tmp_path: Path) -> None:
    assert make.look_at_table(unpack(archive, name, tmp_path)) == expected


def test_corpus_holds_damage_that_is_told() -> None:
    logs = {one.values[1]: one.values[2] for one in cases("log")}
    assert logs["whole"]["raise"]["r"]["records"] == [[0, make.RECORDS - 1]]
    assert "error" in logs["killed-frame-header-flipped"]["raise"]["a"]
    assert any("error" in one.values[2] for one in cases("table"))

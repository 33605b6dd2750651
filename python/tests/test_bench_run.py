"""bench/run.py: what is not installed leaves a rival out, or a case, and ends no run."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"

OURS = """
from contest import Operation
NAME, VERSION = "ours", "1"
OPERATIONS = {"nothing": lambda scene: Operation(run=lambda: None)}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, with contenders of this test beside its own."""
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    module = importlib.import_module("run")
    rivals = importlib.import_module("rivals")
    contenders = tmp_path / "contenders"
    contenders.mkdir()
    (contenders / "kept.py").write_text(OURS)
    (contenders / "no_module.py").write_text("import a_module_that_is_nowhere\n")
    (contenders / "no_program.py").write_text("raise ImportError('its program is not installed')\n")
    (contenders / "unusable.py").write_text(
        OURS.replace("Operation(run=lambda: None)", "1 / 0").replace("import Operation", "import Unusable")
    )
    monkeypatch.setattr(rivals, "__path__", [*rivals.__path__, str(contenders)])
    yield module
    for name in ("kept", "no_module", "no_program", "unusable"):
        sys.modules.pop(f"rivals.{name}", None)


def case(run: Any, folder: Path, ours: str, rival: str) -> dict[str, Any]:
    options = argparse.Namespace(short=True, pairs=None, size=None)
    found: dict[str, Any] = run.run_case({"name": "a", "about": "b", "ours": ours, "rival": rival}, folder, options)
    assert run.line(found)
    return found


@pytest.mark.parametrize(
    ("rival", "why"),
    [("no_module", "a_module_that_is_nowhere is not installed"), ("no_program", "its program is not installed")],
)
def test_rival_that_is_not_installed_is_left_out(run: Any, tmp_path: Path, rival: str, why: str) -> None:
    found = case(run, tmp_path, "kept:nothing", f"{rival}:nothing")
    assert found["rival_left_out"] == why and len(found["sides"]) == 1


def test_case_whose_own_side_is_not_installed_is_left_out(run: Any, tmp_path: Path) -> None:
    assert case(run, tmp_path, "no_program:nothing", "kept:nothing")["left_out"] == "its program is not installed"


def test_other_errors_end_the_run(run: Any, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        case(run, tmp_path, "unusable:nothing", "kept:nothing")

"""Hostile files end in the error that attacks.json gives, without much memory or time, and never in a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import s3dlio

FOLDER = Path(__file__).parent / "attacks"
TABLE: dict[str, dict[str, dict[str, Any]]] = json.loads((FOLDER / "attacks.json").read_text())
CASES = [
    pytest.param(kind, name, id=f"{kind}: {name}", marks=[pytest.mark.heavy] if expected.get("heavy") else [])
    for kind, attacks in TABLE.items()
    for name, expected in attacks.items()
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Runs a child over the attacks of one kind and gives what came of each, by name."""

    @cache
    def run(kind: str, heavy: bool) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp(kind)
        names = [name for name, expected in TABLE[kind].items() if expected.get("heavy", False) == heavy]
        child = subprocess.run(
            [sys.executable, str(FOLDER / "child.py"), str(folder), kind, *names],
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=500,
            env={**os.environ, "PYTHONPATH": str(Path(s3dlio.__file__).parents[1])},
        )
        lines = [json.loads(line) for line in child.stdout.splitlines()]
        return {
            "ended": child.returncode,
            "said": child.stderr,
            "begun": [line["begin"] for line in lines if "begin" in line],
            "results": {line["end"]: line for line in lines if "end" in line},
            "left": sorted(path.name for path in folder.iterdir()),
        }

    return run


def test_every_attack_is_made_and_expected() -> None:
    names = subprocess.run(
        [sys.executable, "-c", "import json, make; print(json.dumps({kind: list(made) for kind, made in make.ALL.items()}))"],
        capture_output=True,
        text=True,
        cwd=FOLDER,
        check=True,
    )
    assert {kind: list(attacks) for kind, attacks in TABLE.items()} == json.loads(names.stdout)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_attack_is_refused(kind: str, name: str, outcomes: Callable[..., dict[str, Any]]) -> None:
    expected = TABLE[kind][name]
    run = outcomes(kind, expected.get("heavy", False))
    if name not in run["results"]:
        how = signal.Signals(-run["ended"]).name if run["ended"] < 0 else run["ended"]
        where = "in this attack" if run["begun"][-1:] == [name] else f"in the attack {run['begun'][-1:]}"
        pytest.fail(f"the child ended with {how} {where}: {run['said'][-2000:]}")
    result = run["results"][name]
    texts = expected["text"] if isinstance(expected["text"], list) else [expected["text"]]
    assert result["found"] == expected["error"], result["text"]
    assert any(text in result["text"] for text in texts), result["text"]
    assert result["names_the_file"], result["text"]
    assert len(result["text"]) < 1500
    assert result["text"].isprintable()
    assert result["peak"] <= expected.get("memory_mib", 32) << 20
    assert result["seconds"] < (60 if expected.get("heavy") else 20)


@pytest.mark.parametrize("kind", TABLE)
def test_after_all_attacks_the_process_works_and_no_code_was_run(kind: str, outcomes: Callable[..., dict[str, Any]]) -> None:
    run = outcomes(kind, False)
    assert (run["ended"], run["said"]) == (0, "")
    assert None in run["results"]
    assert run["left"] == ["good.npy", "good.safetensors"]

"""The tutorials are executed notebooks: each runs anew, and prints what it shows."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT
from servers_fixture import s3_server

DOCS = CHECKOUT / "docs"
if not (DOCS / "notebooks.py").is_file():
    pytest.skip("the package is not in a checkout", allow_module_level=True)

_spec = importlib.util.spec_from_file_location("notebooks", DOCS / "notebooks.py")
assert _spec is not None and _spec.loader is not None
notebooks: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(notebooks)

NOTEBOOKS = sorted((DOCS / "tutorials").glob("*.ipynb"))
#: What is another in each run, or by another release.
_VARIES = re.compile(r"etag='[^']*'|\b\d+\.\d+s\b")


def _require(notebook: Path) -> None:
    text = notebook.read_text(encoding="utf-8")
    for module in ("torch", "pytest", "matplotlib"):
        if re.search(rf"\b(?:import|from) {module}\b", text) and importlib.util.find_spec(module) is None:
            pytest.skip(f"there is no {module}")


def _shown(notebook: Path) -> list[str]:
    return [_VARIES.sub("…", notebooks.printed(cell)) for cell in notebooks.read(notebook) if cell["cell_type"] == "code"]


def test_there_are_tutorials_with_output() -> None:
    assert {notebook.stem for notebook in NOTEBOOKS} == {"numpy", "pytorch", "pytest", "logs", "datasets", "table"}
    for notebook in NOTEBOOKS:
        code = [cell for cell in notebooks.read(notebook) if cell["cell_type"] == "code"]
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), (
            f"{notebook.name}: run python3 docs/notebooks.py"
        )
        assert any(_shown(notebook))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda one: one.stem)
def test_notebook_prints_what_it_shows(notebook: Path) -> None:
    _require(notebook)
    found = [_VARIES.sub("…", out + (value or "")) for out, value, _ in notebooks.execute(notebook)]
    assert found == _shown(notebook), f"run python3 docs/notebooks.py {notebook.stem} and look at the difference"


@pytest.mark.parametrize("name", ["pytorch", "datasets"])
def test_training_runs_on_a_server_of_s3(name: str) -> None:
    notebook = DOCS / "tutorials" / f"{name}.ipynb"
    _require(notebook)
    uri, options = s3_server()
    found = notebooks.execute(notebook, {"S3DLIO_TUTORIAL": f"{uri}/tutorial", "S3DLIO_TUTORIAL_OPTIONS": json.dumps(options)})
    assert [out + (value or "") for out, value, _ in found] == _shown(notebook)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda one: one.stem)
def test_notebook_runs_in_a_kernel(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="there is no nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    _require(notebook)
    monkeypatch.setenv("PYTHONPATH", f"{CHECKOUT / 'python'}")
    text = nbformat.read(notebook, as_version=4)
    client = nbclient.NotebookClient(text, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    manager = client.create_kernel_manager()
    # this Python, not one that happens to be registered
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.execute()
    found = [
        "".join(
            "".join(one["text"] if one["output_type"] == "stream" else one["data"]["text/plain"])
            for one in cell["outputs"]
            if one.get("name") != "stderr"
        )
        for cell in text.cells
        if cell["cell_type"] == "code"
    ]
    assert [re.sub(r"\s+", " ", _VARIES.sub("…", one)) for one in found] == [re.sub(r"\s+", " ", one) for one in _shown(notebook)]

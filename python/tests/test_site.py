"""The site is built without a warning, where its tools are (Debian's mkdocs-material and mkdocstrings)."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT, PACKAGE

TOOLS = ("mkdocs", "material", "mkdocstrings", "mkdocstrings_handlers.python")


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (CHECKOUT / "mkdocs.yml").is_file():
        pytest.skip("the package is not in a checkout")
    missing = [name for name in TOOLS if not _is_there(name)]
    if missing:
        pytest.skip(f"the site's tools are not there: {', '.join(missing)}")
    made = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(made)]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)}, timeout=600, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "WARNING" not in ended.stdout + ended.stderr
    return made


def test_site_has_every_page(site: Path) -> None:
    pages = {str(file.relative_to(CHECKOUT / "docs").with_suffix("")) for file in (CHECKOUT / "docs").rglob("*.md")}
    built = {str(file.parent.relative_to(site)) for file in site.rglob("index.html")} | {"index"}
    assert pages <= built


def test_tutorials_show_cells_and_output(site: Path) -> None:
    for name in ("numpy", "pytorch", "pytest"):
        text = (site / "tutorials" / name / "index.html").read_text(encoding="utf-8")
        assert "<!-- notebook" not in text and text.count("language-python") + text.count('class="highlight"') >= 5
        assert (site / "tutorials" / f"{name}.ipynb").is_file() and f'href="../{name}.ipynb"' in text


def test_reference_has_every_public_function(site: Path) -> None:
    import s3dlio

    text = "".join(file.read_text(encoding="utf-8") for file in (site / "api").rglob("index.html"))
    shown = set(re.findall(r'id="s3dlio\.[\w.]*?(\w+)"', text))
    assert set(s3dlio._MODULE_OF) <= shown
    assert "The newest first" in (site / "changelog" / "index.html").read_text(encoding="utf-8")

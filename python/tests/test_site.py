"""The site is built without a warning, where its tools are (Debian's mkdocs-material and mkdocstrings)."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

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
        command,
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        timeout=600,
        check=False,
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


class _Page(HTMLParser):
    """What a page links to, what can be linked to in it, what it loads, and its text outside of code."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.prose: list[str] = []
        self._code = 0
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.places.add(found.get("id", ""))
        self._code += tag in ("code", "pre", "script", "style")
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in ("img", "script") and "src" in found:
            self.loads.append(found["src"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(found["href"])

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "pre", "script", "style")

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.prose.append(data)


@pytest.fixture(scope="module")
def parsed(site: Path) -> dict[Path, _Page]:
    return {file: _Page(file) for file in site.rglob("index.html")}


def test_links_lead_to_pages_and_places_that_are_there(site: Path, parsed: dict[Path, _Page]) -> None:
    wrong, followed = [], 0
    for file, page in parsed.items():
        for link in page.links:
            found = urlsplit(link)
            if found.scheme or found.netloc:
                continue
            target = (file.parent / unquote(found.path)).resolve() if found.path else file
            target = target / "index.html" if target.is_dir() else target
            followed += 1
            place = unquote(found.fragment)
            if not target.is_file() or (place and target in parsed and place not in parsed[target].places):
                wrong.append(f"{file.parent.relative_to(site)}: {link}")
    assert followed > 1000 and wrong == [], "\n".join(wrong)


def test_pages_load_nothing_from_elsewhere(site: Path, parsed: dict[Path, _Page]) -> None:
    loads = {one for page in parsed.values() for one in page.loads if not one.startswith("data:")}
    assert loads and [one for one in loads if urlsplit(one).netloc] == []
    # the theme fetches a program from a server where a page has a diagram
    assert not any('class="mermaid"' in file.read_text(encoding="utf-8") for file in parsed)
    assert (site / "architecture" / "index.html").read_text(encoding="utf-8").count("<rect") >= 15


def test_markup_is_not_shown_as_text(site: Path, parsed: dict[Path, _Page]) -> None:
    wrong = []
    for file, page in parsed.items():
        for text in page.prose:
            if re.search(r":(func|class|meth|mod|attr):|^\s*\||\]\(", text):
                wrong.append(f"{file.parent.relative_to(site)}: {text.strip()[:80]}")
    assert wrong == [], "\n".join(wrong)


def test_reference_shows_functions_as_they_are_called(site: Path) -> None:
    text = (site / "api" / "functions" / "index.html").read_text(encoding="utf-8")
    assert 'id="s3dlio._objects.get"' in text and "doc-label-async" not in text and "AsyncIterator" not in text
    store = (site / "api" / "stores" / "index.html").read_text(encoding="utf-8")
    assert "Store.get_many" in store and "Store.get_async" not in store

"""docs/reliability.md: the tests that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text()
#: ``class.method`` of the core's tests, ``file::test`` of the package's; an ellipsis stands for the rest of a name.
NAME = re.compile(r"`(?:([A-Z]\w+Tests)\.([A-Z]\w+)(…?)|(test_\w+\.py)::(test_\w+)(…?))`")


def named() -> list[tuple[str, str, bool]]:
    found = {
        (core, method, bool(more)) if core else (file, test, bool(rest)) for core, method, more, file, test, rest in NAME.findall(PAGE)
    }
    return sorted(found)


def test_page_names_many_tests() -> None:
    assert len(named()) > 100


@pytest.fixture(scope="module")
def classes() -> dict[str, str]:
    """The texts of the files that each class of the core's tests lies in."""
    found: dict[str, str] = {}
    for path in (ROOT / "src/S3dlio.Core.Tests").rglob("*.cs"):
        text = path.read_text()
        for name in re.findall(r"class (\w+Tests)\b", text):
            found[name] = found.get(name, "") + text
    return found


@pytest.mark.parametrize(("place", "name", "is_beginning"), named())
def test_named_tests_are_there(place: str, name: str, is_beginning: bool, classes: dict[str, str]) -> None:
    end = "" if is_beginning else r"\("
    if place.endswith(".py"):
        assert re.search(rf"def {name}{end}", (ROOT / "python/tests" / place).read_text())
    else:
        assert re.search(rf"public (virtual )?(async )?(Task|void) {name}{end}", classes[place])

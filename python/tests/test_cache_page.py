"""docs/cache.md: the tests that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/cache.md").read_text()
SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "src/S3dlio.Core.Tests/Cache").glob("*.cs")))
SUITE = "\n".join(path.read_text() for path in sorted((ROOT / "src/S3dlio.Core.Tests/Storage").glob("StoreConformance*.cs")))


def named() -> list[str]:
    """What the last column of the tables of promises has in code marks."""
    found: list[str] = []
    for line in PAGE.splitlines():
        columns = [one.strip() for one in line.strip("|").split(" | ")]
        if line.startswith("| **") and len(columns) == 2:
            tests = [one for one in re.findall(r"`([^`]+)`", columns[1]) if "=" not in one and (one[0].isupper() or "::" in one)]
            assert tests, f"no test attacks this promise: {line[:80]}"
            found += tests
    return found


def test_every_promise_names_a_test() -> None:
    assert len(named()) > 30


@pytest.mark.parametrize("name", sorted(set(named())))
def test_named_tests_are_there(name: str) -> None:
    if "::" in name:
        file, test = name.split("::")
        assert f"def {test}(" in (ROOT / "python/tests" / file).read_text()
    elif "_" in name:
        assert re.search(rf"public (virtual )?(async )?(Task|void) {name}\(", SOURCES + SUITE)
    else:
        assert re.search(rf"class {name}\b", SOURCES)

"""docs/reliability.md is true to its word: every test that it names exists, and every promise names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
PYTHON = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "python/tests").glob("test_*.py")}
CSHARP = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "src/S3dlio.Core.Tests").rglob("*.cs") if not {"obj", "bin"} & set(path.parts)
)
NAMES = sorted(set(re.findall(r"`(test_\w+\.py(?:::\w+)?|[A-Z]\w+(?:Tests|Conformance)(?:\.\w+)?)`", TEXT)))
STORES = ("### Every store", "### Files", "### `memory://`", "### `s3://`", "### `az://`", "### Several endpoints")


@pytest.mark.parametrize("name", NAMES)
def test_each_test_that_is_named_exists(name: str) -> None:
    if name.startswith("test_"):
        file, _, function = name.partition("::")
        assert file in PYTHON
        assert not function or re.search(rf"^(async )?def {function}\(", PYTHON[file], re.M), f"{file} has no {function}"
    else:
        group, _, method = name.partition(".")
        assert re.search(rf"class {group}\b", CSHARP), f"there is no {group}"
        assert not method or re.search(rf"\b{method}\(", CSHARP), f"there is no {name}"


def test_each_promise_names_a_test() -> None:
    tables = TEXT[TEXT.index("## What each store promises") : TEXT.index("## Streams")]
    rows = [line for line in tables.splitlines() if line.startswith("| ") and "promise | attacked by" not in line]
    assert len(rows) > 35 and len(NAMES) > 60
    for row in rows:
        assert any(f"`{name}`" in row for name in NAMES), row


@pytest.mark.parametrize("store", STORES)
def test_each_store_says_what_it_promises_of_the_three(store: str) -> None:
    part = TEXT[TEXT.index(store) :].split("\n###", 1)[0]
    for word in ("*atomicity*", "*durability*", "*consistency*"):
        assert word in part or (store == "### Every store" and word == "*durability*"), f"{store} says nothing of {word}"

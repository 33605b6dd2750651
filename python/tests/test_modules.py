"""The modules of the package know only each other's plain names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PACKAGE

FILES = sorted(PACKAGE.rglob("*.py"))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _module(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def _defined(tree: ast.AST) -> set[str]:
    """Names and attributes that a module makes itself."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
            found.add(node.attr)
    return found


def _is_own(value: ast.AST) -> bool:
    """Whether it is the object itself: what a class inherits is its own, too."""
    return (isinstance(value, ast.Name) and value.id in ("self", "cls", "made")) or (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "super"
    )


TREES = {_module(file): ast.parse(file.read_text(encoding="utf-8")) for file in FILES}
DEFINED = {name: _defined(tree) for name, tree in TREES.items()}
ALL = set().union(*DEFINED.values())


def _reached(name: str, tree: ast.AST, is_package: bool) -> Iterator[str]:
    """Private names of other modules that a module uses."""
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                # a private module is imported as a whole, or what it offers is
                if _is_private(alias.name) and f"{source}.{alias.name}" not in TREES and source.partition(".")[0] == "s3dlio":
                    yield f"{name}:{node.lineno}: {alias.name} of {source}"
        elif isinstance(node, ast.Attribute) and _is_private(node.attr) and not _is_own(node.value):
            if (
                node.attr in DEFINED[name]
                or node.attr not in ALL
                or ast.unparse(node) in {module.removeprefix("s3dlio.") for module in TREES}
            ):
                continue
            yield f"{name}:{node.lineno}: {ast.unparse(node)}"


def test_no_module_reaches_into_anothers_private_names() -> None:
    found = [one for file, (name, tree) in zip(FILES, TREES.items(), strict=True) for one in _reached(name, tree, file.stem == "__init__")]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("from ._core._address import _older", ["s3dlio.made:1: _older of s3dlio._core._address"]),
        ("from ._core import _address\n_address._older", ["s3dlio.made:2: _address._older"]),
        ("from ._core._address import Root\ndef f(store): return store._root.uri", ["s3dlio.made:2: store._root"]),
        ("from ._core import _address\n_address.resolve", []),
        ("class A:\n def __init__(self): self._own = 1\ndef f(a): return a._own", []),
        ("class A(B):\n def f(self): return self._root, super()._root", []),
        ("import sys\nsys._getframe", []),
    ],
)
def test_private_names_of_others_are_seen(program: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ast.parse(program)
    monkeypatch.setitem(DEFINED, "s3dlio.made", _defined(tree))
    assert [*_reached("s3dlio.made", tree, False)] == found

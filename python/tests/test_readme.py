"""The README is true: its program runs, its functions exist, its numbers of arguments are right."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio
from s3dlio.testing import FaultyStore

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.S)
FUNCTION = re.compile(r"`(\w+)\(([^`]*)\)`")


@pytest.mark.parametrize("program", PROGRAMS)
def test_readme_program_runs(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(program, "README.md", "exec"), names)
    if "weights" in names:
        assert (np.load(tmp_path / "run1" / "weights.npy").shape) == (1024, 1024)
    if "example" in names:
        assert names["example"]("memory://readme", None) == 100


PAGES = ["index.md", "log.md", "table.md", "migration.md", "testing.md", "howto.md"]


@pytest.mark.parametrize("page", PAGES)
def test_programs_of_the_site_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.S)
    assert programs
    for program in programs:
        names: dict[str, Any] = {}
        exec(compile(program, page, "exec"), names)
        for name, test in names.items():
            if name.startswith("test_"):
                wanted = inspect.signature(test).parameters
                fixture = {"memory_store": s3dlio.Store("memory://site"), "faulty_store": FaultyStore(tmp_path / name)}
                test(**{one: fixture[one] for one in wanted})


@pytest.mark.parametrize("server", [s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def test_readme_program_for_clouds_runs_there(server: Callable[[], tuple[str, dict[str, Any]]]) -> None:
    uri, options = server()
    names: dict[str, Any] = {}
    exec(compile(next(program for program in PROGRAMS if "def example" in program), "README.md", "exec"), names)
    assert names["example"](f"{uri}/readme", options) == 100


def test_readme_functions_exist_with_these_parameters() -> None:
    table = README.split("## Functions")[1].split("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    named = [match for row in rows for match in FUNCTION.findall(row.split(" | ")[0])]
    assert len(named) >= 15
    for name, parameters in named:
        if name == "keys":
            continue
        known = inspect.signature(getattr(s3dlio, name)).parameters
        positional, _, named_only = (part.strip(", ") for part in re.sub(r"\{.*?\}", "tensors", parameters).partition("*"))
        told = [part.strip() for part in positional.split(",")]
        assert [part.split("=")[0] for part in told] == list(known)[: len(told)], f"{name}({parameters})"
        assert all(known[part.split("=")[0]].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for part in told), f"{name}({parameters})"
        by_name = [part.strip() for part in named_only.split(",") if part.strip()]
        assert all(known[part.split("=")[0]].kind is inspect.Parameter.KEYWORD_ONLY for part in by_name), f"{name}({parameters})"
        for part in told + by_name:
            parameter, _, default = part.partition("=")
            found = known[parameter].default
            assert found is inspect.Parameter.empty if not default else found == ast.literal_eval(default), f"{name}({parameters})"


def test_readme_tells_which_functions_are_methods_and_take_a_timeout() -> None:
    part = README.split("## Functions")[1].split("\n## ")[0]
    methods = re.findall(r"`(\w+)`", part[part.index("instead of addresses:") : part.index("A `Store` can be pickled")])
    functions = {match[0] for row in part.splitlines() if row.startswith("| `") for match in FUNCTION.findall(row.split(" | ")[0])} - {
        "keys"
    }
    assert set(methods) == {name for name in functions if hasattr(s3dlio.Store, name)}
    without = set(re.findall(r"`(\w+)`", part[part.index("Of these every function but") : part.index("takes `timeout=`")]))
    for name in functions:
        takes = "timeout" in inspect.signature(getattr(s3dlio, name)).parameters
        assert takes == (name not in without), name
        has_twin = name in ("ObjectWriter", "open_async") or hasattr(s3dlio, f"{name}_async") or hasattr(s3dlio.aio, name)
        assert has_twin or not takes, name


def test_readme_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_site_names_pages_that_are_there_and_all_of_them() -> None:
    docs = ROOT / "docs"
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M))
    assert named == {str(file.relative_to(docs)) for file in docs.rglob("*.md")}
    for page in docs.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"

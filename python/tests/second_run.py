"""What a second Python has to run of the tests that a first one has run: ``--after=REPORT``.

REPORT is the JUnit report of the first run. A test that it does not have as passed always runs here, so none is left out by both. Of those
that passed, left out are the ones that took long, and in a module that uses no library whose version may differ all but the first case of
each function. Marked ``every_python``, a test runs whatever the report says.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

import pytest

#: Seconds in the first run from which on a test that passed there is not repeated.
LONG = 2.0

TESTS = Path(__file__).resolve().parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--after", metavar="REPORT", help="leave out most of what passed in the run of another Python with this JUnit report")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    report = config.getoption("--after", default=None)
    if report is None:
        return
    try:
        passed = passed_tests(Path(report))
    except (OSError, ElementTree.ParseError) as error:
        raise pytest.UsageError(f"--after {report}: expected the JUnit report of an earlier run of these tests: {error}") from error
    kept = set(chosen(items, passed))
    left_out = [item for item in items if item not in kept]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item in kept]


def passed_tests(report: Path) -> dict[tuple[str, str], float]:
    """Seconds of each test that passed, by its class and name as JUnit has them. One that did not pass each time is none."""
    seconds: dict[tuple[str, str], float] = {}
    others = set()
    for case in ElementTree.parse(report).iter("testcase"):
        name = (case.get("classname", ""), case.get("name", ""))
        if any(part.tag in ("skipped", "failure", "error") for part in case):
            others.add(name)
        seconds[name] = seconds.get(name, 0) + float(case.get("time", "0"))
    return {name: spent for name, spent in seconds.items() if name not in others}


def name_in_report(item: pytest.Item) -> tuple[str, str]:
    """The class and name that pytest writes of a test into its JUnit report."""
    path, bracket, parameters = item.nodeid.partition("[")
    module, *names = path.split("::")
    names = [module.removesuffix(".py").replace("/", "."), *names]
    return ".".join(names[:-1]), names[-1] + bracket + parameters


def chosen(items: Iterable[pytest.Item], passed: dict[tuple[str, str], float]) -> Iterable[pytest.Item]:
    """The tests to run, in their order."""
    functions = set()
    for item in items:
        spent = passed.get(name_in_report(item))
        if spent is None or item.get_closest_marker("every_python"):
            yield item
        elif spent < LONG:
            function = item.nodeid.partition("[")[0]
            if libraries(item.path) or function not in functions:
                functions.add(function)
                yield item


@functools.cache
def libraries(module: Path) -> frozenset[str]:
    """The libraries beside pytest and this package that a module's text, or that of a module of the tests that it uses, imports.

    The programs that tests run are in their text, and what may be missing is asked for by its name.
    """
    found: set[str] = set()
    modules = [module]
    for file in modules:
        text = file.read_text(encoding="utf-8")
        names = {*re.findall(r"\b(?:import|from)\s+(\w+)", text), *re.findall(r"""importorskip\(\s*["'](\w+)""", text)}
        for name in names - sys.stdlib_module_names - {"pytest", "s3dlio", "conftest"}:
            ours = [path for path in (TESTS / f"{name}.py", *TESTS.glob(f"{name}/*.py")) if path.is_file()]
            if ours:
                modules += [path for path in ours if path not in modules]
            elif importlib.util.find_spec(name) is not None:
                found.add(name)
    return frozenset(found)

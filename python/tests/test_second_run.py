"""What a second Python runs of the tests: all that the first has not passed, and of the rest what depends on Python or its libraries."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import second_run

PLAIN = """
import os, pytest, helper
FIRST = os.environ.get("FIRST")

@pytest.mark.parametrize("value", ["a", "b", "c"])
def test_small(value): pass

def test_long(): pass

@pytest.mark.every_python
def test_long_of_python(): pass

@pytest.mark.parametrize("value", [1, 2])
def test_skipped_once(value):
    if FIRST and value == 2: pytest.skip("not here")

def test_failed(): assert not FIRST

class TestOfClass:
    def test_first(self): pass
    @pytest.mark.parametrize("value", [1, 2])
    def test_teardown_failed(self, ends, value): pass

@pytest.fixture
def ends():
    yield
    assert not FIRST

if not FIRST:
    def test_of_the_second_alone(): pass
"""

LIBRARY = """
import textwrap
SCRIPT = "import xml; import pluggy"

import pytest
@pytest.mark.parametrize("value", ["a", "b"])
def test_small(value): pass

def test_long(): pass
"""


def run(folder: Path, *arguments: str, first: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **({"FIRST": "1"} if first else {})}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(second_run.__file__, tests)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = every_python: x\n")
    (tests / "conftest.py").write_text("from second_run import pytest_addoption, pytest_collection_modifyitems\n")
    (tests / "helper.py").write_text("import json\n")
    (tests / "test_plain.py").write_text(PLAIN)
    (tests / "test_library.py").write_text(LIBRARY)
    # by the module that it uses
    (tests / "reader.py").write_text("import _pytest\n")
    (tests / "test_through_helper.py").write_text("import reader\n" + PLAIN[: PLAIN.index("def test_long")].replace("helper", "json"))
    report = tmp_path / "first.xml"
    ran = run(tmp_path, f"--junitxml={report}", "tests", first=True)
    assert "2 skipped" not in ran.stdout and "1 failed" in ran.stdout and "1 skipped" in ran.stdout, ran.stdout
    slow, count = re.subn(r'(name="test_long\w*" time=")[^"]*', r"\g<1>7.5", report.read_text())
    assert count == 3
    report.write_text(slow)
    return tmp_path


def test_second_run_runs_what_the_first_did_not_pass_and_what_depends_on_libraries(suite: Path) -> None:
    ran = run(suite, "--after=first.xml", "-vv", "tests")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.findall(r"^tests/(\S+) PASSED", ran.stdout, re.M) == [
        "test_library.py::test_small[a]",
        "test_library.py::test_small[b]",
        "test_plain.py::test_small[a]",
        "test_plain.py::test_long_of_python",
        "test_plain.py::test_skipped_once[1]",
        "test_plain.py::test_skipped_once[2]",
        "test_plain.py::test_failed",
        "test_plain.py::TestOfClass::test_first",
        "test_plain.py::TestOfClass::test_teardown_failed[1]",
        "test_plain.py::TestOfClass::test_teardown_failed[2]",
        "test_plain.py::test_of_the_second_alone",
        "test_through_helper.py::test_small[a]",
        "test_through_helper.py::test_small[b]",
        "test_through_helper.py::test_small[c]",
    ]
    assert "4 deselected" in ran.stdout


def test_second_run_without_a_report_of_the_first_is_refused(suite: Path) -> None:
    (suite / "cut.xml").write_text((suite / "first.xml").read_text()[:200])
    for report in ("missing.xml", "cut.xml"):
        ran = run(suite, f"--after={report}", "tests")
        assert ran.returncode == pytest.ExitCode.USAGE_ERROR
        assert f"--after {report}: expected the JUnit report of an earlier run" in ran.stderr


def test_modules_that_import_a_library_in_a_script_or_by_a_helper_are_seen() -> None:
    tests = Path(__file__).parent
    assert "numpy" in second_run.libraries(tests / "test_numpy.py")
    # in a program that a child runs, and in a module of the tests
    assert "numpy" in second_run.libraries(tests / "test_signal_storm.py")
    assert "numpy" in second_run.libraries(tests / "test_table_crash.py")
    assert not second_run.libraries(tests / "test_address.py")

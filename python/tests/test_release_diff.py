"""What counts as a change that breaks programs, and that the version here says of what has changed since the last release."""

from __future__ import annotations

import subprocess
import sys

import pytest
import release_diff
from conftest import CHECKOUT

if not (CHECKOUT / "pyproject.toml").is_file():
    pytest.skip("the package is not in a checkout", allow_module_level=True)

HEADER = """
#define S3DLIO_ABI_VERSION 2
enum s3dlio_status { S3DLIO_OK = 0, S3DLIO_GONE = 3 };
enum s3dlio_reason { S3DLIO_REASON_NONE = 0 };
typedef struct one { uint32_t size; uint64_t at; } one;
int32_t s3dlio_go(const char *key, uint64_t length);
"""
NAMES = """# s3dlio
class Store(Methods)
    get(self, key: str, *, verify: bool = True) -> bytes
load(uri: str, names: list[str] | None = None, *, timeout: float | None = None) -> int
"""


def release(version: str, names: str = NAMES, header: str = HEADER) -> release_diff.Release:
    return release_diff.Release.of(f'version = "{version}"\n', names, header)


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        ("timeout: float | None = None)", "timeout: float | None = None, more: int = 3)", False),
        ("names: list[str] | None = None,", "names: list[str] | None = None, more: int = 3,", False),
        ("*, verify: bool = True", "*, before: int = 1, verify: bool = True", False),
        ("timeout: float | None = None)", "timeout: float | None = None, more: int)", True),
        ("uri: str, names", "more: int = 3, uri: str, names", True),
        ("uri: str, names", "address: str, names", True),
        ("names: list[str] | None = None, *", "names: list[str] | None = 1, *", True),
        ("names: list[str] | None = None, *, ", "*, names: list[str] | None = None, ", True),
        ("-> int", "-> str", True),
        ("verify: bool = True", "verify: bool = False", True),
        ("    get(self, key: str, *, verify: bool = True) -> bytes\n", "", True),
        ("class Store(Methods)", "class Store(Others)", True),
    ],
)
def test_names_that_break_programs_are_told_from_those_that_do_not(old: str, new: str, breaks: bool) -> None:
    changed = NAMES.replace(old, new)
    assert changed != NAMES
    found = release_diff.compare_names(release_diff.names_of(NAMES), release_diff.names_of(changed))
    assert bool(found.breaking) == breaks and bool(found.added) != breaks


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        ("uint64_t at; }", "uint64_t at; uint64_t more; }", False),
        ("int32_t s3dlio_go", "int32_t s3dlio_more(void);\nint32_t s3dlio_go", False),
        ("S3DLIO_GONE = 3", "S3DLIO_GONE = 3, S3DLIO_MORE = 4", False),
        ("uint32_t size; uint64_t at;", "uint64_t at; uint32_t size;", True),
        ("S3DLIO_GONE = 3", "S3DLIO_GONE = 4", True),
        ("uint64_t length", "uint32_t length", True),
        ("int32_t s3dlio_go(const char *key, uint64_t length);\n", "", True),
    ],
)
def test_members_of_the_abi_that_break_programs_are_told_from_those_that_do_not(old: str, new: str, breaks: bool) -> None:
    changed = HEADER.replace(old, new)
    assert changed != HEADER
    found = release_diff.compare_abi(release("1.0.0").abi, release("1.0.0", header=changed).abi)
    assert bool(found.breaking) == breaks and bool(found.added) != breaks


@pytest.mark.parametrize(
    ("old", "new", "well"),
    [("0.1.0", "0.1.1", False), ("0.1.0", "0.2.0", True), ("1.2.0", "1.3.0", False), ("1.2.0", "2.0.0", True), ("0.9.9", "1.0.0", True)],
)
def test_version_has_to_say_what_breaks(old: str, new: str, well: bool) -> None:
    _, faults = release_diff.judge(release(old), release(new, "# s3dlio\n"), unreleased=True)
    assert (faults == []) == well
    assert release_diff.judge(release(old), release(new), unreleased=False) == ([], [])


def test_number_of_the_abi_has_to_say_what_breaks() -> None:
    changed = HEADER.replace("uint64_t length", "uint32_t length")
    assert release_diff.judge(release("0.1.0"), release("0.2.0", header=changed), unreleased=False)[1]
    raised = changed.replace("ABI_VERSION 2", "ABI_VERSION 3")
    assert not release_diff.judge(release("0.1.0"), release("0.2.0", header=raised), unreleased=False)[1]


def test_version_that_is_not_released_may_differ_from_its_own_record() -> None:
    lines, faults = release_diff.judge(release("0.1.0"), release("0.1.0", "# s3dlio\n"), unreleased=True)
    assert lines and not faults
    assert release_diff.judge(release("0.1.0"), release("0.1.0", "# s3dlio\n"), unreleased=False)[1]


def test_changes_since_the_last_release_are_those_that_the_version_says() -> None:
    done = subprocess.run([sys.executable, release_diff.__file__], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "differences" in done.stdout.splitlines()[0]

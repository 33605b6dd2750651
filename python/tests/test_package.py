from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import CHECKOUT, NAMES, PACKAGE, Child

import s3dlio


def _name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)


MODULES = [
    "s3dlio",
    "s3dlio.aio",
    "s3dlio.integrations",
    "s3dlio.integrations._stream",
    "s3dlio.integrations.dlio",
    *sorted(
        _name(file)
        for folder in (".", "_core", "_checkpoints", "_logs", "_original", "_tables", "compat")
        for file in (PACKAGE / folder).glob("*.py")
        if file.stem != "__init__"
    ),
]
OPTIONAL = {
    "s3dlio.torch": "torch",
    "s3dlio.fsspec": "fsspec",
    "s3dlio._original._torch": "torch",
    "s3dlio.jax_tf": "torch",
    "s3dlio.compat.s3torchconnector": "torch",
}


def load(name: str) -> ModuleType:
    needed = OPTIONAL.get(name)
    if needed is not None and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{name} needs {needed}")
    return importlib.import_module(name)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_docstrings_hold(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    module = load(name)
    # NumPy 2 prints np.float64(4.0) where NumPy 1 prints 4.0
    legacy: Any = "1.25" if int(np.__version__.split(".")[0]) >= 2 else False
    with np.printoptions(legacy=legacy):
        outcome = doctest.testmod(module)
    assert outcome.failed == 0
    assert list(tmp_path.iterdir()) == [], "an example left files behind"


def test_examples_are_there_to_be_run() -> None:
    found = [test for name in MODULES if name not in OPTIONAL for test in doctest.DocTestFinder().find(load(name)) if test.examples]
    assert len(found) >= 10


def test_every_name_offered_is_there() -> None:
    assert len(set(s3dlio.__all__)) == len(s3dlio.__all__)
    for name in {*dir(s3dlio), *s3dlio.compat.__all__} - {"fsspec", "torch"}:
        assert getattr(s3dlio, name) is not None
    assert {*s3dlio.__all__, "open", "list", "fsspec", "testing", "torch", "__version__"} - {"compat"} == set(dir(s3dlio))
    with pytest.raises(AttributeError, match="nonsense"):
        s3dlio.nonsense  # noqa: B018


def functions() -> list[tuple[str, Any]]:
    """Every public function, and every public method of a public class."""
    found = []
    for name in NAMES:
        value = getattr(s3dlio, name)
        if inspect.isfunction(value):
            found.append((name, value))
        elif inspect.isclass(value):
            found += [
                (f"{name}.{part}", made) for part, made in vars(value).items() if inspect.isfunction(made) and not part.startswith("_")
            ]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_name_offered_is_documented(name: str) -> None:
    value = getattr(s3dlio, name)
    assert value.__doc__, f"{name} has no docstring"
    assert value.__doc__.strip().split("\n")[0].endswith(".")
    assert not inspect.isclass(value) or "__doc__" in vars(value)


@pytest.mark.parametrize(("name", "function"), functions())
def test_docstring_tells_arguments_results_and_errors(name: str, function: Any) -> None:
    text = inspect.getdoc(function) or ""
    assert text, f"{name} has no docstring"
    if "." in name:
        # methods say where their arguments are told
        return
    signature = inspect.signature(function)
    told = re.search(r"^Args:\n((?: {4}.*\n|\n)+)", text + "\n", re.M)
    assert told, f"{name} has no Args"
    for parameter in signature.parameters:
        assert re.search(rf"^ {{4}}{parameter}: ", told[1], re.M), f"{name} does not tell {parameter}"
    if signature.return_annotation not in ("None", None):
        assert re.search(r"^(Returns|Yields):$", text, re.M), f"{name} does not tell what it returns"
    assert re.search(r"^Raises:$", text, re.M), f"{name} does not tell its errors"
    assert re.search(r"^Example:$", text, re.M) or function.__module__ in ("s3dlio._arrays", "s3dlio._tensors"), f"{name} has no example"


def test_run_as_a_program_prints_the_versions(child: Child) -> None:
    ended = child("import runpy, sys; sys.argv = ['s3dlio', '--version']; runpy.run_module('s3dlio', run_name='__main__')")
    assert re.fullmatch(r"s3dlio \d+\.\d+\.\d+\S* \(library \d+\.\d+\.\d+, ABI \d+\)\n", ended.stdout)


def test_run_as_a_program_without_the_library_tells_where_it_looked(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "S3DLIO_LIBRARY": "/nowhere/lib.so"}
    command = [sys.executable, "-m", "s3dlio", "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert ended.returncode == 1
    assert "/nowhere/lib.so" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_run_as_a_program_without_a_verb_prints_help(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    ended = subprocess.run([sys.executable, "-m", "s3dlio"], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert ended.returncode == 2
    assert "--version" in ended.stdout


def project_version() -> str:
    file = CHECKOUT / "pyproject.toml"
    if not file.is_file():
        pytest.skip("the package is not in a checkout")
    found = re.search(r'^version = "(.*)"$', file.read_text(), re.M)
    assert found
    return found[1]


def test_version_is_that_of_the_project() -> None:
    from s3dlio._core import _native

    version = project_version()
    assert _native.version() == version
    assert s3dlio.__version__ == version


def test_demo_runs(tmp_path: Path) -> None:
    demo = CHECKOUT / "examples" / "demo.py"
    if not demo.is_file():
        pytest.skip("the package is not in a checkout")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, str(demo)], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"float32 .*crc32c:[0-9a-f]{8}", ended.stdout)
    assert list(tmp_path.iterdir()) == [], "the demo left files behind"
    assert all(len(line) <= 120 for line in ended.stdout.splitlines())


USE_WHEEL = """
import os, sys
import numpy as np
import s3dlio
where = os.path.dirname(s3dlio.__file__)
assert where.startswith(sys.prefix), where
s3dlio.save_numpy_array("a.npy", np.arange(5.0))
assert np.array_equal(np.load("a.npy"), np.arange(5.0))
assert np.array_equal(s3dlio.load_numpy_array("a.npy"), np.arange(5.0))
loaded = {line.split()[-1] for line in open("/proc/self/maps") if "libs3dlio" in line}
assert loaded == {os.path.join(where, "libs3dlio.so")}, loaded
assert os.access(os.path.join(where, "s3dlio"), os.X_OK), "the program that asks for credentials did not come along"
print(s3dlio.__version__)
"""


@pytest.mark.heavy
def test_wheel_installs_and_works_outside_of_the_checkout(tmp_path: Path) -> None:
    version = project_version()
    for needed in ("venv", "ensurepip"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"this Python has no {needed}")
    wheels = list((CHECKOUT / "dist").glob("s3dlio-*.whl"))
    if not wheels:
        if importlib.util.find_spec("hatchling") is None:
            pytest.skip("there is no wheel in dist/ and this Python has no hatchling to build one with")
        if shutil.which("dotnet") is None:
            pytest.skip("there is no wheel in dist/ and no .NET SDK to build one with")
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
        built = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=False)
        assert built.returncode == 0, built.stdout + built.stderr
        wheels = list((tmp_path / "dist").glob("s3dlio-*.whl"))
    assert [wheel.name for wheel in wheels] == [f"s3dlio-{version}-py3-none-manylinux_2_34_{os.uname().machine}.whl"]
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "S3DLIO_LIBRARY")}
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheels[0])]
    installed = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert installed.returncode == 0, installed.stderr
    outside = tmp_path / "outside"
    outside.mkdir()
    used = subprocess.run([str(python), "-c", USE_WHEEL], capture_output=True, text=True, env=environment, cwd=outside, check=False)
    assert (used.returncode, used.stderr, used.stdout) == (0, "", f"{version}\n")


def test_extras_install_what_the_package_imports() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    part = text[text.index("[project.optional-dependencies]") :].split("\n[", 1)[0]
    sources = "\n".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))
    for extra, name in re.findall(r'^(\w+) = \["(\w+)', part, re.M):
        assert extra == "test" or re.search(rf"^\s*(import|from) {name}\b", sources, re.M), f"nothing imports {name} of the extra {extra}"

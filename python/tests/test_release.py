"""What a release consists of.

One version, a bill of materials, wheels that come out alike, symbols of an old glibc, workflows that name what is there.
"""

from __future__ import annotations

import email
import hashlib
import importlib.util
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, PACKAGE

if not (CHECKOUT / "pyproject.toml").is_file():
    pytest.skip("the package is not in a checkout", allow_module_level=True)

#: Newest symbol versions of glibc 2.34, and the libraries that manylinux_2_34 lets a wheel expect on a machine.
GLIBC = (2, 34)
EXPECTED = {
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libz.so.1",
}


def text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def version() -> str:
    found = re.search(r'^version = "(.*)"$', text("pyproject.toml"), re.M)
    assert found
    return found[1]


def sbom() -> Any:
    spec = importlib.util.spec_from_file_location("sbom", CHECKOUT / "python" / "sbom.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    if not all((CHECKOUT / folder / "obj" / "project.assets.json").is_file() for folder in made.PROJECTS.values()):
        pytest.skip("the library was not built here")
    if not any(Path(path).is_file() for path in made.ZSTD):
        pytest.skip("libzstd's header is not here")
    return made


def test_citation_has_the_projects_version() -> None:
    assert f"\nversion: {version()}\n" in text("CITATION.cff")


class Elf:
    """What an ELF file of x86-64 or ARM needs: libraries, and versions of their symbols."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        assert self.data[:6] == b"\x7fELF\x02\x01", f"{path} is no little-endian 64-bit ELF file"
        (start,) = struct.unpack_from("<Q", self.data, 40)
        size, count, names = struct.unpack_from("<HHH", self.data, 58)
        headers = [struct.unpack_from("<IIQQQQIIQQ", self.data, start + number * size) for number in range(count)]
        table = headers[names][4]
        self.sections = {self._name(table + one[0]): one for one in headers}
        self.strings = self.sections[".dynstr"][4]

    def _name(self, at: int) -> str:
        return self.data[at : self.data.index(b"\0", at)].decode()

    def needed(self) -> set[str]:
        _, _, _, _, at, size, *_ = self.sections[".dynamic"]
        entries = (struct.unpack_from("<qQ", self.data, at + step) for step in range(0, size, 16))
        return {self._name(self.strings + value) for tag, value in entries if tag == 1}

    def versions(self) -> set[str]:
        at = self.sections[".gnu.version_r"][4]
        found = set()
        while True:
            _, count, _, auxiliary, following = struct.unpack_from("<HHIII", self.data, at)
            place = at + auxiliary
            for _ in range(count):
                _, _, _, name, step = struct.unpack_from("<IHHII", self.data, place)
                found.add(self._name(self.strings + name))
                place += step
            if not following:
                return found
            at += following


@pytest.mark.parametrize("folder", [PACKAGE, CHECKOUT / "build" / "arm64" / "package"], ids=["own", "arm64"])
@pytest.mark.parametrize("name", ["libs3dlio.so", "s3dlio"])
def test_what_is_linked_is_what_the_wheels_tag_allows(name: str, folder: Path) -> None:
    if not (folder / name).is_file():
        pytest.skip(f"{name} was not built here")
    file = Elf(folder / name)
    assert file.needed() <= EXPECTED
    found = file.versions()
    glibc = {tuple(map(int, one.removeprefix("GLIBC_").split("."))) for one in found if re.fullmatch(r"GLIBC_[0-9.]+", one)}
    assert glibc, "no symbol of glibc is versioned, so nothing was looked at"
    assert max(glibc) <= (*GLIBC, 99), f"{name} needs glibc {max(glibc)}"
    assert not [one for one in found if one.startswith("GLIBC_ABI") or one == "GLIBC_PRIVATE"]


def test_bill_of_materials_has_what_is_linked() -> None:
    made = sbom()
    bill = made.bill()
    assert made.text() == made.text()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == version()
    names = {one["name"] for one in bill["components"]}
    pinned = dict(re.findall(r'<PackageVersion Include="([^"]+)" Version="([^"]+)"', text("Directory.Packages.props")))
    for project in ("src/S3dlio.Core/S3dlio.Core.csproj", "native/S3dlio.Native.csproj", "src/S3dlio.Cli/S3dlio.Cli.csproj"):
        for package in re.findall(r'<PackageReference Include="([^"]+)"', text(project)):
            assert f"pkg:nuget/{package}@{pinned[package]}" in {one.get("purl") for one in bill["components"]}
    assert "zstd" in names and any(name.startswith("Microsoft.NETCore.App.Runtime.NativeAOT") for name in names)
    assert not names & {"Microsoft.NET.ILLink.Tasks", "xunit", "AWSSDK.S3"}
    arm = {one["name"] for one in made.bill("aarch64")["components"]}
    assert {"Microsoft.NETCore.App.Runtime.NativeAOT.linux-arm64"} == arm - {one["name"] for one in made.bill("x86_64")["components"]}
    references = [one["bom-ref"] for one in bill["components"]]
    assert len(set(references)) == len(references)
    for one in bill["dependencies"]:
        assert set(one["dependsOn"]) <= set(references)
    # every package has its place in NOTICE
    notice = text("NOTICE")
    for name in names - {"libs3dlio.so", "s3dlio"}:
        known = name in notice or name.split(".")[0] in ("Microsoft", "System", "AWSSDK") or name == "zstd"
        assert known, f"NOTICE does not tell of {name}"


def _built(kind: str, folder: Path, root: Path = CHECKOUT) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    # hatchling takes its times from there, and the umask of whoever builds must not show
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert root == CHECKOUT or "compiling" not in done.stdout + done.stderr, "the sources are not those of the library"
    (made,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


def _wheel(folder: Path) -> Path:
    return _built("wheel", folder)


def _needs_builder() -> None:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("this Python has no hatchling")
    if shutil.which("dotnet") is None:
        pytest.skip("there is no .NET SDK to build with")


@pytest.mark.heavy
def test_source_distribution_builds_the_same_wheel(tmp_path: Path) -> None:
    _needs_builder()
    wheel = _wheel(tmp_path / "wheel")
    made = _built("sdist", tmp_path / "sdist")
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path / "source", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (root,) = (tmp_path / "source").iterdir()
    # what the compiler made: build.cs takes it only for sources that are the same to the byte, so that nothing is missing here
    kept = ["build/native.stamp", "python/s3dlio/libs3dlio.so", "python/s3dlio/s3dlio"]
    for name in [*kept, *(f"{folder}/obj/project.assets.json" for folder in sbom().PROJECTS.values())]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, root / name)
    again = _built("wheel", tmp_path / "again", root)
    assert again.name == wheel.name
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {item.filename: item.CRC for item in one.infolist()} == {item.filename: item.CRC for item in other.infolist()}


@pytest.mark.heavy
def test_wheel_that_is_built_twice_is_the_same(tmp_path: Path) -> None:
    _needs_builder()
    first = _wheel(tmp_path / "first")
    # what a second checkout has: other times
    os.utime(PACKAGE / "_objects.py")
    second = _wheel(tmp_path / "second")
    assert first.name == second.name
    assert hashlib.sha256(first.read_bytes()).hexdigest() == hashlib.sha256(second.read_bytes()).hexdigest()
    with zipfile.ZipFile(first) as wheel:
        (name,) = (name for name in wheel.namelist() if "/sboms/" in name)
        assert name == f"s3dlio-{version()}.dist-info/sboms/s3dlio.cdx.json"
        assert json.loads(wheel.read(name)) == sbom().bill()
        assert name in wheel.read(f"s3dlio-{version()}.dist-info/RECORD").decode()
        addresses = _addresses(wheel.read(f"s3dlio-{version()}.dist-info/METADATA").decode())
        assert addresses.items() >= URLS.items()
        entry = wheel.read(f"s3dlio-{version()}.dist-info/entry_points.txt").decode()
        assert "[fsspec.specs]" in entry and "s3dlio+s3 = s3dlio.fsspec:S3FileSystem" in entry


#: Of pyproject.toml: what every wheel names.
URLS = {
    "Homepage": "https://s3dlio.readthedocs.io/",
    "Documentation": "https://s3dlio.readthedocs.io/",
    "Changelog": "https://s3dlio.readthedocs.io/page/changelog/",
}


def _addresses(metadata: str) -> dict[str, str]:
    """What the METADATA of a wheel links to."""
    lines = email.message_from_string(metadata).get_all("Project-URL", [])
    return dict(re.fullmatch(r"(\w+), (\S+)", line).groups() for line in lines)  # type: ignore[union-attr,misc]


def test_metadata_names_the_projects_pages_wherever_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    # what a wheel's METADATA is made of, without the two minutes of compiling
    core = pytest.importorskip("hatchling.metadata.core", reason="this Python has no hatchling")
    manager = pytest.importorskip("hatchling.plugin.manager")
    spec = pytest.importorskip("hatchling.metadata.spec")
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "S3DLIO_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)

    def made() -> dict[str, str]:
        metadata = core.ProjectMetadata(str(CHECKOUT), manager.PluginManager())
        return _addresses(spec.get_core_metadata_constructors()[spec.DEFAULT_METADATA_VERSION](metadata))

    assert made() == URLS
    monkeypatch.setenv("S3DLIO_REPOSITORY", "https://example.org/a/b")
    found = made()
    assert found.items() >= {**URLS, "Source": "https://example.org/a/b", "Issues": "https://example.org/a/b/issues"}.items()


def _hooks() -> Any:
    pytest.importorskip("hatchling", reason="this Python has no hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", CHECKOUT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def _metadata(monkeypatch: pytest.MonkeyPatch, address: str | None) -> dict[str, Any]:
    hooks = _hooks()
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "S3DLIO_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    if address is not None:
        monkeypatch.setenv("S3DLIO_REPOSITORY", address)
    found: dict[str, Any] = {"version": version(), "urls": dict(URLS)}
    hooks.ProjectHook(str(CHECKOUT), {}).update(found)
    return found


def test_index_gets_links_to_the_releases_files(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _metadata(monkeypatch, "https://example.org/a/b/")
    links = re.findall(r"\]\(([^)]*)\)", found["readme"]["text"])
    start = f"https://example.org/a/b/blob/v{version()}/"
    assert len(links) >= 15 and all(link.startswith((start, "https://")) for link in links)
    for link in links:
        if link.startswith(start):
            assert (CHECKOUT / link.removeprefix(start).partition("#")[0]).exists(), link
    assert found["urls"].items() >= {**URLS, "Source": "https://example.org/a/b"}.items()
    monkeypatch.delenv("S3DLIO_REPOSITORY")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://example.org")
    monkeypatch.setenv("GITHUB_REPOSITORY", "c/d")
    assert _hooks().repository() == "https://example.org/c/d"


def test_index_gets_no_link_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _metadata(monkeypatch, None)
    assert found["urls"] == URLS and "docs/reliability.md" in found["readme"]["text"]
    assert [link for link in re.findall(r"\]\(([^)]*)\)", found["readme"]["text"]) if not link.startswith("https://")] == []


WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))


def test_workflows_do_what_ci_does() -> None:
    assert [file.name for file in WORKFLOWS] == ["ci.yml", "release.yml"]
    assert re.search(r"^ +- run: \.ci/run$", text(".github/workflows/ci.yml"), re.M)
    assert os.access(CHECKOUT / ".ci" / "run", os.X_OK) and os.access(CHECKOUT / "build.ps1", os.X_OK)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: str(file.name))
def test_workflows_are_well_formed_and_name_files_that_are_there(file: Path) -> None:
    for path in re.findall(r"(?<![\w/*])(\./?[\w./-]*\w|global\.json|pyproject\.toml)(?=\s|$)", file.read_text(encoding="utf-8"), re.M):
        assert (CHECKOUT / path).exists(), f"{file.name} names {path}, which is not there"
    yaml = pytest.importorskip("yaml", reason="no PyYAML")
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert found["permissions"] == {"contents": "read"}
    for name, job in found["jobs"].items():
        assert "uses" in job or (job["runs-on"].startswith("ubuntu-") and job["timeout-minutes"] > 0), name
        for step in job.get("steps", []):
            assert ("uses" in step) != ("run" in step)


@pytest.mark.parametrize("file", sorted((CHECKOUT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda file: str(file.name))
def test_issue_forms_are_well_formed(file: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="no PyYAML")
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    if file.name != "config.yml":
        assert found["name"] and found["description"]
        ids = [part["id"] for part in found["body"] if part["type"] != "markdown"]
        assert ids and len(set(ids)) == len(ids)


def test_files_that_portability_names_are_there() -> None:
    page = text("docs/portability.md")
    folder = ""
    for row in re.findall(r"^\| (`.*?) \|", page, re.M):
        for name in re.findall(r"`([\w./+-]+)`", row):
            folder = name.rpartition("/")[0] or folder
            place = name if "/" in name or (CHECKOUT / name).exists() else f"{folder}/{name}"
            assert (CHECKOUT / place).exists(), f"docs/portability.md names {place}, which is not there"

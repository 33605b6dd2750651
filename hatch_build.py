"""Build hooks: the native library and the platform of the wheel, and what the package index is told of the project."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

LIBRARY = "python/s3dlio/libs3dlio.so"
PROGRAM = "python/s3dlio/s3dlio"
#: What ``build.ps1 wheel --arch arm64`` made, by the processor that S3DLIO_WHEEL_PROCESSOR names.
OTHERS = {"aarch64": "build/arm64/package"}
OLDEST_GLIBC = 34
#: A link of Markdown to a file of this repository, with its text.
LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")


class ProjectHook(MetadataHookInterface):
    """Gives the README without links that lead nowhere outside of the repository, and the repository's addresses."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in ``readme``, and add to ``urls`` what the repository has; those of pyproject.toml stay as they are.

        Args:
            metadata: the project's table of pyproject.toml.
        """
        address = repository()
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": outside(readme, address, metadata["version"])}
        metadata["urls"] = {**metadata["urls"], **urls(address, metadata["version"])}


def repository() -> str | None:
    """The address of the public repository: that of the workflow that builds, or what S3DLIO_REPOSITORY says; None where nobody says."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    given = os.environ.get("S3DLIO_REPOSITORY") or (f"{server}/{name}" if server and name else None)
    return given.rstrip("/") if given else None


def urls(address: str | None, version: str) -> dict[str, str]:
    """What the index links to of the repository, nothing where nobody names one."""
    if address is None:
        return {}
    return {"Source": address, "Issues": f"{address}/issues", "Release": f"{address}/releases/tag/v{version}"}


def outside(readme: str, address: str | None, version: str) -> str:
    """The README with links to the release's files in the repository; with their texts alone where it has no address."""
    return LINK.sub(r"\1" if address is None else rf"[\1]({address}/blob/v{version}/\2)", readme)


class NativeLibraryHook(BuildHookInterface):
    """Keeps libs3dlio.so and its program up to date in the source tree and carries them into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Publish the library when its sources are newer, then describe the wheel.

        Args:
            version: "standard" for a wheel, "editable" for an editable install.
            build_data: what hatchling reads back: tag, purity and the files that git ignores.

        Raises:
            RuntimeError: the library has to be compiled and cannot be.
        """
        if platform.system() != "Linux":
            raise RuntimeError(f"s3dlio runs on Linux only, not on {platform.system()}")
        root = Path(self.root)
        processor = os.environ.get("S3DLIO_WHEEL_PROCESSOR") or platform.machine()
        if processor == platform.machine():
            publish(root)
            library, program = root / LIBRARY, root / PROGRAM
            build_data["artifacts"] += [LIBRARY, PROGRAM]
        else:
            built = root / OTHERS[processor]
            library, program = built / Path(LIBRARY).name, built / Path(PROGRAM).name
            for file in (library, program):
                build_data["force_include"][str(file)] = f"s3dlio/{file.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_2_{needed_glibc(library, program)}_{processor}"
        if version == "standard":
            # PEP 770: where tools look for a bill of materials
            folder = f"s3dlio-{self.metadata.version}.dist-info/sboms"
            build_data["force_include"][str(bill_of_materials(root, processor))] = f"{folder}/s3dlio.cdx.json"


def publish(root: Path) -> None:
    """Let build.cs publish the library; it knows the inputs and does nothing when they are unchanged."""
    if shutil.which("dotnet") is None:
        raise RuntimeError("s3dlio's native library is compiled from C#: install the .NET 10 SDK (and gcc), or install a wheel instead")
    command = ["dotnet", "run", "--file", "build.cs", "--", "native"]
    environment = {**os.environ, "DOTNET_NOLOGO": "1"}
    outcome = subprocess.run(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, check=False)
    if outcome.returncode != 0 or not ((root / LIBRARY).is_file() and (root / PROGRAM).is_file()):
        raise RuntimeError(f"compiling the native library ended with {outcome.returncode}: {' '.join(command)}")


def bill_of_materials(root: Path, processor: str) -> Path:
    """Writes what is linked into build/, by python/sbom.py."""
    file = root / "build" / "s3dlio.cdx.json"
    file.parent.mkdir(exist_ok=True)
    subprocess.run([sys.executable, str(root / "python" / "sbom.py"), str(file), processor], check=True, stdin=subprocess.DEVNULL)
    return file


def needed_glibc(*files: Path) -> int:
    """Minor version of the newest glibc 2.x symbol set that the files link to, at least `OLDEST_GLIBC`."""
    found = [version for file in files for version in re.findall(rb"\x00GLIBC_2\.(\d+)(?:\.\d+)?(?=\x00)", file.read_bytes())]
    return max([OLDEST_GLIBC, *map(int, found)])

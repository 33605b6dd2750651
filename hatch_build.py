"""Build hook: publishes the native library into the package and tags the wheel for the platform it was built on."""

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

LIBRARY = "python/s3dlio/libs3dlio.so"
PROGRAM = "python/s3dlio/s3dlio"
OLDEST_GLIBC = 34


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
        publish(root)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_2_{needed_glibc(root / LIBRARY, root / PROGRAM)}_{platform.machine()}"
        build_data["artifacts"] += [LIBRARY, PROGRAM]
        if version == "standard":
            # PEP 770: where tools look for a bill of materials
            build_data["force_include"][str(bill_of_materials(root))] = f"s3dlio-{self.metadata.version}.dist-info/sboms/s3dlio.cdx.json"


def publish(root: Path) -> None:
    """Let build.cs publish the library; it knows the inputs and does nothing when they are unchanged."""
    if shutil.which("dotnet") is None:
        raise RuntimeError(
            "s3dlio's native library is compiled from C#: install the .NET 10 SDK (and gcc), or install a wheel instead"
        )
    command = ["dotnet", "run", "--file", "build.cs", "--", "native"]
    environment = {**os.environ, "DOTNET_NOLOGO": "1"}
    outcome = subprocess.run(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, check=False)
    if outcome.returncode != 0 or not ((root / LIBRARY).is_file() and (root / PROGRAM).is_file()):
        raise RuntimeError(f"compiling the native library ended with {outcome.returncode}: {' '.join(command)}")


def bill_of_materials(root: Path) -> Path:
    """Writes what is linked into build/, by python/sbom.py."""
    file = root / "build" / "s3dlio.cdx.json"
    file.parent.mkdir(exist_ok=True)
    subprocess.run([sys.executable, str(root / "python" / "sbom.py"), str(file)], check=True, stdin=subprocess.DEVNULL)
    return file


def needed_glibc(*files: Path) -> int:
    """Minor version of the newest glibc 2.x symbol set that the files link to, at least `OLDEST_GLIBC`."""
    found = [version for file in files for version in re.findall(rb"\x00GLIBC_2\.(\d+)(?:\.\d+)?(?=\x00)", file.read_bytes())]
    return max([OLDEST_GLIBC, *map(int, found)])

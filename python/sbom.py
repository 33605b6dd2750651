"""What is linked into the library and its program, as a CycloneDX bill of materials.

    python3 python/sbom.py [FILE [PROCESSOR]]

It reads what NuGet restored for the two projects (``obj/project.assets.json``, there after a build) and the header of libzstd, so it tells
what was linked and not what was meant to be. The processor, ``x86_64`` or ``aarch64``, is this machine's where none is given. The same
build gives the same bytes: no time, no random number. The wheel has it in ``s3dlio-VERSION.dist-info/sboms/``.
"""

from __future__ import annotations

import base64
import json
import platform
import re
import sys
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
PROJECTS = {"libs3dlio.so": "native", "s3dlio": "src/S3dlio.Cli"}
#: Tools of the build: of the compiler what it brings along is linked, which is the runtime pack.
TOOLS = ("Microsoft.DotNet.ILCompiler", "runtime.", "Microsoft.NET.ILLink.Tasks")
RUNTIME = "Microsoft.NETCore.App.Runtime.NativeAOT."
#: .NET's names of processors. What was restored last may have been for another one, of the same versions.
RUNTIMES = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}
ZSTD = ("/usr/include/zstd.h", "/usr/local/include/zstd.h")
#: Where packages say it otherwise than by an SPDX name in this project's NOTICE.
LICENCES = {"AWSSDK": "Apache-2.0"}


def components(program: str, processor: str) -> dict[str, dict[str, Any]]:
    """The packages of one project, by their package URLs."""
    file = HERE / PROJECTS[program] / "obj" / "project.assets.json"
    if not file.is_file():
        raise SystemExit(f"sbom.py: {file} is not there; build the library first: ./build.ps1 native")
    assets = json.loads(file.read_text(encoding="utf-8"))
    found = {}
    for name_version, one in assets["libraries"].items():
        name, _, version = name_version.partition("/")
        if one["type"] == "package" and not name.startswith(TOOLS):
            found[f"pkg:nuget/{name}@{version}"] = _component(name, version, one.get("sha512"))
    for framework in assets["project"]["frameworks"].values():
        for one in framework.get("downloadDependencies", []):
            if one["name"].startswith(RUNTIME):
                version = one["version"].strip("[]").split(",")[0].strip()
                name = RUNTIME + RUNTIMES[processor]
                found[f"pkg:nuget/{name}@{version}"] = _component(name, version, None)
    return found


def _component(name: str, version: str, digest: str | None) -> dict[str, Any]:
    licence = next((text for start, text in LICENCES.items() if name.startswith(start)), "MIT")
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"pkg:nuget/{name}@{version}",
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": licence}}],
        "purl": f"pkg:nuget/{name}@{version}",
    }
    if digest:
        made["hashes"] = [{"alg": "SHA-512", "content": base64.b64decode(digest).hex()}]
    return made


def zstd() -> dict[str, Any]:
    """libzstd, which is linked statically."""
    for path in ZSTD:
        if Path(path).is_file():
            text = Path(path).read_text(encoding="utf-8")
            parts = [re.search(rf"#define\s+ZSTD_VERSION_{part}\s+(\d+)", text) for part in ("MAJOR", "MINOR", "RELEASE")]
            if all(parts):
                version = ".".join(part[1] for part in parts if part)
                purl = f"pkg:generic/zstd@{version}"
                licences = [{"license": {"id": "BSD-3-Clause"}}]
                return {"type": "library", "bom-ref": purl, "name": "zstd", "version": version, "licenses": licences, "purl": purl}
    raise SystemExit(f"sbom.py: none of {', '.join(ZSTD)} tells libzstd's version; install libzstd-dev")


def bill(processor: str = platform.machine()) -> dict[str, Any]:
    """The whole bill."""
    found = re.search(r'^version = "(.*)"$', (HERE / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert found is not None
    version = found[1]
    own = f"pkg:pypi/s3dlio@{version}"
    library = {**components("libs3dlio.so", processor), zstd()["purl"]: zstd()}
    program = {**components("s3dlio", processor), zstd()["purl"]: zstd()}
    parts = {**library, **program}
    programs = [
        {"type": "application" if name == "s3dlio" else "library", "bom-ref": f"{own}#{name}", "name": name, "version": version}
        for name in PROJECTS
    ]
    made: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": own,
                "name": "s3dlio",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "purl": own,
            }
        },
        "components": [*programs, *(parts[purl] for purl in sorted(parts))],
        "dependencies": [
            {"ref": own, "dependsOn": [f"{own}#{name}" for name in PROJECTS]},
            {"ref": f"{own}#libs3dlio.so", "dependsOn": sorted(library)},
            {"ref": f"{own}#s3dlio", "dependsOn": sorted(program)},
        ],
    }
    name = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(made, sort_keys=True))
    return {"bomFormat": made.pop("bomFormat"), "specVersion": made.pop("specVersion"), "serialNumber": f"urn:uuid:{name}", **made}


def text(processor: str = platform.machine()) -> str:
    """The bill as the file has it."""
    return json.dumps(bill(processor), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text(*sys.argv[2:]), encoding="utf-8")
    else:
        sys.stdout.write(text())

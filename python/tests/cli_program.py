"""The published program, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE

#: Another build of the program, such as one that was not published yet.
PROGRAM = Path(os.environ.get("S3DLIO_TEST_PROGRAM") or PACKAGE / "s3dlio")


class Cli:
    """Runs the program in a folder, with the options of a store."""

    def __init__(self, folder: Path, options: dict[str, Any] | None = None, uri: str = "") -> None:
        self.folder = folder
        self.uri = uri
        self.environment = {"S3DLIO_STORAGE_OPTIONS": json.dumps(options)} if options else {}

    def __call__(
        self, *words: str | Path, code: int = 0, data: bytes | None = None, binary: bool = False, environment: dict[str, str] | None = None
    ) -> Any:
        """Runs it, compares the exit code and gives what it printed."""
        ended = self.run(*words, data=data, environment=environment)
        assert ended.returncode == code, (
            f"{words} ended with {ended.returncode}, not {code}:\n{ended.stdout!r}\n{ended.stderr.decode(errors='replace')}"
        )
        self.errors = ended.stderr.decode(errors="replace")
        return ended.stdout if binary else ended.stdout.decode()

    def run(
        self, *words: str | Path, data: bytes | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs it and gives what came of it."""
        return subprocess.run(
            self.words(*words),
            cwd=self.folder,
            input=data or b"",
            capture_output=True,
            timeout=300,
            check=False,
            env=os.environ | self.environment | (environment or {}),
        )

    def words(self, *words: str | Path) -> list[str | Path]:
        """The command line."""
        start: list[str | Path] = ["dotnet", PROGRAM] if PROGRAM.suffix == ".dll" else [PROGRAM]
        return [*start, *words]

    def lines(self, *words: str | Path, code: int = 0) -> list[Any]:
        """The lines of JSON that it prints."""
        return [json.loads(line) for line in self("--json", *words, code=code).splitlines()]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Makes files as another program does: with nothing recorded."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def needs_program() -> None:
    """Skips where the program was not published."""
    if not PROGRAM.is_file():
        pytest.skip(f"{PROGRAM} is not there: run ./build.ps1 native")

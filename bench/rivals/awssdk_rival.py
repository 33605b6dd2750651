"""Amazon's SDK for .NET, in a process of its own that bench/awssdk is: compiled once, started and warmed up before anything is measured."""

from __future__ import annotations

import functools
import shutil
import subprocess
import weakref
from pathlib import Path

from contest import Operation, Unusable
from s3_scene import S3Scene

NAME = "AWS SDK for .NET"
VERSION = "4"

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = ROOT / "bench/awssdk/AwsSdk.csproj"
PROGRAM = ROOT / "build/bench-awssdk/AwsSdk.dll"


def get_object(scene: S3Scene) -> Operation:
    """Small objects, as many at once as ours; each body is read to its end."""
    keys = scene.small
    process = subprocess.Popen(
        ["dotnet", _program(), scene.server.endpoint, scene.server.keeps, keys[0][:-4], str(scene.calls), str(scene.in_flight)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    to, answers = process.stdin, process.stdout
    if answers.readline() != "ready\n":
        raise Unusable("the program that uses it did not start")
    spent = 0.0

    def run() -> int:
        nonlocal spent
        to.write("\n")
        to.flush()
        seconds, size = answers.readline().split()
        spent += float(seconds)
        return int(size)

    def check(size: int) -> None:
        if size != scene.calls * scene.size:
            raise AssertionError(f"{scene.calls * scene.size} bytes were asked for, {size} came")

    operation = Operation(run=run, check=check, calls=scene.calls, cpu=lambda: spent)
    weakref.finalize(scene, _end, process)
    return operation


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@functools.cache
def _program() -> str:
    if shutil.which("dotnet") is None:
        raise Unusable("there is no dotnet to compile it with")
    sources = PROJECT.parent.glob("*.cs*")
    if not PROGRAM.exists() or PROGRAM.stat().st_mtime < max(file.stat().st_mtime for file in sources):
        built = subprocess.run(
            ["dotnet", "build", str(PROJECT), "-c", "Release", "-o", str(PROGRAM.parent), "-v", "q", "-nologo"],
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode != 0:
            raise Unusable("it could not be compiled: " + built.stdout.strip().splitlines()[-1])
        PROGRAM.touch()
    return str(PROGRAM)


OPERATIONS = {"get_object": get_object}

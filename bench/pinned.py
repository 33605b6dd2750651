"""A program of its own that works on as many cores as it is told: the libraries ask for their number once, when they begin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from contest import Operation, Unusable
from scene import Scene

_PROGRAM = """
import os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
source, target = sys.argv[2:4]
{setup}
data = open(source, "rb").read()
print("ready", flush=True)
for _ in sys.stdin:
    {work}
    print("done", flush=True)
"""


def compress(scene: Scene, cores: int, setup: str, work: str) -> Operation:
    """Compresses the scene's text, in memory there, to a file.

    Args:
        scene: Whose text.
        cores: On how many cores.
        setup: Statements of the program before the data is read.
        work: One statement that compresses ``data`` to the file ``target``.
    """
    target = scene.path(f"pinned-{abs(hash((cores, work)))}.zst")
    process: list[subprocess.Popen[str]] = []

    def run() -> None:
        if not process:
            folders = [str(Path(__file__).resolve().parent.parent / "python")]
            code = f"import sys; sys.path[:0] = {folders!r}\n" + _PROGRAM.format(setup=setup, work=work)
            process.append(
                subprocess.Popen(
                    [sys.executable, "-c", code, str(cores), scene.text, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            if _line(process[0]) != "ready":
                raise Unusable("its program did not begin")
        assert process[0].stdin is not None
        process[0].stdin.write("\n")
        process[0].stdin.flush()
        if _line(process[0]) != "done":
            raise Unusable("its program failed")

    return Operation(run=run, before=lambda: scene.place(target), check=lambda _: scene.same_text(target), size=scene.size)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()

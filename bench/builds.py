#!/usr/bin/env python3
"""Compares two builds of s3dlio: the cases of definitions.toml, our side of each, in turns A B B A.

    bench/builds.py OLD NEW                    npy-save, npy-load, s3-small-4k, s3-download, s3-upload, state-save
    bench/builds.py OLD NEW npy-load s3-       those cases, or those whose name begins so

OLD and NEW are folders that hold the package ``s3dlio`` with its library, such as ``python`` of two checkouts. Each build runs in a process
of its own that lives as long as the case. Of a ratio above 1, NEW is faster; of a CPU ratio below 1, NEW takes less.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import tomllib

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ["npy-save", "npy-load", "s3-small-4k", "s3-download", "s3-upload", "state-save"]


class Build:
    """One build's process for one case; runs the case once for each line that it is sent."""

    def __init__(self, package: Path, case: str, folder: Path, options: argparse.Namespace) -> None:
        folder.mkdir()
        command = [sys.executable, __file__, str(package), str(package), case, "--worker", "--folder", str(folder)]
        command += ["--size", str(options.size)] if options.size else []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self._answer()

    def run(self) -> tuple[float, float]:
        """Seconds and CPU seconds of one run."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._answer()
        return answer["seconds"], answer["cpu_seconds"]

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"the process of a build ended with {self._process.wait()}")
        return dict(json.loads(line))


def main() -> int:
    options = parse()
    sys.path.insert(0, str(ROOT / "bench"))
    if options.worker:
        load_package(options.new)
    import run

    definitions = run.choose(tomllib.loads((ROOT / "bench/definitions.toml").read_text())["case"], options.names)
    if options.worker:
        return work(definitions[0], options)
    import contest

    results = []
    for case in definitions:
        folder = Path(tempfile.mkdtemp(prefix="builds-", dir=options.folder))
        builds = []
        try:
            for name, package in (("old", options.old), ("new", options.new)):
                builds.append(Build(package, case["name"], folder / name, options))
            left_out = next((build.ready["left_out"] for build in builds if "left_out" in build.ready), None)
            if left_out is not None:
                print(f"{case['name']:<24} left out: {left_out}", flush=True)
                continue
            times: list[list[tuple[float, float]]] = [[], []]
            for pair in range(options.pairs or case.get("pairs", run.PAIRS)):
                for side in (0, 1) if pair % 2 == 0 else (1, 0):
                    times[side].append(builds[side].run())
        finally:
            for build in builds:
                build.end()
            shutil.rmtree(folder, ignore_errors=True)
        ratios = [old[0] / new[0] for old, new in zip(*times, strict=True)]
        cpu = [new[1] / max(old[1], 1e-9) for old, new in zip(*times, strict=True)]
        print(
            f"{case['name']:<24} ratio {contest.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})   "
            f"CPU {contest.median(cpu):.2f} ({min(cpu):.2f} to {max(cpu):.2f})",
            flush=True,
        )
        results.append({"name": case["name"], "old": times[0], "new": times[1], "ratios": ratios, "cpu_ratios": cpu})
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": run.machine(), "cases": results}, indent=1) + "\n")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="a folder that holds the package s3dlio")
    parser.add_argument("new", type=Path, help="another one")
    parser.add_argument("names", nargs="*", default=DEFAULT, metavar="name", help="a case, or what its name begins with")
    parser.add_argument("--size", type=int, metavar="MIB", help="size of the data of the large cases")
    parser.add_argument("--pairs", type=int, metavar="N", help="measured pairs of each case")
    parser.add_argument("--json", metavar="FILE", help="where the results go")
    parser.add_argument("--folder", default=str(ROOT / "build"), help="a folder on the file system to be measured; build/ without")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(short=False)
    return parser.parse_args()


def load_package(folder: Path) -> None:
    """Imports the build's package, before ``run`` puts this checkout's own first on the path."""
    sys.path.insert(0, str(folder))
    import s3dlio

    if not Path(s3dlio.__file__).is_relative_to(folder.resolve()):
        sys.exit(f"{folder} holds no package s3dlio; {s3dlio.__file__} was found")


def work(case: dict[str, Any], options: argparse.Namespace) -> int:
    """A build's process."""
    import contest
    import run
    import servers

    # what libraries print must not be taken for an answer
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**fields: Any) -> None:
        print(json.dumps(fields), file=answers, flush=True)

    try:
        scene = run.make_scene(case, Path(options.folder), options)
        side = run.load_operation(case["ours"], scene)[1]
    except (ModuleNotFoundError, servers.NoServer, contest.Unusable) as why:
        answer(left_out=str(why))
        return 0
    side.before()
    side.check(side.run())
    answer(ready=True)
    for _ in sys.stdin:
        runs = contest.Runs()
        contest.measure(side, runs, check=False)
        answer(seconds=runs.seconds[0], cpu_seconds=runs.cpu_seconds[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Measures s3dlio and what it is compared with, in turns.

bench/run.py                        every case of definitions.toml
bench/run.py npy-load safetensors   those cases, or those whose name begins so
bench/run.py --short                small and few: does everything work? judges no speed
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tomllib

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "python")]
# for the processes that cases start
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH")]))

import contest  # noqa: E402
import servers  # noqa: E402
from s3_scene import LISTED, S3Scene  # noqa: E402
from scene import Scene  # noqa: E402

SHORT_SIZE = 2 << 20
SHORT_PAIRS = 2
SHORT_CALLS = 20
PAIRS = 9


def main() -> int:
    options = parse()
    definitions = tomllib.loads((ROOT / "bench/definitions.toml").read_text())["case"]
    chosen = choose(definitions, options.names)
    parent = Path(options.folder) if options.folder else ROOT / "build"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    results: list[dict[str, Any]] = []
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {contest.processors()} processors "
        f"with a load of {os.getloadavg()[0]:.1f}, {folder}",
        flush=True,
    )
    try:
        for definition in chosen:
            results.append(run_case(definition, folder, options))
            print(line(results[-1]), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    path = Path(options.json) if options.json else ROOT / "bench/results" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "short": options.short, "cases": results}, indent=1) + "\n")
    print(f"written: {path}")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help="a case, or what its name begins with; all without")
    parser.add_argument("--size", type=int, metavar="MIB", help="size of the data of the large cases")
    parser.add_argument("--pairs", type=int, metavar="N", help="measured pairs of each case")
    parser.add_argument("--json", metavar="FILE", help="where the results go; bench/results/<time>.json without")
    parser.add_argument("--folder", help="a folder on the file system to be measured; build/ without")
    parser.add_argument("--short", action="store_true", help="small and few, every result checked, no speed judged")
    return parser.parse_args()


def choose(definitions: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    for name in names:
        if not any(case["name"].startswith(name) for case in definitions):
            sys.exit(f"there is no benchmark {name!r}; there are: {', '.join(case['name'] for case in definitions)}")
    exact = {case["name"] for case in definitions}
    return [
        case
        for case in definitions
        if not names or any(case["name"] == name or (name not in exact and case["name"].startswith(name)) for name in names)
    ]


def make_scene(definition: dict[str, Any], folder: Path, options: argparse.Namespace) -> Scene:
    """What the sides of a case work on; raises NoServer where its server cannot be started."""
    size = definition["size_kib"] << 10 if "size_kib" in definition else (options.size or definition.get("size_mib", 256)) << 20
    calls = definition.get("calls", 1)
    if options.short:
        size, calls = min(size, SHORT_SIZE), min(calls, SHORT_CALLS)
    overwrite = definition.get("overwrite", False)
    if "server" not in definition:
        return Scene(folder, size, overwrite, calls)
    server = servers.BY_NAME[definition["server"]]()
    return S3Scene(server, definition.get("in_flight", 16), folder, size, overwrite, LISTED if definition.get("listing") else calls)


def load_operation(name: str, scene: Scene) -> tuple[Any, contest.Operation]:
    """The module that ``module:operation`` names (``ours`` without a module), and its operation on the scene."""
    module, _, operation = name.rpartition(":")
    contender = importlib.import_module(f"rivals.{module or 'ours'}")
    return contender, contender.OPERATIONS[operation](scene)


def run_case(definition: dict[str, Any], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One case's numbers, or why there are none."""
    result: dict[str, Any] = {"name": definition["name"], "about": definition["about"]}
    pairs = options.pairs or definition.get("pairs", PAIRS)
    if options.short:
        pairs = SHORT_PAIRS
    try:
        scene = make_scene(definition, folder, options)
    except servers.NoServer as why:
        return result | {"left_out": str(why)}
    if definition.get("direct") and not scene.is_direct():
        return result | {"left_out": "the file system has no O_DIRECT"}
    names = [definition["ours"]] + ([definition["rival"]] if "rival" in definition else [])
    sides, labels = [], []
    try:
        for name in names:
            try:
                contender, operation = load_operation(name, scene)
                sides.append(operation)
            except (ImportError, contest.Unusable) as why:
                if not sides or getattr(why, "name", "") in ("numpy", "s3dlio"):
                    raise
                # ours is measured all the same: that it works is worth knowing
                result["rival_left_out"] = reason(why)
                continue
            labels.append({"contender": contender.NAME, "version": contender.VERSION, "operation": name.rpartition(":")[2]})
        measured = contest.alternate(sides, pairs, check_all=options.short)
    except (ImportError, contest.Unusable) as why:
        if getattr(why, "name", "") in ("numpy", "s3dlio"):
            raise
        return result | {"left_out": reason(why)}
    finally:
        scene.clear()
    for label, side, runs in zip(labels, sides, measured, strict=True):
        label |= {"bytes": side.size, "calls": side.calls, **vars(runs)}
    result["sides"] = labels
    if len(measured) == 2:
        result["ratios"] = contest.ratios(*measured)
        result["cpu_ratios"] = contest.cpu_ratios(*measured)
    result |= {
        key: definition[key]
        for key in ("bar", "aim", "cpu_bar", "cpu_most", "cpu_more", "most", "most_more", "floor", "most_figure")
        if key in definition and not options.short
    }
    return result


def reason(why: ImportError | contest.Unusable) -> str:
    """Why a contender is left out: a module that is not there by its name, all else in the contender's words."""
    return f"{why.name} is not installed" if isinstance(why, ModuleNotFoundError) else str(why)


def line(result: dict[str, Any]) -> str:
    head = f"\n{result['name']}: {result['about']}"
    if "left_out" in result:
        return f"{head}\n  left out: {result['left_out']}"
    rows = []
    for side in result["sides"]:
        seconds, cpu = contest.median(side["seconds"]), contest.median(side["cpu_seconds"])
        peak = contest.median(side["peak_bytes"]) / (1 << 20)
        if side["bytes"]:
            rate = f"{side['bytes'] / seconds / 1e9:8.2f} GB/s   cpu {cpu / side['bytes'] * 1e9:6.3f} s/GB"
        else:
            rate = f"{seconds / side['calls'] * 1e6:8.1f} µs     cpu {cpu / side['calls'] * 1e6:6.1f} µs  "
        rows.append(f"  {side['contender'] + ' ' + side['version']:<24}{rate}   peak +{peak:.0f} MiB")
    if "rival_left_out" in result:
        rows.append(f"  the rival is left out: {result['rival_left_out']}")
    if "ratios" in result:
        ratios = result["ratios"]
        middle = contest.median(ratios)
        bar = "" if "bar" not in result else f"   bar {result['bar']}: {'held' if middle >= result['bar'] else 'MISSED'}"
        rows.append(f"  ratio {middle:.2f} (pairs {min(ratios):.2f} to {max(ratios):.2f}){bar}")
        cpu = contest.median(result["cpu_ratios"])
        bar = "" if "cpu_bar" not in result else f"   bar {result['cpu_bar']}: {'held' if cpu <= result['cpu_bar'] else 'MISSED'}"
        rows.append(f"  CPU time {cpu:.2f} of theirs{bar}")
    ours = result["sides"][0]
    if "cpu_most" in result:
        micros = contest.median(ours["cpu_seconds"]) / ours["calls"] * 1e6
        rows.append(f"  bar {result['cpu_most']} µs of CPU a call: {'held' if micros <= result['cpu_most'] else 'MISSED'}")
    for bar, clock, unit in (("most_more", "seconds", "ms"), ("cpu_more", "cpu_seconds", "ms of CPU")):
        if bar in result and "ratios" in result:
            more = contest.median([(mine - other) * 1e3 for mine, other in zip(ours[clock], result["sides"][1][clock], strict=True)])
            rows.append(f"  {more:.1f} {unit} more, bar {result[bar]}: {'held' if more <= result[bar] else 'MISSED'}")
    if "most" in result:
        millis, most = contest.median(ours["seconds"]) * 1e3, result["most"]
        worst = sorted(ours["seconds"])[max(0, -(-len(ours["seconds"]) * 99 // 100) - 1)] * 1e3
        if "floor" in result and len(result["sides"]) == 2:
            # no bar is lower than what the device itself takes
            most = max(most, result["floor"] * contest.median(result["sides"][1]["seconds"]) * 1e3)
        rows.append(f"  {millis:.1f} ms (p99 {worst:.1f}), bar {most:.4g} ms: {'held' if millis <= most else 'MISSED'}")
    if ours["figures"]:
        figure = contest.median(ours["figures"])
        held = "held" if figure <= result.get("most_figure", figure) else "MISSED"
        rows.append(f"  {figure:.3f}" + (f", bar {result['most_figure']}: {held}" if "most_figure" in result else ""))
    return "\n".join([head, *rows])


def machine() -> dict[str, Any]:
    model = next(
        (text.split(":", 1)[1].strip() for text in Path("/proc/cpuinfo").read_text().splitlines() if text.startswith("model name")),
        platform.machine(),
    )
    return {
        "processor": model,
        "processors": contest.processors(),
        "memory_bytes": int(Path("/proc/meminfo").read_text().split()[1]) * 1024,
        "kernel": platform.release(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


if __name__ == "__main__":
    sys.exit(main())

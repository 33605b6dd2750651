#!/usr/bin/env python3
"""Draws what bench/run.py wrote: for each case how many times as fast as its rival s3dlio is, and its CPU time beside the rival's.

    bench/plot.py bench/results/*.json --out docs/performance.png

Of several results of one case the last one counts. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

HELD, MISSED, PLAIN = "#2a7f62", "#b23a48", "#4a6fa5"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs/performance.png")
    options = parser.parse_args()
    try:
        draw(options.results, options.out)
    except ModuleNotFoundError as error:
        sys.exit(f"bench/plot.py needs {error.name}, which is not installed; the JSON has all that it would draw")
    print(f"drawn: {options.out}")
    return 0


def draw(results: list[Path], out: Path) -> None:
    """Two panels: ratios of rates, with the bars, and ratios of CPU time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    cases: dict[str, dict[str, Any]] = {}
    for path in results:
        found = json.loads(path.read_text())
        if found["short"]:
            sys.exit(f"{path}: a short run judges nothing, and there is nothing to draw of it")
        cases |= {case["name"]: case for case in found["cases"] if "ratios" in case}
    if not cases:
        sys.exit("none of the results compares anything")
    rows = list(reversed(cases.values()))
    figure, (rate, cpu) = plt.subplots(1, 2, sharey=True, figsize=(11, 0.32 * len(rows) + 1.6), layout="constrained")
    for y, case in enumerate(rows):
        middle = statistics.median(case["ratios"])
        color = PLAIN if "bar" not in case else HELD if middle >= case["bar"] else MISSED
        rate.barh(y, middle, color=color, height=0.62)
        rate.plot([min(case["ratios"]), max(case["ratios"])], [y, y], color="black", linewidth=0.8)
        if "bar" in case:
            rate.plot([case["bar"]] * 2, [y - 0.42, y + 0.42], color="black", linewidth=1.6)
        middle = statistics.median(case["cpu_ratios"])
        color = PLAIN if "cpu_bar" not in case else HELD if middle <= case["cpu_bar"] else MISSED
        cpu.barh(y, middle, color=color, height=0.62)
        if "cpu_bar" in case:
            cpu.plot([case["cpu_bar"]] * 2, [y - 0.42, y + 0.42], color="black", linewidth=1.6)
    rate.margins(y=0.01)
    rate.set_yticks(range(len(rows)), [f"{case['name']}  vs {case['sides'][1]['contender']}" for case in rows], fontsize=8)
    for panel, title in ((rate, "times the rival's rate (higher is better)"), (cpu, "CPU time as a part of the rival's (lower is better)")):
        panel.set_xscale("log")
        panel.axvline(1, color="gray", linewidth=0.8)
        panel.set_title(title, fontsize=9)
        panel.grid(axis="x", which="major", linewidth=0.3)
        panel.tick_params(axis="x", labelsize=8)
    figure.suptitle("Medians of pairs; a thin line from the worst pair to the best, a thick one at the bar that is to be held", fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())

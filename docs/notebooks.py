"""The tutorials are notebooks in docs/tutorials: executed, with their output, and shown as pages of the site.

    python3 docs/notebooks.py [NAME ...]     executes them (or those of the names) anew and keeps what they print
    mkdocs build                             calls on_page_markdown, which puts a notebook where a page names one

A page names its notebook by a comment: <!-- notebook: numpy.ipynb -->
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent / "tutorials"
_NAMED = re.compile(r"<!-- notebook: (\w+\.ipynb) -->")

#: Runs cells as a kernel does: one namespace, and the value of a last expression is shown, a figure of matplotlib as a picture too. Prints
#: what each cell printed, its value and its picture as one line of JSON.
_RUNNER = """
import ast, base64, contextlib, io, json, sys, traceback

def picture(value):
    if type(value).__module__ != "matplotlib.figure":
        return None
    memory = io.BytesIO()
    value.savefig(memory, format="png", dpi=80, metadata={"Software": None})
    return base64.b64encode(memory.getvalue()).decode()

cells, names, told = json.load(sys.stdin), {"__name__": "__main__"}, []
for number, source in enumerate(cells, 1):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            tree = ast.parse(source)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, f"cell {number}", "exec"), names)
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names) if last is not None else None
    except BaseException:
        sys.exit(f"cell {number} failed:\\n{source}\\n{traceback.format_exc()}")
    told.append([out.getvalue(), None if value is None else repr(value), picture(value)])
print(json.dumps(told))
"""


def read(notebook: Path) -> list[dict[str, Any]]:
    """The cells of a notebook."""
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return cells


def source(cell: dict[str, Any]) -> str:
    """A cell's text."""
    return "".join(cell["source"])


def printed(cell: dict[str, Any]) -> str:
    """What a cell printed, and the value that it ended with."""
    return "".join("".join(one["text"] if one["output_type"] == "stream" else one["data"]["text/plain"]) for one in cell.get("outputs", []))


def execute(notebook: Path, environment: dict[str, str] | None = None) -> list[list[Any]]:
    """What each code cell prints and gives, and the picture of that (PNG in base64, or None).

    They are executed anew, in a folder and an interpreter of its own.

    Raises:
        RuntimeError: A cell failed.
    """
    cells = [source(cell) for cell in read(notebook) if cell["cell_type"] == "code"]
    path = os.pathsep.join([str(HERE.parents[1] / "python"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, "-c", _RUNNER],
            input=json.dumps(cells),
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
            env={**os.environ, **(environment or {}), "PYTHONPATH": path},
            timeout=600,
        )
    if ended.returncode != 0:
        raise RuntimeError(f"{notebook.name}: {ended.stderr}")
    found: list[list[Any]] = json.loads(ended.stdout.splitlines()[-1])
    return found


def keep(notebook: Path, found: list[list[Any]]) -> None:
    """Writes what was printed into the notebook."""
    text = json.loads(notebook.read_text(encoding="utf-8"))
    code = [cell for cell in text["cells"] if cell["cell_type"] == "code"]
    for number, (cell, (out, value, picture)) in enumerate(zip(code, found, strict=True), 1):
        cell["execution_count"] = number
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": out.splitlines(keepends=True)}] if out else []
        if value is not None:
            data: dict[str, Any] = {"text/plain": value.splitlines(keepends=True)}
            if picture is not None:
                data["image/png"] = picture
            cell["outputs"].append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    notebook.write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def page(notebook: Path) -> str:
    """The notebook as Markdown."""
    parts = []
    for cell in read(notebook):
        if cell["cell_type"] == "markdown":
            parts.append(source(cell))
            continue
        parts.append(f"```python\n{source(cell)}\n```")
        pictures = [one["data"]["image/png"] for one in cell.get("outputs", []) if "image/png" in one.get("data", {})]
        shown = printed(cell)
        if pictures:
            parts += [f"![{printed(cell)}](data:image/png;base64,{picture})" for picture in pictures]
        elif shown:
            parts.append(f"```text\n{shown.rstrip()}\n```")
    return "\n\n".join([*parts, f"[This page as a notebook]({notebook.name})"])


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with each page."""
    return _NAMED.sub(lambda named: page(HERE / named[1]), markdown)


if __name__ == "__main__":
    for chosen in [HERE / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb")):
        keep(chosen, execute(chosen))
        print(chosen)

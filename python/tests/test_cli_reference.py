"""docs/cli.md has the reference that the program prints. Run as a program, it is written anew."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from cli_program import PROGRAM, needs_program

PAGE = Path(__file__).parents[2] / "docs/cli.md"
BEGIN, END = "<!-- reference -->\n", "<!-- end of the reference -->"


def page(text: str, reference: str) -> str:
    """The page with another reference in it."""
    return text[: text.index(BEGIN) + len(BEGIN)] + "\n" + reference + "\n" + text[text.index(END) :]


def printed() -> str:
    """What the program says of itself."""
    start = ["dotnet", str(PROGRAM)] if PROGRAM.suffix == ".dll" else [str(PROGRAM)]
    return subprocess.run([*start, "__reference"], capture_output=True, check=True, text=True, timeout=60).stdout


def test_reference_of_the_page_is_the_programs() -> None:
    needs_program()
    text = PAGE.read_text()
    assert text == page(text, printed()), "the verbs have changed: python3 python/tests/test_cli_reference.py writes the reference anew"


def test_reference_names_every_verb_of_the_help() -> None:
    needs_program()
    start = ["dotnet", str(PROGRAM)] if PROGRAM.suffix == ".dll" else [str(PROGRAM)]
    shown = subprocess.run([*start, "--help"], capture_output=True, check=True, text=True, timeout=60).stdout
    verbs = re.findall(r"^  ([a-z]+) ", shown.split("options of all verbs")[0], re.MULTILINE)
    assert len(verbs) > 25 and set(verbs) <= set(re.findall(r"^### `([a-z]+)`", printed(), re.MULTILINE))


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), printed()))
    sys.exit(0)

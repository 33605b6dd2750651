"""``rm -r`` deletes while it lists."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli_program import Cli, needs_program, tree, write

MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


@contextmanager
def serving(*words: int) -> Iterator[str]:
    """A server of invented keys."""
    program = Path(__file__).with_name("list_server.py")
    with subprocess.Popen([sys.executable, program, *map(str, words)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def program(folder: Path, url: str) -> Cli:
    """The program with that server."""
    needs_program()
    return Cli(folder, {"endpoint_url": url, "anonymous": True, "region": "r1"})


def deleted(url: str) -> int:
    """How many keys the server was told to delete."""
    with urllib.request.urlopen(f"{url}/deleted") as answer:
        return int(answer.read())


def test_failed_listing_ends_with_1_and_says_what_was_deleted(tmp_path: Path) -> None:
    with serving(9500, 5000) as url:
        cli = program(tmp_path, url)
        summary = cli.lines("rm", "-r", "s3://bucket/k", code=1)[-1]
        assert summary["objects"] == deleted(url) == 5000 and summary["whole"] is False and summary["failed"] == 1
        assert "run it again for the rest" in cli("rm", "-r", "s3://bucket/k", code=1)
        shown = cli("rm", "-n", "-r", "s3://bucket/k", code=1)
        assert shown.count("would delete s3://bucket/k/") == 5000 and deleted(url) == 10_000


def test_memory_does_not_grow_with_the_number_of_keys(tmp_path: Path) -> None:
    for words in (["rm", "-r"], ["rm", "-n", "-r"]):
        peaks = []
        for count in (20_000, 200_000):
            with serving(count) as url:
                cli = program(tmp_path, url)
                environment = {"S3DLIO_STORAGE_OPTIONS": json.dumps({"endpoint_url": url, "anonymous": True, "region": "r1"})}
                ended = subprocess.run(
                    ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "-c", MEASURE]
                    + [str(word) for word in cli.words(*words, "s3://bucket/k")],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                peaks.append(int(ended.stderr.split()[-1]) << 10)
                assert deleted(url) == (0 if "-n" in words else count)
        assert peaks[1] - peaks[0] < 16 << 20, f"{words}: {peaks}"


def test_many_files_go_while_they_are_listed(tmp_path: Path) -> None:
    needs_program()
    cli = Cli(tmp_path)
    write(tmp_path, {f"t/{i % 7}/{i:05}": b"x" for i in range(5000)} | {"t2/stays": b"x"})
    summary = cli.lines("rm", "-r", "t")[-1]
    assert (summary["objects"], summary["bytes"], summary["failed"], summary["whole"]) == (5000, 5000, 0, True)
    assert tree(tmp_path) == {"t2/stays": b"x"} and not (tmp_path / "t").exists()

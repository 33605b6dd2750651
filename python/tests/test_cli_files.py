"""The program over files: each verb, its output and its exit code."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_program import Cli, needs_program, tree, write

import s3dlio


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    needs_program()
    return Cli(tmp_path)


FILES = {"a.txt": b"one\ntwo\nthree\n", "b/c.npy": b"x" * 5000, "b/d/e.bin": b"", "z.txt": b"last"}


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version") == cli("version") == f"s3dlio {s3dlio.__version__}\n"
    assert cli.lines("version") == [{"version": s3dlio.__version__}]
    assert "usage: s3dlio VERB" in cli("--help")
    for verb in ("ls", "cp", "sync", "verify"):
        text = cli(verb, "--help")
        assert text.startswith(f"usage: s3dlio {verb}") and "exit code" in cli("--help")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lz"], "unknown verb 'lz'; did you mean 'ls'?"),
        (["ls", "--recursiv"], "unknown option '--recursiv'; did you mean '--recursive'?"),
        (["cp", "a"], "DESTINATION is missing"),
        (["cp", "-j", "0", "a", "b"], "--jobs: '0' is no whole number from 1 to 4096"),
        (["cp", "-j"], "option -j needs a value: -j N"),
        (["cat", "--range", "9-3", "a.txt"], "the last byte comes before the first"),
        (["stat", "a", "-y"], "unknown option '-y'"),
        (["rm", "-r", "/"], "'/' is not deleted"),
        (["hash", "-a", "md6", "a.txt"], "did you mean 'md5'?"),
        (["ls", "--json=1"], "takes no value"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_right(cli: Cli, words: list[str], message: str) -> None:
    write(cli.folder, {"a.txt": b"x"})
    assert cli(*words, code=2) == ""
    assert message in cli.errors


def test_ls_prints_names_folders_and_sizes(cli: Cli) -> None:
    write(cli.folder, FILES)
    assert cli("ls") == "a.txt\nb/\nz.txt\n"
    assert cli("ls", "b") == "c.npy\nd/\n"
    assert cli("ls", "a.txt") == "a.txt\n"
    assert cli("ls", "-r") == "a.txt\nb/c.npy\nb/d/e.bin\nz.txt\n"
    assert cli("ls", "-F", "b") == "b/c.npy\nb/d/\n"
    assert cli("ls", "**.npy") == "b/c.npy\n"
    assert cli("ls", "?.txt", "--exclude", "z*") == "a.txt\n"
    long = cli("ls", "-l").splitlines()
    assert long[0].endswith(" " * 11 + "14 a.txt") and long[1] == " " * 34 + "b/"
    found = cli.lines("ls", "-r")
    assert [(one["uri"], one["size"]) for one in found] == [("./" + name, len(data)) for name, data in sorted(FILES.items())]
    assert cli("ls", "-rs").splitlines()[-1] == "4 objects, 5018 bytes"
    assert cli("ls", "nothing", code=1) == ""
    assert cli.errors == "s3dlio: nothing: no such object or folder\n"


def test_find_du_tree(cli: Cli) -> None:
    write(cli.folder, {f"t/{name}": data for name, data in FILES.items()})
    assert cli("find", "t", "--name", "*.txt") == "t/a.txt\nt/z.txt\n"
    assert cli("find", "t", "--min-size", "1k") == "t/b/c.npy\n"
    assert cli("find", "t", "--max-size", "0", "-0") == "t/b/d/e.bin\0"
    assert cli("find", "t", "--newer-than", "1h").count("\n") == 4
    assert cli("find", "t", "--older-than", "1h") == ""
    assert cli("find", "t", "--include", "b/") == "t/b/c.npy\nt/b/d/e.bin\n"
    assert cli("du", "-d", "1", "t").split() == ["5000", "2", "t/b/", "5018", "4", "t"]
    assert cli("tree", "t") == "t\n  a.txt\n  b/\n    c.npy\n    d/\n      e.bin\n  z.txt\n4 objects, 4.90 KiB\n"
    assert cli("tree", "-q", "-d", "1", "t") == "t\n  a.txt\n  b/\n  z.txt\n"


def test_cat_head_tail(cli: Cli) -> None:
    write(cli.folder, FILES)
    many = b"".join(b"line %d\n" % i for i in range(50_000))
    write(cli.folder, {"many": many})
    assert cli("cat", "a.txt", "z.txt", binary=True) == FILES["a.txt"] + FILES["z.txt"]
    assert cli("cat", "--range", "4-6", "a.txt") == "two"
    assert cli("cat", "--offset", "8", "a.txt") == "three\n"
    assert cli("cat", "--offset", "4", "--length", "3", "a.txt") == "two"
    assert cli("cat", "--offset", "15", "a.txt", code=1) == ""
    assert "the object has 14 bytes" in cli.errors
    assert cli("head", "-n", "2", "a.txt") == "one\ntwo\n"
    assert cli("head", "-c", "5", "a.txt") == "one\nt"
    assert cli("tail", "-n", "2", "a.txt") == "two\nthree\n"
    assert cli("tail", "-c", "3", "z.txt") == "ast"
    assert cli("tail", "-n", "12000", "many", binary=True) == b"".join(many.splitlines(keepends=True)[-12000:])
    assert cli("head", "-n", "12000", "many", binary=True) == b"".join(many.splitlines(keepends=True)[:12000])
    assert cli("cat", "many", binary=True) == many
    assert cli("cat", "gone", "z.txt", code=1) == "last"


def test_pipe_compresses_and_cat_unpacks(cli: Cli) -> None:
    data = os.urandom(1000) * 9000
    cli("pipe", "p.bin", data=data)
    assert (cli.folder / "p.bin").read_bytes() == data
    cli("pipe", "-z", "3", "q.bin", data=data)
    assert (cli.folder / "q.bin.zst").stat().st_size < len(data) / 10
    assert cli("cat", "-d", "q.bin", binary=True) == data
    assert cli("cp", "p.bin", "-", binary=True) == data
    cli("cp", "-", "r.bin", data=b"from stdin")
    assert (cli.folder / "r.bin").read_bytes() == b"from stdin"
    cli("pipe", "--no-clobber", "r.bin", data=b"other", code=1)
    assert (cli.folder / "r.bin").read_bytes() == b"from stdin"


def test_cp_mv_rm_name_what_they_make(cli: Cli) -> None:
    write(cli.folder, FILES)
    assert cli("cp", "-n", "a.txt", "copy.txt").startswith("would copy a.txt -> copy.txt\nwould copy 1 object, 14 B in ")
    assert not (cli.folder / "copy.txt").exists()
    assert cli("cp", "a.txt", "copy.txt").startswith("copied 1 object, 14 B in ")
    cli("cp", "a.txt", "z.txt", "into/", "-q")
    cli("cp", "*.txt", "wild/")
    cli("cp", "b/**", "below/")
    cli("cp", "-r", "b", "tree")
    cli("cp", "-r", "b", "into", "several")
    cli("cp", "--flatten", "-r", "b", "flat")
    assert sorted(tree(cli.folder / "wild")) == ["a.txt", "copy.txt", "z.txt"]
    assert sorted(tree(cli.folder / "below")) == sorted(tree(cli.folder / "tree")) == ["c.npy", "d/e.bin"]
    assert sorted(tree(cli.folder / "several")) == ["b/c.npy", "b/d/e.bin", "into/a.txt", "into/z.txt"]
    assert sorted(tree(cli.folder / "flat")) == ["c.npy", "e.bin"]
    cli("cp", "b", "nowhere", code=1)
    assert "this is a folder; add -r" in cli.errors
    cli("cp", "-r", "b", "b/again", code=2)
    cli("mv", "-r", "tree", "moved")
    assert not (cli.folder / "tree").exists() and sorted(tree(cli.folder / "moved")) == ["c.npy", "d/e.bin"]
    cli("mv", "copy.txt", "moved/")
    assert (cli.folder / "moved/copy.txt").read_bytes() == FILES["a.txt"]
    assert cli("rm", "-n", "-r", "moved").count("would delete moved/") == 3
    assert cli("rm", "-r", "moved").startswith("deleted 3 objects")
    assert not (cli.folder / "moved").exists()
    cli("rm", "moved", code=1)
    cli("rm", "-f", "moved")
    cli("rm", "b", code=1)
    assert (cli.folder / "b/c.npy").exists()


def test_cp_again_sends_only_what_differs(cli: Cli) -> None:
    write(cli.folder, {f"from/{i:03}": os.urandom(100 + i) for i in range(40)})
    assert cli.lines("cp", "-r", "from", "to")[-1]["objects"] == 40
    assert cli.lines("cp", "-r", "from", "to")[-1] | {"seconds": 0} == {
        "summary": "copy", "objects": 0, "bytes": 0, "skipped": 40, "deleted": 0, "failed": 0, "seconds": 0
    }  # fmt: skip
    (cli.folder / "from/007").write_bytes(b"other".ljust(107, b"."))
    # a file of the same size that was written behind the program's back, and one that was cut
    with (cli.folder / "from/009").open("r+b") as file:
        file.write(b"in place")
    (cli.folder / "to/011").write_bytes(b"")
    again = cli.lines("cp", "-r", "from", "to")
    assert sorted(one["source"] for one in again[:-1] if one["action"] == "copy") == ["from/007", "from/009", "from/011"]
    assert tree(cli.folder / "from") == tree(cli.folder / "to")
    assert cli.lines("cp", "-r", "--force", "from", "to")[-1]["objects"] == 40
    assert cli.lines("cp", "-r", "--no-clobber", "from", "to")[-1]["skipped"] == 40


def test_sync_makes_trees_equal_and_deletes_only_when_asked(cli: Cli) -> None:
    write(cli.folder, {f"from/{name}": data for name, data in FILES.items()})
    write(cli.folder, {"to/extra": b"e", "to/keep.log": b"k", "beside": b"untouched"})
    assert cli.lines("sync", "from", "to")[-1]["objects"] == 4
    assert (cli.folder / "to/extra").exists()
    assert cli.lines("sync", "from", "to")[-1]["objects"] == 0
    assert "would delete to/extra" in cli("sync", "--delete", "-n", "--exclude", "*.log", "from", "to")
    assert cli.lines("sync", "--delete", "--exclude", "*.log", "from", "to")[-1]["deleted"] == 1
    assert sorted(tree(cli.folder / "to")) == sorted([*FILES, "keep.log"]) and (cli.folder / "beside").exists()
    time.sleep(0.01)
    with (cli.folder / "from/b/c.npy").open("r+b") as file:
        file.write(b"same size")
    assert cli.lines("sync", "from", "to")[-1]["objects"] == 1
    assert (cli.folder / "to/b/c.npy").read_bytes().startswith(b"same size")
    cli("sync", "nowhere", "to", code=1)
    cli("sync", "--delete", "nowhere", "to", code=1)
    assert len(tree(cli.folder / "to")) == 5
    (cli.folder / "empty").mkdir()
    cli("sync", "--delete", "empty", "to", code=1)
    assert "if that is meant, use rm -r" in cli.errors and len(tree(cli.folder / "to")) == 5
    cli("sync", "from", "from/b", code=2)


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), reason="root may read everything")
def test_sync_deletes_nothing_when_a_listing_failed(cli: Cli) -> None:
    cli.folder.chmod(0o755)
    write(cli.folder, {"from/a": b"1", "from/secret/b": b"2", "to/extra": b"e", "to/secret/b": b"2"})
    for path in [cli.folder, *cli.folder.rglob("*")]:
        os.chown(path, 12345, 12345)
    for parent in cli.folder.parents:
        if parent != Path("/") and not parent.stat().st_mode & 0o001:
            pytest.skip(f"{parent} is closed to other users")
    (cli.folder / "from/secret").chmod(0)
    words = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", *map(str, cli.words("sync", "--delete", "from", "to"))]
    ended = subprocess.run(words, cwd=cli.folder, capture_output=True, check=False, timeout=60)
    (cli.folder / "from/secret").chmod(0o700)
    assert ended.returncode == 1, ended.stderr
    assert (cli.folder / "to/extra").exists() and (cli.folder / "to/secret/b").exists()


def test_check_marks_and_exit_codes(cli: Cli) -> None:
    write(cli.folder, {"l/same": b"s", "l/differs": b"abc", "l/left": b"l", "r/same": b"s", "r/differs": b"abd", "r/right": b"r"})
    assert sorted(cli("check", "--combined", "-q", "l", "r", code=3).splitlines()) == ["* differs", "+ left", "- right", "= same"]
    assert sorted(cli("check", "l", "r", code=3).splitlines()) == [
        "1 same, 1 different, 2 missing",
        "different: l/differs",
        "only left: l/left",
        "only right: r/right",
    ]
    assert cli("check", "--size-only", "--exclude", "left", "--one-way", "l", "r") == "2 same, 0 different, 0 missing\n"
    cli("cp", "-r", "--force", "l", "r")
    assert cli("check", "-q", "--one-way", "l", "r") == ""
    cli("check", "nowhere", "neither", code=1)


def test_verify_finds_damage_and_names_the_places(cli: Cli, recorded: None) -> None:
    s3dlio.put_bytes(str(cli.folder / "v/big"), os.urandom(9 << 20))
    s3dlio.put_bytes(str(cli.folder / "v/small"), b"small")
    write(cli.folder, {"v/plain": b"nobody recorded this"})
    assert cli("verify", "v") == "2 good, 0 damaged, 1 with nothing recorded, 9.00 MiB read\n"
    cli("verify", "--strict", "v", code=1)
    with (cli.folder / "v/big").open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"\0\0damage")
    with (cli.folder / "v/small").open("r+b") as file:
        file.write(b"S")
    lines = {Path(one["uri"]).name: one for one in cli.lines("verify", "v", code=3) if "uri" in one}
    assert lines["plain"]["state"] == "unrecorded" and lines["small"]["state"] == lines["big"]["state"] == "damaged"
    for one in (lines["small"], lines["big"]):
        place = one["damage"][0]
        assert place["begin"] <= (5_000_000 if one is lines["big"] else 0) < place["end"] and place["expected"] != place["found"]
    assert "damaged: v/small: bytes 0..5: crc32c:" in cli("verify", "v", code=3)
    cli("cat", "v/small", code=3)
    assert "checksum mismatch" in cli.errors


def test_hash_agrees_with_others(cli: Cli) -> None:
    data = os.urandom(9_000_001)
    write(cli.folder, {"h": data, "nine": b"123456789"})
    assert cli("hash", "nine") == "crc32c:e3069283  nine\n"
    assert cli("hash", "-a", "crc64nvme", "nine").split()[0].endswith("ae8b14860a799888")
    for name in ("md5", "sha1", "sha256"):
        assert cli("hash", "-a", name, "h") == f"{name}:{hashlib.new(name, data).hexdigest()}  h\n"
    assert cli("hash", "--recorded", "h") == "none  h\n"


def test_stat(cli: Cli, recorded: None) -> None:
    cli("put", "--content-type", "text/plain", "--metadata", "run=7", "-", "s.txt", data=b"hello")
    text = cli("stat", "s.txt")
    assert "size:         5 (5 B)\n" in text and "content type: text/plain\n" in text and "metadata run: 7\n" in text
    (one,) = cli.lines("stat", "s.txt")
    assert one["size"] == 5 and one["metadata"] == {"run": "7"} and one["checksum"] == cli("hash", "s.txt").split()[0]
    cli("stat", "gone", code=1)


def test_get_put_upload_download(cli: Cli) -> None:
    write(cli.folder, FILES)
    (cli.folder / "here").mkdir()
    inside = Cli(cli.folder / "here")
    inside("get", "../a.txt")
    assert (cli.folder / "here/a.txt").read_bytes() == FILES["a.txt"]
    cli("put", "a.txt", "up/x.txt")
    cli("upload", "a.txt", "b", "all")
    assert sorted(tree(cli.folder / "all")) == ["a.txt", "b/c.npy", "b/d/e.bin"]
    cli("download", "all", "back")
    assert tree(cli.folder / "all") == tree(cli.folder / "back")


def test_mb_rb(cli: Cli) -> None:
    cli("mb", "made/deep")
    assert (cli.folder / "made/deep").is_dir()
    write(cli.folder, {"made/deep/file": b""})
    cli("rb", "made/deep", code=1)
    assert "not empty" in cli.errors
    (cli.folder / "made/deep/file").unlink()
    cli("rb", "made/deep")
    assert not (cli.folder / "made/deep").exists()


HOSTILE = [
    "new\nline",
    "esc\x1b[31mred",
    "tab\there",
    "back\\slash'quote",
    "\u202eltr",
    "sp ace",
    "-rf",
    "*star",
    "[class]",
    "\U0001f600",
    "a" * 200,
]


def test_hostile_names_are_quoted_and_survive(cli: Cli) -> None:
    write(cli.folder, {f"h/{name}": name.encode() for name in HOSTILE})
    raw = os.fsencode(cli.folder) + b"/h/\xff\xfe"
    with open(raw, "wb") as file:
        file.write(b"bytes")
    listed = cli("ls", "h")
    assert len(listed.splitlines()) == len(HOSTILE) + 1
    assert not any(c in listed for c in "\x1b\t\u202e")
    # bash reads the quoted names back
    for line in listed.splitlines():
        if line.startswith("$'"):
            shown = subprocess.run(["bash", "-c", f"printf %s {line}"], capture_output=True, check=True).stdout
            assert os.fsdecode(shown) in [*HOSTILE, "\udcff\udcfe"]
    names = cli("find", "h", "-0", binary=True).split(b"\0")[:-1]
    assert sorted(os.fsdecode(name)[2:] for name in names) == sorted([*HOSTILE, "\udcff\udcfe"])
    cli("cp", "-r", "h", "copy")
    assert tree(cli.folder / "h") == tree(cli.folder / "copy")
    cli("cat", raw, code=0, binary=True)
    cli("cp", "--", "h/-rf", "plain")
    assert (cli.folder / "plain").read_bytes() == b"-rf"
    cli("cp", "h/[class]", "literal")
    assert (cli.folder / "literal").read_bytes() == b"[class]"
    cli("rm", "-r", "h")
    assert not (cli.folder / "h").exists()


def test_dotdot_behind_a_link_is_where_the_kernel_says(cli: Cli) -> None:
    write(cli.folder, {"real/deep/x": b"", "real/beside": b"r", "beside": b"wrong"})
    (cli.folder / "link").symlink_to("real/deep")
    assert cli("cat", "link/../beside") == "r"


def test_closed_pipe_ends_quietly(cli: Cli) -> None:
    write(cli.folder, {"big": b"y\n" * 5_000_000})
    words = " ".join(f"'{word}'" for word in cli.words("cat", "big"))
    ended = subprocess.run(
        ["bash", "-c", f"{words} | head -c 10; echo ${{PIPESTATUS[0]}}"], cwd=cli.folder, capture_output=True, check=True, timeout=60
    )
    assert ended.stdout == b"y\ny\ny\ny\ny\n0\n" and ended.stderr == b""


def test_interrupt_ends_with_130_and_leaves_nothing_half_done(cli: Cli) -> None:
    with subprocess.Popen(cli.words("pipe", "half"), cwd=cli.folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin and running.stderr
        running.stdin.write(b"x" * 10_000_000)
        running.stdin.flush()
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 130
        assert b"interrupted" in running.stderr.read()
    assert list(cli.folder.iterdir()) == []


def test_progress_is_for_terminals_only(cli: Cli) -> None:
    write(cli.folder, {f"from/{i}": b"x" * 100_000 for i in range(300)})
    cli("cp", "-r", "from", "to")
    assert "\x1b" not in cli.errors and "/s" not in cli.errors
    try:
        for descriptor in os.openpty():
            os.close(descriptor)
    except OSError as error:
        pytest.skip(f"no terminal can be had here: {error}")
    script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    words = [sys.executable, "-c", script, *map(str, cli.words("pipe", "big"))]
    # half a second of a slow pipe is some five looks at the line
    slow = "import sys, time\nfor _ in range(8): sys.stdout.buffer.write(bytes(1 << 20)); sys.stdout.flush(); time.sleep(0.1)"
    pipe = f"{sys.executable} -c '{slow}' | {' '.join(map(str, cli.words('pipe', 'big')))}"
    shown = subprocess.run(
        [sys.executable, "-c", script, "bash", "-c", pipe],
        cwd=cli.folder,
        capture_output=True,
        timeout=60,
        check=True,
        env=os.environ | {"TERM": "xterm"},
    ).stdout
    assert b"MiB/s" in shown and shown.rstrip(b"\r\n").endswith(b"\r\x1b[K"), (words, shown)


@pytest.mark.parametrize(
    "words",
    [["cp", "-r", "t", "{}"], ["sync", "t", "{}"], ["upload", "t", "{}/"], ["put", "t/0", "{}/"]],
    ids=["cp", "sync", "upload", "put"],
)
def test_bwlimit_bounds_the_rate_of_all_objects_together(cli: Cli, words: list[str]) -> None:
    files = {f"t/{i}": os.urandom(1 << 20 if words[0] == "put" else 1 << 18) for i in range(4)}
    write(cli.folder, files)
    # within one file system nothing passes through the program
    target = f"direct://{cli.folder}/out"
    begun = time.monotonic()
    cli(words[0], "--bwlimit", "1MiB", *(word.format(target) for word in words[1:]))
    assert 0.95 <= time.monotonic() - begun < 60
    found = tree(cli.folder / "out")
    assert {Path(name).name: data for name, data in found.items()} == {
        Path(name).name: data for name, data in files.items() if words[0] != "put" or name == "t/0"
    }
    cli("cp", "--bwlimit", "0", "t/0", "x", code=2)
    cli("cp", "--bwlimit", "fast", "t/0", "x", code=2)


def test_completion_of_verbs_options_and_paths(cli: Cli) -> None:
    assert cli("__complete", "--", "s3dlio ver").split() == ["verify", "version"]
    assert "--recursive" in cli("__complete", "--", "s3dlio cp --rec").split()
    write(cli.folder, {"p/one": b"", "p/two/x": b""})
    assert cli("__complete", "--", f"s3dlio cat file://{cli.folder}/p/").split() == [
        f"file://{cli.folder}/p/one",
        f"file://{cli.folder}/p/two/",
    ]
    for shell in ("bash", "zsh", "fish"):
        assert "s3dlio __complete" in cli("completion", shell)
    asks = 'source <(s3dlio completion bash); COMP_LINE="s3dlio verif"; COMP_POINT=${#COMP_LINE}; _s3dlio; echo "${COMPREPLY[@]}"'
    (cli.folder / "bin").mkdir()
    program = cli.folder / "bin/s3dlio"
    program.write_text(f'#!/bin/sh\nexec {" ".join(map(str, cli.words()))} "$@"\n')
    program.chmod(0o755)
    path = {"PATH": f"{cli.folder}/bin:{os.environ['PATH']}"}
    found = subprocess.run(["bash", "-c", asks], capture_output=True, check=True, timeout=60, env=os.environ | path).stdout
    assert found == b"verify\n"


def test_config_shows_no_secret(cli: Cli) -> None:
    text = cli("config", environment={"AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "r1", "HTTPS_PROXY": "http://me:hush@proxy:1"})
    assert "AWS_REGION = r1\n" in text and "hush" not in text and "AWS_SECRET_ACCESS_KEY = (set, not shown)" in text

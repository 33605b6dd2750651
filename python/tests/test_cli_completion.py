"""Completion in the shells themselves; a shell that is not installed is passed over."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import PROGRAM, Cli, needs_program, write
from servers_fixture import azure_server, s3_server

#: What a user types, and what the line is after the key for completion.
LINES = [
    ("s3dlio verif", "s3dlio verify "),
    ("s3dlio log ins", "s3dlio log inspect "),
    ("s3dlio cp --recu", "s3dlio cp --recursive "),
    ("s3dlio completion fi", "s3dlio completion fish "),
    ("s3dlio cat only-t", "s3dlio cat only-this.txt "),
]


def folder_of(cli: Cli) -> dict[str, str]:
    """An environment in which the program is found by its name."""
    place = cli.folder / "program"
    place.mkdir(exist_ok=True)
    if PROGRAM.suffix == ".dll":
        (place / "s3dlio").write_text(f'#!/bin/sh\nexec dotnet {PROGRAM} "$@"\n')
        (place / "s3dlio").chmod(0o755)
    elif not (place / "s3dlio").exists():
        (place / "s3dlio").symlink_to(PROGRAM)
    return os.environ | cli.environment | {"PATH": f"{place}:{os.environ['PATH']}", "HOME": str(cli.folder), "TERM": "dumb"}


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def bash(cli: Cli, line: str) -> str:
    """Completes a line as readline does with the answer of the function: a space behind the only one, unless it said otherwise."""
    need("bash")
    script = """
        compopt() { nospace=yes; }
        source <(s3dlio completion bash)
        COMP_LINE=$1; COMP_POINT=${#COMP_LINE}
        _s3dlio
        # what readline replaces begins behind the last colon
        word=${1##*[[:space:]]}; [[ $word == *:* ]] && word=${word##*:}
        if (( ${#COMPREPLY[@]} == 1 )); then printf '%s' "${1%"$word"}${COMPREPLY[0]}${nospace:- }" | sed 's/yes$//'
        elif (( ${#COMPREPLY[@]} == 0 )); then files=($(compgen -f -- "$word")); (( ${#files[@]} == 1 )) && printf '%s' "${1%"$word"}${files[0]} "
        else printf '%s\\n' "${COMPREPLY[@]}"; fi
    """  # noqa: E501
    return subprocess.run(
        ["bash", "-c", script, "bash", line], cwd=cli.folder, env=folder_of(cli), capture_output=True, check=False, text=True, timeout=60
    ).stdout


def zsh(cli: Cli, line: str) -> str:
    """Completes a line in an interactive zsh and reads its buffer."""
    need("zsh")
    (cli.folder / ".zshrc").write_text(
        """
        autoload -Uz compinit && compinit -u -D
        source <(s3dlio completion zsh)
        LISTMAX=1000
        complete-and-tell() { BUFFER=$LINE_TO_COMPLETE; CURSOR=$#BUFFER; zle complete-word; print -rn -- "$BUFFER" > told.new; mv told.new told; zle send-break }
        zle -N complete-and-tell
        bindkey '^T' complete-and-tell
        PROMPT='READY> '
        """  # noqa: E501
    )
    (cli.folder / "told").unlink(missing_ok=True)
    main, side = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-i"],
        cwd=cli.folder,
        env=folder_of(cli) | {"LINE_TO_COMPLETE": line},
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
    )
    os.close(side)
    try:
        seen = b""
        while b"READY> " not in seen:
            seen += os.read(main, 4096)
        os.write(main, b"\x14")
        deadline = time.monotonic() + 60
        while not (cli.folder / "told").exists():
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)
        return (cli.folder / "told").read_text()
    finally:
        shell.kill()
        shell.wait(60)
        os.close(main)


def fish(cli: Cli, line: str) -> str:
    """What fish would show; the only one is put into the line as fish does, with a space unless a folder ends it."""
    need("fish")
    script = "s3dlio completion fish | source; complete -C $argv[1]"
    ended = subprocess.run(
        ["fish", "--private", "-c", script, line],
        cwd=cli.folder,
        env=folder_of(cli),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    found = [one.split("\t")[0] for one in ended.stdout.splitlines()]
    if len(found) != 1:
        return "\n".join(found)
    return line[: line.rindex(" ") + 1] + found[0] + ("" if found[0].endswith("/") else " ")


SHELLS = [bash, zsh, fish]


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "zsh", "fish"])
def test_completion_of_verbs_options_and_files(shell: Callable[[Cli, str], str], tmp_path: Path) -> None:
    needs_program()
    cli = Cli(tmp_path)
    write(tmp_path, {"only-this.txt": b"x"})
    for line, wanted in LINES:
        assert shell(cli, line) == wanted


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "zsh", "fish"])
@pytest.mark.parametrize("server", [s3_server, azure_server], ids=["s3", "azure"])
def test_completion_of_remote_paths(
    shell: Callable[[Cli, str], str], server: Callable[[], tuple[str, dict[str, Any]]], tmp_path: Path
) -> None:
    needs_program()
    uri, options = server()
    base = f"{uri.rstrip('/')}/complete-{os.urandom(8).hex()}"
    cli = Cli(tmp_path, options, base)
    for key in ("data/one/a.bin", "data/one/b.bin", "other.npy", "odd/a b", "odd/$(touch oops)", "odd/x;y"):
        cli("pipe", f"{base}/{key}", data=b"x")
    assert shell(cli, f"s3dlio ls {base}/da") == f"s3dlio ls {base}/data/"
    assert shell(cli, f"s3dlio cat {base}/oth") == f"s3dlio cat {base}/other.npy "
    assert shell(cli, f"s3dlio ls {base}/data/o") == f"s3dlio ls {base}/data/one/"
    # names that a shell would take apart are not offered
    odd = shell(cli, f"s3dlio ls {base}/odd/").replace("\\", "")
    assert not any(name in odd for name in ("a b", "touch", "x;y"))
    assert not (tmp_path / "oops").exists()
    several = shell(cli, f"s3dlio cat {base}/data/one/")
    if shell is zsh:
        # the line grows by what all have in common; here there is nothing
        assert several.startswith(f"s3dlio cat {base}/data/one/")
    else:
        assert [one.rsplit("/", 1)[1] for one in several.splitlines()] == ["a.bin", "b.bin"]

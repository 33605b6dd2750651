"""What editors show: parameters and help of every function, coroutine and method, by the two engines that editors have.

Jupyter and IPython complete by jedi, on living objects and on text; VS Code by pyright's engine, whose server is asked here as an editor
asks it. PyCharm reads the same text: signatures and docstrings that are written out in the files.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE

import s3dlio
from s3dlio._store_methods import AsyncStore


def _functions(module: Any) -> list[str]:
    names = {*module.__all__, *(("open", "list") if module in (s3dlio, s3dlio.aio) else ())}
    return sorted(name for name in names if inspect.isfunction(getattr(module, name)))


def _methods(kind: type) -> list[str]:
    return sorted(
        name
        for name in dir(kind)
        if not name.startswith("_") and not name.endswith("_async") and inspect.isfunction(inspect.getattr_static(kind, name))
    )


#: What a user writes before a parenthesis, and what is called then.
CALLS: dict[str, Any] = {
    **{f"s3dlio.{name}": getattr(s3dlio, name) for name in _functions(s3dlio)},
    **{f"s3dlio.aio.{name}": getattr(s3dlio.aio, name) for name in _functions(s3dlio.aio)},
    **{f"s3dlio.checkpoint.{name}": getattr(s3dlio.checkpoint, name) for name in _functions(s3dlio.checkpoint)},
    **{f"s3dlio.aio.checkpoint.{name}": getattr(s3dlio.aio.checkpoint, name) for name in _functions(s3dlio.aio.checkpoint)},
    **{f"s3dlio.admin.{name}": getattr(s3dlio.admin, name) for name in _functions(s3dlio.admin)},
    **{f"store.{name}": getattr(s3dlio.Store, name) for name in _methods(s3dlio.Store)},
    **{f"store.aio.{name}": getattr(AsyncStore, name) for name in _methods(AsyncStore)},
}
#: Of the calls that jedi reads from the text alone, which takes long, every so many-th is looked at; S3DLIO_EDITOR_EVERY=1: all.
EVERY = int(os.environ.get("S3DLIO_EDITOR_EVERY", "5"))
BEFORE = 'import s3dlio\n\nstore = s3dlio.Store("memory://editors")\n'


def _parameters(called: Any) -> list[str]:
    return [name for name in inspect.signature(called).parameters if name != "self"]


def test_there_are_calls_to_be_shown() -> None:
    assert len(CALLS) >= 130


def test_jupyter_shows_parameters_and_help_of_every_call() -> None:
    jedi = pytest.importorskip("jedi", reason="jedi is not installed")
    wrong = []
    for call, called in CALLS.items():
        for shown in jedi.Interpreter(f"{call}(", [{"s3dlio": s3dlio, "store": s3dlio.Store("memory://editors")}]).get_signatures()[:1]:
            text = shown.docstring(raw=True)
            if [one.name for one in shown.params] == _parameters(called) and len(text) > 60 and inspect.getdoc(called) in text:
                break
        else:
            wrong.append(call)
    assert wrong == []


def test_jupyter_lists_what_is_shown_and_no_more() -> None:
    jedi = pytest.importorskip("jedi", reason="jedi is not installed")
    found = jedi.Interpreter("s3dlio.", [{"s3dlio": s3dlio}]).complete()
    assert {one.name for one in found} == set(dir(s3dlio))


def test_jedi_reads_parameters_from_the_text() -> None:
    jedi = pytest.importorskip("jedi", reason="jedi is not installed")
    project = jedi.Project("/", added_sys_path=[str(PACKAGE.parent)], load_unsafe_extensions=False)
    wrong = []
    for call, called in [*CALLS.items()][::EVERY]:
        script = jedi.Script(f"{BEFORE}{call}(", project=project)
        # an overload has its text at the function, and for **options it shows those of the function that they are given to
        text = "".join(one.docstring(raw=True) for one in (*script.get_signatures(), *script.help(column=len(call))))
        shown = [{one.name for one in found.params} for found in script.get_signatures()]
        if len(text) <= 60 or not shown or not set(_parameters(called)) - {"options"} <= set.union(*shown):
            wrong.append(call)
    assert wrong == []


class _Server:
    """A language server, asked in its protocol."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self._program = program
        self._asked = 0

    def tell(self, method: str, **parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def ask(self, method: str, **parameters: Any) -> Any:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": parameters})
        while True:
            found = self._read()
            if found.get("id") == self._asked and "method" not in found:
                assert "error" not in found, found
                return found["result"]
            if "id" in found:
                # it asks for settings, too
                self._send({"id": found["id"], "result": [{}] if found["method"] == "workspace/configuration" else None})

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._program.stdin is not None
        self._program.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._program.stdin.flush()

    def _read(self) -> Any:
        assert self._program.stdout is not None
        length = 0
        while line := self._program.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert length, "the language server ended"
        return json.loads(self._program.stdout.read(length))


@contextmanager
def _pyright(folder: Path, text: str) -> Iterator[tuple[_Server, str]]:
    server = shutil.which("pyright-langserver")
    if server is None or shutil.which("node") is None:
        pytest.skip("there is no pyright-langserver, or no Node.js to run it")
    settings = {"extraPaths": [str(PACKAGE.parent)], "reportMissingModuleSource": False, "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    (folder / "program.py").write_text(text)
    program = subprocess.Popen([server, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        asked, uri = _Server(program), (folder / "program.py").as_uri()
        signatures = {"signatureInformation": {"parameterInformation": {"labelOffsetSupport": False}, "documentationFormat": ["plaintext"]}}
        capabilities = {"textDocument": {"signatureHelp": signatures}}
        folders = [{"uri": folder.as_uri(), "name": "program"}]
        asked.ask("initialize", processId=None, rootUri=folder.as_uri(), workspaceFolders=folders, capabilities=capabilities)
        asked.tell("initialized")
        asked.tell("textDocument/didOpen", textDocument={"uri": uri, "languageId": "python", "version": 1, "text": text})
        yield asked, uri
    finally:
        program.kill()
        program.wait()


def test_vs_code_shows_parameters_and_help_of_every_call(tmp_path: Path) -> None:
    lines = [*BEFORE.splitlines(), *(f"{call}()" for call in CALLS)]
    wrong = []
    with _pyright(tmp_path, "\n".join(lines)) as (server, uri):
        for place, (call, called) in enumerate(CALLS.items(), len(BEFORE.splitlines())):
            position = {"line": place, "character": len(call) + 1}
            found = server.ask("textDocument/signatureHelp", textDocument={"uri": uri}, position=position)
            for shown in (found or {}).get("signatures", []):
                names = [name for one in shown["parameters"] for name in re.findall(r"^\**(\w+)", one["label"])]
                told = shown.get("documentation") or ""
                told = told if isinstance(told, str) else told["value"]
                if names == _parameters(called) and len(told) > 60:
                    break
            else:
                wrong.append(call)
    assert wrong == []


def test_vs_code_completes_the_names_of_a_store(tmp_path: Path) -> None:
    text = f"{BEFORE}store.\nstore.aio.\n"
    with _pyright(tmp_path, text) as (server, uri):
        for place, kind in ((3, s3dlio.Store), (4, AsyncStore)):
            position = {"line": place, "character": len(text.splitlines()[place])}
            found = server.ask("textDocument/completion", textDocument={"uri": uri}, position=position)
            items = found if isinstance(found, list) else found["items"]
            assert set(_methods(kind)) <= {one["label"] for one in items}

"""Redis with an append-only file that is flushed before each answer: entries of a stream, over a socket of this machine."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import time
from pathlib import Path

from contest import Operation
from scene import Scene

PROGRAM = shutil.which("redis-server")
if PROGRAM is None:
    raise ImportError("redis-server is not installed")

NAME = "Redis AOF"
VERSION = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.split("v=")[1].split()[0]


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class _Server:
    """One for each run, in a folder of its own."""

    def __init__(self, scene: Scene) -> None:
        self._folders = (Path(scene.path(f"redis-{i}")) for i in itertools.count())
        self._process: subprocess.Popen[bytes] | None = None
        self.socket: socket.socket | None = None

    def before(self) -> None:
        self.after()
        folder = next(self._folders)
        folder.mkdir()
        # the address of a socket is short, and this folder's may not be
        self._process = subprocess.Popen(
            [str(PROGRAM), "--port", "0", "--unixsocket", "s", "--appendonly", "yes", "--appendfsync", "always", "--save", ""],
            cwd=folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(1000):
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(f"/proc/{self._process.pid}/cwd/s")
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise RuntimeError("redis-server does not answer")

    def after(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __del__(self) -> None:
        self.after()


def commit(scene: Scene) -> Operation:
    """A record of 128 bytes, on the device before the answer."""
    server, command = _Server(scene), _command(b"XADD", b"log", b"*", b"r", bytes(128))

    def run() -> None:
        connection = server.socket
        assert connection is not None
        for _ in range(scene.calls):
            connection.sendall(command)
            answer = connection.recv(4096)
            if not answer.startswith(b"$"):
                raise RuntimeError(answer.decode())

    return Operation(run=run, before=server.before, calls=scene.calls)


OPERATIONS = {"commit": commit}

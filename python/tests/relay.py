"""Counts what a server sends: a TCP relay in a thread, for tests that promise how much is transferred."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit


class Relay:
    """Passes connections on to a server.

    Args:
        url: Of the server, plain HTTP.

    Attributes:
        url: The same through the relay.
        received: Bytes that came from the server.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = parts._replace(netloc=f"127.0.0.1:{self._server.getsockname()[1]}").geturl()
        self.received = 0
        self._gate = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            here, _ = self._server.accept()
            there = socket.create_connection(self._target)
            for one in (here, there):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(here, there, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(there, here, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        buffer = memoryview(bytearray(1 << 20))
        try:
            while length := source.recv_into(buffer):
                if counts:
                    with self._gate:
                        self.received += length
                target.sendall(buffer[:length])
        except OSError:
            pass
        finally:
            for one in (source, target):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

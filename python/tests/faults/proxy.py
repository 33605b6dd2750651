"""A proxy in front of a real store that breaks what it is told to, at the level of HTTP or of TCP.

It speaks HTTP/1.1 with one connection to the server for each from the client, keeps connections alive, and asks its script
before each request what to do with it. The same script with the same requests does the same.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

#: What may happen to a request, and what each is.
FAULTS = {
    "refuse": "the port is closed for a moment, with all connections reset: connecting is refused",
    "reset_before": "the connection is reset before the request reaches the server",
    "reset_upload": "the connection is reset with half of the request's body taken; the server never sees it",
    "lost_answer": "the server does what was asked, and the connection is reset before the answer",
    "reset_headers": "the connection is reset within the answer's headers",
    "reset_body": "the connection is reset in the middle of the answer's body",
    "truncate": "the connection ends in good order in the middle of the answer's body",
    "stall": "the answer stops in its middle and nothing follows",
    "trickle": "the answer comes a few bytes at a time",
    "flip": "one bit of the answer's body is another",
    "500": "InternalError, instead of asking the server",
    "503": "SlowDown",
    "429": "TooManyRequests with Retry-After",
    "307": "a redirect to this same address",
    "error_in_200": "an <Error> inside the 200 of a CompleteMultipartUpload",
    "repeat_page": "a list page that says it goes on where it began",
}

_ERROR = {
    "500": (500, "InternalError", ""),
    "503": (503, "SlowDown", ""),
    "429": (429, "TooManyRequests", "Retry-After: 0\r\n"),
    # beside FAULTS, for clients whose credentials can be had anew
    "expired": (400, "ExpiredToken", ""),
    "token_expired": (401, "InvalidAuthenticationInfo", "WWW-Authenticate: Bearer authorization_uri=https://login.invalid/tenant\r\n"),
}

#: What Azure adds to an error's document.
_DETAILS = {"InvalidAuthenticationInfo": "Lifetime validation failed. The token is expired."}

#: Seconds for which a port is closed: less than a client waits before it has tried for the last time.
_CLOSED = 0.05


@dataclass
class Request:
    """What a script decides by."""

    number: int
    method: str
    target: str
    headers: dict[str, str]


class Broken(Exception):
    """The connection has been ended as the script demands."""


class Proxy:
    """Listens on a port of 127.0.0.1 and passes to ``server`` what ``script`` does not break.

    Args:
        server: Host and port of the real one.
        script: Gives the name of the fault for a request, or None; or "wait 0.5", after which the request is passed on unharmed.
        trust: For a server that speaks TLS: whom to trust. The proxy's own clients speak plain HTTP.
    """

    def __init__(self, server: tuple[str, int], script: Callable[[Request], str | None], trust: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._trust = trust
        self.script = script
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._ended = False
        self._owed: dict[str, str] = {}
        self._gate = threading.Lock()
        self._count = 0
        self._open: set[socket.socket] = set()
        self.done: list[tuple[str, str, str]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends it and every connection."""
        self._ended = True
        _shut(self._listener)
        with self._gate:
            for connection in list(self._open):
                _shut(connection)

    def _refuse(self) -> None:
        """Nobody listens for a while."""
        listener = self._listener
        _shut(listener)
        with self._gate:
            for connection in list(self._open):
                # those in whose middle other threads are end with an error there
                _shut(connection)

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                time.sleep(_CLOSED)
                try:
                    if not self._ended:
                        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
                except OSError:
                    # somebody else's connection has the port for a moment
                    pass
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._gate:
            self._open.add(client)
        server: socket.socket | None = None
        try:
            server = socket.create_connection(self._server)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._trust is not None:
                server = self._trust.wrap_socket(server, server_hostname=self._server[0])
            with self._gate:
                self._open.add(server)
            from_client, from_server = client.makefile("rb"), server.makefile("rb")
            while self._pass(client, server, from_client, from_server):
                pass
        except (OSError, Broken, ValueError):
            pass
        finally:
            for end in (client, server):
                if end is not None:
                    _shut(end)
                    with self._gate:
                        self._open.discard(end)

    def _pass(self, client: socket.socket, server: socket.socket, from_client: object, from_server: object) -> bool:
        """One request and its answer; False when there are no more."""
        head = _head(from_client)
        if head is None:
            return False
        line, headers = head
        method, target, _ = line.split(" ", 2)
        with self._gate:
            self._count += 1
            request = Request(self._count, method, target, headers)
            fault = self._owed.pop(target, None) or self.script(request)
            if fault == "expired" and method == "HEAD":
                # an answer to HEAD cannot say why, and whoever asks again hears the same
                self._owed[target] = fault
            if fault:
                self.done.append((fault, method, target))
        if fault and fault.startswith("wait "):
            time.sleep(float(fault[5:]))
        if fault == "refuse":
            self._refuse()
            raise Broken
        if fault == "reset_before":
            _reset(client)
        length = int(headers.get("content-length", "0"))
        if headers.get("expect", "").lower() == "100-continue" and length:
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault == "reset_upload":
            _read(from_client, length // 2)
            _reset(client)
        body = _chunked(from_client) if "chunked" in headers.get("transfer-encoding", "") else _read(from_client, length)
        if fault in _ERROR:
            return _answer(client, method, *_ERROR[fault])
        if fault == "307":
            client.sendall(
                f"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{self.port}{target}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            return True
        kept = {name: value for name, value in headers.items() if name not in ("expect", "transfer-encoding", "content-length")}
        text = "".join(f"{name}: {value}\r\n" for name, value in kept.items())
        if body or method in ("PUT", "POST"):
            text += f"content-length: {len(body)}\r\n"
        server.sendall(f"{line}\r\n{text}\r\n".encode("latin-1") + body)
        return self._answer(request, fault, client, from_server)

    def _answer(self, request: Request, fault: str | None, client: socket.socket, from_server: object) -> bool:
        answer = _head(from_server)
        while answer is not None and answer[0].split(" ")[1] == "100":
            answer = _head(from_server)
        if answer is None:
            raise Broken
        line, headers = answer
        status = int(line.split(" ")[1])
        if request.method == "HEAD" or status in (204, 304):
            body = b""
        elif "chunked" in headers.get("transfer-encoding", ""):
            body = _chunked(from_server)
            headers.pop("transfer-encoding")
            headers["content-length"] = str(len(body))
        else:
            body = _read(from_server, int(headers.get("content-length", "0")))
        if fault == "lost_answer":
            _reset(client)
        if fault == "error_in_200" and status == 200:
            body = b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>scripted</Message></Error>'
            headers["content-length"] = str(len(body))
        if fault == "repeat_page" and b"<IsTruncated>false" in body:
            body = body.replace(b"<IsTruncated>false", b"<NextContinuationToken>again</NextContinuationToken><IsTruncated>true")
            headers["content-length"] = str(len(body))
        text = f"{line}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        head = text.encode("latin-1")
        if fault == "reset_headers":
            client.sendall(head[: len(head) // 2])
            _reset(client)
        half = len(body) // 2
        if fault == "flip" and body:
            body = body[:half] + bytes([body[half] ^ 1 << request.number % 8]) + body[half + 1 :]
        if fault in ("reset_body", "truncate", "stall"):
            client.sendall(head + body[:half] if body else head[:-2])
            if fault == "reset_body":
                _reset(client)
            if fault == "stall":
                # until the client has had enough
                client.recv(1)
            raise Broken
        if fault == "trickle":
            client.sendall(head)
            step = max(1, len(body) // 20)
            for at in range(0, len(body), step):
                client.sendall(body[at : at + step])
                time.sleep(0.002)
        else:
            client.sendall(head + body)
        return headers.get("connection", "").lower() != "close"


def _head(source: object) -> tuple[str, dict[str, str]] | None:
    """The first line and the headers, or None at the end."""
    line = source.readline(65536)  # type: ignore[attr-defined]
    if not line.strip():
        return None
    headers = {}
    while text := source.readline(65536).strip():  # type: ignore[attr-defined]
        name, _, value = text.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return line.decode("latin-1").strip(), headers


def _read(source: object, length: int) -> bytes:
    data: bytes = source.read(length) if length else b""  # type: ignore[attr-defined]
    if len(data) != length:
        raise Broken
    return data


def _chunked(source: object) -> bytes:
    parts = []
    while length := int(source.readline().split(b";")[0], 16):  # type: ignore[attr-defined]
        parts.append(_read(source, length))
        source.readline()  # type: ignore[attr-defined]
    while source.readline().strip():  # type: ignore[attr-defined]
        pass
    return b"".join(parts)


def _answer(client: socket.socket, method: str, status: int, code: str, extra: str) -> bool:
    detail = f"<AuthenticationErrorDetail>{_DETAILS[code]}</AuthenticationErrorDetail>" if code in _DETAILS else ""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>scripted</Message>{detail}</Error>'
    head = (
        f"HTTP/1.1 {status} {code}\r\n{extra}x-ms-error-code: {code}\r\nContent-Type: application/xml\r\nContent-Length: "
        f"{len(body)}\r\n\r\n"
    )
    client.sendall(head.encode() + (b"" if method == "HEAD" else body.encode()))
    return True


def _reset(client: socket.socket) -> None:
    # no linger: the other end gets RST and not FIN
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    raise Broken


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()

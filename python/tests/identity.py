"""An identity service as Azure's App Service has one for its programs, which hands out tokens that Azurite takes."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

SECRET = "shared-secret-of-the-identity-service"


def token(ends: float, number: int = 0) -> str:
    """A token for storage until ``ends``; the signature is none, which Azurite does not look at."""
    claims = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/tenant/",
        "iat": 0,
        "nbf": 0,
        "exp": int(ends),
        "uti": str(number),
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + ".c2lnbmF0dXJl"


class Identity:
    """Serves on a port of 127.0.0.1.

    Args:
        life: Seconds for which storage takes a token. The service says that it is a day: what expires, expires by surprise.
        most: After so many tokens it gives none any more.
    """

    def __init__(self, life: float = 3600, most: int = 1 << 30) -> None:
        self.given: list[str] = []
        gate = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805
                asked = parse_qs(urlsplit(handler.path).query)
                assert handler.headers["X-IDENTITY-HEADER"] == SECRET and asked["resource"] == ["https://storage.azure.com"], handler.path
                with gate:
                    now, refused = time.time(), len(self.given) >= most
                    if not refused:
                        self.given.append(token(now + life, len(self.given)))
                    answer = (
                        {"error": "invalid_request", "message": "the identity was taken away"}
                        if refused
                        else {
                            "access_token": self.given[-1],
                            "expires_on": str(int(now) + 86400),
                            "resource": asked["resource"][0],
                            "token_type": "Bearer",
                        }
                    )
                body = json.dumps(answer).encode()
                handler.send_response(400 if refused else 200)
                handler.send_header("Content-Type", "application/json")
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *_: object) -> None:  # noqa: N805
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.environment = {
            **dict.fromkeys(
                ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"),
                "",
            ),
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}/identity",
            "IDENTITY_HEADER": SECRET,
        }

    def __enter__(self) -> Identity:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """From now on nobody listens."""
        self._server.shutdown()
        self._server.server_close()

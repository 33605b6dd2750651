"""A server of S3 listings: ``list_server.py COUNT [FAIL]`` prints its port, then serves COUNT keys in pages and counts its requests.

The keys are ``k/0000000`` and on, in order; the continuation token is the number of the next. ``GET /count`` tells how many pages were
asked for, which is how a test knows that none was asked for twice. Deletions are counted
(``GET /deleted``) and change nothing. From key FAIL on listings are refused.
"""

from __future__ import annotations

import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COUNT = int(sys.argv[1])
FAIL = int(sys.argv[2]) if len(sys.argv) > 2 else COUNT + 1


class Listing(BaseHTTPRequestHandler):
    """Answers ListObjectsV2 and DeleteObjects, and nothing else."""

    protocol_version = "HTTP/1.1"
    pages = 0
    deleted = 0

    def do_GET(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        if address.path == "/count":
            self.answer(str(Listing.pages).encode())
            return
        if address.path == "/deleted":
            self.answer(str(Listing.deleted).encode())
            return
        asked = urllib.parse.parse_qs(address.query)
        if "list-type" not in asked:
            self.answer(b"<Error><Code>NoSuchKey</Code></Error>", 404)
            return
        Listing.pages += 1
        start = int(asked.get("continuation-token", ["0"])[0])
        if start >= FAIL:
            self.answer(b"<Error><Code>AccessDenied</Code></Error>", 403)
            return
        end = min(COUNT, start + int(asked.get("max-keys", ["1000"])[0]))
        entries = "".join(
            f"<Contents><Key>k/{i:07}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>{i}</Size></Contents>"
            for i in range(start, end)
        )
        more = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{end}</NextContinuationToken>"
            if end < COUNT
            else "<IsTruncated>false</IsTruncated>"
        )
        self.answer(f"<ListBucketResult>{more}{entries}</ListBucketResult>".encode())

    def do_POST(self) -> None:
        Listing.deleted += self.rfile.read(int(self.headers["Content-Length"])).count(b"<Key>")
        self.answer(b"<DeleteResult></DeleteResult>")

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, body: bytes, status: int = 200) -> None:
        """One whole answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    print(server.server_port, flush=True)
    server.serve_forever()

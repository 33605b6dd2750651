"""Many objects: listed, read and deleted recursively on real servers, and listings of millions in flat memory."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Child
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio

#: The emulator goes through all its blobs for each that it deletes: 4,000 take half a minute, 20,000 a quarter of an hour.
LARGEST = {"s3": 20_000, "s3-old": 20_000, "azure": 4000} if "S3DLIO_SCALE" in os.environ else {"s3": 5000, "s3-old": 5000, "azure": 1000}

SERVERS = [
    pytest.param(server, count, id=f"{name}-{count}", marks=[pytest.mark.heavy] if count > 1000 else [])
    for server, name in ((s3_server, "s3"), (s3_old_server, "s3-old"), (azure_server, "azure"))
    for count in sorted({1000, LARGEST[name]})
]


@pytest.mark.parametrize(("server", "count"), SERVERS)
def test_many_objects_are_listed_read_and_deleted(server: Callable[[], tuple[str, dict[str, Any]]], count: int) -> None:
    uri, options = server()
    uri = f"{uri}/scale-{count}"
    keys = [f"{uri}/tree/{i % 10}/{i:05}" for i in range(count)]
    data = {key: b"%d" % i for i, key in enumerate(keys)}
    # a neighbour of a similar name, which nothing may touch
    s3dlio.put_bytes(f"{uri}/tree2", b"stays", storage_options=options)
    assert [key for key, _ in s3dlio.put_many(data.items(), storage_options=options)] == keys
    assert s3dlio.list(f"{uri}/tree", recursive=True, storage_options=options) == sorted(keys)
    assert s3dlio.list(f"{uri}/tree", storage_options=options) == [f"{uri}/tree/{i}/" for i in range(10)]
    stride = max(1, count // 5000)
    for key, view in s3dlio.get_many(keys[::stride], storage_options=options):
        assert view == data[key]
    assert s3dlio.delete(f"{uri}/tree", recursive=True, storage_options=options) == count
    assert s3dlio.list(uri, recursive=True, storage_options=options) == [f"{uri}/tree2"]
    assert s3dlio.delete(f"{uri}/tree", recursive=True, storage_options=options) == 0


@pytest.fixture(params=[pytest.param(100_000, id="100000"), pytest.param(1_000_000, id="1000000", marks=[pytest.mark.heavy])])
def listing(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A server of that many keys."""
    program = Path(__file__).with_name("list_server.py")
    with subprocess.Popen([sys.executable, program, str(request.param)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", request.param
        finally:
            process.kill()


STREAM = """
import sys
import s3dlio

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

url, count = sys.argv[1], int(sys.argv[2])
options = {"endpoint_url": url, "anonymous": True, "region": "r1"}
most = early = 0
for i, item in enumerate(s3dlio.list_stream("s3://bucket/k", storage_options=options)):
    assert item["uri"] == f"s3://bucket/k/{i:07}" and item["size"] == i, item
    if i % 5000 == 0:
        most = max(most, resident())
    if i == count // 10:
        early = most
assert i + 1 == count
print(most - early)
"""


def test_long_listings_are_streamed_in_flat_memory(listing: tuple[str, int], child: Child) -> None:
    url, count = listing
    ended = child(STREAM, url, count, timeout=600)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/count", timeout=30) as answer:
        pages = int(answer.read())
    # one request for each page, and no page twice; the path itself may be looked at first
    assert count // 1000 <= pages <= count // 1000 + 2
    # a list of all would take 300 MB and more for a million; what is allowed is the collectors' play
    grown = int(ended.stdout)
    assert grown < 48 * 1024, f"{grown} KiB more after the first tenth of {count} keys"

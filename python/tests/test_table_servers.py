"""Checkpoints of embedding tables on real servers: conditional manifests, and answers that are lost at each request of an upload."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from faults.proxy import Proxy, Request
from servers_fixture import azure_server, s3_moto_server, s3_server

import s3dlio

DIM = 8
SERVERS = {"s3": s3_server, "moto": s3_moto_server, "azure": azure_server}
Place = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module", params=SERVERS)
def place(request: pytest.FixtureRequest) -> Place:
    return SERVERS[request.param]()


@pytest.fixture
def proxy(place: Place) -> Iterator[Proxy]:
    where = urlsplit(place[1]["endpoint_url"])
    assert where.hostname and where.port
    made = Proxy((where.hostname, where.port), lambda request: None)
    yield made
    made.close()


def through(proxy: Proxy, options: dict[str, Any]) -> dict[str, Any]:
    where = urlsplit(options["endpoint_url"])
    endpoint = options["endpoint_url"].replace(where.netloc, f"127.0.0.1:{proxy.port}", 1)
    return {**options, "endpoint_url": endpoint, "connect_timeout": 5, "read_timeout": 5, "total_timeout": 30}


def train(table: s3dlio.EmbeddingTable, serial: int) -> None:
    rng = np.random.default_rng(serial)
    table.apply_gradients(rng.integers(0, 500, 400), rng.standard_normal((400, DIM)).astype("f4"), serial=serial)


def test_checkpoint_on_a_server_comes_back_and_is_only_one_trainers(place: Place, tmp_path: Path) -> None:
    uri, options = f"{place[0]}/table-{uuid.uuid4().hex[:8]}/ck", place[1]
    with s3dlio.EmbeddingTable.open(tmp_path / "a", DIM, optimizer=s3dlio.RowwiseAdagrad(lr=0.1)) as table:
        for serial in (7, 8):
            train(table, serial)
            table.checkpoint(uri, storage_options=options)
        rows = table.lookup(np.arange(500))
    found = s3dlio.table.checkpoints(uri, storage_options=options)
    assert [one.version for one in found] == [1, 2] and found[-1].sessions == {"default": 8}
    with s3dlio.EmbeddingTable.recover(uri, tmp_path / "b", storage_options=options) as again:
        assert again.lookup(np.arange(500)).tobytes() == rows.tobytes() and again.serial() == 8
        train(again, 9)
        again.checkpoint(uri, storage_options=options)
    with s3dlio.EmbeddingTable.open(tmp_path / "a") as table:
        train(table, 10)
        with pytest.raises(s3dlio.AlreadyExistsError, match="another trainer"):
            table.checkpoint(uri, storage_options=options)
        table.close(checkpoint=False)
    assert s3dlio.table.checkpoints(uri, storage_options=options)[-1].sessions == {"default": 9}


@pytest.mark.parametrize("fault", ["lost_answer", "reset_before", "503"])
def test_upload_survives_a_fault_at_each_of_its_requests(place: Place, proxy: Proxy, tmp_path: Path, fault: str) -> None:
    uri, options = f"{place[0]}/table-{uuid.uuid4().hex[:8]}/ck", place[1]
    broken = through(proxy, options)
    with s3dlio.EmbeddingTable.open(tmp_path / "a", DIM, optimizer=s3dlio.Adagrad(lr=0.1), keep=None) as table:
        hit = 0
        for serial in range(20):
            train(table, serial)
            seen = -1

            def script(request: Request, at: int = serial) -> str | None:
                nonlocal seen, hit
                seen += 1
                if seen != at:
                    return None
                hit += 1
                return fault

            proxy.script = script
            made = table.checkpoint(uri, storage_options=broken)
            assert made.version == serial + 1
            if seen < serial:
                break
        assert hit == serial > 1
        rows = table.lookup(np.arange(500))
    proxy.script = lambda request: None
    assert [one.version for one in s3dlio.table.checkpoints(uri, storage_options=options)] == list(range(1, serial + 2))
    with s3dlio.EmbeddingTable.recover(uri, tmp_path / "b", storage_options=options) as again:
        assert again.lookup(np.arange(500)).tobytes() == rows.tobytes() and again.serial() == serial

"""Several endpoints as one store: two servers, two buckets, and one that is down."""

from __future__ import annotations

import asyncio
import pickle
import socket
import uuid
from pathlib import Path

import pytest
from servers_fixture import s3_old_server, s3_server

import s3dlio


def _names(count: int) -> list[str]:
    run = uuid.uuid4().hex
    return [f"memory://{run}-{i}/p/" for i in range(count)]


def test_new_keys_are_spread_and_found_again() -> None:
    uris = _names(3)
    store = s3dlio.create_multi_endpoint_store(uris)
    for i in range(12):
        store.put_bytes(f"k{i:02}", b"%d" % i)
    assert [len(s3dlio.list(uri)) for uri in uris] == [4, 4, 4]
    assert store.list() == [f"k{i:02}" for i in range(12)]
    again = pickle.loads(pickle.dumps(store))
    assert [bytes(again.get(f"k{i:02}")) for i in range(12)] == [b"%d" % i for i in range(12)]
    assert store.delete("", recursive=True) == 12 and store.list() == []


def test_two_servers_keep_what_was_written_where_it_was() -> None:
    (new, new_options), (old, old_options) = s3_server(), s3_old_server()
    store = s3dlio.create_multi_endpoint_store([{"uri": f"{new}/multi", **new_options}, {"uri": f"{old}/multi", **old_options}])
    data = {f"k{i}": b"%d" % i * 1000 for i in range(10)}
    for key, value in data.items():
        store.put_bytes(key, value)
        assert store.get(key) == value
    held = [s3dlio.list(f"{uri}/multi", storage_options=options) for uri, options in ((new, new_options), (old, old_options))]
    assert [len(keys) for keys in held] == [5, 5]
    assert store.list() == sorted(data)
    fresh = s3dlio.create_multi_endpoint_store([{"uri": f"{new}/multi", **new_options}, {"uri": f"{old}/multi", **old_options}])
    for key, value in data.items():
        assert fresh.get(key) == value
    store.copy("k0", "copied")
    store.rename("k1", "moved")
    assert fresh.get("copied") == data["k0"] and fresh.get("moved") == data["k1"] and not fresh.exists("k1")
    names = [endpoint["name"] for endpoint in store.endpoint_stats()]
    assert names == [new_options["endpoint_url"], old_options["endpoint_url"]]
    assert all(endpoint["requests"] > 5 and endpoint["in_flight"] == 0 for endpoint in store.endpoint_stats())
    assert store.delete("", recursive=True) == 11 and fresh.list() == []


@pytest.mark.parametrize("strategy", ["round_robin", "least_connections"])
def test_a_server_that_is_down_is_passed_over(strategy: s3dlio._multi.Strategy) -> None:
    uri, options = s3_server()
    # bound and not listening: every connection is refused, for as long as the test runs
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        live = options["endpoint_url"]
        shared = {name: value for name, value in options.items() if name != "endpoint_url"}
        store = s3dlio.create_multi_endpoint_store(
            [dead, live], strategy, uri=f"{uri}/failover-{strategy}", replicas=True, storage_options={**shared, "max_attempts": 1}
        )
        for i in range(10):
            store.put_bytes(f"k{i}", b"%d" % i)
            assert store.get(f"k{i}") == b"%d" % i
        first, second = store.endpoint_stats()
        assert (first["name"], second["name"]) == (dead, live)
        assert first["avoided"] and first["failures"] >= 1 and second["failures"] == 0
        assert first["requests"] < second["requests"]
        assert store.delete("", recursive=True) == 10


def test_templates_and_files_name_endpoints(tmp_path: Path) -> None:
    made = s3dlio.create_multi_endpoint_store_from_template("memory://t-{1..2}/x-{08...10}/")
    assert made.endpoints == [f"memory://t-{i}/x-{j}/" for i in (1, 2) for j in ("08", "09", "10")]
    (tmp_path / "list").write_text("# comment\n\nmemory://one/\n memory://two/ \n", encoding="utf-8")
    assert s3dlio.create_multi_endpoint_store_from_file(tmp_path / "list").endpoints == ["memory://one/", "memory://two/"]
    for wrong in ("memory://t/", "memory://t-{5...1}/", "memory://t-{1...99}/"):
        with pytest.raises(s3dlio.InvalidArgumentError, match=r"range|endpoints"):
            s3dlio.create_multi_endpoint_store_from_template(wrong)
    (tmp_path / "empty").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(s3dlio.InvalidArgumentError, match="no endpoint"):
        s3dlio.create_multi_endpoint_store_from_file(tmp_path / "empty")


def test_wrong_endpoints_are_refused() -> None:
    for endpoints, words in (
        ([], "no store's address"),
        (["http://127.0.0.1:1"], "no store's address"),
        (["memory://a/"] * 33, "1 to 32"),
        (["memory://a/", {"uri": "s3://b", "acces_key_id": "x"}], "did you mean 'access_key_id'"),
        ("memory://a/", "a list"),
    ):
        with pytest.raises(s3dlio.InvalidArgumentError, match=words):
            s3dlio.create_multi_endpoint_store(endpoints)
    with pytest.raises(s3dlio.InvalidArgumentError, match="round_robin, least_connections"):
        s3dlio.create_multi_endpoint_store(["memory://a/"], "fastest")  # type: ignore[arg-type]
    with pytest.raises(s3dlio.InvalidArgumentError, match="for one store"):
        s3dlio.configure(endpoints=["memory://a/"])


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"e{i}" for i in (1, 2, 3)]
    for folder in made:
        folder.mkdir()
    return made


def test_whole_addresses_name_the_key_below_an_endpoint(places: list[Path], tmp_path: Path) -> None:
    store = s3dlio.create_multi_endpoint_store([f"file://{place}" for place in places])
    for i in range(6):
        store.put_bytes(f"file://{places[0]}/d/k{i}", b"%d" % i)
    assert store.list("d/", recursive=True) == [f"d/k{i}" for i in range(6)]
    assert store.list(f"file://{places[2]}/d") == [f"file://{places[2]}/d/k{i}" for i in range(6)]
    assert [found["uri"] for found in store.list_stream(f"file://{places[1]}")] == [f"file://{places[1]}/d/k{i}" for i in range(6)]
    for i in range(6):
        assert store.get(f"file://{places[1]}/d/k{i}") == b"%d" % i == store.get(f"d/k{i}").to_bytes()
        assert sum((place / f"d/k{i}").exists() for place in places) == 1
    store.rename(f"FILE://{places[0]}/d/k0", "moved")
    with store.open(f"file://localhost{places[0]}/moved") as file:
        assert file.read() == b"0"
    assert store.delete(f"file://{places[2]}/d", recursive=True) == 5 and store.list() == ["moved"]
    names = {path.name for path in tmp_path.rglob("*")}
    assert not any("file" in name for name in names), names


@pytest.mark.parametrize(
    "address", ["file:///elsewhere/x", "file://{0}0/x", "memory://a/x", "s3://bucket/x", "gs://bucket/x", "https://h/x"]
)
def test_addresses_of_other_places_are_refused(places: list[Path], address: str) -> None:
    store = s3dlio.create_multi_endpoint_store([f"file://{place}" for place in places])
    address = address.format(places[0])
    for call in (store.get, store.stat, store.delete, store.list, store.open, lambda key: store.put_bytes(key, b"1")):
        with pytest.raises(s3dlio.InvalidArgumentError, match=r"endpoints|understood"):
            call(address)
    assert store.list() == [] and not any(any(place.iterdir()) for place in places)


def test_scripts_of_the_original_run(places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uris = [f"file://{place}" for place in places]
    store = s3dlio.create_multi_endpoint_store(uris=uris, strategy="round_robin")

    async def script() -> None:
        for i in range(9):
            await store.put(f"{uris[i % 3]}/file{i}.txt", b"0123456789")
        assert bytes(await store.get(f"{uris[0]}/file1.txt")) == b"0123456789"
        part = await store.get_range(f"{uris[0]}/file1.txt", 2, 3)
        assert len(part) == 3 and bytes(part.memoryview()) == b"234"
        found = await store.list(f"{uris[1]}/", False)
        assert found == [f"{uris[1]}/file{i}.txt" for i in range(9)]
        await store.delete(f"{uris[2]}/file0.txt")
        both = await asyncio.gather(asyncio.ensure_future(store.get("file1.txt")), asyncio.ensure_future(store.get("file2.txt")))
        assert both == [b"0123456789"] * 2
        with pytest.raises(FileNotFoundError):
            await store.get(f"{uris[0]}/file0.txt")

    asyncio.run(script())
    each = store.get_endpoint_stats()
    assert [one["uri"] for one in each] == uris
    names = ["total_requests", "bytes_read", "bytes_written", "error_count", "active_requests"]
    assert all(list(one) == ["uri", *names] and one["total_requests"] > 0 for one in each)
    total = store.get_total_stats()
    assert list(total) == names
    assert (total["bytes_read"], total["bytes_written"], total["error_count"], total["active_requests"]) == (33, 90, 1, 0)
    assert (store.endpoint_count(), store.strategy()) == (3, "round_robin")
    (tmp_path / "uris").write_text("\n".join(uris), encoding="utf-8")
    assert (
        s3dlio.create_multi_endpoint_store_from_file(file_path=str(tmp_path / "uris"), strategy="least_connections").strategy()
        == "least_connections"
    )
    monkeypatch.setenv("S3_ENDPOINT_URIS", ", ".join(uris) + ",")
    assert s3dlio.create_multi_endpoint_store_from_env(strategy=None).list() == store.list()
    monkeypatch.setenv("S3_ENDPOINT_URIS", " , ")
    with pytest.raises(s3dlio.InvalidArgumentError, match="S3_ENDPOINT_URIS"):
        s3dlio.create_multi_endpoint_store_from_env()
    for mixed in ([uris[0], "s3://bucket/key"], [uris[0], uris[1].replace("file", "direct")]):
        with pytest.raises(s3dlio.InvalidArgumentError, match="same scheme"):
            s3dlio.create_multi_endpoint_store(mixed)

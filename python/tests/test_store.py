from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from conftest import Base

import s3dlio


@pytest.fixture
def store(base: Base) -> s3dlio.Store:
    return s3dlio.Store(base.at("root") if base.kind == "pathlib" else base.text("root"))


def test_store_offers_every_function_under_its_keys(store: s3dlio.Store, base: Base) -> None:
    checksum = store.put_bytes("d/a", b"0123456789", metadata={"k": "v"} if base.kind == "memory" else None)
    assert bytes(store.get("d/a", expected_checksum=checksum)) == b"0123456789"
    assert bytes(store.get_range("d/a", 2, 3)) == b"234"
    assert store.exists("d/a")
    assert store.exists("d")
    assert store.exists()
    assert not store.exists("x")
    assert store.stat("d/a")["size"] == 10
    assert store.copy("d/a", "d/b") == checksum
    assert store.rename("d/b", "c") == checksum
    store.mkdir("empty")
    assert [key for key in store.list() if key != "empty/"] == ["c", "d/"]
    assert store.list(recursive=True) == ["c", "d/a"]
    assert store.list("d") == ["d/a"]
    assert store.list(recursive=True, start_after="c") == ["d/a"]
    assert store.list(recursive=True, pattern="^d/") == ["d/a"]
    assert [item["uri"] for item in store.list_stream()] == ["c", "d/a"]
    assert bytes(s3dlio.get(base.text("root/d/a"))) == b"0123456789"
    assert store.delete("c") == 1
    assert store.delete("d", recursive=True) == 1
    assert store.list(recursive=True) == []


def test_store_survives_pickling_and_copying(store: s3dlio.Store) -> None:
    store.put_bytes("a", b"x")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(store, protocol))
        assert back == store
        assert bytes(back.get("a")) == b"x"
    assert bytes(copy.deepcopy(store).get("a")) == b"x"
    assert bytes(copy.copy(store).get("a")) == b"x"


def test_pickle_of_a_store_keeps_its_options_and_opens_nothing(tmp_path: Path) -> None:
    store = s3dlio.Store(tmp_path, durable=True, storage_options={"direct_fallback": True})
    back = pickle.loads(pickle.dumps(store))
    assert back._root.options == {"durable": True, "direct_fallback": True}
    assert back._root._generation == -1


def test_compare_is_by_address_and_options(tmp_path: Path) -> None:
    here = s3dlio.Store(tmp_path)
    assert here == s3dlio.Store(f"file://{tmp_path}/")
    assert hash(here) == hash(s3dlio.Store(str(tmp_path) + "//"))
    assert here != s3dlio.Store(tmp_path / "a")
    assert here != s3dlio.Store(tmp_path, durable=True)
    assert here != s3dlio.Store(f"direct://{tmp_path}")
    assert here != str(tmp_path)


def test_repr_says_where_and_hides_options(tmp_path: Path) -> None:
    assert repr(s3dlio.Store(tmp_path, storage_options={"direct_fallback": True})) == f"Store('file://{tmp_path}/')"


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("file:///a/b", "file:///a/b/"),
        ("file:///a/b///", "file:///a/b/"),
        ("FILE://localhost/a", "file:///a/"),
        ("file:///", "file:///"),
        ("file:////", "file:///"),
        ("/", "file:///"),
        ("//", "file:///"),
        ("direct:///a", "direct:///a/"),
        ("memory://n", "memory://n/"),
        ("memory://n/", "memory://n/"),
        ("memory://n//", "memory://n/"),
        ("memory://n/a/b/", "memory://n/a/b/"),
    ],
)
def test_store_has_one_address_however_it_is_written(text: str, uri: str) -> None:
    assert s3dlio.Store(text).uri == uri


def test_store_of_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = s3dlio.Store("data/")
    monkeypatch.chdir("/")
    store.put_bytes("a", b"x")
    assert (tmp_path / "data" / "a").read_bytes() == b"x"


def test_store_of_a_link_to_a_folder_writes_into_the_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = s3dlio.Store(tmp_path / "link")
    store.put_bytes("a", b"x")
    assert (tmp_path / "real" / "a").read_bytes() == b"x"
    assert store.list() == ["a"]
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("key", ["..", "../outside", "a/../../outside", "../root/a", "a/.."])
def test_key_never_leaves_the_root(tmp_path: Path, key: str) -> None:
    store = s3dlio.Store(tmp_path / "root")
    store.put_bytes("a", b"x")
    (tmp_path / "outside").write_bytes(b"secret")
    actions = [
        lambda: store.put_bytes(key, b"y"), lambda: store.get(key), lambda: store.stat(key), lambda: store.exists(key),
        lambda: store.mkdir(key),
        lambda: store.delete(key), lambda: store.delete(key, recursive=True), lambda: store.list(key), lambda: store.copy("a", key),
        lambda: store.rename("a", key), lambda: store.copy(key, "b"), lambda: store.get_range(key, 0, 1),
    ]  # fmt: skip
    for action in actions:
        with pytest.raises(s3dlio.InvalidArgumentError, match=r"\.\."):
            action()
    assert (tmp_path / "outside").read_bytes() == b"secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "root"]
    assert store.list(recursive=True) == ["a"]


def test_key_with_a_slash_before_it_stays_below_the_root(tmp_path: Path) -> None:
    store = s3dlio.Store(tmp_path / "root")
    store.put_bytes(f"{tmp_path}/outside", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert bytes(store.get(f"{tmp_path}/outside")) == b"x"


@pytest.mark.parametrize("key", [None, 5, b"a", Path("a")])
def test_key_that_is_no_text_is_refused(store: s3dlio.Store, key: object) -> None:
    for action in (store.get, store.stat, store.exists, store.delete, store.list, store.mkdir):
        with pytest.raises(s3dlio.InvalidArgumentError, match=f"key is text, found {type(key).__name__}"):
            action(key)  # type: ignore[operator]


@pytest.mark.parametrize("key", ["", "a/", "a\0b", "\udc7f"])
def test_put_under_what_names_no_object_is_refused(store: s3dlio.Store, key: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError):
        store.put_bytes(key, b"x")
    assert store.list(recursive=True) == []


def test_option_with_a_typing_mistake_is_refused_with_the_nearest_name(base: Base) -> None:
    mistakes = [("durabel", "durable"), ("Durable", "durable")]
    if base.kind != "memory":
        mistakes.append(("direct_falback", "direct_fallback"))
    for wrong, near in mistakes:
        with pytest.raises(s3dlio.InvalidArgumentError, match=f"'{wrong}'; did you mean '{near}'"):
            s3dlio.Store(base.text(), storage_options={wrong: True})
        with pytest.raises(s3dlio.InvalidArgumentError, match=f"did you mean '{near}'"):
            s3dlio.get(base.at("a"), storage_options={wrong: True})


@pytest.mark.parametrize("options", ["durable", ["durable"], {1: True}, 5])
def test_options_that_are_no_dictionary_are_refused(tmp_path: Path, options: object) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="storage_options must be a dictionary"):
        s3dlio.get(tmp_path / "a", storage_options=options)  # type: ignore[arg-type]
    with pytest.raises(s3dlio.InvalidArgumentError, match="storage_options must be a dictionary"):
        s3dlio.Store(tmp_path, storage_options=options)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["yes", 1, [], object(), float("nan"), "\udcff"])
def test_option_of_a_wrong_type_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError):
        s3dlio.Store(tmp_path, durable=value)  # type: ignore[arg-type]


def test_options_are_taken_when_the_store_is_made(tmp_path: Path) -> None:
    options = {"durable": True}
    store = s3dlio.Store(tmp_path, storage_options=options)
    options["nonsense"] = True
    assert bytes(pickle.loads(pickle.dumps(store)).get("a") if store.put_bytes("a", b"x") else b"") == b"x"

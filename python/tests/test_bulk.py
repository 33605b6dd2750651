"""Calls over many objects: order, failures beside successes, uploads and downloads."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import Base

import s3dlio


def test_get_many_keeps_the_order(base: Base) -> None:
    items = [(base.text(f"many/{i:03}"), bytes([i % 251]) * (i * 37)) for i in range(100)]
    assert s3dlio.put_many(items, max_in_flight=8) == [(uri, s3dlio.stat(uri)["checksum"]) for uri, _ in items]
    asked = [uri for uri, _ in reversed(items)]
    assert [(uri, bytes(view)) for uri, view in s3dlio.get_many(asked)] == items[::-1]
    assert s3dlio.get_many([]) == [] and s3dlio.put_many([]) == []


def test_get_many_with_a_failure_keeps_the_rest(base: Base) -> None:
    good = [base.text(f"part/{name}") for name in "ab"]
    s3dlio.put_many([(uri, uri.encode()) for uri in good])
    missing = base.text("part/none")
    with pytest.raises(s3dlio.BulkError, match="1 of 3 objects could not be read") as caught:
        s3dlio.get_many([good[0], missing, good[1]])
    assert list(caught.value.failures) == [missing]
    assert isinstance(caught.value.failures[missing], FileNotFoundError)
    assert [(uri, bytes(view)) for uri, view in caught.value.results] == [(uri, uri.encode()) for uri in good]
    again = s3dlio.get_many([good[0], missing], on_error="return")
    assert bytes(again[0][1]) == good[0].encode() and isinstance(again[1][1], s3dlio.NotFoundError)


def test_one_address_twice_has_two_results() -> None:
    good, missing = "memory://twice/good", "memory://twice/none"
    s3dlio.put_bytes(good, b"1")
    with pytest.raises(s3dlio.BulkError, match="2 of 4 objects") as caught:
        s3dlio.get_many([missing, good, missing, good])
    again = pickle.loads(pickle.dumps(caught.value))
    for error in (caught.value, again):
        assert list(error.errors) == [0, 2] and list(error.failures) == [missing] and len(error.results) == 2
        assert all(isinstance(one, s3dlio.NotFoundError) for one in error.errors.values())
    with pytest.raises(s3dlio.BulkError) as caught:
        s3dlio.put_many([("memory://twice/once", b"a"), ("memory://twice/once", b"b")], 1, overwrite=False)
    assert list(caught.value.errors) == [1] and [uri for uri, _ in caught.value.results] == ["memory://twice/once"]


def test_wrong_arguments_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    s3dlio.put_bytes(tmp_path / "source", b"1")
    for call in (
        lambda: s3dlio.put_many([(tmp_path / "p1", b"1"), (tmp_path / "p2", b"2")], on_error="skip"),  # type: ignore[arg-type]
        lambda: s3dlio.upload(tmp_path / "source", tmp_path / "up", on_error="skip"),  # type: ignore[arg-type]
        lambda: s3dlio.download(tmp_path / "source", tmp_path / "down", on_error="skip"),  # type: ignore[arg-type]
        lambda: s3dlio.get_many([tmp_path / "none"], on_error="skip"),  # type: ignore[arg-type]
        lambda: s3dlio.stat_many([tmp_path / "none"], on_error="skip"),  # type: ignore[arg-type]
    ):
        with pytest.raises(s3dlio.InvalidArgumentError, match="'raise' or 'return', found 'skip'"):
            call()
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_bulk_error_pickles() -> None:
    with pytest.raises(s3dlio.BulkError) as caught:
        s3dlio.stat_many(["memory://bulk/none"])
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and list(again.failures) == ["memory://bulk/none"]


def test_get_many_validates(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    s3dlio.put_many([(good, b"x" * 5000), (bad, b"y" * 5000)])
    with open(bad, "r+b") as file:
        file.write(b"z")
    with pytest.raises(s3dlio.BulkError, match="checksum mismatch"):
        s3dlio.get_many([good, bad])
    assert bytes(s3dlio.get_many([bad], verify=False)[0][1][:2]) == b"zy"


def test_get_many_views_live_on_their_own() -> None:
    s3dlio.put_many([(f"memory://views/{i}", bytes([i]) * 10_000) for i in range(50)])
    kept = [view for _, view in s3dlio.get_many([f"memory://views/{i}" for i in range(50)])][7]
    assert bytes(kept) == bytes([7]) * 10_000


def test_stat_many_reports_sizes(base: Base) -> None:
    s3dlio.put_many([(base.text(f"s/{i}"), b"x" * i) for i in range(5)])
    assert [found["size"] for found in s3dlio.stat_many([base.text(f"s/{i}") for i in range(5)])] == [0, 1, 2, 3, 4]


def test_put_many_without_overwrite_reports_existing(base: Base) -> None:
    s3dlio.put_bytes(base.text("once/a"), b"old")
    with pytest.raises(s3dlio.BulkError) as caught:
        s3dlio.put_many([(base.text("once/a"), b"new"), (base.text("once/b"), b"new")], overwrite=False)
    assert isinstance(caught.value.failures[base.text("once/a")], FileExistsError)
    assert bytes(s3dlio.get(base.text("once/a"))) == b"old" and bytes(s3dlio.get(base.text("once/b"))) == b"new"


def test_bulk_progress_counts_objects() -> None:
    seen: list[tuple[int, int]] = []
    s3dlio.put_many([(f"memory://progress/{i}", b"") for i in range(20)], progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20, 20)


def make_tree(root: Path) -> dict[str, bytes]:
    contents = {
        "a.bin": np.random.default_rng(1).bytes(100),
        "deep/b c.bin": b"",
        "deep/er/ü.bin": b"unicode",
        "large.bin": np.random.default_rng(2).bytes(33 << 20),
    }
    for name, data in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return contents


def test_upload_and_download_bring_the_tree_back(base: Base, tmp_path: Path) -> None:
    source, back = tmp_path / "tree", tmp_path / "back"
    contents = make_tree(source)
    written = s3dlio.upload(source, base.text("up"), create_bucket=True)
    assert sorted(str(uri) for uri, _ in written) == sorted(base.text(f"up/tree/{name}") for name in contents)
    s3dlio.download(base.text("up/tree"), back)
    found = {path.relative_to(back).as_posix(): path.read_bytes() for path in back.rglob("*") if path.is_file()}
    assert found == contents
    with pytest.raises(s3dlio.BulkError, match="4 of 4"):
        s3dlio.download(base.text("up/tree"), back, overwrite=False)


def test_upload_takes_patterns(tmp_path: Path) -> None:
    make_tree(tmp_path)
    written = s3dlio.upload([str(tmp_path / "*.bin"), str(tmp_path / "deep" / "**" / "*.bin")], "memory://patterns/x/")
    assert [uri for uri, _ in written] == [f"memory://patterns/x/{name}" for name in ("a.bin", "large.bin", "b c.bin", "ü.bin")]
    with pytest.raises(FileNotFoundError, match="no file matches"):
        s3dlio.upload(str(tmp_path / "*.none"), "memory://patterns/y")


def test_upload_of_two_files_with_one_name_is_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same").write_bytes(folder.encode())
    with pytest.raises(ValueError, match="would become this one object"):
        s3dlio.upload([tmp_path / "one" / "same", tmp_path / "two" / "same"], "memory://twice")


def test_download_of_one_object_and_of_nothing(tmp_path: Path) -> None:
    s3dlio.put_bytes("memory://one/dir/x.bin", b"x")
    assert s3dlio.download("memory://one/dir/x.bin", tmp_path)[0][0] == str(tmp_path / "x.bin")
    with pytest.raises(FileNotFoundError, match="nothing to download"):
        s3dlio.download("memory://one/none", tmp_path)


def test_download_never_leaves_the_directory(tmp_path: Path) -> None:
    s3dlio.put_bytes("memory://evil/in/../../out", b"x")
    with pytest.raises(ValueError, match="cannot be a path below"):
        s3dlio.download("memory://evil/in", tmp_path / "here")
    assert not (tmp_path / "out").exists() and list(tmp_path.iterdir()) == []

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base, Child, files_below, takes_direct

import s3dlio
from s3dlio import exceptions
from s3dlio._core import _failures

CLASSES = [s3dlio.S3dlioError, *_failures.BY_STATUS.values()]

#: What a call reads from one address.
READERS: dict[str, Callable[[Any], object]] = {
    "get": s3dlio.get,
    "get_range": lambda uri: s3dlio.get_range(uri, 0, 1),
    "stat": s3dlio.stat,
    "delete": s3dlio.delete,
    "copy": lambda uri: s3dlio.copy(uri, "memory://errors/copy"),
    "rename": lambda uri: s3dlio.rename(uri, "memory://errors/rename"),
    "load_numpy_array": s3dlio.load_numpy_array,
    "load_tensors": s3dlio.load_tensors,
}


@pytest.mark.parametrize("name", READERS)
def test_missing_object_is_a_file_not_found(base: Base, name: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        READERS[name](base.at("no/such"))
    error = caught.value
    assert isinstance(error, s3dlio.NotFoundError)
    assert "/no/such" in str(error)
    assert "no such" in str(error)
    assert error.errno == errno.ENOENT
    assert str(error.filename).endswith("/no/such")
    assert error.filename == error.uri
    assert error.strerror == error.detail


@pytest.mark.parametrize("name", READERS)
def test_folder_in_place_of_an_object_is_told_so(file_base: Base, name: str) -> None:
    s3dlio.mkdir(file_base.at("folder"))
    with pytest.raises(IsADirectoryError, match="a directory stands there, an object was expected") as caught:
        READERS[name](file_base.at("folder"))
    assert caught.value.errno == errno.EISDIR
    assert str(caught.value.filename).endswith("/folder")


def test_put_over_a_folder_is_told_so(file_base: Base) -> None:
    s3dlio.put_bytes(file_base.at("folder/a"), b"x")
    with pytest.raises(IsADirectoryError, match="cannot write"):
        s3dlio.put_bytes(file_base.at("folder"), b"y")
    assert file_base.files() == ["folder/a"]


def test_put_below_an_object_is_told_so(file_base: Base) -> None:
    s3dlio.put_bytes(file_base.at("a"), b"x")
    for action in (
        lambda: s3dlio.put_bytes(file_base.at("a/b"), b"y"),
        lambda: s3dlio.get(file_base.at("a/b")),
        lambda: s3dlio.mkdir(file_base.at("a/b")),
    ):
        with pytest.raises(NotADirectoryError) as caught:
            action()
        assert caught.value.errno == errno.ENOTDIR
        assert "/a/b" in str(caught.value)
    assert file_base.files() == ["a"]


def test_put_over_what_is_no_file_is_refused(file_base: Base) -> None:
    assert file_base.folder is not None
    os.mkfifo(file_base.folder / "fifo")
    with pytest.raises(s3dlio.InvalidArgumentError, match="FIFO|fifo|pipe"):
        s3dlio.put_bytes(file_base.at("fifo"), b"x")
    with pytest.raises(s3dlio.InvalidArgumentError, match="FIFO|fifo|pipe"):
        s3dlio.get(file_base.at("fifo"))
    assert file_base.files() == ["fifo"]


def test_name_too_long_is_told_so(file_base: Base) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="255 bytes"):
        s3dlio.put_bytes(file_base.at("x" * 256), b"")
    assert file_base.files() == []


def test_key_too_long_for_any_store_is_refused() -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="1025 bytes; at most 1024"):
        s3dlio.put_bytes("memory://errors/" + "x" * 1025, b"")


PERMISSIONS = """
import os, sys
import s3dlio
s3dlio.put_bytes("memory://m/a", b"")
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
scheme, top = sys.argv[1:]
def refused(action, name, operation):
    try:
        action()
    except PermissionError as error:
        assert isinstance(error, s3dlio.PermissionDeniedError), error
        assert name in str(error) and operation in str(error) and "permission" in str(error), error
        assert error.errno == 13 and name in error.filename, (error.errno, error.filename)
    else:
        raise SystemExit(f"{name}: {operation} was not refused")
at = scheme + top
refused(lambda: s3dlio.get(at + "/unreadable"), "/unreadable", "open for reading")
refused(lambda: s3dlio.stat(at + "/unreadable"), "/unreadable", "open for reading")
refused(lambda: s3dlio.put_bytes(at + "/readonly", b"new"), "/readonly", "write")
refused(lambda: s3dlio.put_bytes(at + "/closed/new", b"new"), "/closed/new", "")
refused(lambda: s3dlio.put_bytes(at + "/locked/new", b"new"), "/locked/new", "")
refused(lambda: s3dlio.put_bytes(at + "/closed/sub/new", b"new"), "/closed/sub/new", "")
refused(lambda: s3dlio.mkdir(at + "/closed/sub"), "/closed/sub", "make the directory")
refused(lambda: s3dlio.delete(at + "/closed/a"), "/closed/a", "delete")
refused(lambda: s3dlio.rename(at + "/closed/a", at + "/closed/b"), "/closed/", "")
refused(lambda: s3dlio.exists(at + "/locked/a"), "/locked/a", "")
refused(lambda: s3dlio.list(at + "/locked/"), "/locked", "list the directory")
refused(lambda: s3dlio.list(at + "/", recursive=True), top, "list the directory")
assert bytes(s3dlio.get(at + "/closed/a")) == b"old"
print("all refused")
"""


def test_no_permission_is_a_permission_error(child: Child) -> None:
    """In a child of no privileges, since root may do everything, and so in a folder that all may reach."""
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        top.chmod(0o777)
        if os.getuid() == 0 and any(folder.stat().st_mode & 0o001 == 0 for folder in top.parents):
            pytest.skip(f"others may not pass through {top.parent}")
        for name in ("closed", "locked"):
            (top / name).mkdir()
            (top / name / "a").write_bytes(b"old")
        for name in ("unreadable", "readonly"):
            (top / name).write_bytes(b"old")
        (top / "unreadable").chmod(0o000)
        (top / "readonly").chmod(0o444)
        (top / "closed").chmod(0o555)
        (top / "locked").chmod(0o000)
        try:
            for scheme in ("", "file://", "direct://") if takes_direct(top) else ("", "file://"):
                assert child(PERMISSIONS, scheme, top).stdout == "all refused\n"
        finally:
            (top / "locked").chmod(0o700)
            (top / "closed").chmod(0o700)
        assert files_below(top) == ["closed/a", "locked/a", "readonly", "unreadable"]
        assert (top / "readonly").read_bytes() == b"old"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("scheme", ["file", "direct"])
@pytest.mark.parametrize("durable", [False, True])
def test_full_disk_changes_nothing(small_disk: Path, scheme: str, durable: bool) -> None:
    if scheme == "direct" and not takes_direct(small_disk):
        pytest.skip("tmpfs takes no O_DIRECT here")
    at = f"{scheme}://{small_disk}"
    old = np.random.default_rng(1).integers(0, 256, 1 << 20, np.uint8)
    s3dlio.put_bytes(f"{at}/old", old)
    large = np.ones(6 << 20, np.uint8)
    s3dlio.put_bytes("memory://errors/large", large)
    attempts: dict[str, Callable[[], object]] = {
        "new": lambda: s3dlio.put_bytes(f"{at}/new", large, durable=durable),
        "old": lambda: s3dlio.put_bytes(f"{at}/old", large, durable=durable),
        "copied": lambda: s3dlio.copy("memory://errors/large", f"{at}/copied", durable=durable),
        "array": lambda: s3dlio.save_numpy_array(f"{at}/array", large, durable=durable),
        "tensors": lambda: s3dlio.save_tensors(f"{at}/tensors", {"t": large}, durable=durable),
    }
    for name, attempt in attempts.items():
        with pytest.raises(s3dlio.OutOfSpaceError, match="no space is left") as caught:
            attempt()
        assert f"/{name}: cannot write" in str(caught.value)
        assert caught.value.errno == errno.ENOSPC
        assert str(caught.value.filename).endswith(f"/{name}")
        assert files_below(small_disk) == ["old"]
    assert np.array_equal(np.asarray(s3dlio.get(f"{at}/old")), old)
    s3dlio.put_bytes(f"{at}/fits", old)
    assert np.array_equal(np.asarray(s3dlio.get(f"{at}/fits")), old)


def test_file_larger_than_the_process_may_write_changes_nothing(tmp_path: Path, child: Child) -> None:
    child(
        """
import os, resource, signal, sys
import s3dlio
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
top = sys.argv[1]
s3dlio.put_bytes(top + "/a", b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
try:
    s3dlio.put_bytes(top + "/a", bytes(3 << 20))
except s3dlio.OutOfSpaceError as error:
    assert "limit" in str(error), error
else:
    raise SystemExit("not refused")
assert bytes(s3dlio.get(top + "/a")) == b"old"
assert os.listdir(top) == ["a"], os.listdir(top)
""",
        _folder(tmp_path),
    )


def test_too_many_open_files_is_told_so(tmp_path: Path, child: Child) -> None:
    child(
        """
import os, resource, sys
import s3dlio
top = sys.argv[1]
s3dlio.put_bytes(top + "/a", b"x")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for action in (lambda: s3dlio.get(top + "/a"), lambda: s3dlio.put_bytes(top + "/b", b"")):
    try:
        action()
    except s3dlio.UnavailableError as error:
        assert isinstance(error, OSError) and "too many files open" in str(error), error
    else:
        raise SystemExit("not refused")
for descriptor in held:
    os.close(descriptor)
assert bytes(s3dlio.get(top + "/a")) == b"x"
""",
        _folder(tmp_path),
    )


def test_no_descriptor_for_a_connection_is_told_so(tmp_path: Path, child: Child) -> None:
    """The first call of a process needs one for the certificates, each new connection another."""
    child(
        """
import os, resource
import s3dlio
s3dlio.put_bytes("memory://a/b", b"")
options = {"endpoint_url": "http://127.0.0.1:9", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b", "max_attempts": 1}
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for _ in range(2):
    try:
        s3dlio.get("s3://b/x", storage_options=options)
    except s3dlio.UnavailableError as error:
        assert "too many files" in str(error) and "ulimit -n" in str(error), error
        assert "cannot be read as PEM" not in str(error), error
    else:
        raise SystemExit("not refused")
    os.close(held.pop())
for descriptor in held:
    os.close(descriptor)
try:
    s3dlio.get("s3://b/x", storage_options=options)
except s3dlio.StoreConnectionRefusedError:
    pass
"""
    )


def test_object_larger_than_memory_is_named(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    try:
        os.truncate(os.open(sparse, os.O_CREAT | os.O_WRONLY), 8 << 40)
    except OSError:
        pytest.skip("the file system has no files of 8 TiB")
    for call in (lambda: s3dlio.get(sparse), lambda: s3dlio.get_range(sparse, 0, 8 << 40)):
        with pytest.raises(s3dlio.OutOfSpaceError, match=f"file://{sparse}: .*not enough memory for {8 << 40} bytes"):
            call()
    with pytest.raises(s3dlio.BulkError) as caught:
        s3dlio.get_many([sparse])
    [(_uri, error)] = caught.value.errors.items()
    assert isinstance(error, s3dlio.OutOfSpaceError) and "not enough memory" in str(error), error


def _folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.mark.parametrize("size", [1, 4096, 100_000, (9 << 20) + 3])
def test_flipped_bit_is_a_mismatch_that_names_both_values(file_base: Base, recorded: None, size: int) -> None:
    assert file_base.folder is not None
    written = s3dlio.put_bytes(file_base.at("a"), bytes(size))
    with (file_base.folder / "a").open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\x10")
    found = s3dlio.put_bytes("memory://errors/flipped", (file_base.folder / "a").read_bytes())
    for action in (
        lambda: s3dlio.get(file_base.at("a")),
        lambda: s3dlio.get_range(file_base.at("a"), 0),
        lambda: s3dlio.copy(file_base.at("a"), "memory://errors/copy"),
    ):
        with pytest.raises(s3dlio.ChecksumMismatchError, match="damaged|mismatch") as caught:
            action()
        assert isinstance(caught.value, ValueError)
        assert "/a: " in str(caught.value)
        assert written in str(caught.value)
        assert found in str(caught.value)
        assert caught.value.uri.endswith("/a")
    assert bytes(s3dlio.get(file_base.at("a"), verify=False)) == (file_base.folder / "a").read_bytes()
    assert not s3dlio.exists("memory://errors/copy")


@pytest.mark.parametrize("now", [0, 1, 4999, 5001, 9000])
def test_file_of_another_length_is_a_mismatch_that_names_both_lengths(file_base: Base, recorded: None, now: int) -> None:
    assert file_base.folder is not None
    written = s3dlio.put_bytes(file_base.at("a"), b"x" * 5000)
    os.truncate(file_base.folder / "a", now)
    with pytest.raises(s3dlio.ChecksumMismatchError) as caught:
        s3dlio.get(file_base.at("a"))
    for part in (written, "5000", str(now)):
        assert part in str(caught.value)


def test_mismatch_into_memory_of_the_callers_is_raised(file_base: Base, recorded: None) -> None:
    assert file_base.folder is not None
    s3dlio.put_bytes(file_base.at("a"), b"abc")
    with (file_base.folder / "a").open("r+b") as file:
        file.write(b"X")
    with pytest.raises(s3dlio.ChecksumMismatchError):
        s3dlio.get_range(file_base.at("a"), 0, out=bytearray(3))


def test_broken_record_is_told_with_its_remedy(tmp_path: Path, recorded: None) -> None:
    s3dlio.put_bytes(tmp_path / "a", b"abc", metadata={"k": "v"})
    for name in ("user.s3dlio.crc32c", "user.s3dlio.meta"):
        good = os.getxattr(tmp_path / "a", name)
        os.setxattr(tmp_path / "a", name, b"nonsense")
        with pytest.raises(s3dlio.InvalidDataError, match=f"{name} is broken.*setfattr -x {name}"):
            s3dlio.get(tmp_path / "a")
        os.setxattr(tmp_path / "a", name, good)
    assert bytes(s3dlio.get(tmp_path / "a")) == b"abc"


@pytest.mark.parametrize("checksum", ["", "e3069283", "crc32c:", "crc32c:E306928", "crc32c:zzzzzzzz", "md5:e3069283", 5, "\udcff"])
def test_checksum_that_is_none_is_refused(tmp_path: Path, checksum: Any) -> None:
    s3dlio.put_bytes(tmp_path / "a", b"123456789")
    with pytest.raises(s3dlio.InvalidArgumentError, match="checksum|Unicode"):
        s3dlio.get(tmp_path / "a", expected_checksum=checksum)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overwrite": 0}, "'overwrite' must be true or false"),
        ({"overwrite": "no"}, "'overwrite' must be true or false"),
        ({"durable": 1}, "'durable' must be true or false"),
        ({"if_match": 5}, "'if_match' must be a string"),
        ({"content_type": 5}, "'content_type' must be a string"),
        ({"content_type": "\udcff"}, "not valid Unicode"),
        ({"metadata": {"a": 1}}, "'a' must be a string"),
        ({"metadata": {"a": None}}, "'a' must be a string"),
        ({"metadata": {"a": "\udcff"}}, "not valid Unicode"),
        ({"metadata": {1: "a"}}, "metadata must be a dictionary"),
        ({"metadata": "a"}, "metadata must be a dictionary"),
        ({"metadata": [("a", "b")]}, "metadata must be a dictionary"),
        ({"metadata": {"a": object()}}, "JSON"),
        ({"progress": 5}, "progress must be callable"),
    ],
    ids=str,
)
def test_option_of_a_wrong_type_changes_nothing(base: Base, options: dict[str, Any], words: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match=words):
        s3dlio.put_bytes(base.at("a"), b"x", **options)
    assert s3dlio.list(base.text(), recursive=True) == []


def test_metadata_larger_than_the_file_system_keeps_changes_nothing(file_base: Base, recorded: None) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="shorten them"):
        s3dlio.put_bytes(file_base.at("a"), b"x", metadata={"k": "v" * 100_000})
    assert file_base.files() == []


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_exceptions_survive_pickling(kind: type[s3dlio.S3dlioError]) -> None:
    made = kind("file:///a: at byte 7: broken", "file:///a", "broken", 7)
    back = pickle.loads(pickle.dumps(made))
    assert type(back) is kind
    for error in (made, back):
        assert (str(error), error.uri, error.detail, error.offset) == ("file:///a: at byte 7: broken", "file:///a", "broken", 7)
        assert isinstance(error, s3dlio.S3dlioError)
        if isinstance(error, OSError):
            assert (error.filename, error.strerror) == ("file:///a", "broken")
            assert error.errno is not None


def test_raised_exceptions_survive_pickling(tmp_path: Path) -> None:
    with pytest.raises(s3dlio.NotFoundError) as caught:
        s3dlio.get(tmp_path / "nothing")
    back = pickle.loads(pickle.dumps(caught.value))
    assert (type(back), str(back), back.errno, back.filename) == (
        s3dlio.NotFoundError, str(caught.value), errno.ENOENT, caught.value.filename,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "builtin"),
    [
        ("NotFoundError", FileNotFoundError), ("AlreadyExistsError", FileExistsError), ("PreconditionError", OSError),
        ("PermissionDeniedError", PermissionError), ("AuthenticationError", PermissionError), ("InvalidArgumentError", ValueError),
        ("InvalidDataError", ValueError), ("ChecksumMismatchError", ValueError), ("StoreTimeoutError", TimeoutError),
        ("UnavailableError", ConnectionError), ("OutOfSpaceError", OSError), ("ClosedError", ValueError), ("InternalError", RuntimeError),
        ("IsDirectoryError", IsADirectoryError), ("NotDirectoryError", NotADirectoryError),
    ],
)  # fmt: skip
def test_exceptions_are_the_builtins_that_fit(ours: str, builtin: type[Exception]) -> None:
    assert issubclass(getattr(s3dlio, ours), builtin)


def test_every_status_of_the_library_has_its_exception() -> None:
    assert sorted(_failures.BY_STATUS) == list(range(1, 17))
    assert len(set(_failures.BY_STATUS.values())) == 16
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), UserWarning if name.endswith("Warning") else s3dlio.S3dlioError)


def test_threads_that_fail_at_once_get_their_own_errors(tmp_path: Path) -> None:
    wrong: list[str] = []

    def work(i: int) -> None:
        for j in range(100):
            try:
                s3dlio.get(tmp_path / f"no-{i}-{j}")
            except s3dlio.NotFoundError as error:
                if f"/no-{i}-{j}" not in str(error):
                    wrong.append(str(error))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []

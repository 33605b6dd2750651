"""The C ABI: header, exports and declarations are one; a C program works; garbage gives statuses and never a crash."""

from __future__ import annotations

import ctypes as c
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import abi_header
import pytest
from attacks import abi as attack
from servers_fixture import azure_server, s3_old_server, s3_server, s3_tls_server

import s3dlio
from s3dlio import exceptions
from s3dlio._core import _failures, _native

NATIVE = abi_header.ROOT / "native"
#: How the header's types are declared in ctypes.
_KINDS = {
    "char *": c.c_char_p,
    "void *": c.c_void_p,
    "void **": c.POINTER(c.c_void_p),
    "size_t": c.c_size_t,
    "uint64_t": c.c_uint64,
    "int64_t": c.c_int64,
    "int32_t": c.c_int32,
    "uint32_t": c.c_uint32,
    "uint64_t *": c.POINTER(c.c_uint64),
    "int64_t *": c.POINTER(c.c_int64),
    "int32_t *": c.POINTER(c.c_int32),
    "uint32_t *": c.POINTER(c.c_uint32),
    "uint8_t *": c.POINTER(c.c_uint8),
    "float *": c.POINTER(c.c_float),
    "double": c.c_double,
}


def _struct(name: str) -> type[c.Structure]:
    """The declaration of ``s3dlio_tensor_read`` is ``_TensorRead``."""
    words = name.removeprefix("s3dlio_").split("_")
    found: type[c.Structure] = getattr(_native, "_" + "".join(word.capitalize() for word in words))
    return found


def _kind(type_: str) -> object:
    return _KINDS[type_] if type_ in _KINDS else c.POINTER(_struct(type_.removesuffix(" *")))


def _compiler(name: str = "gcc") -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def _compile(source: Path, program: Path, *arguments: str) -> None:
    done = subprocess.run(
        [
            _compiler(),
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            f"-I{abi_header.HEADER.parent}",
            source,
            "-o",
            program,
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_names_in_header_exports_and_declarations_are_the_same() -> None:
    nm = shutil.which("nm") or pytest.skip("no nm on this machine")
    table = subprocess.run([nm, "-D", "--defined-only", _native._find()], capture_output=True, text=True, check=True).stdout
    exported = {name.split("@")[0] for name in re.findall(r" T (s3dlio_\S+)$", table, re.MULTILINE)}
    written = {
        name for source in NATIVE.glob("Exports*.cs") for name in re.findall(r'EntryPoint = "(\w+)"', source.read_text(encoding="utf-8"))
    }
    declared = {f"s3dlio_{name}" for name in [*_native._FUNCTIONS, *_native._PLAIN]}
    assert set(abi_header.functions()) == exported == written == declared


@pytest.mark.parametrize("name", abi_header.functions())
def test_arguments_in_header_and_declaration_agree(name: str) -> None:
    returned, parameters = abi_header.functions()[name]
    short = name.removeprefix("s3dlio_")
    assert [_kind(parameter.type) for parameter in parameters] == _native._FUNCTIONS.get(short, [])
    assert _kind(returned) is _native._PLAIN.get(short, c.c_int32)


def test_results_come_last_and_are_the_only_mutable_pointers() -> None:
    # memory that a read fills is the one exception
    for name, (_, parameters) in abi_header.functions().items():
        results = [parameter.name.startswith("out_") for parameter in parameters]
        assert results == sorted(results), name
        for parameter in parameters:
            mutable = parameter.type.endswith("*") and not parameter.is_const
            assert mutable == (parameter.name.startswith("out_") or (parameter.name == "data" and not parameter.is_const)), (
                name,
                parameter,
            )


def test_structs_have_the_same_fields_and_layout(tmp_path: Path) -> None:
    structs = abi_header.structs()
    lines = ["#include <stdio.h>", '#include "s3dlio.h"', "int main(void) {"]
    for name, fields in structs.items():
        lines.append(f'    printf("{name} %d\\n", (int)sizeof({name}));')
        for field in fields:
            lines.append(f'    printf("{name}.{field} %d %d\\n", (int)offsetof({name}, {field}), (int)sizeof((({name} *)0)->{field}));')
    source, program = tmp_path / "layout.c", tmp_path / "layout"
    source.write_text("\n".join([*lines, "    return 0;", "}", ""]), encoding="utf-8")
    _compile(source, program)
    found = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()

    expected = []
    for name in structs:
        declared = _struct(name)
        expected.append(f"{name} {c.sizeof(declared)}")
        for field, *_ in declared._fields_:
            place = getattr(declared, field)
            expected.append(f"{name}.{field} {place.offset} {place.size}")
    assert found == expected
    declarations = {value for value in vars(_native).values() if isinstance(value, type) and issubclass(value, c.Structure)}
    assert {_struct(name) for name in structs} == declarations


def test_status_codes_agree_everywhere() -> None:
    statuses = abi_header.statuses()
    source = (abi_header.ROOT / "src/S3dlio.Core/ErrorKind.cs").read_text(encoding="utf-8")
    kinds = {name: int(value) for name, value in re.findall(r"^\s*(\w+) = (\d+),", source, re.MULTILINE)}
    words = {name.replace("_", ""): value for name, value in statuses.items() if value > 0}
    assert words == {name.upper(): value for name, value in kinds.items()}
    raised = {value: kind.__name__ for value, kind in _failures.BY_STATUS.items()}
    assert set(raised) == set(kinds.values())
    for name, value in kinds.items():
        assert raised[value].removeprefix("Store") == f"{name}Error"

    guard = dict(re.findall(r"const int (\w+) = (-?\d+);", (NATIVE / "Guard.cs").read_text(encoding="utf-8")))
    assert {name.upper(): int(value) for name, value in guard.items()} == {name: value for name, value in statuses.items() if value <= 0}
    assert statuses["PENDING"] == _native.PENDING


def test_reasons_agree_everywhere() -> None:
    reasons = abi_header.reasons()
    source = (abi_header.ROOT / "src/S3dlio.Core/ErrorReason.cs").read_text(encoding="utf-8")
    kinds = {name: int(value) for name, value in re.findall(r"^\s*(\w+) = (\d+),", source, re.MULTILINE)}
    assert {name.replace("_", ""): value for name, value in reasons.items()} == {name.upper(): value for name, value in kinds.items()}
    raised = {reason: kind for (_, reason), kind in _failures.BY_REASON.items()}
    assert set(raised) == set(kinds.values()) - {0}
    for name, value in kinds.items():
        if value:
            assert raised[value].__name__.removeprefix("Store") == f"{name}Error"
    for (status, _), kind in _failures.BY_REASON.items():
        assert issubclass(kind, _failures.BY_STATUS[status])
    # a library that is newer than this package may know more
    assert _failures.error_class(10, 9999) is exceptions.UnavailableError
    listed = re.findall(r"`S3DLIO_REASON_(\w+)` \| (\d+) \|", (abi_header.ROOT / "docs/abi.md").read_text(encoding="utf-8"))
    assert {name: int(value) for name, value in listed} == reasons


def test_error_struct_without_reason_is_filled_as_before() -> None:
    class Old(c.Structure):
        _fields_ = [*_native._Error._fields_[:-1], ("guard", c.c_uint64)]

    library = _native.library()
    assert library.s3dlio_store_open(b"nonsense://x", None, c.byref(c.c_uint64())) == abi_header.statuses()["INVALID_ARGUMENT"]
    error = Old(struct_size=Old.guard.offset, guard=0x5A5A5A5A5A5A5A5A)
    assert library.s3dlio_last_error(c.cast(c.byref(error), c.POINTER(_native._Error))) == 0
    assert b"nonsense" in error.message and error.guard == 0x5A5A5A5A5A5A5A5A


@pytest.mark.parametrize("header", ["older", "of today", "newer"])
def test_caller_compiled_with_another_header_works(tmp_path: Path, header: str) -> None:
    source = Path(__file__).parent / "older"
    if header == "older":  # noqa: SIM108
        text = (source / "s3dlio.h").read_text(encoding="utf-8")
    else:
        text = abi_header.HEADER.read_text(encoding="utf-8")
    if header == "newer":
        text = re.sub(r"^(\} s3dlio_\w+;)$", r"    uint64_t later;\n\1", text, flags=re.MULTILINE)
        assert text.count("later;") == len(abi_header.structs())
    (tmp_path / "s3dlio.h").write_text(text, encoding="utf-8")
    (tmp_path / "caller.c").write_text((source / "caller.c").read_text(encoding="utf-8"), encoding="utf-8")
    library = _native._find()
    flags = [f"-I{tmp_path}", *(["-DLATER"] if header == "newer" else [])]
    command = [
        _compiler(),
        "-std=c11",
        "-Wall",
        *flags,
        "-o",
        tmp_path / "caller",
        tmp_path / "caller.c",
        str(library),
        f"-Wl,-rpath,{library.parent}",
    ]
    subprocess.run(command, check=True)
    ended = subprocess.run([tmp_path / "caller"], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "all as it should be\n", "")


def test_every_struct_begins_with_its_size() -> None:
    assert {fields[0] for fields in abi_header.structs().values()} == {"struct_size"}


def test_abi_version_agrees_everywhere() -> None:
    assert abi_header.abi_version() == _native.ABI_VERSION == _native.library().s3dlio_abi_version()


def test_header_compiles_as_cpp(tmp_path: Path) -> None:
    source = tmp_path / "include.cpp"
    source.write_text(
        '#include "s3dlio.h"\nint main() { return s3dlio_abi_version() == S3DLIO_ABI_VERSION ? S3DLIO_OK : 1; }\n', encoding="utf-8"
    )
    subprocess.run(
        [_compiler("g++"), "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{abi_header.HEADER.parent}", "-fsyntax-only", source], check=True
    )


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("c") / "objects"
    library = _native._find()
    _compile(NATIVE / "examples/objects.c", path, str(library), f"-Wl,-rpath,{library.parent}")
    return path


@pytest.mark.parametrize("scheme", ["memory", "memory with a prefix", "file", "direct"])
def test_c_program_checks_every_answer(program: Path, tmp_path: Path, scheme: str) -> None:
    if scheme == "direct":
        _require_direct(tmp_path)
    uri = {"memory": "memory://objects", "memory with a prefix": "memory://objects/some/prefix"}.get(scheme, f"{scheme}://{tmp_path}/store")
    done = subprocess.run([program, uri, "{}"], capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.endswith("all as it should be\n")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("mode", ["read", "through", "back"])
def test_c_program_checks_every_answer_of_a_cache(program: Path, tmp_path: Path, mode: str) -> None:
    far, cache = f"file://{tmp_path}/store", tmp_path / "cache"
    options = json.dumps({"cache": str(cache), "cache_mode": mode, "cache_block_size": 65536})
    done = subprocess.run([program, far, options], capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.endswith("all as it should be\n")
    assert [path for path in (cache / "entries").rglob("*") if path.is_file()], "nothing was kept"
    # what it deleted last may wait in its journal
    assert s3dlio.cache(far, cache, mode="back").flush(timeout=60)["writes"] == 0
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("server", [s3_server, s3_tls_server, s3_old_server, azure_server], ids=["s3", "s3-tls", "s3-old", "azure"])
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_c_program_checks_every_answer_of_a_server(program: Path, server: Callable[[], tuple[str, dict[str, str]]], by: str) -> None:
    """With a bucket of its own, so that keys may have all the bytes that the protocol allows."""
    uri, options = server()
    name = f"objects-c-{uuid.uuid4().hex}"
    target = f"az://{uri.split('/')[2]}/{name}" if uri.startswith("az://") else f"s3://{name}"
    named = {
        "endpoint_url": "AWS_ENDPOINT_URL_S3",
        "region": "AWS_REGION",
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "ca_bundle": "AWS_CA_BUNDLE",
        "account_key": "AZURE_STORAGE_KEY",
    }
    if uri.startswith("az://"):
        # Azure's variables name an account's host with the connection string alone
        named.pop("endpoint_url")
    said = {named[option]: value for option, value in options.items() if option in named} if by == "environment" else {}
    given = {option: value for option, value in options.items() if named.get(option) not in said}
    done = subprocess.run(
        [program, target, json.dumps(given)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
        env={**os.environ, **said},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.endswith("all as it should be\n") and "a key of 1,024 bytes" in done.stdout
    s3dlio.delete_bucket(target, storage_options=options)
    assert not any(value in done.stdout + done.stderr for option, value in options.items() if "key" in option and "id" not in option)


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_c_program_saves_and_loads_checkpoints(tmp_path: Path, scheme: str) -> None:
    built, library = tmp_path / "checkpoint", _native._find()
    _compile(NATIVE / "examples/checkpoint.c", built, str(library), f"-Wl,-rpath,{library.parent}")
    uri = "memory://checkpoint" if scheme == "memory" else f"file://{tmp_path}/run"
    done = subprocess.run([built, uri, "{}"], capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.endswith("all as it should be\n")
    assert [path for path in (tmp_path / "run").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("server", [s3_server, azure_server], ids=["s3", "azure"])
def test_c_program_saves_and_loads_checkpoints_on_a_server(tmp_path: Path, server: Callable[[], tuple[str, dict[str, str]]]) -> None:
    uri, options = server()
    built, library = tmp_path / "checkpoint", _native._find()
    _compile(NATIVE / "examples/checkpoint.c", built, str(library), f"-Wl,-rpath,{library.parent}")
    done = subprocess.run(
        [built, f"{uri}/checkpoint-c", json.dumps(options)], capture_output=True, text=True, errors="replace", timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert s3dlio.list(f"{uri}/checkpoint-c", recursive=True, storage_options=options) == []


def test_c_program_appends_reads_and_follows_a_log(tmp_path: Path) -> None:
    built, library = tmp_path / "program", _native._find()
    _compile(NATIVE / "examples/log.c", built, str(library), f"-Wl,-rpath,{library.parent}")
    done = subprocess.run([built, tmp_path / "log"], capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.endswith("all as it should be\n")


def test_c_program_trains_and_recovers_a_table(tmp_path: Path) -> None:
    built, library = tmp_path / "program", _native._find()
    _compile(NATIVE / "examples/table.c", built, str(library), f"-Wl,-rpath,{library.parent}")
    done = subprocess.run(
        [built, tmp_path / "table", tmp_path / "again"], capture_output=True, text=True, errors="replace", timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.endswith("all as it should be\n")


def test_c_program_with_a_wrong_answer_fails(program: Path) -> None:
    done = subprocess.run([program, "memory://objects", '{"durabel":true}'], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "did you mean 'durable'" in done.stderr


def test_example_of_the_documentation_runs(tmp_path: Path) -> None:
    text = (abi_header.ROOT / "docs/abi.md").read_text(encoding="utf-8")
    example = re.search(r"```c\n(#include.*?)```", text, re.DOTALL)
    assert example is not None
    source, built, library = tmp_path / "example.c", tmp_path / "example", _native._find()
    source.write_text(example.group(1), encoding="utf-8")
    _compile(source, built, str(library), f"-Wl,-rpath,{library.parent}")
    done = subprocess.run([built], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_documentation_lists_every_status() -> None:
    text = (abi_header.ROOT / "docs/abi.md").read_text(encoding="utf-8")
    listed = [(name, value) for name, value in re.findall(r"`S3DLIO_(\w+)` \| (-?\d+) \|", text) if not name.startswith("REASON_")]
    assert {name: int(value) for name, value in listed} == abi_header.statuses()


def _require_direct(folder: Path) -> None:
    probe = folder / "probe"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        pytest.skip("the file system of the temporary directory refuses O_DIRECT")
    finally:
        probe.unlink(missing_ok=True)


@pytest.mark.parametrize("group", attack.GROUPS)
def test_garbage_gives_statuses_and_the_process_lives(group: str, tmp_path: Path) -> None:
    paths = [str(Path(_native.__file__).parents[2]), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "attacks.abi", group, tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert done.stdout.splitlines()[-1] == "alive"


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_brief_operation_has_ended_when_its_begin_returns(scheme: str, tmp_path: Path) -> None:
    library = _native.library()
    store = _native.open_store("memory://brief/" if scheme == "memory" else f"file://{tmp_path}/", {})
    number = c.c_uint64()
    data = (c.c_char * 4096)(*b"x" * 4096)
    begins = [
        lambda: library.s3dlio_object_put_begin(store, b"a", 1, _native.segments([(c.addressof(data), 4096)]), 1, None, c.byref(number)),
        lambda: library.s3dlio_object_head_begin(store, b"a", 1, c.byref(number)),
        lambda: library.s3dlio_object_exists_begin(store, b"a", 1, c.byref(number)),
        lambda: library.s3dlio_object_get_begin(store, b"a", 1, None, c.byref(number)),
        lambda: library.s3dlio_object_get_range_begin(store, b"a", 1, 1, 2, None, None, c.byref(number)),
        lambda: library.s3dlio_object_delete_begin(store, b"a", 1, None, c.byref(number)),
    ]
    try:
        if any(f" - {kind}" in Path("/proc/self/mountinfo").read_text() for kind in ("fuse.", "nfs", "cifs", "autofs", "9p")):
            # beside such mounts the first call in a directory asks its file system, which may take its time
            assert begins[0]() == 0 and library.s3dlio_op_wait(number, -1) == 0 and library.s3dlio_op_free(number) == 0
        for begin in begins:
            assert begin() == 0
            assert library.s3dlio_op_wait(number, 0) == 0
            assert library.s3dlio_op_free(number) == 0
    finally:
        library.s3dlio_store_close(store)


def test_brief_operation_that_fails_is_begun_and_tells_when_waited_for(tmp_path: Path) -> None:
    library = _native.library()
    store = _native.open_store(f"file://{tmp_path}/", {})
    number = c.c_uint64()
    assert library.s3dlio_object_get_begin(store, b"none", 4, None, c.byref(number)) == 0
    with pytest.raises(exceptions.NotFoundError, match="none"):
        _native.check(library.s3dlio_op_wait(number, -1))
    assert library.s3dlio_op_free(number) == 0
    library.s3dlio_store_close(store)

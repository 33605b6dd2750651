"""What the package shows: the small set, its signatures and types, the text that is generated, and what an import costs."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CHECKOUT, Base, Child

import s3dlio
from s3dlio._core import _handles, _native

MODULES = [
    "s3dlio",
    "s3dlio.admin",
    "s3dlio.aio",
    "s3dlio.aio.admin",
    "s3dlio.aio.checkpoint",
    "s3dlio.checkpoint",
    "s3dlio.datasets",
    "s3dlio.errors",
    "s3dlio.integrations",
    "s3dlio.table",
    "s3dlio.types",
    "s3dlio.compat",
]
#: Public ones whose names are not in the file below.
OTHERS = ["s3dlio.oplog", "s3dlio.telemetry"]
KEPT = Path(__file__).with_name("public_names.txt")


def _signature(value: Any) -> str:
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    told, starred = [], False
    for one in found.parameters.values():
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(one.kind, "")
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            told.append("*")
        starred = starred or stars == "*" or one.kind is inspect.Parameter.KEYWORD_ONLY
        kind = "" if one.annotation is inspect.Parameter.empty else f": {one.annotation}"
        told.append(f"{stars}{one.name}{kind}{'' if one.default is inspect.Parameter.empty else f' = {one.default!r}'}")
    return f"({', '.join(told)}) -> {found.return_annotation}"


def _members(kind: type) -> list[str]:
    found = []
    for name in sorted({name for base in kind.__mro__ if base.__module__.startswith("s3dlio") for name in vars(base)}):
        one = inspect.getattr_static(kind, name)
        if name.startswith("_"):
            continue
        if isinstance(one, property):
            returns = inspect.signature(one.fget).return_annotation if one.fget else ""
            found.append(f"    {name}: {returns}")
        elif callable(one) or isinstance(one, (staticmethod, classmethod)):
            found.append(f"    {name}{_signature(getattr(kind, name))}")
    return found


def surface() -> str:
    """Every public name with its signature and its types, one a line."""
    lines = []
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        lines += ["", f"# {module_name}"]
        for name in sorted({*dir(module), *getattr(module, "__all__", [])} if module is s3dlio else module.__all__):
            if module is s3dlio and name in s3dlio._MODULES:
                lines.append(f"module {name}")
                continue
            value = getattr(module, name)
            if inspect.ismodule(value):
                lines.append(f"module {name}")
            elif inspect.isclass(value):
                # how the library hands memory over, and what becomes of it in a child, are no part of the API
                bases = ", ".join(base.__name__ for base in value.__bases__ if base not in (object, _native.Exporter, _handles.Handle))
                lines.append(f"class {name}({bases})")
                # told once, where new programs find it
                if module_name not in ("s3dlio.compat", "s3dlio.errors"):
                    lines += _members(value)
            elif callable(value) and hasattr(value, "__code__"):
                lines.append(f"{name}{_signature(value)}")
            elif name != "__version__":
                lines.append(name)
    return "\n".join(lines[1:]) + "\n"


def test_public_names_and_signatures_are_those_that_were_agreed_on() -> None:
    assert surface() == KEPT.read_text(encoding="utf-8"), (
        f"a change of the API: run python3 {Path(__file__).name} and look at the difference"
    )


def test_small_set_is_small_and_shadows_no_builtin() -> None:
    import builtins

    shown = [name for name in dir(s3dlio) if not name.startswith("_")]
    assert len(shown) <= 40
    assert not any(hasattr(builtins, name) for name in s3dlio.__all__)
    assert not [name for name in shown if name.endswith("_async")]
    assert not [name for name in dir(s3dlio.Store) if name.endswith("_async") and name.removesuffix("_async") not in dir(s3dlio.Store)]


@pytest.mark.parametrize("name", [*(name for name in MODULES if name not in ("s3dlio", "s3dlio.compat")), *OTHERS])
def test_modules_show_what_they_offer_and_no_more(name: str) -> None:
    module = importlib.import_module(name)
    shown = {one for one in dir(module) if not one.startswith("_")}
    # a submodule is there once somebody imported it
    shown -= {one for one in shown - set(module.__all__) if getattr(module, one) is sys.modules.get(f"{name}.{one}")}
    assert shown - ({"list", "open"} if name == "s3dlio.aio" else set()) == set(module.__all__)


def test_original_and_older_names_are_found_and_not_shown() -> None:
    assert not set(s3dlio.compat.__all__) & set(dir(s3dlio))
    assert s3dlio.PyCheckpointStore is s3dlio.compat.PyCheckpointStore
    with pytest.raises(AttributeError, match="did you mean 'put_many'"):
        s3dlio.putmany  # noqa: B018
    assert not hasattr(s3dlio, "nonsense")


def test_names_for_type_checkers_are_those_that_are_found() -> None:
    for module in (s3dlio, s3dlio.compat):
        source = Path(module.__file__ or "").read_text(encoding="utf-8")
        block = source[source.index("if TYPE_CHECKING:") : source.index("\n#: ")]
        import re

        told = set(re.findall(r"(\w+) as \1\b", block))
        found = set(module._MODULE_OF) | (set(s3dlio._MODULES) if module is s3dlio else set())
        assert told == found


IMPORT = """
import sys
before = set(sys.modules)
import s3dlio
loaded = sorted(name for name in set(sys.modules) - before if name.startswith(("s3dlio", "numpy", "asyncio", "json")))
assert loaded == ["s3dlio", "s3dlio._imports"], loaded
assert "get" in dir(s3dlio) and "Store" in dir(s3dlio)
assert sorted(name for name in sys.modules if name.startswith("s3dlio")) == ["s3dlio", "s3dlio._imports"]
s3dlio.admin, s3dlio.exceptions
exec("from s3dlio import *")
assert callable(get) and list is __builtins__.list and open is __builtins__.open
"""


def test_import_loads_nothing_that_was_not_asked_for(child: Child) -> None:
    child(IMPORT)


def test_generated_files_are_fresh() -> None:
    program = CHECKOUT / "python" / "generate.py"
    if not program.is_file():
        pytest.skip("the package is not in a checkout")
    spec = importlib.util.spec_from_file_location("generate", program)
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, text in generate.files().items():
        assert (CHECKOUT / "python" / "s3dlio" / name).read_text(encoding="utf-8") == text, f"{name}: run python3 python/generate.py"


def _signatures() -> list[tuple[str, Any]]:
    found = [
        (f"aio.{name}", getattr(s3dlio.aio, name))
        for name in [*s3dlio.aio.__all__, "list", "open"]
        if not inspect.ismodule(getattr(s3dlio.aio, name))
    ]
    found += [(f"aio.checkpoint.{name}", getattr(s3dlio.aio.checkpoint, name)) for name in s3dlio.aio.checkpoint.__all__]
    found += [(f"aio.admin.{name}", getattr(s3dlio.aio.admin, name)) for name in s3dlio.aio.admin.__all__]
    return found


@pytest.mark.parametrize(("name", "function"), _signatures())
def test_coroutines_have_the_signatures_of_the_functions(name: str, function: Any) -> None:
    place: Any = s3dlio
    for part in name.split(".")[1:]:
        place = getattr(place, part)
    if name != "aio.open":
        assert str(inspect.signature(function)).replace("builtins.", "") == str(inspect.signature(place)).replace("builtins.", "")
        assert inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    assert function.__doc__ and function.__doc__.split("\n")[0]
    assert "Args:" in function.__doc__
    typing.get_type_hints(function)


def test_every_function_has_its_coroutine() -> None:
    functions = {name for name in set(dir(s3dlio)) - set(s3dlio._MODULES) if inspect.isfunction(getattr(s3dlio, name))}
    made = {name: one for name, one in vars(s3dlio.aio).items() if inspect.isfunction(one) and not name.startswith("_")}
    assert functions == {name for name, one in made.items() if one.__module__ == "s3dlio.aio"}


def _with_hints(module: Any) -> list[tuple[str, Any]]:
    """Functions, classes and methods of a module."""
    found = []
    for name in sorted({*dir(module), *module.__all__} - {"torch", "fsspec"}):
        value = None if name.startswith("_") else getattr(module, name)
        if inspect.isclass(value):
            for part in ("__init__", *(part for part in dir(value) if not part.startswith("_"))):
                one = inspect.getattr_static(value, part)
                method = one.fget if isinstance(one, property) else getattr(one, "__func__", one)
                if inspect.isfunction(method) and method.__module__.startswith("s3dlio"):
                    found.append((f"{name}.{part}", method))
        if inspect.isclass(value) or inspect.isroutine(value):
            found.append((name, value))
    return found


@pytest.mark.parametrize("name", [*MODULES, *OTHERS, "s3dlio.testing"])
def test_annotations_of_all_that_is_public_resolve(name: str) -> None:
    module = importlib.import_module(name)
    wrong = []
    for place, value in _with_hints(module):
        try:
            typing.get_type_hints(value)
        except (NameError, TypeError) as error:
            wrong.append(f"{place}: {error}")
    assert wrong == []


def test_coroutines_do_what_the_functions_do(base: Base) -> None:
    async def use() -> None:
        aio = s3dlio.aio
        result = await aio.put(base.at("a"), b"0123456789")
        assert result.size == 10 and result.uri == base.text("a")
        assert await aio.get(base.at("a")) == b"0123456789"
        assert [bytes(part) for part in await aio.get_ranges(base.at("a"), [(3, 2), (0, 1)])] == [b"34", b"0"]
        assert (await aio.stat(base.at("a"))).size == 10
        await aio.move(base.at("a"), base.at("b"))
        assert [meta.uri async for meta in aio.list_stream(base.text())] == [base.text("b")]
        assert await aio.list(base.text()) == [base.text("b")]
        await aio.save(base.at("x.npy"), np.arange(4))
        assert (await aio.load(base.at("x.npy"))).sum() == 6
        async with aio.open(base.at("c"), "wb") as file:
            await file.write(b"streamed")
        async with aio.open(base.at("c")) as file:
            assert await file.read() == b"streamed"
        store = s3dlio.Store(base.text())
        assert (await store.aio.stat("c"))["size"] == 8
        assert [meta.uri async for meta in store.aio.list_stream()] == ["b", "c", "x.npy"]
        assert await store.aio.delete("c") == 1
        with pytest.raises(s3dlio.errors.NotFoundError):
            await aio.get(base.at("c"))

    asyncio.run(use())


def test_time_over_names_the_coroutine() -> None:
    async def use() -> None:
        with pytest.raises(TimeoutError, match=r"aio\.load_tensors"):
            await s3dlio.aio.load_tensors("memory://surface/x", timeout=0)

    # so large that it is not there at once
    s3dlio.save_tensors("memory://surface/x", {"a": np.ones(8 << 20)})
    asyncio.run(use())
    s3dlio.delete("memory://surface/x")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    KEPT.write_text(surface(), encoding="utf-8")

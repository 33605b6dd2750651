"""What the public API and the C ABI have become since the last release, and whether the version says so.

    python3 python/tests/release_diff.py            # prints the differences; fails where the version does not allow them
    python3 python/tests/release_diff.py --record   # as the last step of a release: released/ becomes what is here

The last release is that of the newest tag ``v*`` of this history; without one, of the folder ``released``. A version that is not released
yet (the changelog says so) may differ from its own record in any way: the differences are printed.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import abi_header

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RELEASED = HERE / "released"
NAMES, HEADER, PROJECT = "python/tests/public_names.txt", "include/s3dlio.h", "pyproject.toml"


@dataclass
class Release:
    """What programs rely on, of one state of the sources."""

    version: str
    names: dict[str, str]
    abi: abi_header.Header

    @classmethod
    def of(cls, project: str, names: str, header: str) -> Release:
        found = re.search(r'^version = "(.*)"$', project, re.M)
        assert found, "pyproject.toml has no version"
        return cls(found[1], names_of(names), abi_header.Header(header))


@dataclass
class Difference:
    """Lines of what was added, and of what a program that was written for the older one may stumble over."""

    added: list[str] = field(default_factory=list)
    breaking: list[str] = field(default_factory=list)


def names_of(text: str) -> dict[str, str]:
    """Each line of the list of public names by its module, its class and its name."""
    found: dict[str, str] = {}
    module = owner = ""
    for line in text.splitlines():
        if line.startswith("# "):
            module, owner = line[2:], ""
        elif line.strip():
            name = re.split(r"[(:]", line.strip(), maxsplit=1)[0].strip()
            if not line.startswith(" "):
                owner = name
                found[f"{module}.{name}"] = line
            else:
                found[f"{module}.{owner}.{name}"] = line.strip()
    return found


def compare_names(old: dict[str, str], new: dict[str, str]) -> Difference:
    """Names that went, and signatures that no longer take what they took, are breaking."""
    made = Difference()
    for name, line in old.items():
        if name not in new:
            made.breaking.append(f"- {name}")
        elif new[name] != line:
            (made.added if _takes_as_much(line, new[name]) else made.breaking).append(f"! {name}: {line.strip()} -> {new[name].strip()}")
    made.added += [f"+ {name}" for name in new if name not in old]
    return made


def _takes_as_much(old: str, new: str) -> bool:
    """Whether a signature takes what the older one took: it has parameters more, and they may be left out."""
    first, second = _signature(old), _signature(new)
    if first is None or second is None or ast.dump(first.returns or ast.Pass()) != ast.dump(second.returns or ast.Pass()):
        return False
    one, other = _parameters(first), _parameters(second)
    kept = [parameter for parameter in other if parameter[:2] in {known[:2] for known in one}]
    extra = [parameter for parameter in other if parameter not in kept]
    places = [parameter[1] for parameter in one if parameter[0] == "place"]
    return kept == one and [p[1] for p in other if p[0] == "place"][: len(places)] == places and all(p[3] for p in extra)


def _signature(line: str) -> ast.FunctionDef | None:
    found = re.fullmatch(r"(?:class )?(\w+)(\(.*)", line.strip())
    if found is None:
        return None
    try:
        (made,) = ast.parse(f"def {found[1]}{found[2]}: ...").body
    except SyntaxError:
        return None
    return made if isinstance(made, ast.FunctionDef) else None


def _parameters(function: ast.FunctionDef) -> list[tuple[str, str, str, str]]:
    """Kind, name, type and default of each; without a default the last is empty."""

    def text(node: ast.AST | None) -> str:
        return "" if node is None else ast.unparse(node)

    places = [*function.args.posonlyargs, *function.args.args]
    defaults = [None] * (len(places) - len(function.args.defaults)) + list(function.args.defaults)
    found = [("place", one.arg, text(one.annotation), text(default)) for one, default in zip(places, defaults, strict=True)]
    if function.args.vararg is not None:
        found.append(("rest", "*", text(function.args.vararg.annotation), "()"))
    named = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    found += [("name", one.arg, text(one.annotation), text(default)) for one, default in named]
    if function.args.kwarg is not None:
        found.append(("rest", "**", text(function.args.kwarg.annotation), "{}"))
    return found


def compare_abi(old: abi_header.Header, new: abi_header.Header) -> Difference:
    """Functions, fields and numbers that went or changed are breaking; what was put behind them is not."""
    made = Difference()
    functions: list[dict[str, object]] = [{name: repr(one) for name, one in side.functions().items()} for side in (old, new)]
    pairs: list[tuple[str, Mapping[str, object], Mapping[str, object]]] = [
        ("function", functions[0], functions[1]),
        ("status", old.statuses(), new.statuses()),
        ("reason", old.reasons(), new.reasons()),
    ]
    for kind, before, after in pairs:
        for name, value in before.items():
            if name not in after:
                made.breaking.append(f"- {kind} {name}")
            elif after[name] != value:
                made.breaking.append(f"! {kind} {name}: {value} -> {after[name]}")
        made.added += [f"+ {kind} {name}" for name in after if name not in before]
    structs = new.structs()
    for name, fields in old.structs().items():
        there = structs.pop(name, None)
        if there is None:
            made.breaking.append(f"- struct {name}")
        elif there[: len(fields)] != fields:
            made.breaking.append(f"! struct {name}: {', '.join(fields)} -> {', '.join(there)}")
        else:
            made.added += [f"+ {name}.{one}" for one in there[len(fields) :]]
    made.added += [f"+ struct {name}" for name in structs]
    return made


def judge(old: Release, new: Release, unreleased: bool) -> tuple[list[str], list[str]]:
    """What has changed, and what is wrong with the version for it."""
    names, abi = compare_names(old.names, new.names), compare_abi(old.abi, new.abi)
    lines = [*names.breaking, *names.added, *abi.breaking, *abi.added]
    faults = []
    if not (unreleased and old.version == new.version):
        if names.breaking and not _may_break(old.version, new.version):
            faults.append(f"{len(names.breaking)} public names break programs of {old.version}, which {new.version} does not say")
        if abi.breaking and old.abi.abi_version() == new.abi.abi_version():
            number = new.abi.abi_version()
            faults.append(f"{len(abi.breaking)} members of the C ABI changed or went, and S3DLIO_ABI_VERSION is {number} still")
    return lines, faults


def _may_break(old: str, new: str) -> bool:
    before, after = ([int(part) for part in re.findall(r"\d+", version)[:3]] for version in (old, new))
    # before 1.0 the middle number counts what can break a program
    return after[:1] > before[:1] if before[0] else after[:2] > before[:2]


def current() -> Release:
    return Release.of(*((ROOT / name).read_text(encoding="utf-8") for name in (PROJECT, NAMES, HEADER)))


def last() -> tuple[str, Release]:
    """The newest tag, or the record; what it is called, and what it had."""
    found = _git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    if found is not None:
        texts = [_git("show", f"{found.strip()}:{name}") for name in (PROJECT, NAMES, HEADER)]
        if all(text is not None for text in texts):
            return found.strip(), Release.of(*(text or "" for text in texts))
    kept = [(RELEASED / name).read_text(encoding="utf-8") for name in ("version.toml", "public_names.txt", "s3dlio.h")]
    return "the record", Release.of(*kept)


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def is_unreleased(version: str) -> bool:
    """Whether the changelog says so of that version."""
    return f"## {version} (not released yet)" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def record() -> None:
    RELEASED.mkdir(exist_ok=True)
    (RELEASED / "version.toml").write_text(f'version = "{current().version}"\n', encoding="utf-8")
    for name in (NAMES, HEADER):
        (RELEASED / Path(name).name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")


def main() -> int:
    if sys.argv[1:] == ["--record"]:
        record()
        return 0
    where, old = last()
    new = current()
    lines, faults = judge(old, new, is_unreleased(new.version))
    print(f"{new.version} here, {old.version} in {where}: {len(lines)} differences")
    for line in lines:
        print(line)
    for fault in faults:
        print(f"release_diff.py: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

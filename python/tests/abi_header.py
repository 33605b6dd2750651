"""Reads include/s3dlio.h: its prototypes, structs and numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "s3dlio.h"


@dataclass(frozen=True)
class Parameter:
    """``const char *key`` has the type ``char *`` and the name ``key``."""

    type: str
    name: str
    is_const: bool


def _parameter(text: str) -> Parameter:
    match = re.fullmatch(r"(const )?(\w+) ?(\*{0,2}) ?(\w+)", text.strip())
    assert match is not None, f"the header has a parameter that this parser does not know: {text!r}"
    const, base, star, name = match.groups()
    return Parameter(f"{base} {star}".strip(), name, const is not None)


class Header:
    """A header's contents.

    Args:
        text: The header.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        bare = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
        self._code = re.sub(r"\s+", " ", re.sub(r"^\s*#.*$", "", bare, flags=re.MULTILINE))

    def functions(self) -> dict[str, tuple[str, list[Parameter]]]:
        """Return type and parameters by name."""
        found = re.findall(r"((?:const )?\w+ ?\*?) ?(s3dlio_\w+)\(([^)]*)\);", self._code)
        result = {}
        for type_, name, parameters in found:
            assert name not in result, f"{name} is declared twice"
            listed = [] if parameters.strip() == "void" else [_parameter(one) for one in parameters.split(",")]
            result[name] = (type_.replace("const ", "").strip(), listed)
        return result

    def structs(self) -> dict[str, list[str]]:
        """The fields' names by the struct's."""
        result = {}
        for body, name in re.findall(r"typedef struct \w+ \{([^}]*)\} (\w+);", self._code):
            fields = [field.strip() for field in body.split(";") if field.strip()]
            result[name] = [re.sub(r"\[\d+\]$", "", field).split()[-1].lstrip("*") for field in fields]
        return result

    def reasons(self) -> dict[str, int]:
        """The reasons, by their names without ``S3DLIO_REASON_``."""
        body = re.search(r"enum s3dlio_reason \{([^}]*)\}", self._code)
        assert body is not None
        return {name: int(value) for name, value in re.findall(r"S3DLIO_REASON_(\w+) = (-?\d+)", body.group(1))}

    def statuses(self) -> dict[str, int]:
        """The status codes, by their names without ``S3DLIO_``."""
        body = re.search(r"enum s3dlio_status \{([^}]*)\}", self._code)
        assert body is not None
        return {name: int(value) for name, value in re.findall(r"S3DLIO_(\w+) = (-?\d+)", body.group(1))}

    def abi_version(self) -> int:
        match = re.search(r"#define S3DLIO_ABI_VERSION (\d+)", self._text)
        assert match is not None
        return int(match.group(1))


_own = Header(HEADER.read_text(encoding="utf-8"))
functions, structs, reasons, statuses, abi_version = _own.functions, _own.structs, _own.reasons, _own.statuses, _own.abi_version

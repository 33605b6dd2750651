"""docs/errors.md tells of every class, and of what else it is."""

from __future__ import annotations

import builtins
import inspect
import re

import pytest
from conftest import CHECKOUT

from s3dlio import errors

PAGE = CHECKOUT / "docs" / "errors.md"


def test_catalogue_has_every_error_and_its_bases() -> None:
    if not PAGE.is_file():
        pytest.skip("the package is not in a checkout")
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \| .+ \| .+ \|$", text, re.M))
    classes = {
        name: made for name in errors.__all__ if inspect.isclass(made := getattr(errors, name)) and issubclass(made, errors.S3dlioError)
    }
    assert set(rows) == set(classes)
    for name, bases in rows.items():
        for base in re.findall(r"`(\w+)`", bases):
            assert issubclass(classes[name], getattr(errors, base, None) or getattr(builtins, base)), (name, base)
    for name in set(errors.__all__) - set(classes):
        assert f"`{name}`" in text

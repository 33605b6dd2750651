"""For the site: docstrings as the handler reads them, and functions as they are called.

``Example:`` is the section that the handler calls ``Examples:``, roles such as ``:func:`get``` become code, and what ``blocking`` makes of
a coroutine is no coroutine.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([^`]+)`")


class Examples(griffe.Extension):
    """Prepares what was read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called with each object that was read."""
        if obj.docstring is not None:
            text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)
            obj.docstring.value = _ROLE.sub(r"`\1`", text)
        if isinstance(obj, griffe.Function) and any(str(one.value) in ("blocking", "blocking_each") for one in obj.decorators):
            obj.labels.discard("async")
            if str(obj.returns).startswith("AsyncIterator["):
                obj.returns = str(obj.returns).removeprefix("Async")

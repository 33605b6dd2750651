"""Nested states: walks over dictionaries, lists and tuples to what they hold, and back."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from ..exceptions import InvalidArgumentError

#: Names and indices from the root on.
Path: TypeAlias = "tuple[Any, ...]"

_DICTIONARIES = (dict, collections.OrderedDict)
#: Containers within containers; beyond it something holds itself.
DEEPEST = 60


def leaves(state: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """What a state holds, with the way to it.

    Raises:
        InvalidArgumentError: Containers are nested too deep, or hold themselves.
    """
    if len(path) > DEEPEST:
        raise InvalidArgumentError(f"a state is nested more than {DEEPEST} deep at {text(path)[:200]}, or holds itself")
    if type(state) in _DICTIONARIES:
        for name, item in state.items():
            yield from leaves(item, (*path, name))
    elif type(state) in (list, tuple):
        for index, item in enumerate(state):
            yield from leaves(item, (*path, index))
    else:
        yield path, state


def replaced(state: Any, change: Callable[[Path, Any], Any], path: Path = ()) -> Any:
    """A new state of the same containers, with every leaf changed."""
    if type(state) in _DICTIONARIES:
        return type(state)((name, replaced(item, change, (*path, name))) for name, item in state.items())
    if type(state) in (list, tuple):
        return type(state)(replaced(item, change, (*path, index)) for index, item in enumerate(state))
    return change(path, state)


def text(path: Path) -> str:
    """The way as tensors' names and messages show it."""
    return ".".join(str(step) for step in path)

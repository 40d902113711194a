"""How much an object holds, for tests that nothing grows for ever."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np


def held(thing: Any, seen: set[int] | None = None) -> int:
    """Number of values that can be reached from an object of ours: items of containers, attributes, array elements."""
    seen = set() if seen is None else seen
    if thing is None or isinstance(thing, str | bytes | int | float | type) or id(thing) in seen:
        return 1
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return int(thing.size)
    if isinstance(thing, Mapping):
        return sum(held(key, seen) + held(value, seen) for key, value in thing.items())
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return 1 + sum(held(item, seen) for item in thing)
    names = {name for base in type(thing).__mro__ for name in getattr(base, "__slots__", ())}
    names |= set(getattr(thing, "__dict__", {}))
    return 1 + sum(held(getattr(thing, name), seen) for name in names if hasattr(thing, name))

"""Names of classes and functions in documents, those of the main script included.

A document that was written by a script says `__main__` for what the script defines; it
is read back by a script that defines the same names, the same script mostly.
"""

from __future__ import annotations

import sys
from typing import Any

from routilux.references import is_one, load_reference, reference_to

__all__ = ["name_of", "named"]


def name_of(value: Any) -> str:
    """Return "module:name" of a class or function.

    Raises:
        ValueError: There is no name that leads to it.
    """
    cls = getattr(value, "__objclass__", None)  # of str.upper and its like
    if cls is not None and not hasattr(value, "__module__"):
        return f"{name_of(cls)}.{value.__name__}"
    if getattr(value, "__module__", None) != "__main__":
        return reference_to(value)
    name = str(getattr(value, "__qualname__", ""))
    found: Any = sys.modules.get("__main__")
    for part in name.split("."):
        found = getattr(found, part, None)
    if not is_one(found, value):
        raise ValueError(
            f"{value!r} has no name at the top of the main script that leads to it"
        )
    return f"__main__:{name}"


def named(name: str) -> Any:
    """Return what has a name; see `name_of`.

    Raises:
        ValueError: There is no such thing.
    """
    return load_reference(name)

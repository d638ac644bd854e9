"""References: "module:name", which a file can say where code would name the thing.

Flows in files name classes and functions this way. Loading one imports the module, and
so runs it: a reference is as trusted as code. `reference_to` promises that what it
returns loads the very same object, or raises. Whoever loads what is not trusted does so
under `no_imports`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import MethodType
from typing import Any

__all__ = ["is_one", "is_reference", "load_reference", "no_imports", "reference_to"]

ALLOWED: ContextVar[bool] = ContextVar("routilux_imports", default=True)


@contextmanager
def no_imports() -> Iterator[None]:
    """Refuse all references in the `with` block, on this thread."""
    token = ALLOWED.set(False)
    try:
        yield
    finally:
        ALLOWED.reset(token)


def is_reference(value: object) -> bool:
    """Whether a value has the form "module:name", dots allowed in both halves."""
    if not isinstance(value, str):
        return False
    module, colon, name = value.partition(":")
    parts = [*module.split("."), *name.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def load_reference(reference: str) -> Any:
    """Import what a reference names.

    Args:
        reference: "module:name"; the name may be dotted.

    Raises:
        ValueError: It has another form, there is no such module or name, or imports
            are forbidden here.

    Example:
        >>> load_reference("math:floor")(2.5)
        2
    """
    if not is_reference(reference):
        raise ValueError(f'{reference!r} is not of the form "module:name"')
    if not ALLOWED.get():
        raise ValueError(
            f"{reference!r} would import a module, which imports=False forbids: only"
            " names of the factory are allowed"
        )
    module, _, name = reference.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something that the module imports
        raise ValueError(f"{reference!r}: there is no module {error.name!r}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{reference!r}: {found!r} has no attribute {part!r}")
        found = getattr(found, part)
    return found


def reference_to(value: Any) -> str:
    """Return the reference that loads a class or function.

    Raises:
        ValueError: There is none: a lambda, something inside a function, or of
            `__main__`.
    """
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None)
    reference = f"{module}:{name}"
    if module == "__main__" or not is_reference(reference):
        raise ValueError(
            f"{value!r} can't be imported again: only what has a name at the top of a"
            " module can; no lambda, nothing inside a function, nothing of __main__"
        )
    try:
        found = load_reference(reference)
    except ValueError:
        found = None
    if not is_one(found, value):
        raise ValueError(f"{reference!r} does not lead to {value!r}")
    return reference


def is_one(found: Any, value: Any) -> bool:
    """Whether both are the same thing; a method of a class is made anew each time."""
    if not (isinstance(found, MethodType) and isinstance(value, MethodType)):
        return found is value
    return found.__func__ is value.__func__ and found.__self__ is value.__self__

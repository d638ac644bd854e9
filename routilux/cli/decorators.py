"""Decorators that enter routines into the factory, so that flow files can name them.

The command imports the files of the folders of routines, see `discovery`; what they
decorate is there then. Importing a file twice is no error: the newer class takes the
place of the older one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, overload

from routilux.decorators import make_class
from routilux.routine import Routine
from routilux.tools.factory import ObjectFactory, ObjectMetadata

__all__ = ["auto_register_routine", "register_routine"]

R = TypeVar("R", bound=type[Routine])


def register_routine(
    name: str,
    *,
    category: str = "user",
    tags: Iterable[str] = (),
    description: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Callable[[Callable[[Any], Any]], type[Routine]]:
    """Make a routine of a function, and enter it into the factory.

    It has a slot "input", an event "output" and the immediate policy: each item is
    passed as `function(item)`, and what that returns is emitted as `result=`; see
    `routilux.decorators.routine`.

    Args:
        name: Its name in the factory.
        category: Where a list shows it.
        tags: Words to find it by.
        description: What it does; the first line of its docstring by default.
        metadata: More fields of `ObjectMetadata`.

    Raises:
        ValueError: Another routine has the name.

    Example:
        >>> @register_routine("shout", tags=["text"])
        ... def shout(item):
        ...     return item["text"].upper()
    """

    def decorate(function: Callable[[Any], Any]) -> type[Routine]:
        cls = make_class(function, "input", "output", None)
        cls.__qualname__ = getattr(function, "__qualname__", cls.__qualname__)
        enter(name, cls, category, tags, description, metadata)
        return cls

    return decorate


@overload
def auto_register_routine(cls: R, /) -> R: ...


@overload
def auto_register_routine(
    cls: None = None,
    *,
    name: str | None = None,
    category: str = "user",
    tags: Iterable[str] = (),
    description: str = "",
) -> Callable[[R], R]: ...


def auto_register_routine(
    cls: R | None = None,
    *,
    name: str | None = None,
    category: str = "user",
    tags: Iterable[str] = (),
    description: str = "",
) -> R | Callable[[R], R]:
    """Enter a class of routines into the factory; with or without brackets.

    Args:
        cls: The class.
        name: Its name in the factory; that of the class in snake case by default.
        category: Where a list shows it.
        tags: Words to find it by.
        description: What it does; the first line of its docstring by default.

    Raises:
        TypeError: It is no class of routines.
        ValueError: Another routine has the name.
    """

    def decorate(cls: R) -> R:
        if not isinstance(cls, type) or not issubclass(cls, Routine):
            raise TypeError(f"auto_register_routine is for routines, not for {cls!r}")
        enter(name or snake(cls.__name__), cls, category, tags, description, None)
        return cls

    return decorate if cls is None else decorate(cls)


def enter(
    name: str,
    cls: type[Routine],
    category: str,
    tags: Iterable[str],
    description: str,
    metadata: Mapping[str, Any] | None,
) -> None:
    """Register a class, in the place of its own older self if that is there."""
    factory = ObjectFactory.get_instance()
    facts = {"category": category, "tags": list(tags), **(metadata or {})}
    about = ObjectMetadata(**{**facts, "name": name})
    for row in factory.list_available(object_type="routine"):
        if row["name"] == name and is_same(type(factory.create(name)), cls):
            factory.unregister(name)
    factory.register(name, cls, description, about)


def is_same(old: type, new: type) -> bool:
    """Whether two classes come from the same lines of the same module."""
    return (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)


def snake(name: str) -> str:
    """Return a name in snake case: `HTTPReader2` is `http_reader2`."""
    parts: list[str] = []
    for here, char in enumerate(name):
        ahead = name[here + 1 : here + 2]
        starts = char.isupper() and here > 0
        if starts and (not name[here - 1].isupper() or ahead.islower()):
            parts.append("_")
        parts.append(char.lower())
    return "".join(parts)

"""Serializable: the mixin that gives a class `serialize` and `deserialize`.

`Flow`, `Routine`, `Connection`, `ErrorHandler` and `WorkerState` have it, each with a
form of its own; what they write is in `routilux.serialization.documents`. Classes of
your own may have it as well: they write the fields that they name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from routilux.arguments import iterate

__all__ = ["Serializable", "either"]

T = TypeVar("T")


class either(Generic[T]):
    """A method to be called on an object, to fill it, or on the class, to make one.

    The function gets the class and the object, None where there is none.
    """

    def __init__(self, function: Callable[..., T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: type) -> Callable[..., T]:
        """Bind class and object."""
        function = self.function

        def bound(*args: Any, **kwargs: Any) -> T:
            return function(owner, instance, *args, **kwargs)

        bound.__doc__ = self.__doc__
        return bound


class Serializable:
    """Writes named fields of an object as plain values, and reads them back.

    Example:
        >>> class Point(Serializable):
        ...     def __init__(self):
        ...         self.x = self.y = 0
        ...         self.add_serializable_fields(["x", "y"])
        >>> point = Point()
        >>> point.x = 3
        >>> Point.deserialize(point.serialize()).x
        3
    """

    __slots__ = ()

    def add_serializable_fields(self, fields: Iterable[str]) -> None:
        """Name fields that `serialize` writes; see `serializable_fields`."""
        known = self.serializable_fields()
        added = [name for name in iterate("fields", fields) if name not in known]
        for name in added:
            if not isinstance(name, str):
                raise TypeError(f"a field must be named by a str, not {name!r}")
        self._keep_fields([*known, *added])

    def remove_serializable_fields(self, fields: Iterable[str]) -> None:
        """Take back names that were added."""
        gone = set(iterate("fields", fields))
        left = [name for name in self.serializable_fields() if name not in gone]
        self._keep_fields(left)

    def _keep_fields(self, names: list[str]) -> None:
        try:
            object.__setattr__(self, "_serializable_fields", names)
        except AttributeError:
            raise TypeError(
                f"fields of {self!r} can't be chosen: its class has no place for them"
            ) from None

    def serializable_fields(self) -> list[str]:
        """Return the names that were added."""
        return list(getattr(self, "_serializable_fields", ()))

    def serialize(self, **options: Any) -> dict[str, Any]:
        """Return the object as plain values that JSON can hold.

        Raises:
            SerializationError: Something of it can't be written; the text says what.
        """
        from routilux.serialization import documents

        return documents.serialize(self)

    @either
    def deserialize(
        cls: Any,
        self: Any,
        data: dict[str, Any],
        strict: bool = False,
        registry: Any = None,
    ) -> Any:
        """Make an object of what `serialize` returned; on an object, fill it.

        Args:
            data: What `serialize` returned.
            strict: Refuse keys that are not known.
            registry: Classes by name, for documents that name no module.

        Returns:
            The object.

        Raises:
            SerializationError: The document is of another kind or version, or names
                something that is not there.
        """
        from routilux.serialization import documents

        return documents.deserialize(cls, self, data, strict, registry)

"""Validators: checks of the data that a routine gets, to be called in its logic.

A `Validator` is made once and may be used on any thread; it keeps no state. The runtime
does not call it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from routilux.errors import RoutiluxError

__all__ = ["ValidationError", "Validator"]

Check: TypeAlias = Callable[[Mapping[str, Any]], bool | tuple[bool, str]]


class ValidationError(RoutiluxError):
    """Data is not what a validator asks for.

    Args:
        message: The text of the exception.
        field: The key that is wrong, afterwards the attribute `field`; None: all.
    """

    def __init__(self, message: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Validator:
    """A check of a dict; make one with `types` or `custom`.

    Example:
        >>> validator = Validator.types(name=str, age=int)
        >>> validator.validate({"name": "Ada", "age": 36})
        >>> validator.validate({"name": "Ada"})
        Traceback (most recent call last):
        routilux.validators.ValidationError: field 'age' is missing
    """

    def __init__(self, check: Callable[[Mapping[str, Any]], None]) -> None:
        self._check = check

    @classmethod
    def types(cls, **fields: type | tuple[type, ...]) -> Validator:
        """Ask for these keys, each with a value of its type.

        A bool is no int here, since a flag where a number belongs is a mistake.

        Args:
            **fields: Key to class, or to a tuple of classes.

        Raises:
            TypeError: A value is no class.
        """
        wanted = {}
        for name, kind in fields.items():
            kinds = kind if isinstance(kind, tuple) else (kind,)
            if not kinds or not all(isinstance(one, type) for one in kinds):
                raise TypeError(f"field {name!r} must be a class, not {kind!r}")
            wanted[name] = kinds

        def check(data: Mapping[str, Any]) -> None:
            for name, kinds in wanted.items():
                if name not in data:
                    raise ValidationError(f"field {name!r} is missing", name)
                value = data[name]
                fits = isinstance(value, kinds)
                if (
                    isinstance(value, bool)
                    and bool not in kinds
                    and object not in kinds
                ):
                    fits = False
                if not fits:
                    expected = " or ".join(one.__name__ for one in kinds)
                    raise ValidationError(
                        f"field {name!r} must be {expected}, "
                        f"not {type(value).__name__} ({value!r})",
                        name,
                    )

        return cls(check)

    @classmethod
    def custom(cls, function: Check) -> Validator:
        """Ask a function of yours.

        Args:
            function: Called with the data; answers a bool, or `(bool, message)`.

        Raises:
            TypeError: It is not callable.
        """
        if not callable(function):
            raise TypeError(f"function must be callable, not {function!r}")
        name = getattr(function, "__name__", type(function).__name__)

        def check(data: Mapping[str, Any]) -> None:
            answer = function(data)
            message = f"{name} refused the data"
            if isinstance(answer, tuple):
                answer, message = answer
            if not answer:
                raise ValidationError(str(message))

        return cls(check)

    def validate(self, data: Mapping[str, Any]) -> None:
        """Return if the data is right, or raise.

        Raises:
            ValidationError: What is wrong, and with which key.
        """
        if not isinstance(data, Mapping):
            raise ValidationError(f"data must be a dict, not {type(data).__name__}")
        self._check(data)

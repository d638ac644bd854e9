"""What may be the key of a routine.

Called by the setters of `Routine`. A check raises with the name of what is wrong and
its value in the text; nothing here keeps state.
"""

from __future__ import annotations

__all__ = ["check_key"]


def check_key(routine: object, key: object) -> None:
    """Raise unless a value can be the key of `Routine.set_concurrency`."""
    import inspect  # here: it takes as long to import as half of routilux

    if isinstance(key, str):
        if not key:
            raise ValueError(f"key of {routine!r} must not be empty")
    elif not callable(key):
        raise TypeError(
            f"key of {routine!r} must be the name of a field or a function of an"
            f" item, not {key!r}"
        )
    elif inspect.iscoroutinefunction(key):
        raise TypeError(f"key of {routine!r} must be a plain function, not async")

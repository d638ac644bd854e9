"""JSON lines: how items come in, and how what leaves a flow is written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from routilux.errors import ConfigurationError

__all__ = ["Lines", "item_of", "read_items", "value_of"]


def value_of(text: str) -> Any:
    """Return what a text says as JSON, or else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def item_of(params: Sequence[str]) -> dict[str, Any]:
    """Return the dict that some `KEY=VALUE` make."""
    item = {}
    for text in params:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigurationError(f"a parameter must be KEY=VALUE, not {text!r}")
        item[key] = value_of(value)
    return item


def read_items(
    stream: IO[str], name: str, defaults: Mapping[str, Any]
) -> Iterator[Any]:
    """Read items from JSON lines; empty lines are left out.

    Args:
        stream: The lines.
        name: The file, for messages.
        defaults: Fields for items that lack them.

    Raises:
        ConfigurationError: A line is no JSON, or has no fields where there are
            defaults.
    """
    name = "stdin" if name == "-" else name
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            raise ConfigurationError(
                f"{name}, line {number}, column {error.colno}: {error.msg}"
            ) from None
        if defaults:
            if not isinstance(item, dict):
                raise ConfigurationError(
                    f"{name}, line {number}: parameters need an object, not {item!r}"
                )
            item = {**defaults, **item}
        yield item


class Lines:
    """Writes values as JSON, one a line; what JSON has no form for, as its text.

    Thread-safety: any thread may write; a lock keeps the lines whole.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._ascii = not str(getattr(stream, "encoding", "")).lower().startswith("utf")
        self._lock = threading.Lock()

    def write(self, value: Any) -> None:
        """Write a value, and let readers see it."""
        text = json.dumps(value, ensure_ascii=self._ascii, default=str)
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()

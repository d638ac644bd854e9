"""JSON lines: how items come in, and how what leaves a flow is written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from routilux.errors import ConfigurationError

__all__ = ["Lines", "item_of", "json_of", "read_items"]


def value_of(text: str) -> Any:
    """Return what a text says as JSON, or else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def json_of(text: str) -> Any:
    """Return what the text of `--data` says as JSON, or raise."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"--data must be JSON, not {text!r} (column {error.colno}: {error.msg}); a"
            f" text has quotes, as in {json.dumps(text)}"
        ) from None


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
        ConfigurationError: A line is no JSON or no text, or has no fields where there
            are defaults.
    """
    name = "stdin" if name == "-" else name
    for number, line in enumerate(decoded(stream, name), 1):
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


def decoded(stream: IO[str], name: str) -> Iterator[str]:
    """Yield the lines of a stream; say which one has bytes that are no text."""
    number = 0
    try:
        for line in stream:
            number += 1
            yield line
    except UnicodeDecodeError as error:
        # The part of the file that could not be decoded begins in the line after.
        number += 1 + error.object[: error.start].count(b"\n")
        raise ConfigurationError(
            f"{name}, line {number}: no {error.encoding} text: {error.reason}"
        ) from None


def json_text(value: Any, *, ascii_only: bool) -> str:
    """Return a value as JSON; what JSON has no form for, NaN among it, as its text."""
    options: dict[str, Any] = {"ensure_ascii": ascii_only, "default": str}
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        plain = json.loads(json.dumps(value, **options), parse_constant=str)
        return json.dumps(plain, **options)


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
        text = json_text(value, ascii_only=self._ascii)
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()

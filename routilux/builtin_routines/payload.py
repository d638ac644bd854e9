"""What an item carries for a built-in routine.

Items are dicts of what an event was emitted with, so a Filter that follows a Mapper
gets `{"mapped_data": ..., "fields_mapped": ...}`. Built-in routines know the events of
each other and take the part that matters; `input_key` says it for other items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routilux.builtin_routines.settings import wrong
from routilux.errors import ConfigurationError

__all__ = ["AUTO", "check_input_key", "payload_of"]

AUTO = "auto"

# Exact sets of keys, of which the first is the payload.
SHAPES = (
    ("data",),
    ("data", "route"),
    ("data", "reason"),
    ("data", "sources"),
    ("data", "attempts"),
    ("data", "attempts", "errors"),
    ("data", "error"),
    ("data", "attempt", "error", "delay"),
    ("result",),
    ("item",),
    ("item", "index"),
    ("item", "count"),
    ("item", "index", "count"),
    ("items", "count"),
    ("items", "count", "batch_number"),
    ("mapped_data", "fields_mapped"),
    ("validated_data", "schema_type"),
    ("original_data", "error"),
    ("original_data", "errors", "schema_type"),
    ("partial_data", "missing_slots"),
    ("extracted_result", "format", "metadata", "confidence", "extraction_path"),
)
PAYLOAD_KEYS = {frozenset(shape): shape[0] for shape in SHAPES}


def check_input_key(label: str, value: Any) -> Any:
    """Accept "auto", None, or the name of a key."""
    if value is not None and (not isinstance(value, str) or not value):
        raise wrong(label, '"auto", None or the name of a key', value)
    return value


def payload_of(item: Any, input_key: str | None) -> Any:
    """Return the part of an item that a routine works on.

    Args:
        item: As it came through the slot.
        input_key: None for the whole item; "auto" for the payload of what a built-in
            routine emitted, else the whole item; or the key to take.

    Raises:
        ConfigurationError: The item has no such key.
    """
    if input_key is None:
        return item
    if input_key == AUTO:
        if type(item) is dict and len(item) <= 5:
            key = PAYLOAD_KEYS.get(frozenset(item))
            return item if key is None else item[key]
        return item
    if not isinstance(item, Mapping) or input_key not in item:
        has = f"the keys {list(item)!r}" if isinstance(item, Mapping) else repr(item)
        raise ConfigurationError(
            f"input_key is {input_key!r}, but the item has {has}: set input_key to one"
            ' of its keys, to None for the whole item, or to "auto"'
        )
    return item[input_key]

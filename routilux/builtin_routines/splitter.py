"""Splitter: turns one item with many parts into many items."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, ClassVar

from routilux.builtin_routines.configured import ConfiguredRoutine
from routilux.builtin_routines.paths import MISSING, look_up, split_path
from routilux.builtin_routines.settings import (
    Setting,
    Settings,
    choice,
    flag,
    optional,
    text,
)
from routilux.context import is_wanted

if TYPE_CHECKING:
    from routilux.worker import WorkerState

__all__ = ["Splitter"]


class Splitter(ConfiguredRoutine):
    """Emit each part of a collection as an item of its own.

    Slot `input`. Events `item` (item, index, count), `empty` () for a collection
    without parts, `error` (error, data) for what can't be split, or raises while it is
    read; an error that no routine listens to fails the job.

    A collection is split while it is read, so that a generator of any length goes
    through a bounded queue. When its job is cancelled, no more of it is read.

    Configuration:
        field: Path of the collection in the data; None: the data itself.
        split_strings: Split a str too, into its characters or at `separator`; else
            it is one part.
        separator: Where to split a str.
        dict_mode: Parts of a dict: its "values", "items" (pairs), "keys", or "entries"
            (`{"key": ..., "value": ...}`).
        include_index: Give each part its index.
        include_count: Give each part the number of all; reads the collection first.

    Example:
        >>> lines = Splitter()
        >>> lines.set_config(field="lines", include_index=True)
    """

    settings: ClassVar[Settings] = {
        "field": Setting(None, optional(text)),
        "split_strings": Setting(False, flag),
        "separator": Setting(None, optional(text)),
        "dict_mode": Setting("values", choice("values", "items", "keys", "entries")),
        "include_index": Setting(False, flag),
        "include_count": Setting(False, flag),
    }

    def _build_ports(self) -> None:
        self.add_slot("input")
        self.add_event("item", ["item", "index", "count"])
        self.add_event("empty", [])
        self.add_event("error", ["error", "data"])
        self._bring_immediate()

    def _derive(self, config: dict[str, Any]) -> None:
        if config["field"] is not None:
            split_path(config["field"])  # raises if it is none

    def handle(self, data: Any, worker_state: WorkerState) -> None:
        """Emit the parts of the data."""
        # Only what reads the collection is in a `try`: what emit() raises is not an
        # error of the data.
        try:
            parts, extra = self._begin(data)
        except Exception as error:
            self._fail(error, worker_state, "error", data=data)
            return
        for index in itertools.count():
            try:
                part = next(parts)
            except StopIteration:
                break
            except Exception as error:
                self._fail(error, worker_state, "error", data=data)
                return
            if self._config["include_index"]:
                extra["index"] = index
            self.emit("item", item=part, **extra)
            if not is_wanted():
                if isinstance(parts, Generator):
                    parts.close()
                return
        if index == 0:
            self.emit("empty")

    def _begin(self, data: Any) -> tuple[Iterator[Any], dict[str, Any]]:
        # An iterator over the parts, and what is emitted with each of them.
        parts = self._parts(data)
        if not self._config["include_count"]:
            return iter(parts), {}
        if not isinstance(parts, Sized):
            parts = list(parts)
        return iter(parts), {"count": len(parts)}

    def _parts(self, data: Any) -> Iterable[Any]:
        config = self._config
        if config["field"] is not None:
            found = look_up(data, config["field"])
            if found is MISSING:
                raise LookupError(f"the data has no field {config['field']!r}")
            data = found
        if isinstance(data, str):
            if not config["split_strings"]:
                return [data]
            separator = config["separator"]
            return data if separator is None else data.split(separator)
        if isinstance(data, bytes):
            return [data]
        if isinstance(data, Mapping):
            return split_mapping(data, config["dict_mode"])
        if not isinstance(data, Iterable):
            raise TypeError(f"{type(data).__name__} is no collection: {data!r}")
        return data


def split_mapping(data: Mapping[Any, Any], mode: str) -> Iterable[Any]:
    """Return the parts of a mapping, as a dict mode says."""
    if mode == "values":
        return list(data.values())
    if mode == "keys":
        return list(data)
    if mode == "items":
        return list(data.items())
    return [{"key": key, "value": value} for key, value in data.items()]

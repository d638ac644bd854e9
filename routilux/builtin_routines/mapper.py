"""Mapper: builds a dict out of the data, field by field."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from routilux.builtin_routines.configured import ConfiguredRoutine
from routilux.builtin_routines.expressions import FUNCTIONS, Expression
from routilux.builtin_routines.paths import (
    MISSING,
    compile_jsonpath,
    look_up,
    root_of,
    root_of_jsonpath,
    split_path,
)
from routilux.builtin_routines.settings import (
    Setting,
    Settings,
    any_value,
    flag,
    integer,
    text,
    wrong,
)
from routilux.errors import ConfigurationError, name_hint
from routilux.references import is_reference, load_reference

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.worker import WorkerState

__all__ = ["Mapper"]

SPEC_KEYS = ("path", "transform", "default")


class Field(NamedTuple):
    """How one field of the result is made."""

    target: str
    find: Callable[[Any], Any]  # MISSING when there is nothing
    transform: Callable[[Any, Any], Any] | None
    default: Any
    root: Callable[[Mapping[Any, Any]], Any]  # the key of the data that it uses up


def check_mappings(label: str, value: Any) -> dict[str, Any]:
    """Accept {target: source}; what the sources are is checked in `Mapper._derive`."""
    if not isinstance(value, Mapping):
        raise wrong(label, "a dict of target to source", value)
    for target in value:
        text(f"each target in {label}", target)
    return dict(value)


class Mapper(ConfiguredRoutine):
    """Build a dict out of the data, field by field.

    Slot `input`. Events `output` (mapped_data, fields_mapped) and `error` (error,
    original_data); an error that no routine listens to fails the job.

    Configuration:
        mappings: {target: source}. A source is a path ("user.name", "tags[0]"), a
            JSONPath ("$.user.name"), a callable that gets the data, or a dict with
            `path`, `transform` and `default`. A transform is a callable, the name of a
            function ("upper"), or an expression over `value`, `data` and `config`.
        jsonpath_enabled: Whether a path that starts with "$" is JSONPath.
        drop_missing: Leave a target out when its source is missing; else it gets
            `default_value`.
        keep_unmapped: Keep the other keys of the data as they are.
        default_value: See `drop_missing`.
        max_cache_size: How many JSONPaths are kept parsed.

    Any other key is a constant that expressions find in `config`.

    Example:
        >>> mapper = Mapper()
        >>> mapper.set_config(mappings={"name": "user.name", "n": {"path": "n",
        ...     "transform": "int(value) + 1", "default": 0}})
    """

    settings: ClassVar[Settings] = {
        "mappings": Setting({}, check_mappings),
        "jsonpath_enabled": Setting(True, flag),
        "drop_missing": Setting(True, flag),
        "keep_unmapped": Setting(False, flag),
        "default_value": Setting(None, any_value),
        "max_cache_size": Setting(100, integer(0)),
    }
    takes_constants: ClassVar[bool] = True

    _fields: list[Field]

    def _build_ports(self) -> None:
        self.add_slot("input")
        self.add_event("output", ["mapped_data", "fields_mapped"])
        self.add_event("error", ["error", "original_data"])
        self._bring_immediate()

    def _derive(self, config: dict[str, Any]) -> list[Field]:
        parse = functools.lru_cache(config["max_cache_size"])(compile_jsonpath)
        return [
            self._field(target, source, config, parse)
            for target, source in config["mappings"].items()
        ]

    def _apply(self, config: dict[str, Any], derived: list[Field]) -> None:
        self._fields = derived

    def add_mapping(
        self,
        target: str,
        source: Any,
        transform: Any = None,
        default: Any = MISSING,
    ) -> Self:
        """Add the mapping of one target, or replace it; returns the routine."""
        if transform is not None or default is not MISSING:
            source = {"path": source, "transform": transform}
            if default is not MISSING:
                source["default"] = default
        self.set_config(mappings={**self._config["mappings"], target: source})
        return self

    def handle(self, data: Any, worker_state: WorkerState) -> None:
        """Emit what the mappings make of the data."""
        try:
            mapped, count = self._map(data)
        except Exception as error:
            self._fail(error, worker_state, "error", original_data=data)
            return
        self.emit("output", mapped_data=mapped, fields_mapped=count)

    def _map(self, data: Any) -> tuple[dict[Any, Any], int]:
        config = self._config
        mapped: dict[Any, Any] = {}
        count = 0
        if config["keep_unmapped"]:
            if not isinstance(data, Mapping):
                raise TypeError(f"keep_unmapped needs a dict, not {data!r}")
            used = {field.root(data) for field in self._fields}
            mapped = {key: value for key, value in data.items() if key not in used}
        for field in self._fields:
            value = field.find(data)
            if value is not MISSING:
                count += 1
                if field.transform is not None:
                    value = field.transform(value, data)
            elif field.default is not MISSING:
                value = field.default
            elif config["drop_missing"]:
                continue
            else:
                value = config["default_value"]
            mapped[field.target] = value
        return mapped, count

    def _field(
        self, target: str, source: Any, config: dict[str, Any], parse: Any
    ) -> Field:
        label = f"Mapper: the mapping of {target!r}"
        transform, default = None, MISSING
        if isinstance(source, Mapping):
            for key in source:
                if key not in SPEC_KEYS:
                    hint = name_hint(str(key), SPEC_KEYS, "keys")
                    raise ConfigurationError(f"{label} has no key {key!r}. {hint}")
            if "path" not in source:
                raise ConfigurationError(f"{label} lacks the key 'path'")
            transform = compile_transform(label, source.get("transform"), config)
            default = source.get("default", MISSING)
            source = source["path"]
        if isinstance(source, str) and is_reference(source):
            source = import_callable(label, source)
        if callable(source):
            return Field(target, source, transform, default, lambda data: MISSING)
        path = text(label, source)
        if path.startswith("$") and config["jsonpath_enabled"]:
            find, key = parse(path, label), root_of_jsonpath(path)
            return Field(target, find, transform, default, lambda data: key)
        split_path(path)
        look = functools.partial(look_up, path=path)
        root = functools.partial(root_of, path=path)
        return Field(target, look, transform, default, root)


def import_callable(label: str, reference: str) -> Callable[..., Any]:
    """Return the callable that a reference names."""
    try:
        found = load_reference(reference)
    except ValueError as error:
        raise ConfigurationError(f"{label}: {error}") from error
    if not callable(found):
        raise wrong(label, '"module:name" of a callable', reference)
    result: Callable[..., Any] = found
    return result


def compile_transform(
    label: str, transform: Any, config: Mapping[str, Any]
) -> Callable[[Any, Any], Any] | None:
    """Return a transform as a function of (value, data), None for None."""
    if transform is None:
        return None
    if isinstance(transform, str) and is_reference(transform):
        transform = import_callable(label, transform)
    if isinstance(transform, str) and transform in FUNCTIONS:
        transform = FUNCTIONS[transform]
    if isinstance(transform, str):
        where = f"{label}: transform"
        expression = Expression(transform, ("value", "data", "config"), where)
        return lambda value, data: expression.evaluate(
            {"value": value, "data": data, "config": config}
        )
    if not callable(transform):
        raise wrong(f"{label}: transform", "a callable or an expression", transform)
    function: Callable[[Any], Any] = transform
    return lambda value, data: function(value)

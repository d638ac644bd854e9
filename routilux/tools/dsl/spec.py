"""The spec of a flow: what its parts are called, and how wrong ones are reported.

A spec is plain data, as YAML and JSON have it:

    flow_id: orders
    routines:
      read: {class: my_package.readers:Reader, config: {path: in.csv}}
      check: {class: filter, config: {condition: "data['price'] > 0"}}
    connections:
      - {from: read.output, to: check.input}

`loader` builds flows from specs, `exporter` writes specs of flows. Both go by the
tables here. Every complaint names the place in the spec: `routines.read.config`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from routilux.activation_policies import (
    all_slots_ready_policy,
    batch_size_policy,
    custom_policy,
    immediate_policy,
    time_interval_policy,
)
from routilux.errors import ConfigurationError, name_hint
from routilux.extras import load_extra

__all__ = [
    "FLOW_KEYS",
    "HANDLER_KEYS",
    "POLICIES",
    "ROUTINE_KEYS",
    "SLOT_KEYS",
    "check_keys",
    "check_names",
    "dump_yaml",
    "expect",
    "guard",
    "parse_json",
    "parse_yaml",
    "part_of",
]

FLOW_KEYS = (
    *("flow_id", "routines", "connections", "execution", "error_handler"),
    "dead_letter",
)
ROUTINE_KEYS = (
    *("class", "config", "error_handler", "policy", "logic", "slots", "events"),
    *("concurrency", "timeout"),
)
SLOT_KEYS = (
    *("max_queue_length", "watermark", "overflow"),
    *("timestamps", "dtype", "shape"),
)
HANDLER_KEYS = (
    *("strategy", "max_retries", "retry_delay", "retry_backoff", "is_critical"),
    *("retryable_exceptions", "retry_jitter", "max_delay"),
)
# Name of a policy -> (factory, its arguments).
POLICIES = {
    "immediate": (immediate_policy, ()),
    "all_slots_ready": (all_slots_ready_policy, ()),
    "batch_size": (batch_size_policy, ("min_batch_size", "max_wait")),
    "time_interval": (time_interval_policy, ("min_interval_seconds",)),
    "custom": (custom_policy, ("check",)),
}


def expect(where: str, value: Any, kind: type, wanted: str) -> Any:
    """Return a value of a kind, or raise with its place."""
    if not isinstance(value, kind):
        raise ConfigurationError(
            f"{where} must be {wanted}, not {type(value).__name__} ({value!r})"
        )
    return value


def check_keys(where: str, value: Any, allowed: Iterable[str]) -> Mapping[str, Any]:
    """Return a mapping whose keys are all known, or raise with its place."""
    expect(where, value, Mapping, "a mapping")
    for key in value:
        if key not in allowed:
            hint = name_hint(str(key), allowed, "keys")
            raise ConfigurationError(f"{where} has no key {key!r}. {hint}")
    result: Mapping[str, Any] = value
    return result


def part_of(spec: Mapping[str, Any], key: str, default: Any) -> Any:
    """Return a part of a spec; None means left out."""
    value = spec.get(key)
    return default if value is None else value


def guard(where: str, call: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call something, and add the place to what it complains about."""
    try:
        return call(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where}: {error}") from error


def check_names(where: str, value: Any) -> Mapping[str, Any]:
    """Return a mapping of names, or raise with its place."""
    expect(where, value, Mapping, "a list of names, or a mapping")
    for name in value:
        expect(f"each name in {where}", name, str, "a name")
    result: Mapping[str, Any] = value
    return result


def parse_yaml(text: str) -> Any:
    """Return what a YAML text says, as plain data.

    Raises:
        ConfigurationError: It is no YAML or has a key twice, or `pyyaml` is missing.
        ValueError: It is empty.
    """
    yaml = load_extra("yaml", "a flow as YAML")
    if not isinstance(text, (str, bytes)):
        raise TypeError(f"the YAML must be a str, not {type(text).__name__}")
    try:
        found = yaml.load(text, Loader=yaml_loader(yaml))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the flow is no YAML: {error}") from None
    if found is None:
        raise ValueError("the YAML of the flow is empty")
    return found


def parse_json(text: str) -> Any:
    """Return what a JSON text says.

    Raises:
        ConfigurationError: It is no JSON, or has a key twice.
    """
    doubled: list[tuple[dict[str, Any], str]] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            doubled.append((made, next(key for key in keys if keys.count(key) > 1)))
        return made

    try:
        found = json.loads(text, object_pairs_hook=build)
    except ValueError as error:
        raise ConfigurationError(f"the flow is no JSON: {error}") from None
    if doubled:  # the last one is in no other that has lost its place
        made, key = doubled[-1]
        place = path_to(found, made) or "the flow"
        raise ConfigurationError(f"{place} has the key {key!r} twice")
    return found


def path_to(value: Any, wanted: Any) -> str | None:
    """Return where a part of plain data is: "routines.read"; "" for all of it."""
    if value is wanted:
        return ""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, (dict, list)):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        path = path_to(part, wanted)
        if path is not None:
            return f"{key}.{path}".rstrip(".")
    return None


def yaml_loader(yaml: Any) -> Any:
    """Return a safe loader that refuses a key that stands twice in a mapping."""
    safe: Any = yaml.SafeLoader

    class Loader(safe):  # type: ignore[misc]
        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            seen = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                    continue
                if (key.tag, key.value) in seen:
                    mark = key.start_mark
                    raise ConfigurationError(
                        f"line {mark.line + 1}, column {mark.column + 1} of the flow"
                        f" has the key {key.value!r} again: each may stand once"
                    )
                seen.add((key.tag, key.value))
            return node

    return Loader


def dump_yaml(spec: Any) -> str:
    """Return plain data as YAML, in its own order."""
    yaml = load_extra("yaml", "a flow as YAML")
    text: str = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)
    return text

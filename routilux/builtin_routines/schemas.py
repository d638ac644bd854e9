"""The kinds of schema of a SchemaValidator, each as one function of the data.

`pydantic` and `jsonschema` are imported when a schema of their kind is set. A check
returns the data as it is to go on, and the errors; it raises for no data, only for a
check of the user's own that is broken.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from routilux.builtin_routines.settings import wrong
from routilux.errors import ConfigurationError
from routilux.extras import load_extra
from routilux.references import is_reference, load_reference

__all__ = ["SCHEMA_TYPES", "Check", "compile_schema", "outcome_of"]

SCHEMA_TYPES = ("pydantic", "jsonschema", "custom")
LABEL = "SchemaValidator: config 'schema'"
# As JSON writes one; int() and float() also take "1_000", "nan" and other digits.
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<rest>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")

Errors: TypeAlias = list[dict[str, Any]]


class Check(NamedTuple):
    """A schema that was checked itself: `run(data) -> (data, errors)`."""

    kind: str
    run: Callable[[Any], tuple[Any, Errors]]


def error_of(field: str, message: str, kind: str) -> dict[str, Any]:
    """Return one error as events carry it."""
    return {"field": field, "message": message, "type": kind}


def compile_schema(schema: Any, kind: str, *, strict: bool, coerce: bool) -> Check:
    """Check a schema and return it in a form that can be run.

    Args:
        schema: The schema, or "module:name" of one.
        kind: "auto", or one of `SCHEMA_TYPES`.
        strict: Convert nothing, and check formats.
        coerce: Convert what means the same.

    Raises:
        ConfigurationError: It is no schema of that kind, or the library is missing.
    """
    if isinstance(schema, str) and is_reference(schema):
        try:
            schema = load_reference(schema)
        except ValueError as error:
            raise ConfigurationError(f"{LABEL}: {error}") from error
    if kind == "auto":
        kind = kind_of(schema)
    if kind == "pydantic":
        return Check(kind, with_pydantic(schema, strict=strict or not coerce))
    if kind == "jsonschema":
        return Check(kind, with_jsonschema(schema, strict=strict, coerce=coerce))
    if not callable(schema):
        raise wrong(LABEL, "a callable, for schema_type 'custom'", schema)
    return Check(kind, lambda data: (data, outcome_of(schema, data, "")))


def kind_of(schema: Any) -> str:
    """Return the kind that a schema seems to be."""
    if isinstance(schema, (Mapping, bool)):
        return "jsonschema"
    if isinstance(schema, type) or hasattr(schema, "__origin__"):
        return "pydantic"
    if callable(schema):
        return "custom"
    raise wrong(LABEL, "a pydantic model, a JSON schema or a callable", schema)


def with_pydantic(schema: Any, *, strict: bool) -> Callable[[Any], tuple[Any, Errors]]:
    """Return a check by pydantic: of a model, a dataclass, or any other type."""
    pydantic = load_extra("pydantic", "SchemaValidator with a pydantic schema")
    try:
        adapter = pydantic.TypeAdapter(schema)
    except pydantic.errors.PydanticUserError as error:
        raise ConfigurationError(f"{LABEL}: {error}") from error

    def run(data: Any) -> tuple[Any, Errors]:
        try:
            value = adapter.validate_python(data, strict=strict or None)
        except pydantic.ValidationError as error:
            return data, [
                error_of(".".join(map(str, e["loc"])), e["msg"], e["type"])
                for e in error.errors(include_url=False, include_context=False)
            ]
        return adapter.dump_python(value), []

    return run


def with_jsonschema(
    schema: Any, *, strict: bool, coerce: bool
) -> Callable[[Any], tuple[Any, Errors]]:
    """Return a check by `jsonschema`, of the draft that the schema names."""
    if not isinstance(schema, (Mapping, bool)):
        raise wrong(LABEL, "a dict, for schema_type 'jsonschema'", schema)
    library = load_extra("jsonschema", "SchemaValidator with a JSON schema")
    cls = library.validators.validator_for(schema, default=library.Draft202012Validator)
    try:
        cls.check_schema(schema)
    except library.SchemaError as error:
        raise ConfigurationError(f"{LABEL}: {error.message}") from None
    # Its own registry would fetch what a "$ref" names from the net.
    registry = load_extra("jsonschema_specifications", "a JSON schema").REGISTRY
    checker = cls.FORMAT_CHECKER if strict else None
    validator = cls(schema, format_checker=checker, registry=registry)

    def run(data: Any) -> tuple[Any, Errors]:
        value = coerced(data, schema) if coerce else data
        found = sorted(
            validator.iter_errors(value), key=lambda e: list(map(str, e.path))
        )
        errors = [
            error_of(".".join(map(str, e.absolute_path)), e.message, str(e.validator))
            for e in found
        ]
        return (data if errors else value), errors

    return run


def coerced(data: Any, schema: Any) -> Any:
    """Return data with strs converted where a JSON schema wants something else.

    Only what means the same: "5" for 5, "true" for True. What can't be converted stays
    for the schema to refuse.
    """
    if not isinstance(schema, Mapping):
        return data
    if isinstance(data, Mapping):
        parts = schema.get("properties", {})
        return {key: coerced(value, parts.get(key)) for key, value in data.items()}
    if isinstance(data, list):
        return [coerced(value, schema.get("items")) for value in data]
    if isinstance(data, str):
        return converted(data, schema.get("type"))
    return data


def converted(value: str, kind: Any) -> Any:
    """Return what a str means as a type of JSON, the str itself if it does not."""
    kinds = [kind] if isinstance(kind, str) else kind or []
    if "string" in kinds:
        return value
    text = value.strip()
    if "boolean" in kinds and text.lower() in ("true", "false"):
        return text.lower() == "true"
    found = NUMBER.fullmatch(text)
    if found is None:
        return value
    if "integer" in kinds and not found["rest"]:
        with suppress(ValueError):  # more digits than Python reads
            return int(text)
    if "number" in kinds and math.isfinite(float(text)):
        return float(text)
    return value


def outcome_of(function: Callable[[Any], Any], value: Any, field: str) -> Errors:
    """Return the errors that a check of the user's own finds in a value.

    Raises:
        TypeError: The check returned something that tells neither.
    """
    try:
        answer = function(value)
    except ValueError as error:
        answer = str(error) or type(error).__name__
    if inspect.iscoroutine(answer):
        answer.close()
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], bool):
        answer = True if answer[0] else answer[1]
    if answer is True or answer is None:
        return []
    if answer is False:
        answer = "the check says no"
    texts = [answer] if isinstance(answer, str) else answer
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError(
            f"the check {function!r} must return True, None, False, a text, a list of"
            f" texts or (bool, text), not {answer!r}"
        )
    return [error_of(field, text, "custom") for text in texts]

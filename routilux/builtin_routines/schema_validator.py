"""SchemaValidator: tells data that fits a schema from data that does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from routilux.builtin_routines.configured import ConfiguredRoutine
from routilux.builtin_routines.paths import MISSING, look_up, split_path
from routilux.builtin_routines.schemas import (
    SCHEMA_TYPES,
    Check,
    compile_schema,
    outcome_of,
)
from routilux.builtin_routines.settings import (
    Setting,
    Settings,
    any_value,
    callable_value,
    choice,
    flag,
    mapping,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.worker import WorkerState

__all__ = ["SchemaValidator"]


class SchemaValidator(ConfiguredRoutine):
    """Check data against a schema.

    Slot `input`. Events `valid` (validated_data, schema_type) and `invalid` (errors,
    original_data, schema_type). An error is a dict with `field`, `message` and `type`.

    Configuration:
        schema: A pydantic model or another type, a JSON schema as a dict, a callable,
            or "module:name" of one of them. A callable gets the data and returns True
            or None for valid, False, a text or a list of texts, or (bool, text); it may
            raise a ValueError.
        schema_type: "auto" (by what the schema is), "pydantic", "jsonschema", "custom".
        strict_mode: No conversions; a JSON schema's formats are checked too.
        coerce_types: Convert what means the same: "5" where a number belongs.
        custom_validators: {path: callable}, checks of single fields beside the schema;
            like a schema that is a callable, with the value of the field.

    `validated_data` is plain data, converted; of a pydantic model its `model_dump()`.

    Example:
        >>> validator = SchemaValidator()
        >>> validator.set_config(schema={"type": "object", "required": ["name"]})
    """

    settings: ClassVar[Settings] = {
        "schema": Setting(None, any_value),
        "schema_type": Setting("auto", choice("auto", *SCHEMA_TYPES)),
        "strict_mode": Setting(False, flag),
        "coerce_types": Setting(True, flag),
        "custom_validators": Setting({}, mapping),
    }

    _check: Check | None
    _fields: dict[str, Callable[[Any], Any]]

    def _build_ports(self) -> None:
        self.add_slot("input")
        self.add_event("valid", ["validated_data", "schema_type"])
        self.add_event("invalid", ["errors", "original_data", "schema_type"])
        self._bring_immediate()

    def _derive(self, config: dict[str, Any]) -> tuple[Check | None, dict[str, Any]]:
        fields = {}
        for path, function in config["custom_validators"].items():
            label = f"SchemaValidator: config 'custom_validators': {path!r}"
            split_path(str(path))
            fields[str(path)] = callable_value(label, function)
        check = None
        if config["schema"] is not None:
            check = compile_schema(
                config["schema"],
                config["schema_type"],
                strict=config["strict_mode"],
                coerce=config["coerce_types"] and not config["strict_mode"],
            )
        return check, fields

    def _apply(self, config: dict[str, Any], derived: Any) -> None:
        self._check, self._fields = derived

    def _find_fault(self) -> str | None:
        if self._check is None and not self._fields:
            return "it has no schema; set config 'schema' or 'custom_validators'"
        return None

    def set_pydantic_schema(self, model: Any) -> Self:
        """Check against a pydantic model or another type; returns the routine."""
        self.set_config(schema=model, schema_type="pydantic")
        return self

    def set_jsonschema(self, schema: Mapping[str, Any] | bool) -> Self:
        """Check against a JSON schema; returns the routine."""
        self.set_config(schema=schema, schema_type="jsonschema")
        return self

    def set_custom_validator(self, function: Callable[[Any], Any]) -> Self:
        """Check by a function of the data; returns the routine."""
        self.set_config(schema=function, schema_type="custom")
        return self

    def add_field_validator(self, field: str, function: Callable[[Any], Any]) -> Self:
        """Check one field by a function of its value, too; returns the routine."""
        known = self._config["custom_validators"]
        self.set_config(custom_validators={**known, field: function})
        return self

    def handle(self, data: Any, worker_state: WorkerState) -> None:
        """Emit the data through one of the two events."""
        value = data
        errors: list[dict[str, Any]] = []
        kind = "custom"
        if self._check is not None:
            kind = self._check.kind
            value, errors = self._check.run(data)
        for path, function in self._fields.items():
            found = look_up(data if errors else value, path)
            if found is not MISSING:
                errors = [*errors, *outcome_of(function, found, path)]
        if errors:
            self.emit("invalid", errors=errors, original_data=data, schema_type=kind)
        else:
            self.emit("valid", validated_data=value, schema_type=kind)

"""Flows from text and to text: the methods of `Flow` that `tools.dsl` carries out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from routilux.flow import Flow

__all__ = ["Portable"]


class Portable:
    """What reads and writes flows as plain data, YAML and JSON."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any], *, imports: bool = True) -> Flow:
        """Build a flow from a spec.

        Args:
            spec: A dict with `routines`, and any of `flow_id`, `connections`,
                `execution` and `error_handler`.
            imports: Whether "module:name" in it is imported. Such a spec is as trusted
                as code; without, it makes nothing but what the `ObjectFactory` has.

        Raises:
            ConfigurationError: Something in it is wrong; the message names the place.
        """
        from routilux.tools.dsl import load_flow_from_spec

        return load_flow_from_spec(spec, imports=imports)

    @classmethod
    def from_yaml(cls, text: str, *, imports: bool = True) -> Flow:
        """Build a flow from a spec as YAML; see `from_dict`.

        Raises:
            ConfigurationError: It is no YAML, wrong, or `pyyaml` is not installed.
            ValueError: It is empty.
        """
        from routilux.tools.dsl import parse_yaml

        return cls.from_dict(parse_yaml(text), imports=imports)

    @classmethod
    def from_json(cls, text: str, *, imports: bool = True) -> Flow:
        """Build a flow from a spec as JSON; see `from_dict`.

        Raises:
            ConfigurationError: It is no JSON, or wrong.
        """
        from routilux.tools.dsl import parse_json

        return cls.from_dict(parse_json(text), imports=imports)

    def to_dict(self) -> dict[str, Any]:
        """Return the flow as a spec, which `from_dict` builds again.

        Raises:
            ConfigurationError: Something has no plain form, a lambda for example; the
                message names routine and key.
        """
        spec: dict[str, Any] = self._export("dict")
        return spec

    def to_yaml(self) -> str:
        """Return the flow as a spec in YAML; see `to_dict`."""
        return str(self._export("yaml"))

    def to_json(self) -> str:
        """Return the flow as a spec in JSON; see `to_dict`."""
        return str(self._export("json"))

    def _export(self, form: str) -> Any:
        from routilux.tools.factory import ObjectFactory

        factory = ObjectFactory.get_instance()
        return factory.export_flow_to_dsl(cast("Flow", self), form)

"""The names of `routilux.tools.dsl` under a shorter import path."""

from routilux.tools.dsl import (
    export_flow,
    load_flow_from_spec,
    parse_json,
    parse_spec,
    parse_yaml,
)

__all__ = [
    "export_flow",
    "load_flow_from_spec",
    "parse_json",
    "parse_spec",
    "parse_yaml",
]

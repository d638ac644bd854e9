"""Flows as plain data: read from YAML, JSON or dicts, and written."""

from routilux.tools.dsl.exporter import export_flow
from routilux.tools.dsl.loader import load_flow_from_spec, parse_spec
from routilux.tools.dsl.spec import parse_json, parse_yaml

__all__ = [
    "export_flow",
    "load_flow_from_spec",
    "parse_json",
    "parse_spec",
    "parse_yaml",
]

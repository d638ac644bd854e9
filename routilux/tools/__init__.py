"""Tools around flows: factory, files, tests, analysis."""

from routilux.tools.analysis import (
    D2Exporter,
    MarkdownExporter,
    RoutineAnalyzer,
    WorkflowAnalyzer,
    analyze_routine_file,
    analyze_workflow,
)
from routilux.tools.dsl import export_flow, load_flow_from_spec, parse_spec
from routilux.tools.factory import (
    ObjectFactory,
    ObjectMetadata,
    clone_flow,
    clone_routine,
)
from routilux.tools.testing import RoutineTester

__all__ = [
    "D2Exporter",
    "MarkdownExporter",
    "ObjectFactory",
    "ObjectMetadata",
    "RoutineAnalyzer",
    "RoutineTester",
    "WorkflowAnalyzer",
    "analyze_routine_file",
    "analyze_workflow",
    "clone_flow",
    "clone_routine",
    "export_flow",
    "load_flow_from_spec",
    "parse_spec",
]

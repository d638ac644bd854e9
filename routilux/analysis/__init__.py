"""What routines and flows consist of: as data, as Markdown, as diagrams."""

from routilux.analysis.formatters import (
    BaseFormatter,
    RoutineMarkdownFormatter,
    WorkflowD2Formatter,
)
from routilux.analysis.routines import RoutineAnalyzer, analyze_routine_file
from routilux.analysis.workflows import WorkflowAnalyzer, analyze_workflow

# Names of older versions.
D2Exporter = WorkflowD2Formatter
MarkdownExporter = RoutineMarkdownFormatter

__all__ = [
    "BaseFormatter",
    "D2Exporter",
    "MarkdownExporter",
    "RoutineAnalyzer",
    "RoutineMarkdownFormatter",
    "WorkflowAnalyzer",
    "WorkflowD2Formatter",
    "analyze_routine_file",
    "analyze_workflow",
]

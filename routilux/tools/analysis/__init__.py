"""The names of `routilux.analysis` under their older import path."""

from routilux.analysis import (
    BaseFormatter,
    D2Exporter,
    MarkdownExporter,
    RoutineAnalyzer,
    RoutineMarkdownFormatter,
    WorkflowAnalyzer,
    WorkflowD2Formatter,
    analyze_routine_file,
    analyze_workflow,
)

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

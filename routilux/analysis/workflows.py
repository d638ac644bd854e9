"""WorkflowAnalyzer: what a flow consists of, as plain data."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from routilux.analysis.formatters import WorkflowD2Formatter
from routilux.analysis.routines import RoutineAnalyzer
from routilux.analysis.sources import describe_class

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.routine import Routine

__all__ = ["WorkflowAnalyzer", "analyze_workflow"]


class WorkflowAnalyzer:
    """Describes flows.

    Thread-safety: holds no state of its own.

    Args:
        routine_analyzer: Used to read the sources of the routines; None for a
            `RoutineAnalyzer`.

    Example:
        >>> data = WorkflowAnalyzer().analyze_flow(flow)
        >>> print(WorkflowAnalyzer().to_d2_format(data))
    """

    def __init__(self, routine_analyzer: RoutineAnalyzer | None = None) -> None:
        self.routine_analyzer = routine_analyzer or RoutineAnalyzer()

    def analyze_flow(
        self, flow: Flow, include_source_analysis: bool = True
    ) -> dict[str, Any]:
        """Describe a flow.

        Args:
            flow: The flow; it may be running.
            include_source_analysis: Read the sources of its routines too, into
                `source_info`; None where there is no source.

        Returns:
            A dict with the keys flow_id, execution_strategy, max_workers (None, since
            the runtime's pool decides), execution_timeout, routines, connections,
            dependency_graph (for each routine, those whose events it hears) and
            entry_points (routines that only `post()` can feed, and those with a slot
            named "trigger").
        """
        connections = [
            {
                "source_routine_id": item.source_routine_id,
                "source_event": item.source_event_name,
                "target_routine_id": item.target_routine_id,
                "target_slot": item.target_slot_name,
                "param_mapping": None,
            }
            for item in flow.connections
        ]
        routines = dict(flow.routines)
        graph: dict[str, list[str]] = {routine_id: [] for routine_id in routines}
        for item in connections:
            sources = graph[str(item["target_routine_id"])]
            source = str(item["source_routine_id"])
            if source not in sources:
                sources.append(source)
        return {
            "flow_id": flow.flow_id,
            "execution_strategy": "concurrent",
            "max_workers": None,
            "execution_timeout": flow.execution_timeout,
            "routines": [
                describe_routine(routine_id, routine, include_source_analysis)
                for routine_id, routine in routines.items()
            ],
            "connections": connections,
            "dependency_graph": graph,
            "entry_points": [
                routine_id
                for routine_id, routine in routines.items()
                if "trigger" in routine.slots
                or (routine.slots and not set(graph[routine_id]) - {routine_id})
            ],
        }

    def to_json(self, data: dict[str, Any], indent: int = 2) -> str:
        """Return an analysis as JSON; what JSON has no form for, as its text."""
        return json.dumps(data, indent=indent, ensure_ascii=False, default=str)

    def save_json(self, data: dict[str, Any], path: str | Path) -> None:
        """Write an analysis to a file, as JSON."""
        Path(path).write_text(self.to_json(data) + "\n", encoding="utf-8")

    def to_d2_format(
        self,
        data: dict[str, Any],
        mode: Literal["standard", "ultimate"] = "standard",
        routine_analysis: dict[str, Any] | None = None,
    ) -> str:
        """Return an analysis as a diagram in the D2 language.

        Args:
            data: From `analyze_flow`.
            mode: "standard": a box for each routine; "ultimate": its slots, events and
                configuration inside of it.
            routine_analysis: From `RoutineAnalyzer`: docstrings for the boxes.
        """
        return WorkflowD2Formatter(mode).format(data, routine_analysis)

    def save_d2(
        self,
        data: dict[str, Any],
        path: str | Path,
        mode: Literal["standard", "ultimate"] = "standard",
        routine_analysis: dict[str, Any] | None = None,
    ) -> None:
        """Write the diagram to a file; see `to_d2_format`."""
        text = self.to_d2_format(data, mode, routine_analysis)
        Path(path).write_text(text, encoding="utf-8")


def describe_routine(
    routine_id: str, routine: Routine, with_source: bool
) -> dict[str, Any]:
    """Return a routine as plain data."""
    return {
        "routine_id": routine_id,
        "class_name": type(routine).__name__,
        "docstring": inspect.getdoc(type(routine)),
        "slots": [
            {"name": slot.name, "max_queue_length": slot.max_queue_length}
            for slot in routine.slots.values()
        ],
        "events": [
            {"name": event.name, "output_params": list(event.output_params)}
            for event in routine.events.values()
        ],
        "config": routine.config(),
        "source_info": source_of(routine) if with_source else None,
    }


def source_of(routine: Routine) -> dict[str, Any] | None:
    """Return what the source of a routine's class says, None if there is none."""
    cls = type(routine)
    try:
        text = textwrap.dedent(inspect.getsource(cls))
        path, line = inspect.getsourcefile(cls), inspect.getsourcelines(cls)[1]
        node = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    if not isinstance(node, ast.ClassDef):
        return None
    return {**describe_class(node), "file_path": path, "line_number": line}


def analyze_workflow(
    flow: Flow, include_source_analysis: bool = True
) -> dict[str, Any]:
    """Describe a flow; see `WorkflowAnalyzer.analyze_flow`."""
    return WorkflowAnalyzer().analyze_flow(flow, include_source_analysis)

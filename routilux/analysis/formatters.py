"""Analyses as text for people: Markdown pages and D2 diagrams.

All work on the plain data of the analysers; none looks at a flow or a file itself.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["BaseFormatter", "RoutineMarkdownFormatter", "WorkflowD2Formatter"]

STYLES = ("default", "standard", "ultimate")


class BaseFormatter(ABC):
    """Makes a text of an analysis."""

    @abstractmethod
    def format(self, data: dict[str, Any]) -> str:
        """Return the text."""

    def save(self, data: dict[str, Any], path: str | Path) -> None:
        """Write the text to a file."""
        Path(path).write_text(self.format(data), encoding="utf-8")


class RoutineMarkdownFormatter(BaseFormatter):
    """Makes a Markdown page of what `RoutineAnalyzer` found in a file.

    Example:
        >>> print(RoutineMarkdownFormatter().format(analyze_routine_file("a.py")))
    """

    def format(self, data: dict[str, Any]) -> str:
        """Return the page."""
        lines = [f"# Routines of `{data.get('file_path', '')}`", ""]
        for routine in data["routines"]:
            lines += self._routine(routine)
        if not data["routines"]:
            lines += ["There are none.", ""]
        return "\n".join(lines)

    def _routine(self, routine: dict[str, Any]) -> list[str]:
        lines = [f"## {routine['name']}", "", f"Line {routine['line_number']}.", ""]
        if routine["docstring"]:
            lines += [routine["docstring"], ""]
        slots = ([slot.get("name", ""), rest(slot)] for slot in routine["slots"])
        lines += table(("slot", "options"), slots)
        events = (
            [event.get("name", ""), words(event["output_params"])]
            for event in routine["events"]
        )
        lines += table(("event", "values"), events)
        config = ([key, repr(value)] for key, value in routine["config"].items())
        lines += table(("configuration", "value"), config)
        methods = (
            [method["name"], first_line(method["docstring"]), words(method["emits"])]
            for method in routine["methods"]
        )
        return lines + table(("method", "does", "emits"), methods)


class WorkflowD2Formatter(BaseFormatter):
    """Makes a diagram in the D2 language of what `WorkflowAnalyzer` found.

    Args:
        style: "default" (or "standard"): a box for each routine; "ultimate": its
            slots, events and configuration inside of it.

    Raises:
        ValueError: There is no such style.
    """

    def __init__(self, style: str = "default") -> None:
        if style not in STYLES:
            raise ValueError(
                f"style must be one of {', '.join(map(repr, STYLES))}, not {style!r}"
            )
        self.style = style

    def format(
        self, data: dict[str, Any], routine_analysis: dict[str, Any] | None = None
    ) -> str:
        """Return the diagram.

        Args:
            data: From `WorkflowAnalyzer`.
            routine_analysis: From `RoutineAnalyzer`: docstrings for the boxes.
        """
        docs = {
            routine["name"]: routine["docstring"]
            for routine in (routine_analysis or {}).get("routines", ())
        }
        lines = [f"# flow {first_line(data['flow_id'])}", "direction: right", ""]
        for routine in data["routines"]:
            lines += self._box(routine, data["entry_points"], docs)
        lines += [self._arrow(item) for item in data["connections"]]
        return "\n".join(lines) + "\n"

    def _box(
        self, routine: dict[str, Any], entries: Iterable[str], docs: Mapping[str, Any]
    ) -> list[str]:
        name = routine["routine_id"]
        lines = [
            f"{quote(name)}: {{",
            f"  label: {quote(label_of(routine))}",
        ]
        doc = docs.get(routine["class_name"]) or routine["docstring"]
        if doc:
            lines.append(f"  tooltip: {quote(first_line(doc))}")
        if name in entries:
            lines.append("  style.bold: true")
        if self.style == "ultimate":
            lines += inner_boxes(routine)
        return [*lines, "}", ""]

    def _arrow(self, item: Mapping[str, str]) -> str:
        source, event = item["source_routine_id"], item["source_event"]
        target, slot = item["target_routine_id"], item["target_slot"]
        if self.style == "ultimate":
            left = f"{quote(source)}.{quote(f'event {event}')}"
            return f"{left} -> {quote(target)}.{quote(f'slot {slot}')}"
        return f"{quote(source)} -> {quote(target)}: {quote(f'{event} to {slot}')}"


def label_of(routine: Mapping[str, Any]) -> str:
    """Return what a box is called: the routine, and its class."""
    return f"{routine['routine_id']} ({routine['class_name']})"


def inner_boxes(routine: Mapping[str, Any]) -> list[str]:
    """Return the slots, events and configuration of a routine as boxes."""
    lines = []
    for slot in routine["slots"]:
        label = f"{slot['name']} [{slot['max_queue_length']}]"
        name = quote(f"slot {slot['name']}")
        lines.append(f"  {name}: {quote(label)} {{shape: queue}}")
    for event in routine["events"]:
        params = words(event["output_params"])
        label = f"{event['name']}({params})"
        name = quote(f"event {event['name']}")
        lines.append(f"  {name}: {quote(label)} {{shape: parallelogram}}")
    if routine["config"]:
        text = ", ".join(f"{key}={value!r}" for key, value in routine["config"].items())
        lines.append(f'  "config": {quote(first_line(text)[:120])} {{shape: page}}')
    return lines


def quote(text: str) -> str:
    """Return a text as a quoted string of D2."""
    plain = " ".join(str(text).split())
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def first_line(text: Any) -> str:
    """Return the first line of a text, "" for None."""
    return str(text or "").strip().partition("\n")[0]


def words(values: Any) -> str:
    """Return names as a list in a sentence; a text as it is."""
    return values if isinstance(values, str) else ", ".join(map(str, values))


def rest(slot: Mapping[str, Any]) -> str:
    """Return the options of a slot besides its name."""
    return ", ".join(f"{key}={value!r}" for key, value in slot.items() if key != "name")


def table(head: tuple[str, ...], rows: Iterable[list[str]]) -> list[str]:
    """Return a Markdown table, nothing if it has no rows."""
    body = [f"| {' | '.join(map(shown, row))} |" for row in rows]
    if not body:
        return []
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body, ""]


def shown(cell: object) -> str:
    """Return what a cell holds so that Markdown shows it as it is."""
    return re.sub("[|<]", r"\\\g<0>", str(cell))

"""RoutineAnalyzer: what the routines of a source file are, from its text alone."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from routilux.analysis.sources import (
    describe_class,
    describe_function,
    routine_classes,
)

__all__ = ["RoutineAnalyzer", "analyze_routine_file"]


class RoutineAnalyzer:
    """Finds the routines of a Python file without importing it.

    Thread-safety: holds no state.

    Example:
        >>> found = RoutineAnalyzer().analyze_file("my_routines.py")
        >>> [routine["name"] for routine in found["routines"]]
        ['Reader', 'Parser']
    """

    def analyze_file(self, file_path: str | Path) -> dict[str, Any]:
        """Describe the routines of a file.

        Args:
            file_path: The file.

        Returns:
            `file_path`, and `routines`: for each name, docstring, slots, events,
            config, methods and line_number. The name of a slot or event that is not
            written as a text is its source within `<>`.

        Raises:
            OSError: It can't be read.
            SyntaxError: It is no Python.
        """
        path = Path(file_path)
        text = path.read_bytes()  # which may say what their encoding is
        return {
            "file_path": str(path),
            "routines": self.analyze_source(text, str(path)),
        }

    def analyze_source(
        self, text: str | bytes, name: str = "<text>"
    ) -> list[dict[str, Any]]:
        """Describe the routines of a text; see `analyze_file`."""
        tree = ast.parse(text, name)
        found = [describe_class(node) for node in routine_classes(tree)]
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                routine = describe_function(node)
                if routine is not None:
                    found.append(routine)
        return sorted(found, key=lambda routine: int(routine["line_number"]))

    def to_json(self, data: dict[str, Any], indent: int = 2) -> str:
        """Return an analysis as JSON."""
        return json.dumps(data, indent=indent, ensure_ascii=False, default=str)

    def save_json(self, data: dict[str, Any], path: str | Path) -> None:
        """Write an analysis to a file, as JSON."""
        Path(path).write_text(self.to_json(data) + "\n", encoding="utf-8")


def analyze_routine_file(file_path: str | Path) -> dict[str, Any]:
    """Describe the routines of a file; see `RoutineAnalyzer.analyze_file`."""
    return RoutineAnalyzer().analyze_file(file_path)

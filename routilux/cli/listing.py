"""`routilux list`: the routines that flow files can name, and the flows there are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from routilux.cli.session import READERS, Session, pass_session, session_options
from routilux.errors import ConfigurationError
from routilux.tools.factory import ObjectFactory

__all__ = ["format_option", "list_", "show_rows"]

format_option = click.option(
    *("-f", "--format"),
    "form",
    type=click.Choice(["table", "json", "plain"]),
    default="table",
    help="Table, JSON, or names alone.",
)


@click.group(name="list")
def list_() -> None:
    """List routines or flows."""


@list_.command()
@click.option("-c", "--category", help="Only those of a category.")
@format_option
@session_options
@pass_session
def routines(session: Session, category: str | None, form: str) -> None:
    """List the routines that a flow file can name."""
    session.prepare()
    rows = ObjectFactory.get_instance().list_available(category, "routine")
    show_rows(rows, ["name", "category", "description"], form)


@list_.command()
@click.option(
    *("--dir", "folder"),
    metavar="DIR",
    help="Where to look; by default in ./flows, or here.",
)
@format_option
@session_options
@pass_session
def flows(session: Session, folder: str | None, form: str) -> None:
    """List the flow files of a folder and of those in it."""
    session.prepare()
    root = Path(folder or ("flows" if Path("flows").is_dir() else "."))
    if not root.is_dir():
        raise ConfigurationError(f"there is no folder {str(root)!r}")
    paths = sorted(path for path in root.rglob("*") if path.suffix in READERS)
    rows = [row for path in paths if (row := describe(session, path)) is not None]
    show_rows(rows, ["file", "flow_id", "routines", "state"], form)


def describe(session: Session, path: Path) -> dict[str, Any] | None:
    """Return what a file says of a flow, None if it is about something else."""
    row: dict[str, Any] = {"file": str(path), "flow_id": "", "routines": 0}
    try:
        spec = READERS[path.suffix](path.read_text(encoding="utf-8-sig"))
        if not isinstance(spec, dict) or "routines" not in spec:
            return None
        flow = session.flow(str(path))
    except Exception as error:  # one broken file must not hide the others
        return {**row, "state": " ".join(str(error).split())}
    errors = [text for text in flow.validate() if text.startswith("Error: ")]
    row |= {"flow_id": flow.flow_id, "routines": len(flow.routines)}
    return {**row, "state": errors[0] if errors else "valid"}


def show_rows(rows: Sequence[Mapping[str, Any]], keys: list[str], form: str) -> None:
    """Print rows as a table of some keys, as JSON with all, or as names alone."""
    if form == "json":
        click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False, default=str))
        return
    if form == "plain":
        for row in rows:
            click.echo(row[keys[0]])
        return
    table = [keys, *([str(row[key]) for key in keys] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())

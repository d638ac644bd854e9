"""The table and the file that each of the programs here writes.

A row is printed when it is there; what could not be measured is printed as well, with
the reason. The JSON has the machine, the rows and the reasons.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import machine
from rows import Row, Skipped

COLUMNS = f"{'what':56}{'value':>9}  {'quartiles':16}{'limit':>9} {'met':4} made of"


def options_of(doc: str, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options that all programs have.

    Args:
        doc: The docstring of the program; its first line is the description.
        rounds: The default of `--rounds`.
    """
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument(
        "--rounds", type=positive, default=rounds, help="default: %(default)s"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def show(
    options: argparse.Namespace, results: Iterable[Row | Skipped], **more: Any
) -> None:
    """Print the rows as they come, then write the file.

    Args:
        options: What `options_of` parsed.
        results: The rows, measured while they are asked for.
        more: Further facts for the file, such as versions of others.
    """
    facts = machine.facts() | {"rounds": options.rounds} | more
    print(headline(facts))
    print(COLUMNS)
    rows: list[Row] = []
    skipped: list[Skipped] = []
    for result in results:
        if isinstance(result, Row):
            rows.append(result)
            print(line(result), flush=True)
        else:
            skipped.append(result)
            print(f"{result.what:56}  skipped: {result.reason}", flush=True)
    facts["load_at_end"] = machine.load()
    print(f"\nload {facts['load_at_end']} at the end")
    if options.json:
        content = {
            "machine": facts,
            "rows": [asdict(row) | {"is_met": row.is_met} for row in rows],
            "skipped": [asdict(one) for one in skipped],
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(f"{json.dumps(content, indent=1)}\n", "utf-8")


def headline(facts: dict[str, Any]) -> str:
    """Return the lines above the table."""
    gil = "with the GIL" if facts["gil"] else "without the GIL"
    return (
        f"{facts['python']} {gil}, routilux {facts['routilux']},"
        f" numpy {facts['numpy']}\n"
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}\n"
        f"{facts['rounds']} rounds, load {facts['load_at_start']} at the start,"
        f" {facts['date']}\n"
    )


def number(value: float) -> str:
    """Return three digits, or all of a larger number."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(row: Row) -> str:
    """Return one line of the table."""
    low, high = row.quartiles
    met = {True: "yes", False: "no", None: ""}[row.is_met]
    value = f"{number(row.value)} {row.unit}".strip()
    spread = f"{number(low)} to {number(high)}"
    return f"{row.what:56}{value:>9}  {spread:16}{row.limit:>9} {met:4} {row.note}"

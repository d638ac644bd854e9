"""Print what routilux costs, as ratios to what else would do the job.

    python benchmarks/ratios.py [--rounds N] [--only TOPIC] [--json FILE]

Absolute times of two machines, or of one machine in two moments, can't be compared;
ratios of contenders that took turns can. `docs/benchmarks.md` says what each row means.
It wants a machine that has nothing else to do: the load is printed with the table.
"""

import argparse
import json
import logging
import os
import platform
import sys
import time
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from measures import TOPICS
from rows import Row


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "processor": processor(),
        "cores": cores(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "gil": gil,
        "routilux": installed("routilux"),
        "numpy": installed("numpy"),
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def installed(name: str) -> str:
    """Return the version of a package; one that was built in place has none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "built in place"


def load() -> float | None:
    """Return how many processes wanted to run in the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def headline(facts: dict[str, Any], rounds: int) -> str:
    """Return the lines above the table."""
    gil = "with the GIL" if facts["gil"] else "without the GIL"
    return (
        f"{facts['python']} {gil}, routilux {facts['routilux']},"
        f" numpy {facts['numpy']}\n"
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}\n"
        f"{rounds} interleaved rounds, load {load()} at the start, {facts['date']}\n"
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
    return f"{row.what:48}{value:>9}  {spread:16}{row.limit:>9} {met:4} {row.note}"


def main() -> None:
    """Measure, print each row when it is there, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--only", choices=TOPICS, action="append", metavar="TOPIC")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    # It would warn of the routines that are made to wait here.
    logging.getLogger("routilux").setLevel(logging.ERROR)
    facts = machine() | {"rounds": options.rounds, "load_at_start": load()}
    print(headline(facts, options.rounds))
    print(f"{'what':48}{'value':>9}  {'quartiles':16}{'limit':>9} {'met':4} made of")
    rows = []
    for topic in options.only or TOPICS:
        for row in TOPICS[topic](options.rounds):
            rows.append(row)
            print(line(row), flush=True)
    facts["load_at_end"] = load()
    print(f"\nload {facts['load_at_end']} at the end")
    if options.json:
        done = [asdict(row) | {"is_met": row.is_met} for row in rows]
        text = json.dumps({"machine": facts, "rows": done}, indent=2)
        options.json.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Print the smallest task that is worth a thread: METG(50 %), by pattern and system.

    python benchmarks/metg.py [--rounds N] [--only SYSTEM] [--pattern P] [--json FILE]

The measure of Task Bench (Slaughter et al., SC 2020): a task that takes less leaves
more than half of the machine to the runtime. `docs/benchmarks.md` says how to read it.
Each system has a fresh process; what is not installed is skipped, and the table says
so.
"""

import argparse
import logging
import math
from collections.abc import Iterator
from functools import partial
from statistics import median

import machine
import table
from child import in_a_new_process
from rows import Row, Skipped
from taskbench import SYSTEMS, WIDTH, Sweep, System, patterns, sweep

WORKERS = 2
LIMIT = 900.0
PATTERNS = list(patterns(WIDTH))


def main() -> None:
    """Measure one system after the other, print, write the file."""
    parser = table.options_of(__doc__, rounds=3)
    names = [system.name for system in SYSTEMS]
    parser.add_argument("--only", choices=names, action="append", metavar="SYSTEM")
    parser.add_argument(
        "--pattern", choices=PATTERNS, action="append", metavar="PATTERN"
    )
    options = parser.parse_args()
    versions = {
        system.package: machine.installed(system.package)
        for system in SYSTEMS
        if system.package
    }
    table.show(options, all_rows(options), peers=versions, workers=WORKERS)


def all_rows(options: argparse.Namespace) -> Iterator[Row | Skipped]:
    """Yield a row for each system and pattern, then how far the peers are away."""
    chosen = options.pattern or PATTERNS
    found: dict[str, dict[str, Row]] = {}
    for index, system in enumerate(SYSTEMS):
        if options.only and system.name not in options.only:
            continue
        if system.package and not machine.installed(system.package):
            yield Skipped(f"METG, {system.name}", f"{system.package} is not installed")
            continue
        task = partial(measure, index, chosen, options.rounds)
        rows, skipped = in_a_new_process(f"METG, {system.name}", LIMIT, task)
        if rows is None:
            yield from [skipped] if skipped else []
            continue
        found[system.name] = dict(zip(chosen, rows, strict=True))
        yield from rows
    yield from distances(chosen, found)


def measure(index: int, chosen: list[str], rounds: int) -> list[Row]:
    """Measure one system on the patterns, all patterns once a round."""
    logging.getLogger("routilux").setLevel(logging.ERROR)
    system = SYSTEMS[index]
    graphs = patterns(WIDTH)
    sweeps: dict[str, list[Sweep]] = {name: [] for name in chosen}
    with system.open(WORKERS) as prepare:
        for _ in range(rounds):
            for name in chosen:
                sweeps[name].append(sweep(prepare, graphs[name], system, WORKERS))
    return [row_of(system, name, sweeps[name]) for name in chosen]


def row_of(system: System, name: str, sweeps: list[Sweep]) -> Row:
    """Make the row of a system and a pattern; its curve is that of the median round."""
    limit = "<= 5" if system.package == "" and system.tracks else ""
    values = [each.metg * 1e6 for each in sweeps]
    middle = sorted(sweeps, key=lambda each: each.metg)[(len(sweeps) - 1) // 2]
    if middle.is_bound:
        note = "or less: the smallest task is still above one half"
    elif math.isinf(middle.metg):
        note = "the largest task is below one half"
    else:
        note = "" if system.tracks else "does not track dependencies"
    curve = [(each.granularity * 1e6, each.efficiency) for each in middle.points]
    what = f"METG {name}, {system.name}"
    return Row(what, median(values), values, "µs", limit, note, curve)


def distances(
    chosen: list[str], found: dict[str, dict[str, Row]]
) -> Iterator[Row | Skipped]:
    """Yield, for each pattern, the best peer that tracks dependencies by ours."""
    ours = found.get("routilux")
    names = [s.name for s in SYSTEMS if s.tracks and s.package and s.name in found]
    for name in chosen if ours else ():
        what = f"METG {name}: best peer that tracks / routilux"
        if not names:
            yield Skipped(what, "no such peer was measured")
            continue
        best = min(names, key=lambda peer: found[peer][name].value)
        value = found[best][name].value / ours[name].value
        yield Row(what, value, [value], "", ">= 10", best)


if __name__ == "__main__":
    main()

"""Print how much faster a chain of ten is than on the published package 1.1.0.

    python benchmarks/published.py --python PYTHON [--rounds N] [--json FILE]

PYTHON is an interpreter with that package, best of the version that runs this:

    python -m venv published && published/bin/pip install routilux==1.1.0
    python benchmarks/published.py --python published/bin/python

The two take turns, the other one in a fresh process for each round.
"""

import argparse
import json
import logging
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import driving
import flows
import table
from rows import Row, Skipped, check, each, interleave, ratio, running

DEPTH = 10
ITEMS = 2_000
LIMIT = 300.0
VERSION = "1.1.0"
PROGRAM = Path(__file__).with_name("published_chain.py")
WHAT = f"published package {VERSION} / post per item, chain of {DEPTH}"


def main() -> None:
    """Measure, print, write the file."""
    parser = table.options_of(__doc__, rounds=5)
    parser.add_argument("--python", default="", metavar="PYTHON")
    options = parser.parse_args()
    logging.getLogger("routilux").setLevel(logging.ERROR)
    table.show(options, all_rows(options))


def all_rows(options: argparse.Namespace) -> Iterator[Row | Skipped]:
    """Yield the row, or why there is none."""
    if not options.python:
        reason = f"give --python: an interpreter with routilux=={VERSION}"
        yield Skipped(WHAT, reason)
        return
    case, items = flows.chain(DEPTH), flows.items_of(ITEMS)
    theirs: list[float] = []
    with running(case) as runtime:
        ours, _ = interleave(
            options.rounds,
            partial(driving.post_all, runtime, case, items),
            lambda: theirs.append(seconds_of(options.python)),
        )
    check([case], ITEMS)
    hops = DEPTH * ITEMS
    note = f"{each(theirs[1:], hops)} / {each(ours, hops)} a hop"
    yield ratio(WHAT, theirs[1:], ours, ">= 150", note)
    nanoseconds = [seconds / hops * 1e9 for seconds in theirs[1:]]
    name = f"published package {VERSION}"
    yield Row(name, median(nanoseconds), nanoseconds, "ns", "", "a hop")


def seconds_of(python: str) -> float:
    """Run the chain in the other interpreter; it keeps the time itself."""
    command = [python, "-I", str(PROGRAM), str(DEPTH), str(ITEMS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    found = json.loads(done.stdout)
    if found["version"] != VERSION:
        raise SystemExit(f"{python} has routilux {found['version']}, not {VERSION}")
    return float(found["seconds"])


if __name__ == "__main__":
    main()

"""Print what a hop of a chain of ten costs, here and in what a user would pick instead.

    python benchmarks/chains.py [--rounds N] [--only PEER] [--json FILE]

Each peer has a fresh process, where it takes turns with a chain of routilux and with
nested calls. What is not installed is skipped, and the table says so; the extra `bench`
has them all. `docs/benchmarks.md` says how to read it.
"""

import argparse
import logging
from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

import driving
import flows
import machine
import table
from child import in_a_new_process
from peers import PEERS, Feed, Item
from peers.peer import step
from rows import Row, Skipped, interleave, running
from shapes import pipeline_of, through_pipeline

from routilux import Runtime

DEPTH = 10
ITEMS = 2_000
LIMIT = 300.0
OURS = "routilux"


def main() -> None:
    """Measure one peer after the other, print, write the file."""
    parser = table.options_of(__doc__, rounds=7)
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", choices=names, action="append", metavar="PEER")
    options = parser.parse_args()
    packages = sorted({peer.package for peer in PEERS if peer.package})
    versions = {name: machine.installed(name) for name in packages}
    table.show(options, all_rows(options), peers=versions)


def all_rows(options: argparse.Namespace) -> Iterator[Row | Skipped]:
    """Yield our own rows and one for each peer, in the order of the list."""
    if not options.only:
        own, skipped = in_a_new_process(
            OURS, LIMIT, partial(measure_own, options.rounds)
        )
        yield from own or filter(None, [skipped])
    for index, peer in enumerate(PEERS):
        if options.only and peer.name not in options.only:
            continue
        if peer.package and not machine.installed(peer.package):
            yield Skipped(peer.name, f"{peer.package} is not installed")
            continue
        task = partial(measure, index, options.rounds)
        yield from filter(None, in_a_new_process(peer.name, LIMIT, task))


def measure_own(rounds: int) -> list[Row | Skipped]:
    """Let our ways to put items in and nested calls take turns."""
    logging.getLogger("routilux").setLevel(logging.ERROR)
    cases, items = [flows.chain(DEPTH) for _ in range(2)], flows.items_of(ITEMS)
    functions = pipeline_of([step] * DEPTH)
    with running(cases[0]) as one, running(cases[1]) as many, Runtime(2) as piped:
        works = {
            "nested calls, no runtime": partial(cases[0].feed, items),
            f"{OURS}, post": partial(driving.post_all, one, cases[0], items),
            f"{OURS}, post_many": partial(driving.post_many, many, cases[1], items),
        }
        if functions:
            piped.exec(functions)
            run = partial(through_pipeline, piped, functions, items)
            works[f"{OURS}, pipeline, post_many"] = run
        times = interleave(rounds, *works.values())
    rows: list[Row | Skipped] = []
    bare = median(times[0])
    for name, seconds in zip(works, times, strict=True):
        hops = [each / ITEMS / DEPTH * 1e9 for each in seconds]
        note = f"{median(seconds) / bare:.2f} times calls"
        rows.append(Row(name, median(hops), hops, "ns", "", note))
    if not functions:
        rows.append(Skipped(f"{OURS}, pipeline, post_many", "it has no pipeline()"))
    return rows


def measure(index: int, rounds: int) -> Row:
    """Let a peer, our chain and nested calls take turns."""
    logging.getLogger("routilux").setLevel(logging.ERROR)
    peer = PEERS[index]
    case, items, few = flows.chain(DEPTH), flows.items_of(ITEMS), items_of(peer.items)
    with running(case) as runtime, peer.open(DEPTH) as feed:
        theirs, ours, calls = interleave(
            rounds,
            partial(checked, feed, few),
            partial(driving.post_all, runtime, case, items),
            partial(case.feed, items),
        )
    hops = [seconds / peer.items / DEPTH * 1e9 for seconds in theirs]
    ours_hop = median(ours) / ITEMS / DEPTH * 1e9
    bare_hop = median(calls) / ITEMS / DEPTH * 1e9
    note = (
        f"{median(hops) / ours_hop:.2f} times routilux ({ours_hop:.0f} ns),"
        f" {median(hops) / bare_hop:.2f} times calls ({bare_hop:.0f} ns)"
    )
    if peer.gives:
        note += f"; {peer.gives}"
    return Row(peer.name, median(hops), hops, "ns", "", note)


def checked(feed: Feed, items: list[Item]) -> None:
    """Run one round of a peer; all must arrive."""
    arrived = feed(items)
    if arrived != len(items):
        raise RuntimeError(f"{arrived} of {len(items)} items arrived")


def items_of(count: int) -> list[dict[str, Any]]:
    """Make the items of a peer: what `step` takes."""
    return [{"value": number} for number in range(count)]


if __name__ == "__main__":
    main()

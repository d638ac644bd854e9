"""Bytewax: the same chain on an engine in Rust, in epochs of many items or of one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from .peer import Feed, Item, Peer, step

MANY = 1_000


def bytewax_feed(stages: Sequence[Callable[[Item], Item]], size: int) -> Feed:
    """Return a function that runs a dataflow of `map` steps on one worker.

    Args:
        stages: The functions, in order.
        size: Items that the source hands over at a time.
    """
    from bytewax import operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.testing import TestingSink, TestingSource, run_main

    def feed(items: Sequence[Item]) -> int:
        out: list[Item] = []
        flow = Dataflow("chain")
        stream = op.input("in", flow, TestingSource(items, batch_size=size))
        for index, stage in enumerate(stages):
            stream = op.map(f"stage_{index}", stream, stage)
        op.output("out", stream, TestingSink(out))
        run_main(flow)
        return len(out)

    return feed


@contextmanager
def with_bytewax(size: int, depth: int) -> Iterator[Feed]:
    """A dataflow for each run; its sink is the last stage."""
    yield bytewax_feed([step] * (depth - 1), size)


PEERS = [
    Peer(
        "Bytewax, map, batches of 1,000",
        partial(with_bytewax, MANY),
        "bytewax",
        20_000,
        "no jobs; an error ends the run",
    ),
    Peer(
        "Bytewax, map, one by one",
        partial(with_bytewax, 1),
        "bytewax",
        4_000,
        "no jobs; an error ends the run",
    ),
]

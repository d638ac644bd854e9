"""What a peer is: how to build its chain, what it needs, what a user gets of it.

Every peer runs the same chain: stages that take a dict and hand on a new one, and an
end that counts. It is written as that peer's own documents would have it, with queues
bounded where bounds are usual.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

Item: TypeAlias = dict[str, Any]
Feed: TypeAlias = Callable[[Sequence[Item]], int]

BOUND = 1_000


@dataclass(frozen=True)
class Peer:
    """Something else that runs a chain of stages.

    Attributes:
        name: As it stands in the table.
        open: Given a depth of at least 2, builds the chain; what it enters is called
            with the items of a round and returns how many reached the end.
        package: The distribution that it needs; empty for the standard library.
        items: Items of a round: some tenths of a second.
        gives: What a user gets beside the calls.
    """

    name: str
    open: Callable[[int], AbstractContextManager[Feed]]
    package: str = ""
    items: int = 2_000
    gives: str = ""


class Count:
    """The end of a chain: count what arrives."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, item: Item) -> None:
        self.seen += 1

    def since(self, before: int) -> int:
        """Return how many arrived since there were `before`."""
        return self.seen - before


def step(item: Item) -> Item:
    """The logic of a stage."""
    return {"value": item["value"] + 1}

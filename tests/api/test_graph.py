"""`topological_ranks`: longest distance from the sources, cycles as one node."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routilux.graph import topological_ranks

Edges = list[tuple[int, int]]

SHAPES: dict[str, tuple[int, Edges, list[int]]] = {
    "empty": (0, [], []),
    "alone": (3, [], [0, 0, 0]),
    "chain": (4, [(0, 1), (1, 2), (2, 3)], [0, 1, 2, 3]),
    "chain from the end": (4, [(3, 2), (2, 1), (1, 0)], [3, 2, 1, 0]),
    "longest way counts": (4, [(0, 3), (0, 1), (1, 2), (2, 3)], [0, 1, 2, 3]),
    "diamond": (4, [(0, 1), (0, 2), (1, 3), (2, 3)], [0, 1, 1, 2]),
    "same edge twice": (2, [(0, 1), (0, 1)], [0, 1]),
    "to itself": (2, [(0, 0), (0, 1)], [0, 1]),
    "cycle": (3, [(0, 1), (1, 2), (2, 0)], [0, 0, 0]),
    "cycle in a chain": (4, [(0, 1), (1, 2), (2, 1), (2, 3)], [0, 1, 1, 2]),
    "two cycles in a row": (4, [(2, 3), (3, 2), (2, 0), (0, 1), (1, 0)], [1, 1, 0, 0]),
    "cycle within a cycle": (4, [(0, 1), (1, 2), (2, 1), (2, 3), (3, 0)], [0] * 4),
}


@pytest.mark.parametrize("name", SHAPES)
def test_ranks_of_small_shapes(name: str) -> None:
    count, edges, ranks = SHAPES[name]
    assert topological_ranks(count, edges) == ranks


def reached(count: int, edges: Edges) -> list[set[int]]:
    # Slow and obvious: what each node leads to, itself included.
    reach = [{node} for node in range(count)]
    for _ in range(count):
        for source, target in edges:
            reach[source] |= reach[target]
    return reach


def slow_ranks(count: int, edges: Edges) -> list[int]:
    reach = reached(count, edges)
    ranks = [0] * count
    for _ in range(count):
        for source, target in edges:
            if source not in reach[target]:
                ranks[target] = max(ranks[target], ranks[source] + 1)
        for one in range(count):
            for other in reach[one]:
                if one in reach[other]:
                    ranks[one] = max(ranks[one], ranks[other])
    return ranks


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, Edges]:
    count = draw(st.integers(1, 9))
    node = st.integers(0, count - 1)
    return count, draw(st.lists(st.tuples(node, node), max_size=20))


@given(shapes())
def test_ranks_agree_with_a_slow_reference(shape: tuple[int, Edges]) -> None:
    count, edges = shape
    assert topological_ranks(count, edges) == slow_ranks(count, edges)


def test_edges_may_be_an_iterator() -> None:
    assert topological_ranks(3, iter([(0, 1), (1, 2)])) == [0, 1, 2]


def test_chain_10_000_deep_needs_no_recursion() -> None:
    count = 10_000
    edges = [(node, node + 1) for node in range(count - 1)]
    random.Random(1).shuffle(edges)
    assert topological_ranks(count, edges) == list(range(count))


def test_cycle_10_000_long_is_one_rank() -> None:
    count = 10_000
    edges = [(node, (node + 1) % count) for node in range(count)]
    assert set(topological_ranks(count, edges)) == {0}


def test_a_million_edges() -> None:
    count, draw = 20_000, random.Random(1).randrange
    edges = [(draw(count), draw(count)) for _ in range(1_000_000)]
    forward = [(min(pair), max(pair)) for pair in edges if pair[0] != pair[1]]
    ranks = topological_ranks(count, forward)
    assert all(ranks[source] < ranks[target] for source, target in forward)

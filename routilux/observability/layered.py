"""Where boxes and arrows go: a layered layout, after Sugiyama, in plain Python.

The layers of a flow are its ranks (`graph.topological_ranks`), without the arrows that
lead back. The steps are those of the textbook: break cycles, rank, let long arrows pass
each layer through a bend of their own, order each layer by the places of neighbours,
then move everything as near to its neighbours as the distances allow. One thing is not:
arrows that meet in a hub share their bends, so that 300 of them are one line.

Layers follow each other *along*, the boxes of a layer lie *across*; whoever draws
decides which of them is x. `measured` does the rest, the distances. The functions
depend on their arguments alone; time and memory are linear in boxes, arrows and bends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from routilux.graph import topological_ranks

__all__ = ["Chain", "Join", "Point", "Size", "Web", "nearest_apart", "weave"]

Point = tuple[float, float]
Size = tuple[float, float]  # along, across
Edge = tuple[int, int]
Join = tuple[int, int, bool]  # neighbours from left to right; whether it leads back

BESIDE = 18.0  # between boxes of a layer
BEND = 10.0  # between bends, and between a bend and a box
GAP = 46.0  # between layers, at least
SWEEPS = 12


@dataclass(slots=True)
class Chain:
    """The boxes and bends that an edge passes, from left to right."""

    nodes: list[int]
    back: bool  # it is drawn from right to left
    shared: bool  # its bends are those of what it leaves, not of what it enters

    def joins(self) -> list[Join]:
        """Return the steps of the way; none for a loop."""
        if self.nodes[0] == self.nodes[-1]:
            return []
        return [(left, right, self.back) for left, right in pairwise(self.nodes)]


@dataclass(slots=True)
class Web:
    """Boxes and bends in their layers, and who is joined to whom."""

    across: list[float]  # size of each box, then of each bend
    layer_of: list[int]
    after: defaultdict[int, list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )
    before: defaultdict[int, list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def join(self, left: int, right: int) -> None:
        """Join two neighbours, once."""
        if right not in self.after[left]:
            self.after[left].append(right)
            self.before[right].append(left)


def weave(
    sizes: Sequence[Size], edges: Sequence[Edge]
) -> tuple[Web, list[Chain], list[list[int]], list[float]]:
    """Lay out boxes and edges, but for the distances between the layers.

    Args:
        sizes: Of the boxes, along and across.
        edges: Pairs of source and target, each pair once; loops are allowed.

    Returns:
        Who is joined to whom, the way of each edge, the nodes of each layer in order,
        and the place of each node across.
    """
    back = find_back(len(sizes), edges)
    turned = [
        (target, source) if number in back else (source, target)
        for number, (source, target) in enumerate(edges)
    ]
    web = Web([size[1] for size in sizes], rank(len(sizes), turned))
    chains = bend(web, turned, back)
    layers = order(web, len(sizes))
    return web, chains, layers, spread(web, layers, len(sizes))


def find_back(count: int, edges: Sequence[Edge]) -> set[int]:
    """Return the numbers of the edges that close a cycle, loops left out."""
    outgoing: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    fed = [0] * count
    for number, (source, target) in enumerate(edges):
        outgoing[source].append((number, target))
        fed[target] += source != target
    back = set()
    state = [0] * count  # 0: not seen, 1: on the path, 2: done
    for root in sorted(range(count), key=lambda node: fed[node] > 0):
        if state[root]:
            continue
        state[root] = 1
        path = [(root, iter(outgoing[root]))]
        while path:
            node, rest = path[-1]
            for number, target in rest:
                if state[target] == 1 and target != node:
                    back.add(number)
                elif not state[target]:
                    state[target] = 1
                    path.append((target, iter(outgoing[target])))
                    break
            else:
                state[node] = 2
                path.pop()
    return back


def rank(count: int, edges: Sequence[Edge]) -> list[int]:
    """Give each box its layer; sources move next to what they feed."""
    ranks = topological_ranks(count, edges)
    nearest: dict[int, int] = {}
    fed = {target for source, target in edges if source != target}
    for source, target in edges:
        if source not in fed and source != target:
            nearest[source] = min(nearest.get(source, ranks[target]), ranks[target])
    for source, layer in nearest.items():
        ranks[source] = layer - 1
    return ranks


# Each edge becomes the list of boxes and bends that it passes, from left to right.
# Edges of one hub share their bends: of the target or the source, whichever has more.
def bend(web: Web, edges: Sequence[Edge], back: set[int]) -> list[Chain]:
    degree: defaultdict[tuple[str, int], int] = defaultdict(int)
    for source, target in edges:
        degree["from", source] += 1
        degree["to", target] += 1
    made: dict[tuple[str, int, bool, int], int] = {}
    chains = []
    for number, (source, target) in enumerate(edges):
        hub = max(("to", target), ("from", source), key=degree.__getitem__)
        nodes = [source]
        for layer in range(web.layer_of[source] + 1, web.layer_of[target]):
            key = (*hub, number in back, layer)
            if key not in made:
                made[key] = len(web.across)
                web.across.append(0.0)
                web.layer_of.append(layer)
            nodes.append(made[key])
        nodes.append(target)
        chains.append(Chain(nodes, number in back, hub[0] == "from"))
        for left, right, _ in chains[-1].joins():
            web.join(left, right)
    return chains


# The start is the order in which a walk from the sources finds everything; then each
# layer is sorted by the mean place of its neighbours, from both ends in turn.
def order(web: Web, boxes: int) -> list[list[int]]:
    found: dict[int, None] = {}
    roots = sorted(range(boxes), key=lambda node: bool(web.before[node]))
    for root in roots:
        stack = [root]
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = None
                stack += reversed(web.after[node])
    layers: list[list[int]] = [[] for _ in range(max(web.layer_of, default=-1) + 1)]
    for node in found:
        layers[web.layer_of[node]].append(node)
    position: dict[int, float] = {}
    for layer in layers:
        settle(layer, position)
    for sweep in range(SWEEPS):
        near = web.before if sweep % 2 == 0 else web.after
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            want = {
                node: sum(position[other] for other in near[node]) / len(near[node])
                if near[node]
                else position[node]
                for node in layer
            }
            layer.sort(key=want.__getitem__)
            settle(layer, position)
    return layers


def settle(layer: list[int], position: dict[int, float]) -> None:
    """Number the places of a layer, 0..1, so that layers can be compared."""
    for place, node in enumerate(layer):
        position[node] = (place + 0.5) / len(layer)


# Moves each layer to the mean of its neighbours, in order and at the distances needed.
def spread(web: Web, layers: list[list[int]], boxes: int) -> list[float]:
    place = [0.0] * len(web.across)

    def distance(left: int, right: int) -> float:
        least = BESIDE if left < boxes and right < boxes else BEND
        return (web.across[left] + web.across[right]) / 2 + least

    gaps = [[distance(*pair) for pair in pairwise(layer)] for layer in layers]
    for layer, gap in zip(layers, gaps, strict=True):
        total = -sum(gap) / 2
        for node, step in zip(layer, [0.0, *gap], strict=True):
            total += step
            place[node] = total
    for sweep in range(SWEEPS):
        onward = sweep % 2 == 0
        near = web.before if onward else web.after
        other = web.after if onward else web.before
        numbers = range(len(layers))
        for number in numbers if onward else reversed(numbers):
            want = []
            for node in layers[number]:
                around = near[node] or other[node]
                if sweep >= SWEEPS - 2:
                    around = [*near[node], *other[node]]
                middle = [place[item] for item in around] or [place[node]]
                want.append(sum(middle) / len(middle))
            moved = nearest_apart(want, gaps[number])
            for node, value in zip(layers[number], moved, strict=True):
                place[node] = value
    return place


def nearest_apart(want: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Return the places nearest to those wanted, in order and far enough apart.

    Nearest by least squares: with the distances taken off, it is isotonic regression,
    which pooling neighbours that are in the wrong order solves.
    """
    shift, total = [], 0.0
    for step in [0.0, *gaps][: len(want)]:
        total += step
        shift.append(total)
    pools: list[tuple[float, int]] = []  # sum and count
    for value, taken in zip(want, shift, strict=True):
        pools.append((value - taken, 1))
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            (one, n), (two, m) = pools[-2:]
            pools[-2:] = [(one + two, n + m)]
    means = [_mean(pool) for pool in pools for _ in range(pool[1])]
    return [mean + taken for mean, taken in zip(means, shift, strict=True)]


def _mean(pool: tuple[float, int]) -> float:
    return pool[0] / pool[1]

"""The second half of a layout: from places in layers to points.

`layered` says what lies in which layer and where across it. Here the layers get their
distances, long pictures go on in a new row, like text, arrows get ports at the sides
of the boxes, and labels a place between two layers where none covers another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from routilux.observability.layered import (
    Chain,
    Edge,
    Join,
    Point,
    Size,
    nearest_apart,
    weave,
)

__all__ = ["Layout", "Path", "lay_out"]

GAP = 48.0  # between layers, at least
AROUND = 14.0  # beside a label, and beside a row
PORT = 9.0  # between arrows at a side of a box, at most
ROWS = 30.0  # between rows
SLIGHTLY = 1.5  # times the limit: no reason for a new row
FEW = 6  # arrows that may go on in a new row, if there is a choice
LANE = 6.0  # between arrows that go on in a new row


@dataclass(slots=True)
class Path:
    """A piece of one arrow or of several: from a box or bend to the next.

    Attributes:
        points: In the direction of the arrow.
        steps: How each point is joined to the next.
        edges: Numbers of the edges that it is a piece of.
        ends: Whether it ends at a box, and so with a head.
    """

    points: list[Point]
    steps: list[Literal["curve", "line"]]
    edges: list[int]
    ends: bool


@dataclass(slots=True)
class Layout:
    """A finished layout; all points are (along, across), from 0 up.

    Attributes:
        size: Of the whole picture.
        centers: Of the boxes.
        paths: The pieces of all edges but loops.
        labels: Centers of the labels; None where there is none, and for loops.
    """

    size: Size
    centers: list[Point]
    paths: list[Path]
    labels: list[Point | None]


def lay_out(
    sizes: Sequence[Size],
    edges: Sequence[Edge],
    labels: Sequence[Size],
    limit: float | None = None,
) -> Layout:
    """Place boxes, arrows and labels.

    Args:
        sizes: Of the boxes, along and across.
        edges: Pairs of source and target, each pair once; loops are allowed.
        labels: Sizes of the labels of the edges, (0, 0) for none.
        limit: Length at which a new row begins; None for never.
    """
    return Measuring(sizes, edges, labels, limit).finish()


class Measuring:
    """One layout on its way to points."""

    def __init__(
        self,
        sizes: Sequence[Size],
        edges: Sequence[Edge],
        labels: Sequence[Size],
        limit: float | None,
    ) -> None:
        self.sizes = sizes
        self.labels = labels
        self.web, self.chains, self.layers, self.place = weave(sizes, edges)
        self.thick = [
            max((sizes[node][0] for node in layer if node < len(sizes)), default=0.0)
            for layer in self.layers
        ]
        self.labelled: defaultdict[int, list[int]] = defaultdict(list)
        for number, chain in enumerate(self.chains):
            if labels[number][1] and chain.joins():
                self.labelled[self.web.layer_of[self._label_join(chain)[0]]].append(
                    number
                )
        self.start: list[float] = []  # of each layer, along
        self.row: list[int] = []  # of each layer
        self._place_layers(limit)
        self.port = self._ports()
        self.label_at = self._place_labels()
        self.lanes = self._lanes()
        self.length = self._length()
        self.top = self._place_rows()

    # A label stands where its arrow has bends of its own, or none.
    def _label_join(self, chain: Chain) -> Join:
        return chain.joins()[-1 if chain.shared else 0]

    def _place_layers(self, limit: float | None) -> None:
        steps = [
            thick + max(GAP, widest + 2 * AROUND if widest else 0)
            for thick, widest in zip(self.thick, self._widest(), strict=True)
        ]
        if limit is not None and sum(steps) < SLIGHTLY * limit:
            limit = None
        crossing = [0] * len(self.thick)  # arrows that come from the layer before
        for join in {join for chain in self.chains for join in chain.joins()}:
            crossing[self.web.layer_of[join[1]]] += 1
        at, row = 0.0, 0
        for number, thick in enumerate(self.thick):
            end = at + thick
            # Many arrows are harder to follow to a new row than to the right.
            if (
                limit is not None
                and end > (1 if crossing[number] <= FEW else 2.5) * limit
            ):
                at, row = 0.0, row + (at > 0)
            self.start.append(at)
            self.row.append(row)
            at += steps[number]

    def _widest(self) -> list[float]:
        return [
            max((self.labels[n][0] for n in self.labelled[number]), default=0.0)
            for number in range(len(self.layers))
        ]

    # How far from the middle of a box an arrow starts or ends.
    def _ports(self) -> dict[tuple[Join, int], float]:
        sides: defaultdict[tuple[int, int], set[Join]] = defaultdict(set)
        for chain in self.chains:
            for join in chain.joins():
                sides[join[0], 1].add(join)
                sides[join[1], 0].add(join)
        port = {}
        for (node, side), joins in sides.items():
            if node >= len(self.sizes):
                port.update({(join, 1 - side): 0.0 for join in joins})
                continue
            ordered = sorted(joins, key=lambda join: (self.place[join[side]], join[2]))
            room = self.sizes[node][1] - 12.0
            step = min(PORT, room / max(1, len(ordered) - 1))
            for number, join in enumerate(ordered):
                port[join, 1 - side] = (number - (len(ordered) - 1) / 2) * step
        return port

    def _ends(self, join: Join) -> tuple[float, float]:
        left, right = self.place[join[0]], self.place[join[1]]
        return left + self.port[join, 0], right + self.port[join, 1]

    def _wraps(self, join: Join) -> bool:
        row = [self.row[self.web.layer_of[node]] for node in join[:2]]
        return row[0] != row[1]

    def _place_labels(self) -> dict[int, Point]:
        found = {}
        for layer, numbers in self.labelled.items():
            end = self.start[layer] + self.thick[layer]
            want = {}
            for number in numbers:
                join = self._label_join(self.chains[number])
                left, right = self._ends(join)
                want[number] = left if self._wraps(join) else (left + right) / 2
            numbers.sort(key=want.__getitem__)
            heights = [self.labels[number][1] for number in numbers]
            gaps = [(a + b) / 2 + 2 for a, b in pairwise(heights)]
            places = nearest_apart([want[number] for number in numbers], gaps)
            for number, place in zip(numbers, places, strict=True):
                width = self.labels[number][0]
                middle = end + AROUND + width / 2
                if self.row[layer + 1] == self.row[layer]:
                    middle = (end + self.start[layer + 1]) / 2
                found[number] = (middle, place)
        return found

    # The arrows that leave each row for the next, in the order of their lanes.
    def _lanes(self) -> defaultdict[int, list[Join]]:
        lanes: defaultdict[int, dict[Join, None]] = defaultdict(dict)
        for chain in self.chains:
            for join in chain.joins():
                if self._wraps(join):
                    lanes[self.row[self.web.layer_of[join[0]]]][join] = None
        ordered: defaultdict[int, list[Join]] = defaultdict(list)
        for row, joins in lanes.items():
            ordered[row] = sorted(joins, key=lambda join: -self._ends(join)[0])
        return ordered

    # Of the longest row; labels of arrows that go on in a new row stand at its end.
    def _length(self) -> float:
        ends = [0.0]
        widest = self._widest()
        for number, row in enumerate(self.row):
            ends.append(self.start[number] + self.thick[number])
            if widest[number] and self.row[number + 1] != row:
                ends[-1] += widest[number] + 2 * AROUND
        return max(ends)

    # What to add to the places of a row: the rows are stacked.
    def _place_rows(self) -> list[float]:
        low: defaultdict[int, list[float]] = defaultdict(list)
        for number, layer in enumerate(self.layers):
            for node in layer:
                half = self.web.across[node] / 2
                place = self.place[node]
                low[self.row[number]] += [place - half, place + half]
        for layer_number, numbers in self.labelled.items():
            for number in numbers:
                half = self.labels[number][1] / 2
                place = self.label_at[number][1]
                low[self.row[layer_number]] += [place - half, place + half]
        top, at = [], 0.0
        self.bottom = []
        for row in range(len(low)):
            top.append(at - min(low[row]))
            at += max(low[row]) - min(low[row])
            self.bottom.append(at)
            at += ROWS + LANE * len(self.lanes[row])
        return top

    def finish(self) -> Layout:
        """Return the layout."""
        margin = max(map(len, self.lanes.values()), default=0) * LANE
        margin += AROUND if margin else 0.0
        centers = []
        for node in range(len(self.sizes)):
            layer = self.web.layer_of[node]
            middle = self.start[layer] + self.thick[layer] / 2
            across = self.place[node] + self.top[self.row[layer]]
            centers.append((margin + middle, across))
        users: dict[Join, list[int]] = {}
        for number, chain in enumerate(self.chains):
            for join in chain.joins():
                users.setdefault(join, []).append(number)
        paths = [self._path(join, edges, margin) for join, edges in users.items()]
        labels: list[Point | None] = [None] * len(self.chains)
        for layer, numbers in self.labelled.items():
            for number in numbers:
                along, across = self.label_at[number]
                labels[number] = (margin + along, across + self.top[self.row[layer]])
        size = (self.length + 2 * margin, self.bottom[-1] if self.bottom else 0.0)
        return Layout(size, centers, paths, labels)

    def _path(self, join: Join, edges: list[int], margin: float) -> Path:
        count = len(self.sizes)
        left, right = (self.web.layer_of[node] for node in join[:2])
        tail = self.start[left] + self.thick[left] + margin
        head = self.start[right] + margin
        from_across, to_across = self._ends(join)
        from_across += self.top[self.row[left]]
        to_across += self.top[self.row[right]]
        path = Path([], [], edges, join[0 if join[2] else 1] < count)
        if join[0] < count:  # a box, maybe thinner than its layer
            tail -= (self.thick[left] - self.sizes[join[0]][0]) / 2
        else:
            path.points.append((self.start[left] + margin, from_across))
            path.steps.append("line")
        if join[1] < count:
            head += (self.thick[right] - self.sizes[join[1]][0]) / 2
        path.points.append((tail, from_across))
        if self._wraps(join):
            row = self.row[left]
            lane = (self.lanes[row].index(join) + 1) * LANE
            end = self.length + margin + lane
            start = margin - AROUND - lane
            between = self.bottom[row] + ROWS / 2 + lane
            path.points += [(end, from_across), (end, between), (start, between)]
            path.points.append((start, to_across))
            path.steps += ["line"] * 5
        else:
            path.steps.append("curve")
        path.points.append((head, to_across))
        if join[2]:
            path.points.reverse()
            path.steps.reverse()
        return path

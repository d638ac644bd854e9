"""What a picture of a flow shows: boxes and arrows, and what stands in them.

`picture_of` looks at a flow once and makes boxes and arrows of it, in which every text
is ready to be shown: no control characters, no line breaks, not too long. Whoever
writes them in some language only has to escape for that language: `flowchart` does it
for Mermaid and Graphviz, `svg` draws them without any program.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from routilux.analysis.workflows import WorkflowAnalyzer
from routilux.observability.figures import count_text, rate_text, share_text

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.observability.numbers import Numbers

__all__ = ["Arrow", "Box", "Direction", "Picture", "clean", "heat_color", "picture_of"]

Direction = Literal["LR", "TB"]
Key = tuple[str, str, str, str]

LONGEST = 40  # characters of a name in a box; the whole name is in the tooltip
MOST_LABELS = 100  # arrows that tell their items; when there are more, tooltips do
ALIKE = 8  # routines that may be alike before they become one box
UNSHOWN = ("Cc", "Cf", "Cs", "Cn")  # categories of Unicode: control, format, none
JOINERS = "\u200c\u200d"
UNTOLD = ("Routine", "FunctionRoutine")  # classes that say nothing about a routine
HEAT = ((255, 255, 255), (255, 237, 170), (253, 174, 97), (240, 101, 67))


@dataclass(frozen=True, slots=True)
class Box:
    """One routine, or several that are alike.

    Attributes:
        name: Its id, short enough to be shown.
        title: All of its id and its class, for a tooltip.
        lines: What stands below the name.
        heat: 0..1, how much of the time is spent here; None if nothing was measured.
        failed: Whether it has failures.
        many: Whether it stands for several.
    """

    name: str
    title: str
    lines: tuple[str, ...] = ()
    heat: float | None = None
    failed: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """One connection, or several between boxes that stand for several.

    Attributes:
        source: Index of the box that emits.
        target: Index of the box that receives.
        label: What is written on it, often nothing.
        title: Its four names, for a tooltip.
        weight: 0..1, its items compared with those of the busiest one.
    """

    source: int
    target: int
    label: str
    title: str
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A flow as boxes and arrows."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def picture_of(
    flow: Flow, numbers: Numbers | None = None, fold: bool = False
) -> Picture:
    """Look at a flow.

    An arrow tells the event where the source has several, and the slot where the
    target has, and a box its class where there are several; elsewhere the names would
    say nothing.

    Args:
        flow: The flow.
        numbers: What was measured of it.
        fold: Make one box of routines of one class with the same connections, where
            there are more than a few of them.
    """
    data = WorkflowAnalyzer().analyze_flow(flow, include_source_analysis=False)
    routines = data["routines"]
    keys = [key_of(item) for item in data["connections"]]
    groups = group(routines, keys) if fold else [[item] for item in routines]
    index = {
        item["routine_id"]: number
        for number, members in enumerate(groups)
        for item in members
    }
    return Picture(
        clean(data["flow_id"]),
        draw_boxes(groups, numbers),
        draw_arrows(routines, keys, index, numbers),
    )


def key_of(item: Mapping[str, str]) -> Key:
    """Return the four names of a connection."""
    return (
        item["source_routine_id"],
        item["source_event"],
        item["target_routine_id"],
        item["target_slot"],
    )


def group(
    routines: Sequence[dict[str, Any]], keys: Sequence[Key]
) -> list[list[dict[str, Any]]]:
    """Put routines together that are alike, if they are many."""
    ways: dict[str, set[tuple[str, ...]]] = {}
    for source, event, target, slot in keys:
        ways.setdefault(source, set()).add(("to", event, target, slot))
        ways.setdefault(target, set()).add(("from", source, event, slot))
    alike: dict[object, list[dict[str, Any]]] = {}
    for item in routines:
        around = frozenset(ways.get(item["routine_id"], ()))
        alike.setdefault((item["class_name"], around), []).append(item)
    groups: list[list[dict[str, Any]]] = []
    for members in alike.values():
        groups += [members] if len(members) > ALIKE else [[item] for item in members]
    return groups


def draw_boxes(
    groups: Sequence[Sequence[dict[str, Any]]], numbers: Numbers | None
) -> tuple[Box, ...]:
    """Make the boxes, colored by their share of the time in logic."""
    seconds = [seconds_of(members, numbers) for members in groups]
    total = sum(seconds)
    # The hottest is red if it stands out: if all are alike, all are half warm.
    hottest = max([total * 2 / max(1, len(groups)), *seconds])
    kinds = {members[0]["class_name"] for members in groups}
    boxes = []
    for members, spent in zip(groups, seconds, strict=True):
        name = clean(members[0]["routine_id"])
        kind = clean(members[0]["class_name"])
        title = f"{name} ({kind})"
        name, many = shorten(name), len(members) > 1
        lines = [shorten(kind)] if len(kinds) > 1 and kind not in UNTOLD else []
        if many:
            name = f"{name} … {shorten(clean(members[-1]['routine_id']))}"
            title = f"{len(members)} routines of class {kind}, connected alike"
            lines.append(f"{len(members)} routines")
        heat, failed = None, False
        if numbers is not None:
            share = spent / total if total else 0.0
            told, failed = measured_lines(members, numbers, share)
            lines += told
            if numbers.timed:
                heat = spent / hottest if hottest else 0.0
        boxes.append(Box(name, title, tuple(lines), heat, failed, many))
    return tuple(boxes)


def measured_lines(
    members: Sequence[dict[str, Any]], numbers: Numbers, share: float
) -> tuple[list[str], bool]:
    """Say what was measured of some routines, and whether they have failures."""
    rows = [numbers.of(item["routine_id"]) for item in members]
    lines = []
    if numbers.timed:
        runs = sum(row.activations for row in rows)
        lines.append(f"{count_text(runs)} runs · {share_text(share)}")
    queued = sum(row.queued for row in rows)
    failures = sum(row.failures for row in rows)
    lines += [f"{count_text(queued)} queued"] if queued else []
    lines += [f"{count_text(failures)} failed"] if failures else []
    return lines, failures > 0


def seconds_of(members: Sequence[dict[str, Any]], numbers: Numbers | None) -> float:
    """Return the time in logic of some routines."""
    if numbers is None:
        return 0.0
    return sum(numbers.of(item["routine_id"]).seconds for item in members)


def draw_arrows(
    routines: Sequence[dict[str, Any]],
    keys: Sequence[Key],
    index: Mapping[str, int],
    numbers: Numbers | None,
) -> tuple[Arrow, ...]:
    """Make the arrows, those of boxes that stand for several only once."""
    events = {item["routine_id"]: len(item["events"]) for item in routines}
    slots = {item["routine_id"]: len(item["slots"]) for item in routines}
    together: dict[tuple[int, str, int, str], list[Key]] = {}
    for key in keys:
        ends = (index[key[0]], key[1], index[key[2]], key[3])
        together.setdefault(ends, []).append(key)
    items = {
        ends: sum(numbers.edges.get(key, 0) for key in members) if numbers else 0
        for ends, members in together.items()
    }
    most = max(items.values(), default=0)
    arrows = []
    for ends, members in together.items():
        source, event, target, slot = map(clean, members[0])
        label = shorten(event) if events[members[0][0]] > 1 else ""
        if slots[members[0][2]] > 1:
            label = f"{label} → {shorten(slot)}".strip()
        title = f"{source}.{event} → {target}.{slot}"
        if len(members) > 1:
            title = f"{title} and {len(members) - 1} more"
        if numbers is not None:
            told = count_text(items[ends])
            if items[ends] and numbers.seconds > 0:
                told += f" ({rate_text(items[ends] / numbers.seconds)})"
            title = f"{title}: {told}"
            if len(together) <= MOST_LABELS:
                label = f"{label}: {told}" if label else told
        weight = items[ends] / most if most else 0.0
        arrows.append(Arrow(ends[0], ends[2], label, title, weight))
    return tuple(arrows)


def heat_color(heat: float | None) -> str:
    """Return the color of a share, 0..1: from white over yellow to red."""
    if heat is None:
        return "#f6f8fa"
    step = min(max(heat, 0.0), 1.0) * (len(HEAT) - 1)
    low = min(int(step), len(HEAT) - 2)
    mixed = (
        round(one + (two - one) * (step - low))
        for one, two in zip(HEAT[low], HEAT[low + 1], strict=True)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def clean(text: str) -> str:
    """Return a text on one line, without characters that can't be shown.

    Those that turn the direction of the text go too, but not those that join letters.
    """
    return "".join(
        "�" if unicodedata.category(char) in UNSHOWN and char not in JOINERS else char
        for char in " ".join(text.split())
    )


def shorten(text: str, longest: int = LONGEST) -> str:
    """Return a text without its middle when it is too long."""
    if len(text) <= longest:
        return text
    head = (longest - 1) * 2 // 3
    return f"{text[:head]}…{text[head - longest + 1 :]}"

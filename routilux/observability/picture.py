"""What a picture of a flow shows, and its two text forms: Mermaid and DOT.

`picture_of` looks at a flow once and makes boxes and arrows of it, in which every text
is ready to be shown: no control characters, no line breaks, not too long. Whoever
writes them in some language only has to escape for that language. `svg` draws the
same boxes without any program; `graphviz` turns DOT into every other format.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from routilux.analysis.workflows import WorkflowAnalyzer

if TYPE_CHECKING:
    from routilux.flow import Flow

__all__ = ["Arrow", "Box", "Direction", "Picture", "dot", "mermaid", "picture_of"]

Direction = Literal["LR", "TB"]

LONGEST = 40  # characters of a name in a box; the whole name is in the tooltip
UNSHOWN = ("Cc", "Cf", "Cs", "Cn")  # categories of Unicode: control, format, none
JOINERS = "\u200c\u200d"
UNTOLD = ("Routine", "FunctionRoutine")  # classes that say nothing about a routine


@dataclass(frozen=True, slots=True)
class Box:
    """One routine.

    Attributes:
        name: Its id, short enough to be shown.
        title: All of its id and its class, for a tooltip.
        lines: What stands below the name.
        heat: 0..1, how much it is the bottleneck; None when nothing was measured.
        failed: Whether it has failures.
    """

    name: str
    title: str
    lines: tuple[str, ...] = ()
    heat: float | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """One connection.

    Attributes:
        source: Index of the box that emits.
        target: Index of the box that receives.
        label: What is written on it, often nothing.
        title: Its four names, for a tooltip.
        weight: 0..1, its share of the items of the busiest one.
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


def picture_of(flow: Flow) -> Picture:
    """Look at a flow.

    An arrow tells the event where the source has several, and the slot where the
    target has; elsewhere the names would say nothing.
    """
    data = WorkflowAnalyzer().analyze_flow(flow, include_source_analysis=False)
    index = {item["routine_id"]: n for n, item in enumerate(data["routines"])}
    events = {item["routine_id"]: len(item["events"]) for item in data["routines"]}
    slots = {item["routine_id"]: len(item["slots"]) for item in data["routines"]}
    boxes = []
    for item in data["routines"]:
        kind = clean(item["class_name"])
        boxes.append(
            Box(
                name=shorten(clean(item["routine_id"])),
                title=f"{clean(item['routine_id'])} ({kind})",
                lines=() if kind in UNTOLD else (shorten(kind),),
            )
        )
    arrows = []
    for item in data["connections"]:
        source, event = item["source_routine_id"], clean(item["source_event"])
        target, slot = item["target_routine_id"], clean(item["target_slot"])
        label = shorten(event) if events[source] > 1 else ""
        if slots[target] > 1:
            label = f"{label} → {shorten(slot)}".strip()
        arrows.append(
            Arrow(
                source=index[source],
                target=index[target],
                label=label,
                title=f"{clean(source)}.{event} → {clean(target)}.{slot}",
            )
        )
    return Picture(clean(data["flow_id"]), tuple(boxes), tuple(arrows))


def mermaid(picture: Picture, direction: Direction = "LR") -> str:
    """Write a picture in the language of Mermaid."""
    lines = [f"flowchart {direction}"]
    for number, box in enumerate(picture.boxes):
        text = "<br/>".join(map(_entities, (box.name, *box.lines)))
        lines.append(f'    n{number}["{text}"]')
    for arrow in picture.arrows:
        label = f'|"{_entities(arrow.label)}"|' if arrow.label else ""
        lines.append(f"    n{arrow.source} -->{label} n{arrow.target}")
    return "\n".join(lines) + "\n"


def dot(picture: Picture, direction: Direction = "LR") -> str:
    """Write a picture in the language of Graphviz."""
    lines = [
        f"digraph {_quoted(picture.title)} {{",
        f"    rankdir={direction}; bgcolor=transparent; nodesep=0.3; ranksep=0.6;",
        '    node [shape=box, style="rounded,filled", fillcolor="#ffffff",'
        ' color="#57606a", fontname="Helvetica,Arial,sans-serif", fontsize=12];',
        '    edge [color="#57606a", fontcolor="#24292f",'
        ' fontname="Helvetica,Arial,sans-serif", fontsize=10, arrowsize=0.7];',
    ]
    for number, box in enumerate(picture.boxes):
        small = "".join(
            f'<br/><font point-size="10">{html.escape(line)}</font>'
            for line in box.lines
        )
        lines.append(
            f"    n{number} [label=<<b>{html.escape(box.name)}</b>{small}>,"
            f" tooltip={_quoted(box.title)}];"
        )
    for arrow in picture.arrows:
        label = f"label={_quoted(arrow.label)}, " if arrow.label else ""
        title = _quoted(arrow.title)
        lines.append(
            f"    n{arrow.source} -> n{arrow.target}"
            f" [{label}tooltip={title}, labeltooltip={title}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


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


# Mermaid has entities of its own, "#" for "&". All that could mean something to it, or
# to the HTML that it makes, goes in as a number; what it can't read stays readable.
def _entities(text: str) -> str:
    return re.sub(r"[^\w ,.:/()%+=→·-]", lambda match: f"#{ord(match.group())};", text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    # Graphviz reads entities in plain strings too.
    return f'"{escaped.replace("&", "&amp;")}"'

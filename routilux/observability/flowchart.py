"""A picture in the two languages that other programs draw: Mermaid and Graphviz."""

from __future__ import annotations

import html
import re

from routilux.observability.picture import Direction, Picture, heat_color

__all__ = ["dot", "mermaid"]


def mermaid(picture: Picture, direction: Direction = "LR") -> str:
    """Write a picture in the language of Mermaid."""
    lines = [f"flowchart {direction}"]
    for number, box in enumerate(picture.boxes):
        text = "<br/>".join(map(_entities, (box.name, *box.lines)))
        start, end = ("[[", "]]") if box.many else ("[", "]")
        lines.append(f'    n{number}{start}"{text}"{end}')
    for arrow in picture.arrows:
        label = f'|"{_entities(arrow.label)}"|' if arrow.label else ""
        lines.append(f"    n{arrow.source} -->{label} n{arrow.target}")
    for number, box in enumerate(picture.boxes):
        if box.heat is not None:
            edge = ",stroke:#cf222e" if box.failed else ""
            color = heat_color(box.heat)
            lines.append(f"    style n{number} fill:{color},color:#1f2328{edge}")
    for number, arrow in enumerate(picture.arrows):
        if arrow.weight:
            width = 1 + 3 * arrow.weight
            lines.append(f"    linkStyle {number} stroke-width:{width:.1f}px")
    return "\n".join(lines) + "\n"


def dot(picture: Picture, direction: Direction = "LR") -> str:
    """Write a picture in the language of Graphviz."""
    lines = [
        f"digraph {_quoted(picture.title)} {{",
        f'    charset="UTF-8"; rankdir={direction}; nodesep=0.25; ranksep=0.5;',
        '    node [shape=box, style="rounded,filled", fillcolor="#f6f8fa",'
        ' color="#57606a", fontname="Helvetica,Arial,sans-serif", fontsize=12];',
        '    edge [color="#8c959f", fontcolor="#1f2328",'
        ' fontname="Helvetica,Arial,sans-serif", fontsize=10, arrowsize=0.7];',
    ]
    for number, box in enumerate(picture.boxes):
        small = "".join(
            f'<br/><font point-size="10">{html.escape(line)}</font>'
            for line in box.lines
        )
        options = f"label=<<b>{html.escape(box.name)}</b>{small}>"
        options += f", tooltip={_quoted(box.title)}"
        if box.heat is not None:
            options += f', fillcolor="{heat_color(box.heat)}"'
        if box.failed:
            options += ', color="#cf222e", penwidth=2'
        if box.many:
            options += ", peripheries=2"
        lines.append(f"    n{number} [{options}];")
    for arrow in picture.arrows:
        title = _quoted(arrow.title)
        options = f"tooltip={title}, labeltooltip={title}"
        if arrow.label:
            options = f"label={_quoted(f' {arrow.label} ')}, {options}"
        if arrow.weight:
            options += f", penwidth={1 + 3 * arrow.weight:.1f}"
        lines.append(f"    n{arrow.source} -> n{arrow.target} [{options}];")
    return "\n".join([*lines, "}"]) + "\n"


# Mermaid has entities of its own, "#" for "&". All that could mean something to it, or
# to the HTML that it makes, goes in as a number; what it can't read stays readable.
def _entities(text: str) -> str:
    return re.sub(r"[^\w ,.:/()%+=→·-]", lambda match: f"#{ord(match.group())};", text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    # Graphviz reads entities in plain strings too.
    return f'"{escaped.replace("&", "&amp;")}"'

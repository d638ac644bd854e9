"""A picture as SVG, without any program: what notebooks and reports show.

The text is complete and safe in itself: no style sheet, no script, no id, nothing from
elsewhere, so that any number of pictures can stand in one page.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence

from routilux.observability.measured import Path, lay_out
from routilux.observability.picture import Arrow, Box, Direction, Picture, heat_color

__all__ = ["svg"]

NAME, SMALL = 13.0, 11.0  # sizes of text
PAD_X, PAD_Y, MARGIN = 12.0, 8.0, 16.0
MOST_LABELS = 4  # on one arrow
MOST_TITLES = 6  # in one tooltip
INK, SOFT, LINE = "#1f2328", "#57606a", "#8c959f"
ALARM, DEEP_ALARM = "#cf222e", "#67060c"  # of lines, of texts on warm colors

Point = tuple[float, float]


def svg(picture: Picture, direction: Direction = "LR", limit: float = 1500.0) -> str:
    """Draw a picture.

    Args:
        picture: The picture.
        direction: "LR" from left to right, "TB" from top to bottom.
        limit: Width in pixels at which a picture from left to right begins a new row.
    """
    across = direction == "TB"
    sizes = [box_size(box) for box in picture.boxes]
    pairs: dict[tuple[int, int], list[int]] = {}
    for number, arrow in enumerate(picture.arrows):
        pairs.setdefault((arrow.source, arrow.target), []).append(number)
    texts = [
        label_lines([picture.arrows[n].label for n in group])
        for group in pairs.values()
    ]
    labels = [label_size(lines) for lines in texts]
    layout = lay_out(
        [size[::-1] if across else size for size in sizes],
        list(pairs),
        [size[::-1] if across else size for size in labels],
        None if across else limit,
    )

    def at(point: Point) -> Point:
        along, beside = point[::-1] if across else point
        return along + MARGIN, beside + MARGIN

    width, height = (part + MARGIN for part in at(layout.size))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}"'
        f' height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
        f' font-family="Helvetica,Arial,sans-serif">'
        f"<title>{html.escape(picture.title)}</title>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
    ]
    centers = [at(center) for center in layout.centers]
    groups = list(pairs.values())
    for path in layout.paths:
        arrows = [picture.arrows[n] for edge in path.edges for n in groups[edge]]
        points = [at(point) for point in path.points]
        drawn = curve(points, path, weight_of(arrows), across)
        parts.append(f"<g>{title_of(arrows)}{drawn}</g>")
    for (source, target), group in pairs.items():
        if source == target:
            arrows = [picture.arrows[number] for number in group]
            drawn = loop(centers[source], sizes[source], weight_of(arrows))
            parts.append(f"<g>{title_of(arrows)}{drawn}</g>")
    for center, box, size in zip(centers, picture.boxes, sizes, strict=True):
        parts.append(draw_box(center, box, size))
    for point, lines in zip(layout.labels, texts, strict=True):
        if point is not None and lines:
            parts.append(draw_label(at(point), lines))
    return "".join([*parts, "</svg>"])


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Estimate how wide a text is in a font like Helvetica, rather too wide."""
    units = 0.0
    for char in text:
        if unicodedata.combining(char) or char == "\u200d":
            continue
        if unicodedata.east_asian_width(char) in "WF":
            units += 1.05
        elif char in "ijltfrI.,:;'|!()[]/ -":
            units += 0.36
        elif char in "mwMW@%—…" or ord(char) > 0x2190:
            units += 0.95
        elif char.isupper() or char == "_":
            units += 0.70
        else:
            units += 0.57
    return units * size * (1.06 if bold else 1.0)


def box_size(box: Box) -> Point:
    """Return width and height of a box."""
    widths = [text_width(line, SMALL) for line in box.lines]
    width = max([text_width(box.name, NAME, bold=True), *widths])
    height = NAME * 1.3 + SMALL * 1.4 * len(box.lines)
    return max(width + 2 * PAD_X, 56.0), height + 2 * PAD_Y


def label_lines(labels: Iterable[str]) -> list[str]:
    """Return the lines of a label: those that say something, not too many."""
    lines = [label for label in labels if label]
    if len(lines) > MOST_LABELS:
        rest = len(lines) - MOST_LABELS + 1
        lines = [*lines[: MOST_LABELS - 1], f"and {rest} more"]
    return lines


def label_size(lines: Sequence[str]) -> Point:
    """Return width and height of a label, (0, 0) for none."""
    if not lines:
        return 0.0, 0.0
    width = max(text_width(line, SMALL) for line in lines)
    return width + 6, SMALL * 1.3 * len(lines) + 2


def draw_box(center: Point, box: Box, size: Point) -> str:
    """Return the SVG of a box."""
    x, y = center[0] - size[0] / 2, center[1] - size[1] / 2
    edge = ALARM if box.failed else SOFT
    shape = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
        f' rx="6" fill="{heat_color(box.heat)}" stroke="{edge}"'
        f' stroke-width="{1.8 if box.failed else 1.2}"/>'
    )
    if box.many:
        shape = (
            f'<rect x="{x + 4:.1f}" y="{y + 4:.1f}" width="{size[0]:.1f}"'
            f' height="{size[1]:.1f}" rx="6" fill="#ffffff" stroke="{edge}"'
            f' stroke-width="1.2"/>{shape}'
        )
    line = y + PAD_Y + NAME
    texts = [
        f'<text x="{center[0]:.1f}" y="{line:.1f}" font-size="{NAME:.0f}"'
        f' font-weight="bold" fill="{INK}">{html.escape(box.name)}</text>'
    ]
    for text in box.lines:
        line += SMALL * 1.4
        alarm = box.failed and text.endswith("failed")
        look = f'font-weight="bold" fill="{DEEP_ALARM}"' if alarm else f'fill="{INK}"'
        texts.append(
            f'<text x="{center[0]:.1f}" y="{line:.1f}" font-size="{SMALL:.0f}"'
            f" {look}>{html.escape(text)}</text>"
        )
    title = f"<title>{html.escape(box.title)}</title>"
    return f'<g text-anchor="middle">{title}{shape}{"".join(texts)}</g>'


def draw_label(center: Point, lines: Sequence[str]) -> str:
    """Return the SVG of a label, with a halo that keeps it readable on arrows."""
    top = center[1] - SMALL * 1.3 * len(lines) / 2
    texts = "".join(
        f'<text x="{center[0]:.1f}" y="{top + SMALL * (1.3 * number + 1):.1f}">'
        f"{html.escape(line)}</text>"
        for number, line in enumerate(lines)
    )
    return (
        f'<g font-size="{SMALL:.0f}" text-anchor="middle" fill="{INK}" stroke="#ffffff"'
        f' stroke-width="4" stroke-linejoin="round" paint-order="stroke">{texts}</g>'
    )


def title_of(arrows: Sequence[Arrow]) -> str:
    """Return the tooltip of the piece of some arrows."""
    lines = [arrow.title for arrow in arrows[:MOST_TITLES]]
    if len(arrows) > MOST_TITLES:
        lines.append(f"and {len(arrows) - MOST_TITLES} more")
    return f"<title>{html.escape(chr(10).join(lines))}</title>"


def weight_of(arrows: Sequence[Arrow]) -> float:
    """Return how busy the piece of some arrows is, 0..1."""
    return min(1.0, sum(arrow.weight for arrow in arrows))


def curve(points: Sequence[Point], path: Path, weight: float, across: bool) -> str:
    """Return the SVG of a piece of an arrow."""
    commands = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for step, (x, y), (to_x, to_y) in zip(path.steps, points, points[1:], strict=False):
        flat = abs(x - to_x) < 0.05 if across else abs(y - to_y) < 0.05
        if step == "line" or flat:
            commands.append(f"L{to_x:.1f},{to_y:.1f}")
        elif across:
            half = (y + to_y) / 2
            commands.append(
                f"C{x:.1f},{half:.1f} {to_x:.1f},{half:.1f} {to_x:.1f},{to_y:.1f}"
            )
        else:
            half = (x + to_x) / 2
            commands.append(
                f"C{half:.1f},{y:.1f} {half:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}"
            )
    drawn = line(commands, weight)
    if not path.ends:
        return drawn
    (x, y), (to_x, to_y) = points[-2:]
    if across:
        heading = (0.0, 1.0 if to_y > y else -1.0)
    else:
        heading = (1.0 if to_x > x else -1.0, 0.0)
    return drawn + tip((to_x, to_y), heading, weight)


def loop(center: Point, size: Point, weight: float) -> str:
    """Return the SVG of an arrow from a box to itself, above it."""
    right, top = center[0] + size[0] / 4, center[1] - size[1] / 2
    left = center[0] - size[0] / 4
    commands = [
        f"M{right:.1f},{top:.1f}C{right:.1f},{top - 16:.1f}"
        f" {left:.1f},{top - 16:.1f} {left:.1f},{top:.1f}"
    ]
    return line(commands, weight) + tip((left, top), (0.0, 1.0), weight)


def line(commands: Sequence[str], weight: float) -> str:
    """Return the SVG of a line, and a wider one that is easy to point at."""
    path = "".join(commands)
    return (
        f'<path d="{path}" fill="none" stroke="{LINE}"'
        f' stroke-width="{1.3 + 2.7 * weight:.1f}" stroke-linejoin="round"/>'
        f'<path d="{path}" fill="none" stroke="#000000" stroke-opacity="0"'
        f' stroke-width="10"/>'
    )


def tip(point: Point, heading: Point, weight: float) -> str:
    """Return the SVG of the head of an arrow."""
    (x, y), (dx, dy) = point, heading
    long, wide = 7 + 3 * weight, 3.5 + 2 * weight
    back_x, back_y = x - dx * long, y - dy * long
    return (
        f'<path d="M{x:.1f},{y:.1f}L{back_x - dy * wide:.1f},{back_y - dx * wide:.1f}'
        f'L{back_x + dy * wide:.1f},{back_y + dx * wide:.1f}Z" fill="{SOFT}"/>'
    )

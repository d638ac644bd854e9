"""The small pictures of a report as SVG: how durations spread, and who ran when."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from routilux.observability.distribution import Distribution
from routilux.observability.figures import count_text, time_text
from routilux.observability.page import Raw, el

__all__ = ["Bar", "bounds_text", "histogram", "timeline", "used_range"]

PALETTE = (
    *("#0969da", "#bf8700", "#1a7f37", "#8250df", "#d1570a", "#0e7a86"),
    *("#bf3989", "#6e7781", "#5c7a00", "#3b4cca"),
)
OTHERS = "#afb8c1"
ALARM = "#cf222e"
WIDTH, LANE, LEFT = 1400.0, 22.0, 150.0
MOST_LANES = 40
THINNEST = 0.6  # pixels of a bar


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that took a while.

    Attributes:
        lane: What it is drawn in.
        name: What it is: bars of one name have one color.
        start: When it began, seconds since the epoch.
        end: When it ended.
        title: For a tooltip.
        failed: Whether it failed.
    """

    lane: str
    name: str
    start: float
    end: float
    title: str
    failed: bool = False


def used_range(many: Iterable[Distribution]) -> tuple[int, int]:
    """Return the numbers of the first and the last bucket that some have."""
    used = [n for times in many for n, (_, count) in enumerate(times.buckets) if count]
    return (min(used), max(used)) if used else (0, 0)


def bounds_text(times: Distribution, used: tuple[int, int]) -> str:
    """Say where the first bucket of a range begins and the last one ends."""
    low = times.buckets[used[0] - 1][0] if used[0] else 0.0
    return f"{time_text(low)} … {until_text(times.buckets[used[1]][0])}"


def until_text(upper: float) -> str:
    """Return the upper bound of a bucket."""
    return "more" if math.isinf(upper) else time_text(upper)


def histogram(times: Distribution, used: tuple[int, int], width: float = 150.0) -> Raw:
    """Draw how durations spread, each bar for times twice as long.

    Args:
        times: The durations.
        used: The buckets to draw, the same for all that are to be compared.
        width: In pixels.
    """
    shown = times.buckets[used[0] : used[1] + 1]
    most = max(count for _, count in shown)
    height = 28.0
    step = min(width / len(shown), 24.0)
    bars = []
    below = times.buckets[used[0] - 1][0] if used[0] else 0.0
    for number, (upper, count) in enumerate(shown):
        if count:
            tall = max(1.5, (height - 2) * count / most)
            title = f"{time_text(below)} to {until_text(upper)}: {count_text(count)}"
            bars.append(
                el(
                    "rect",
                    el("title", title),
                    x=f"{number * step + 0.5:.1f}",
                    y=f"{height - tall:.1f}",
                    width=f"{step - 1:.1f}",
                    height=f"{tall:.1f}",
                    fill="#54aeff",
                )
            )
        below = upper
    wide = step * len(shown)
    line = el("line", x1=0, x2=f"{wide:.1f}", y1=height, y2=height, stroke=OTHERS)
    return el("svg", bars, line, width=f"{wide:.0f}", height=height + 1, role="img")


def timeline(bars: Sequence[Bar]) -> Raw:
    """Draw who ran when, a lane below the other, with a legend."""
    begin = min(bar.start for bar in bars)
    span = max(max(bar.end for bar in bars) - begin, 1e-6)
    lanes = list(dict.fromkeys(bar.lane for bar in sorted(bars, key=lambda b: b.start)))
    shown = {lane: number for number, lane in enumerate(sorted(lanes[:MOST_LANES]))}
    colors = colors_of(bars)
    room = WIDTH - LEFT - 10
    parts: list[Raw] = [
        text(0, LANE * (number + 0.7), lane[:22], el("title", lane))
        for lane, number in shown.items()
    ]
    for bar in bars:
        if bar.lane not in shown:
            continue
        edge: dict[str, str] = {"stroke": ALARM} if bar.failed else {}
        parts.append(
            el(
                "rect",
                el("title", bar.title),
                x=f"{LEFT + (bar.start - begin) / span * room:.2f}",
                y=f"{LANE * shown[bar.lane] + 3:.1f}",
                width=f"{max(THINNEST, (bar.end - bar.start) / span * room):.2f}",
                height=LANE - 6,
                fill=colors.get(bar.name, OTHERS),
                **edge,
            )
        )
    bottom = LANE * len(shown)
    for moment in ticks(span):
        x = LEFT + moment / span * room
        parts.append(
            el(
                "line",
                x1=f"{x:.1f}",
                x2=f"{x:.1f}",
                y1=0,
                y2=f"{bottom + 4:.0f}",
                stroke="#d1d9e0",
                stroke_width=0.7,
            )
        )
        parts.append(
            text(x, bottom + 16, time_text(moment) if moment else "0", anchor="middle")
        )
    drawing = el(
        "svg",
        parts,
        viewBox=f"0 0 {WIDTH:.0f} {bottom + 22:.0f}",
        width=f"{WIDTH:.0f}",
        role="img",
        font_family="system-ui,Helvetica,Arial,sans-serif",
        font_size=11,
    )
    left_out = len(lanes) - len(shown)
    rest = (
        el("p", f"and {left_out} lanes more", class_="note") if left_out > 0 else None
    )
    return el("div", el("div", drawing, class_="picture fit"), rest, legend(colors))


def text(x: float, y: float, words: str, *more: Raw, anchor: str = "start") -> Raw:
    """Return a text in a picture."""
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text_anchor": anchor}
    return el("text", words, *more, fill="#59636e", **place)


def colors_of(bars: Iterable[Bar]) -> dict[str, str]:
    """Give the names that take most of the time a color each."""
    spent: Counter[str] = Counter()
    for bar in bars:
        spent[bar.name] += bar.end - bar.start  # type: ignore[assignment]
    names = [name for name, _ in spent.most_common(len(PALETTE))]
    colors = dict(zip(names, PALETTE, strict=False))
    if len(spent) > len(colors):
        colors[f"{len(spent) - len(colors)} others"] = OTHERS
    return colors


def legend(colors: dict[str, str]) -> Raw:
    """Return which color is whose."""
    return el(
        "div",
        [
            el("span", el("i", style=f"background:{color}"), name)
            for name, color in colors.items()
        ],
        class_="legend",
    )


def ticks(span: float) -> list[float]:
    """Return round moments from 0 to the end, about eight."""
    rough = span / 8
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * part for part in (1, 2, 5, 10) if unit * part >= rough)
    return [step * number for number in range(int(span / step + 1e-9) + 1)]

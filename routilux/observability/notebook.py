"""Progress in a notebook: a small table that is replaced in place.

It needs no widgets: the display of a cell is updated with new HTML.
"""

from __future__ import annotations

import importlib
from typing import Any

from routilux.observability.bars import most_telling
from routilux.observability.figures import count_text, rate_text
from routilux.observability.page import Raw, el
from routilux.observability.progress import summary
from routilux.observability.readings import Reading

__all__ = ["NotebookView", "progress_html"]

ROOM = 40  # routines that are shown
CELL = "padding:1px 10px;text-align:right;background:none"
NAME = "padding:1px 10px;text-align:left;background:none"


class NotebookView:
    """Shows progress below the cell that runs."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, reading: Reading, *, last: bool) -> None:
        """Replace the table."""
        display = importlib.import_module("IPython.display")
        made = display.HTML(progress_html(reading))
        if self._handle is None:
            self._handle = display.display(made, display_id=True)
        else:
            self._handle.update(made)

    def close(self) -> None:
        """Do nothing: the last table stays."""


def progress_html(reading: Reading) -> str:
    """Return a reading as HTML."""
    total = reading.done + reading.live if reading.total is None else reading.total
    rows = [
        el(
            "tr",
            el("td", el("b", "jobs"), style=NAME),
            el("td", bar(reading.done, total), style=NAME),
            el("td", summary(reading), colspan=4, style=NAME),
        ),
        el(
            "tr",
            *(el("th", word, style=NAME) for word in ("routine", "")),
            *(
                el("th", word, style=CELL)
                for word in ("done", "queued", "rate", "failed")
            ),
        ),
    ]
    shown = most_telling(reading.routines, ROOM)
    for item in shown:
        counts = (
            *(count_text(item.done), count_text(item.queued)),
            *(rate_text(item.rate), count_text(item.failures)),
        )
        rows.append(
            el(
                "tr",
                el("td", item.name, style=NAME),
                el("td", bar(item.done, item.done + item.queued), style=NAME),
                *(el("td", text, style=CELL) for text in counts),
            )
        )
    if len(shown) < len(reading.routines):
        rest = len(reading.routines) - len(shown)
        text = f"and {rest} routines more, with less queued"
        rows.append(el("tr", el("td", text, colspan=6, style=NAME)))
    return el("table", el("tbody", *rows))


def bar(done: int, total: int) -> Raw:
    """Return a bar."""
    percent = 100.0 * done / total if total else 0.0
    inner = el("div", style=f"width:{percent:.1f}%;height:100%;background:#0969da")
    return el(
        "div",
        inner,
        style="width:160px;height:8px;border-radius:4px;overflow:hidden;"
        "background:#d1d9e0",
    )

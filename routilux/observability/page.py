"""A page of HTML built of elements, in which no text can become markup.

`el` makes an element of its children. A child that is a str is text and is escaped;
what `el` returned, or `Raw` holds, goes in as it is. `document` makes a whole page with
its style inside: it loads nothing, and a policy in it forbids to.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

__all__ = ["Child", "Raw", "document", "el", "table"]


class Raw(str):
    """Markup that is ready; all other texts are escaped."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]

STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, sans-serif;
  color: #1f2328; background: #fff; max-width: 1600px; margin: 0 auto; padding: 24px; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 10px; padding-bottom: 4px;
  border-bottom: 1px solid #d1d9e0; overflow-wrap: anywhere; }
p.note, .soft { color: #59636e; }
p.note { margin: 0 0 12px; }
.cards { display: flex; flex-wrap: wrap; gap: 10px; margin: 16px 0; }
.card { border: 1px solid #d1d9e0; border-radius: 6px; padding: 8px 16px; }
.card b { display: block; font-size: 20px; font-weight: 600; }
.card.bad b { color: #cf222e; }
.picture { overflow: auto; max-height: 80vh; border: 1px solid #d1d9e0;
  border-radius: 6px; }
.picture svg { display: block; margin: auto; }
.fit svg { max-width: 100%; height: auto; }
.whole input { position: absolute; opacity: 0; }
.whole label { cursor: pointer; color: #0969da; }
.whole input:focus-visible + label { outline: 2px solid #0969da; }
.whole input:checked ~ .picture svg { max-width: none; height: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid #e4e8ec;
  vertical-align: middle; }
th { color: #59636e; font-weight: 600; white-space: nowrap; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.text, th.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
tr.bad td:first-child { color: #cf222e; }
.scroll { overflow-x: auto; }
details { margin: 8px 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.failure { border: 1px solid #ffcecb; border-radius: 6px; padding: 6px 12px;
  background: #fff8f7; }
pre { background: #f6f8fa; border-radius: 6px; padding: 12px; overflow: auto;
  max-height: 32em; font: 12px/1.45 ui-monospace, Menlo, Consolas, monospace; }
code { font: 12px ui-monospace, Menlo, Consolas, monospace; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 8px 0 0; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px;
  margin-right: 5px; }
@media print { .picture, pre { max-height: none; overflow: visible; } }
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


def el(tag: str, *children: Child, **attributes: str | int | float | bool) -> Raw:
    """Return an element; `class_` is the attribute class.

    Example:
        >>> el("p", "1 < 2 ", el("b", "true"), class_="note")
        '<p class="note">1 &lt; 2 <b>true</b></p>'
    """
    shown = "".join(
        f" {name.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{html.escape(str(value))}"')
        for name, value in attributes.items()
        if value is not False
    )
    if tag in ("meta", "input"):
        return Raw(f"<{tag}{shown}>")
    return Raw(f"<{tag}{shown}>{''.join(map(_inner, children))}</{tag}>")


def _inner(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Raw):
        return child
    if isinstance(child, (str, int, float)):
        return html.escape(_shown(str(child)))
    return "".join(map(_inner, child))


# Neither a lone surrogate nor a control character can stand in a page.
def _shown(text: str) -> str:
    return "".join(
        char
        if (char >= " " or char in "\n\t") and not "\ud800" <= char <= "\udfff"
        else "�"
        for char in text
    )


def table(
    head: Sequence[str],
    rows: Iterable[tuple[Sequence[Child], bool]],
    texts: Iterable[int] = (),
) -> Raw:
    """Return a table.

    Args:
        head: The headings.
        rows: The cells of each row, and whether something is wrong in it.
        texts: Numbers of the columns that hold texts, which may be long.
    """
    texts = set(texts)

    def line(tag: str, cells: Sequence[Child]) -> list[Raw]:
        return [
            el(tag, cell, class_="text" if number in texts else False)
            for number, cell in enumerate(cells)
        ]

    body = [
        el("tr", *line("td", cells), class_="bad" if bad else False)
        for cells, bad in rows
    ]
    whole = el("table", el("thead", el("tr", *line("th", head))), el("tbody", *body))
    return el("div", whole, class_="scroll")


def document(title: str, *children: Child) -> str:
    """Return a whole page."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Raw(STYLE)),
    )
    return f"<!DOCTYPE html>\n{el('html', head, el('body', *children), lang='en')}\n"

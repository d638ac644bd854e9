"""The methods of `Flow` that draw it; each loads what it needs when it is called."""

from __future__ import annotations

from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from routilux.arguments import check_path, check_type

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.observability.numbers import Run
    from routilux.observability.picture import Direction, Picture
    from routilux.observability.snapshot import RuntimeMetrics

__all__ = ["DrawnFlow"]

MOST_BOXES = 1000  # that a notebook draws by itself


class DrawnFlow:
    """What draws a flow.

    All take `run`: a runtime, a worker, or what `runtime.metrics()` returned. Routines
    are then coloured by their share of the time in logic, and connections show how many
    items went over them. Without it, the numbers are those of the runtimes that run
    the flow with `enable_monitoring`, if there are any.
    """

    __slots__ = ()

    def to_mermaid(
        self,
        *,
        run: Run | None = None,
        since: RuntimeMetrics | None = None,
        direction: Direction = "LR",
        fold: bool = False,
    ) -> str:
        """Return the flow as a Mermaid flowchart, which many Markdown readers draw.

        Args:
            run: Whose numbers to show; see `DrawnFlow`.
            since: An earlier snapshot: show only what came after.
            direction: "LR" from left to right, "TB" from top to bottom.
            fold: One box for more than 8 routines of one class, connected alike.

        Raises:
            TypeError: `run` is nothing that has numbers.
            ValueError: No such direction, or `run` has no numbers of the flow.

        Example:
            >>> print(flow.to_mermaid())
            flowchart LR
                n0["reader"]
                n1["parser"]
                n0 --> n1
        """
        from routilux.observability.flowchart import mermaid

        check_direction(direction)
        return mermaid(self._picture(run, since, fold), direction)

    def to_dot(
        self,
        *,
        run: Run | None = None,
        since: RuntimeMetrics | None = None,
        direction: Direction = "LR",
        fold: bool = False,
    ) -> str:
        """Return the flow in the language of Graphviz, for its programs.

        Args:
            run: Whose numbers to show; see `DrawnFlow`.
            since: An earlier snapshot: show only what came after.
            direction: "LR" from left to right, "TB" from top to bottom.
            fold: One box for more than 8 routines of one class, connected alike.

        Raises:
            TypeError: `run` is nothing that has numbers.
            ValueError: No such direction, or `run` has no numbers of the flow.
        """
        from routilux.observability.flowchart import dot

        check_direction(direction)
        return dot(self._picture(run, since, fold), direction)

    def draw(
        self,
        path: str | PathLike[str],
        *,
        run: Run | None = None,
        since: RuntimeMetrics | None = None,
        direction: Direction = "LR",
        fold: bool = True,
    ) -> Path:
        """Draw the flow into a file.

        SVG needs nothing else. PNG, PDF and the other formats are drawn by Graphviz:
        the extra `draw`, and its program `dot`.

        Args:
            path: The file, whose suffix says the format; one that is there is replaced.
            run: Whose numbers to show; see `DrawnFlow`.
            since: An earlier snapshot: show only what came after.
            direction: "LR" from left to right, "TB" from top to bottom.
            fold: One box for more than 8 routines of one class, connected alike.

        Returns:
            The path.

        Raises:
            TypeError: `run` is nothing that has numbers.
            ValueError: No such direction or format, or `run` has no numbers of the
                flow.
            ConfigurationError: Graphviz is missing; the message says what to install.

        Example:
            >>> flow.draw("flow.svg")
            PosixPath('flow.svg')
        """
        from routilux.observability.graphics import write_picture

        file = check_path("path", path)
        check_direction(direction)
        picture = self._picture(run, since, fold)
        return write_picture(picture, file, direction)

    def _picture(
        self, run: Run | None, since: RuntimeMetrics | None, fold: bool
    ) -> Picture:
        from routilux.observability.numbers import numbers_of
        from routilux.observability.picture import picture_of
        from routilux.observability.snapshot import RuntimeMetrics

        check_type("fold", fold, bool)
        if since is not None:
            check_type("since", since, RuntimeMetrics)

        flow = cast("Flow", self)
        return picture_of(flow, numbers_of(flow, run, since), fold)

    # What notebooks ask for. A flow that is too large to be drawn without a wish is
    # shown as its text.
    def _repr_mimebundle_(
        self, include: Collection[str] = (), exclude: Collection[str] = ()
    ) -> dict[str, Any]:
        from routilux.observability.svg import svg

        bundle = {"text/plain": repr(self)}
        picture = self._picture(None, None, True)
        if 0 < len(picture.boxes) <= MOST_BOXES:
            bundle["image/svg+xml"] = svg(picture)
            bundle["text/html"] = (
                '<div style="overflow:auto;max-height:48em">'
                f"{bundle['image/svg+xml']}</div>"
            )
        return {
            kind: text
            for kind, text in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }

    def _repr_html_(self) -> str | None:
        html: str | None = self._repr_mimebundle_().get("text/html")
        return html


def check_direction(direction: Direction) -> None:
    """Raise unless there is such a direction."""
    if direction not in ("LR", "TB"):
        raise ValueError(f"direction must be 'LR' or 'TB', not {direction!r}")

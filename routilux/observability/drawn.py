"""The methods of `Flow` that draw it; `picture` carries them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from routilux.flow import Flow
    from routilux.observability.picture import Direction

__all__ = ["DrawnFlow"]


class DrawnFlow:
    """What draws a flow."""

    __slots__ = ()

    def to_mermaid(self, *, direction: Direction = "LR") -> str:
        """Return the flow as a Mermaid flowchart, which many Markdown readers draw.

        Args:
            direction: "LR" from left to right, "TB" from top to bottom.

        Raises:
            ValueError: There is no such direction.

        Example:
            >>> print(flow.to_mermaid())
            flowchart LR
                n0["reader"]
                n1["parser"]
                n0 --> n1
        """
        from routilux.observability.picture import mermaid, picture_of

        return mermaid(picture_of(cast("Flow", self)), check_direction(direction))

    def to_dot(self, *, direction: Direction = "LR") -> str:
        """Return the flow in the language of Graphviz, for its programs.

        Args:
            direction: "LR" from left to right, "TB" from top to bottom.

        Raises:
            ValueError: There is no such direction.
        """
        from routilux.observability.picture import dot, picture_of

        return dot(picture_of(cast("Flow", self)), check_direction(direction))


def check_direction(direction: Direction) -> Direction:
    """Return a direction, or raise."""
    if direction not in ("LR", "TB"):
        raise ValueError(f"direction must be 'LR' or 'TB', not {direction!r}")
    return direction

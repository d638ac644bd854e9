"""Origin: whether the constructor of a routine sets something, or somebody else.

What the constructor sets, a document need not hold: calling it again makes it again.
Asked where a routine is told its logic, policy or key, which is long before it runs.
"""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["is_constructing"]

# `_prepare` calls `setup()` for the factory and for flows. A `setup()` that somebody
# else calls, who may give it arguments, is not called again with the class.
CONSTRUCTORS = ("__init__", "_prepare")


def is_constructing(routine: object) -> bool:
    """Whether the constructor of this routine, or its preparation, is under way."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        called = code.co_varnames[0] if code.co_argcount else ""
        if code.co_name in CONSTRUCTORS and frame.f_locals.get(called) is routine:
            return True
        frame = frame.f_back
    return False

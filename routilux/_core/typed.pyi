"""Arrays of typed slots, in the words of numpy."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike

from routilux._core.block import Layout

def layout_of(
    dtype: DTypeLike, shape: int | Sequence[int] | None, name: str
) -> ArrayLayout: ...

@final
class ArrayLayout(Layout):
    def __init__(self, descr: np.dtype[Any], shape: tuple[int, ...]) -> None: ...

"""Blocks: items of a typed slot on their way in and out."""

from collections.abc import Iterator
from typing import Any, final

import numpy as np

@final
class Block:
    def __iter__(self) -> Iterator[Block]: ...

class Layout:
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def itemsize(self) -> int: ...

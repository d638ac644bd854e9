"""Blocks: items of a typed slot on their way in and out."""

from collections.abc import Iterator
from typing import final

@final
class Block:
    def __iter__(self) -> Iterator[Block]: ...

class Layout: ...

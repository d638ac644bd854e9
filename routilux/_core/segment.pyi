"""The queue of a typed slot."""

from typing import final

@final
class Chunk: ...

"""Room in a queue, announced to an event loop."""

from typing import final

@final
class RoomBell:
    def leave(self) -> bool: ...

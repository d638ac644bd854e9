"""Time as the core sees it; compiled code alone asks it."""

from typing import final

@final
class Clock: ...

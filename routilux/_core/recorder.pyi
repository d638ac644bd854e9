"""The flight recorder: the last moments of a runtime, in a ring of fixed memory."""

from typing import final

@final
class Recorder: ...

def is_steady() -> bool: ...

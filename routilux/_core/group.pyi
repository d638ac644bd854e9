"""The group that a batch of several jobs works for; compiled code alone makes it."""

from typing import final

@final
class JobGroup: ...

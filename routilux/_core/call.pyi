"""A plain function as a routine: what of it is visible to Python."""

from collections.abc import AsyncGenerator, Coroutine
from enum import Enum
from typing import Any

class Skip(Enum):
    SKIP = "skip"

async def relay(coroutine: Coroutine[Any, Any, Any]) -> None: ...
async def relay_all(values: AsyncGenerator[Any]) -> None: ...

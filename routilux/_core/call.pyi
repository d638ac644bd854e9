"""A plain function as a routine: what of it is visible to Python."""

from asyncio import Future
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from enum import Enum
from typing import Any

class Skip(Enum):
    SKIP = "skip"

def bell_parts() -> tuple[Future[None], Callable[[], None]]: ...
def end_future(future: Future[None]) -> None: ...
async def relay(coroutine: Coroutine[Any, Any, Any]) -> None: ...
async def relay__fresh(
    function: Callable[..., Coroutine[Any, Any, Any]], args: Sequence[Any]
) -> None: ...
async def relay_all(values: AsyncGenerator[Any]) -> None: ...

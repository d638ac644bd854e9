"""Job accounting."""

from typing import final

from routilux._core.job import JobContext

@final
class Ledger:
    def __init__(self, bound: int, history: int) -> None: ...

def seq_of(job: JobContext) -> int: ...

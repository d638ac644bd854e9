"""Run a measurement in a process of its own, which no other has left its mark on."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as LateError
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from rows import Skipped

T = TypeVar("T")


def in_a_new_process(
    what: str, limit: float, task: Callable[[], T]
) -> tuple[T | None, Skipped | None]:
    """Run a task elsewhere; a peer that hangs or dies costs its rows only.

    Args:
        what: The name for the table.
        limit: Seconds until the process is ended.
        task: What to run; has to be picklable, as its result.

    Returns:
        The result, or why there is none.
    """
    executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    try:
        return executor.submit(task).result(limit), None
    except LateError:
        for process in list(executor._processes.values()):
            process.kill()
        return None, Skipped(what, f"did not end within {limit:.0f} s")
    except BrokenProcessPool:
        return None, Skipped(what, "its process ended by itself")
    except Exception as error:
        return None, Skipped(what, f"{type(error).__name__}: {error}")
    finally:
        executor.shutdown(wait=False, cancel_futures=True)

"""Fail the first allocation of a scenario, then the second, and so on until none fails.

    python tests/memory/sweep.py SHIM CASE ENGINE ...
    python tests/memory/sweep.py --python STEP CASE ENGINE ...

After each run, with memory there again: every job that was accepted has ended, what it
says of its end is true, no item is seen twice, and the runtime works and shuts down.
The first form fails what the compiled modules allocate themselves, each call alone and
then each with all after it; the second Python's own allocations, every STEP-th.
"""

import argparse
import ctypes
import faulthandler
import importlib
import logging
import pkgutil
import sys
import threading
import time
import traceback

import cases
from book import Book

import routilux
import routilux._core

PATIENCE = 20.0  # of the watchdog, for one run
MOST = 5000  # runs of a scenario; it must end long before
NEVER = 10**6  # an allocation that no scenario comes to
ENOUGH = 2  # runs in a row without a failure: threads do not always allocate the same


class OwnAllocations:
    """Those of the compiled modules: the n-th fails, alone or with all after it."""

    def __init__(self, shim: str, and_after: bool) -> None:
        for module in pkgutil.iter_modules(routilux._core.__path__):
            importlib.import_module(f"routilux._core.{module.name}")
        self.shim = ctypes.CDLL(shim)
        self.shim.switch_on.argtypes = (ctypes.c_long, ctypes.c_int)
        self.shim.switch_off.restype = ctypes.c_long
        self.and_after = and_after
        self.step = 1
        assert self.shim.patch(b"/routilux/_core/") > 20

    def on(self, n: int) -> None:
        self.shim.switch_on(n, self.and_after)

    def off(self, n: int) -> bool:
        """Switch off; True if any failed."""
        return self.shim.switch_off() > 0


class PythonAllocations:
    """Those of Python, of objects and all else: the n-th fails."""

    def __init__(self, step: int) -> None:
        import _testcapi

        self.step = step
        self.testcapi = _testcapi
        self.and_after = False

    def on(self, n: int) -> None:
        self.testcapi.set_nomemory(n, n + 1)

    def off(self, n: int) -> bool:
        """Switch off; True if one failed: then none of those to come does."""
        try:
            for _ in range(n):
                object()
        except MemoryError:
            return False
        finally:
            self.testcapi.remove_mem_hooks()
        return True


def routilux_threads() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("routilux")
    ]


def run_once(scenario, engine: str, memory, n: int) -> bool:
    """Run with the n-th allocation failing; False when there was none."""
    book = Book(engine, memory.and_after)
    steps = scenario(book)
    next(steps)  # what the scenario needs
    completed = False
    memory.on(n)
    try:
        next(steps)
        completed = True
    except MemoryError:
        pass
    finally:
        failed = memory.off(n)
    if completed:
        for _ in steps:  # what it has to say
            pass
    del steps
    try:
        book.check()
    except BaseException as error:
        error.__cause__ = book.poor
        raise
    book.poor = None
    end = time.monotonic() + 5
    while threads := routilux_threads():
        assert time.monotonic() < end, f"threads live on: {threads}"
        time.sleep(0.001)
    return failed


def sweep(scenario, engine: str, memory) -> int:
    """Say how many allocations failed, one in each run."""
    last = misses = 0
    for n in range(1, MOST * memory.step, memory.step):
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            failed = run_once(scenario, engine, memory, n)
        except BaseException:
            print(f"allocation {n} of {scenario.__name__}, engine {engine}:")
            traceback.print_exc(file=sys.stdout)
            sys.exit(1)
        finally:
            faulthandler.cancel_dump_traceback_later()
        last = n if failed else last
        misses = 0 if failed else misses + 1
        if misses == ENOUGH:
            return last
    raise AssertionError(f"{MOST} allocations failed, and more are to come")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", type=int, metavar="STEP")
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    names = options.names
    logging.getLogger("routilux").setLevel(logging.CRITICAL + 1)
    if options.python:
        memories = [PythonAllocations(options.python)]
    else:
        shim = names.pop(0)
        memories = [OwnAllocations(shim, dry) for dry in (False, True)]
    scenario = getattr(cases, names[0])
    for engine in names[1:]:
        run_once(scenario, engine, memories[0], NEVER)  # what is imported late, is now
        for memory in memories:
            count = sweep(scenario, engine, memory)
            dry = ", each with all after it" if memory.and_after else ""
            print(f"{engine}: {count} allocations failed{dry}")
            assert count


if __name__ == "__main__":
    main()

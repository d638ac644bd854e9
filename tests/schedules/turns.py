"""Threads that take turns: the scheduler as Python sees it, and what runs on it.

`load()` has to come before the first import of routilux, whose probe build looks for
the scheduler then. `under(strategy, run)` runs a function as thread 0 of one schedule.
What routilux takes from `threading` and `concurrent.futures` is replaced by forms that
hand the turn on where they would block.
"""

import ctypes
import subprocess
import sys
import sysconfig
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).with_name("scheduler.h")
STRATEGIES = {"default": 0, "random": 1, "pct": 2}
MOST = 60000
KINDS = ("lock", "unlock", "load", "store", "fence", "wait", "wake")
STATES = ("", "runs", "waits", "timed out", "gone")
AT_WAIT = KINDS.index("wait")

lib: ctypes.CDLL


class Strategy(NamedTuple):
    """How the turns of one schedule are chosen."""

    name: str = "default"
    seed: int = 0
    switch_in: int = 8  # random: one turn in so many goes to anybody
    time_in: int = 0  # one turn in so many makes time pass; 0: none
    depth: int = 0  # pct
    length: int = 1000  # pct: steps among which the priorities change
    forced: tuple[tuple[int, int], ...] = ()  # (step, thread); nothing else is chosen


class Record(NamedTuple):
    """What came of it: enough to run it again."""

    picks: tuple[tuple[int, int], ...]
    steps: int
    elapsed_ns: int


def load(where: Path) -> None:
    """Compile the scheduler if it is older than its source, and load it for all."""
    global lib
    target = where / f"scheduler{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not target.exists() or target.stat().st_mtime < SOURCE.stat().st_mtime:
        include = sysconfig.get_path("include")
        command = ["cc", "-O2", "-shared", "-fPIC", f"-I{include}", "-xc", str(SOURCE)]
        subprocess.run([*command, "-o", str(target)], check=True)
    lib = ctypes.CDLL(str(target), mode=ctypes.RTLD_GLOBAL)
    lib.sched_begin.argtypes = [ctypes.c_int, ctypes.c_uint64] + [ctypes.c_int] * 4
    lib.sched_mask.restype = ctypes.c_uint64
    lib.sched_elapsed.restype = lib.rlx_sched_now.restype = ctypes.c_int64
    lib.rlx_sched_wait.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]
    lib.rlx_sched_tell.argtypes = [ctypes.c_void_p]


def is_scheduled() -> bool:
    """Whether the calling thread takes turns."""
    return bool(lib.rlx_sched_mine())


def point() -> None:
    """Let another thread go on, as the scheduler likes."""
    if lib.rlx_sched_mine():
        lib.rlx_sched_point(AT_WAIT)


def wait(what: object, seconds: float | None = None) -> bool:
    """Let others go on until somebody tells `what`; False: the time is over."""
    until = -1 if seconds is None else lib.rlx_sched_now() + int(seconds * 1e9)
    return bool(lib.rlx_sched_wait(id(what), AT_WAIT, until))


@contextmanager
def alone() -> Iterator[None]:
    """Keep the turn, as far as one does not wait."""
    lib.sched_alone(1)
    try:
        yield
    finally:
        lib.sched_alone(0)


def tell(what: object) -> None:
    """Let those go on that wait for `what`."""
    if lib.rlx_sched_mine():
        lib.rlx_sched_tell(id(what))


class Lock:
    """A lock, reentrant or not: one that takes turns knows no other race."""

    def __init__(self) -> None:
        self.owner: int | None = None
        self.depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = threading.get_ident()
        point()
        while self.owner not in (None, me):
            if not blocking:
                return False
            wait(self)
        self.owner = me
        self.depth += 1
        return True

    def release(self) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.owner = None
            tell(self)
        point()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class Event:
    """A flag that others wait for."""

    def __init__(self) -> None:
        self.flag = False

    def is_set(self) -> bool:
        point()
        return self.flag

    def set(self) -> None:
        self.flag = True
        tell(self)
        point()

    def wait(self, timeout: float | None = None) -> bool:
        point()
        while not self.flag:
            if not wait(self, timeout):
                break
        return self.flag


class Thread(threading.Thread):
    """A thread that takes turns if who starts it does."""

    place: int | None = None
    over = False

    def start(self) -> None:
        if is_scheduled():
            self.place = lib.sched_announce()
        super().start()
        point()

    def run(self) -> None:
        if self.place is None:
            return super().run()
        lib.sched_enter(self.place)
        try:
            super().run()
        finally:
            self.over = True
            tell(self)
            lib.sched_leave()

    def join(self, timeout: float | None = None) -> None:
        while self.place is not None and is_scheduled() and not self.over:
            if not wait(self, timeout):
                return
        super().join(timeout)


class Pool:
    """As much of a ThreadPoolExecutor as a runtime asks for."""

    def __init__(self, size: int, prefix: str = "") -> None:
        self.size = size
        self.tasks: deque[Callable[[], object]] = deque()
        self.threads: list[Thread] = []
        self.idle = 0
        self.closed = False

    def submit(self, task: Callable[[], object]) -> None:
        point()
        if self.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self.tasks.append(task)
        if self.idle >= len(self.tasks):
            tell(self)
        elif len(self.threads) < self.size:
            thread = Thread(target=self.serve)
            self.threads.append(thread)
            thread.start()

    def serve(self) -> None:
        while True:
            while not self.tasks:
                if self.closed:
                    return
                self.idle += 1
                wait(self)
                self.idle -= 1
            self.tasks.popleft()()

    def shutdown(self, wait: bool = True) -> None:
        self.closed = True
        tell(self)
        point()
        for thread in self.threads if wait else ():
            thread.join()


class Shim:
    """`threading` with the forms above."""

    Lock = RLock = Lock
    Event = Event
    Thread = Thread

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


def install() -> None:
    """Give the modules of routilux what takes turns."""
    shim = Shim()
    for name, module in list(sys.modules.items()):
        if name.startswith("routilux."):
            if getattr(module, "threading", None) is threading:
                module.threading = shim  # type: ignore[attr-defined]
            if hasattr(module, "ThreadPoolExecutor"):
                module.ThreadPoolExecutor = Pool  # type: ignore[attr-defined]


def under(strategy: Strategy, run: Callable[[], None]) -> Record:
    """Run a function as the first thread of a schedule, until no other is left."""
    n = len(strategy.forced)
    at = (ctypes.c_int * n)(*(step for step, _ in strategy.forced))
    thread = (ctypes.c_int * n)(*(number for _, number in strategy.forced))
    lib.sched_begin(
        STRATEGIES[strategy.name],
        strategy.seed,
        strategy.switch_in,
        strategy.time_in,
        strategy.depth,
        strategy.length,
    )
    lib.sched_force(n, at, thread)
    try:
        run()
        while lib.sched_alive():  # what a runtime without wait leaves behind
            wait(lib, 0.001)
        return record()
    finally:
        lib.sched_end()


def record() -> Record:
    """Return what was chosen so far."""
    at, thread = (ctypes.c_int * MOST)(), (ctypes.c_int * MOST)()
    n = lib.sched_picks(at, thread, MOST)
    picks = tuple(zip(at[:n], thread[:n], strict=True))
    return Record(picks, lib.sched_steps(), lib.sched_elapsed())


def masks(steps: int) -> list[int]:
    """Return, for each step, the set of threads that could have run, as bits."""
    return [lib.sched_mask(i) for i in range(steps)]


def threads_now() -> list[str]:
    """Return what each thread does, for the report of a schedule that is stuck."""
    kind, what = ctypes.c_int(), ctypes.c_uint64()
    until, lines = ctypes.c_int64(), []
    for i in range(64):
        state = lib.sched_waits(
            i, ctypes.byref(kind), ctypes.byref(what), ctypes.byref(until)
        )
        if state < 0:
            break
        text = f"thread {i} {STATES[state]}, last at {KINDS[kind.value]}"
        if STATES[state] == "waits":
            limit = "for ever" if until.value < 0 else f"for {until.value / 1e6:.3f} ms"
            text += f" {what.value:#x} {limit}"
        lines.append(text)
    return lines

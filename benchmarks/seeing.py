"""Print what it costs to look at a runtime, as ratios to the same run without it.

    python benchmarks/seeing.py [--rounds N] [--json FILE]

A chain of ten routines that do nothing else is the worst case: all of its time is the
runtime's own. The contenders take turns; who looks looks only during its own turn, and
the reader of the live page is another process, as a browser is. What is compared is the
processor time of this process, so what else the machine does matters little.
`docs/seeing.md` shows the table.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import driving
import flows
import table
from rows import Row, Skipped, check, each, interleave, ratio, running

from routilux import Runtime

CHAIN = 10
ITEMS = 300_000  # a second or so of work: the page looks once a second
READER = """
import http.client, socket, sys, threading
port = int(sys.argv[1])

def read(answer):
    try:
        while answer.read1(65536):
            pass
    except (http.client.HTTPException, OSError, ValueError):
        pass

while sys.stdin.readline():
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/events")
    sock, answer = connection.sock, connection.getresponse()
    answer.readline()
    thread = threading.Thread(target=read, args=[answer])
    thread.start()
    print("looks", flush=True)
    sys.stdin.readline()
    sock.shutdown(socket.SHUT_RDWR)
    thread.join()
"""

Look = Callable[[], AbstractContextManager[object]]


class Reader:
    """A process that reads the events of a live page, like a browser."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, "-c", READER, str(port)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Have it read for as long as the block lasts."""
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        print(file=child.stdin, flush=True)
        if child.stdout.readline() != "looks\n":
            raise RuntimeError("the live page does not answer")
        yield
        print(file=child.stdin, flush=True)

    def close(self) -> None:
        """End the process."""
        self._child.kill()
        self._child.communicate()


@contextmanager
def traced(runtime: Runtime, path: Path) -> Iterator[None]:
    """Trace one turn into a file."""
    with runtime.trace(path):
        yield


@contextmanager
def shown(runtime: Runtime, total: int) -> Iterator[None]:
    """Show the progress of one turn to nobody."""
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        runtime.progress(total, file=nowhere, form="bars"),
    ):
        yield


def turn(
    runtime: Runtime, case: flows.Case, items: list[flows.Item], look: Look
) -> None:
    """Run all items while somebody looks."""
    with look():
        driving.post_all(runtime, case, items)


def measure(rounds: int) -> Iterator[Row | Skipped]:
    """Time the same chain with each way to look at it."""
    items = flows.items_of(ITEMS)
    missing: list[Skipped] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cases: list[flows.Case] = []
        works: dict[str, Callable[[], None]] = {}

        def contend(
            name: str, monitored: bool, look: Callable[[Runtime], Look]
        ) -> None:
            case = flows.chain(CHAIN)
            runtime = stack.enter_context(running(case, enable_monitoring=monitored))
            cases.append(case)
            works[name] = partial(turn, runtime, case, items, look(runtime))

        contend("off", False, lambda runtime: nullcontext)
        contend("metrics", True, lambda runtime: nullcontext)
        if hasattr(Runtime, "trace"):
            path = folder / "run.json"
            contend("trace", True, lambda runtime: partial(traced, runtime, path))
        else:
            missing.append(Skipped("trace", "this version has none"))
        if hasattr(Runtime, "progress") and find_spec("rich"):
            look = partial(partial, shown)
            contend("progress", False, lambda runtime: look(runtime, ITEMS))
        else:
            missing.append(Skipped("progress", "needs the extra 'progress'"))
        if find_spec("starlette") and find_spec("uvicorn"):
            for monitored in (False, True):
                name = "live page, with metrics" if monitored else "live page"

                def watched(runtime: Runtime) -> Look:
                    page = stack.enter_context(runtime.dashboard())
                    reader = Reader(page.port)
                    stack.callback(reader.close)
                    return reader.looking

                contend(name, monitored, watched)
        else:
            missing.append(Skipped("live page", "needs the extra 'dashboard'"))
        # Processor time of all threads: what looks counts, other programs do not.
        measured = interleave(rounds, *works.values(), clock=time.process_time)
        times = dict(zip(works, measured, strict=True))
        check(cases, ITEMS)
    hops = CHAIN * ITEMS
    limits = {"metrics": "<= 1.10", "progress": "<= 1.02", "live page": "<= 1.05"}
    off = times.pop("off")
    for name, taken in times.items():
        note = f"{each(taken, hops)} / {each(off, hops)} a hop"
        yield ratio(f"{name} / off", taken, off, limits.get(name, ""), note)
        if name == "live page, with metrics":
            base = times["metrics"]
            note = f"{each(taken, hops)} / {each(base, hops)} a hop"
            yield ratio("live page / metrics alone", taken, base, "<= 1.05", note)
    yield from missing


def main() -> None:
    """Measure, print each row when it is there, write the file."""
    options = table.options_of(__doc__, rounds=7).parse_args()
    logging.getLogger("routilux").setLevel(logging.ERROR)
    table.show(options, measure(options.rounds))


if __name__ == "__main__":
    main()

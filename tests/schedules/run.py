"""Explore schedules of the scenarios, or run a saved one again.

    python tests/schedules/run.py --lib build/probe/lib --count 1000 [--only NAME ...]
    python tests/schedules/run.py --lib build/probe/lib --replay FILE.json

The first third of a scenario's schedules is random, the second PCT of depth 2 to 4, the
rest goes through all places of one pre-emption and then of two, depth first. Schedules
run in a child process; when one fails, or is stuck, the child says which and ends, and
the next child goes on behind it. `make schedules` builds and runs.
"""

import argparse
import ctypes
import gc
import itertools
import json
import os
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import turns
from turns import Strategy

SAVED = Path(__file__).with_name("saved")
CHILD_SECONDS = 600  # for one child; else it hangs where nobody yields
PER_CHILD = 2000


def random_and_pct(count: int, length: int) -> Iterator[Strategy]:
    """Draw strategies: half of them random ones, half PCT."""
    for seed in range(count // 2):
        draw = random.Random(seed)
        yield Strategy(
            "random",
            seed,
            switch_in=draw.choice([2, 4, 10, 30]),
            time_in=draw.choice([0, 0, 200, 40]),
        )
    for seed in range(count - count // 2):
        draw = random.Random(seed)
        yield Strategy(
            "pct",
            seed,
            depth=draw.choice([2, 3, 4]),
            length=length,
            time_in=draw.choice([0, 0, 400]),
        )


def preemptions(masks: list[int], since: int) -> Iterator[tuple[int, int]]:
    """Name each step after `since` and each other thread that could have run there."""
    for step in range(since, len(masks)):
        for thread in range(masks[step].bit_length()):
            if masks[step] >> thread & 1:
                yield step, thread


class Explorer:
    """Runs the schedules of one scenario."""

    def __init__(self, name: str) -> None:
        from scenarios import SCENARIOS

        self.name = name
        self.body = SCENARIOS[name]
        self.strategy = Strategy()

    def run(self, strategy: Strategy) -> tuple[turns.Record, list[int]]:
        """Run one schedule; an assertion that fails ends the process."""
        self.strategy = strategy
        gc.collect()  # what a schedule leaves is no business of the next
        try:
            record = turns.under(strategy, self.body)
        except BaseException:
            self.fail("failed", traceback.format_exc())
            raise
        return record, turns.masks(record.steps)

    def fail(self, how: str, text: str) -> None:
        """Say what went wrong, as the last line of this process, and end it."""
        record = turns.record()
        words = {
            "scenario": self.name,
            "how": how,
            "strategy": self.strategy._asdict(),
            "picks": record.picks,
            "text": text,
            "threads": turns.threads_now(),
        }
        print("FAILED " + json.dumps(words), flush=True)
        os._exit(3)

    def all(self, count: int) -> Iterator[Strategy]:
        """Yield so many strategies; what they need to know is found out by running."""
        record, masks = self.run(Strategy())
        yield from random_and_pct(2 * count // 3, record.steps)
        left = count - 2 * count // 3
        firsts = list(preemptions(masks, 0))
        random.Random(count).shuffle(firsts)
        for first in itertools.islice(firsts, left // 2):
            yield Strategy(forced=(first,))
        left -= min(len(firsts), left // 2)
        for first in itertools.cycle(firsts):
            _, after = self.run(Strategy(forced=(first,)))
            seconds = list(preemptions(after, first[0] + 1))
            random.Random(first[0]).shuffle(seconds)
            for second in seconds[: max(10, left // max(1, len(firsts)))]:
                if left <= 0:
                    return
                yield Strategy(forced=(first, second))
                left -= 1
            if left <= 0:
                return


def child(name: str, count: int, skip: int, most: int) -> None:
    """Run some of a scenario's schedules in this process."""
    explorer = Explorer(name)
    call = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(
        lambda why: explorer.fail("stuck", why.decode())
    )
    turns.lib.sched_on_stuck(call)
    gc.disable()
    gc.freeze()
    done = skip
    for strategy in itertools.islice(explorer.all(count), skip, skip + most):
        record, _ = explorer.run(strategy)
        done += 1
        if done % 100 == 1 and explorer.run(strategy)[0] != record:
            print(f"UNLIKE {done}", flush=True)
        if done % 50 == 0:
            print(f"DONE {done}", flush=True)
    print(f"DONE {done}", flush=True)


def explore(lib: Path, name: str, count: int) -> tuple[int, list[dict[str, object]]]:
    """Run all schedules of one scenario in children; return what failed."""
    done, failures = 0, []
    while done < count and len(failures) < 20:
        words = start(lib, "--child", name, str(count), str(done), str(PER_CHILD))
        failed = None
        began = done
        for word, rest in words:
            if word == "DONE":
                done = int(rest)
            elif word == "UNLIKE":
                print(f"  not the same when run again: {name} {rest}", flush=True)
            elif word == "FAILED":
                failed = json.loads(rest)
            else:
                failed = {"scenario": name, "how": "broken", "text": rest}
        if failed is None and done == began:
            break
        if failed is not None:
            failures.append(failed)
            done += 50
    return min(done, count), failures


def start(lib: Path, *arguments: str) -> list[tuple[str, str]]:
    """Run this file again, on one processor, and return what it said."""
    env = os.environ | {"PYTHONPATH": str(lib), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-u", __file__, "--lib", str(lib), *arguments]
    told: list[tuple[str, str]] = []
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            out, err = process.communicate(timeout=CHILD_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err = "it hangs where nobody yields: " + err
    for text in out.splitlines():
        word, _, rest = text.partition(" ")
        if word in ("DONE", "FAILED", "UNLIKE"):
            told.append((word, rest))
    if process.returncode and not any(word == "FAILED" for word, _ in told):
        told.append(("BROKEN", f"{process.returncode}: {err[-3000:]}"))
    return told


def save(folder: Path, failure: dict[str, object]) -> Path:
    """Keep a failing schedule as a file that the tests replay."""
    folder.mkdir(exist_ok=True)
    number = sum(1 for _ in folder.glob(f"{failure['scenario']}-*.json"))
    path = folder / f"{failure['scenario']}-{number}.json"
    path.write_text(json.dumps(failure, indent=1) + "\n", "utf-8")
    return path


def replay(path: Path) -> None:
    """Run a saved schedule again."""
    saved = json.loads(path.read_text("utf-8"))
    explorer = Explorer(saved["scenario"])
    call = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(
        lambda why: explorer.fail("stuck", why.decode())
    )
    turns.lib.sched_on_stuck(call)
    forced = tuple((step, thread) for step, thread in saved["picks"])
    explorer.run(Strategy(forced=forced or ((1 << 30, 0),)))
    print("DONE 1", flush=True)


def main() -> int:
    """Do what the command line asks for; 1 if a schedule failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lib", type=Path, required=True, help="the probe build")
    parser.add_argument("--count", type=int, default=1000, help="over all scenarios")
    parser.add_argument("--only", nargs="*", help="scenarios; default: all")
    parser.add_argument("--replay", type=Path, help="a saved schedule")
    parser.add_argument(
        "--save", type=Path, default=SAVED, help="where to keep failures"
    )
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    lib = options.lib.resolve()
    if hasattr(os, "sched_setaffinity"):  # a second one would only spin
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    turns.load(lib)
    sys.path.insert(0, str(lib))
    from scenarios import SCENARIOS

    turns.install()
    if options.child:
        name, *numbers = options.child
        child(name, *map(int, numbers))
        return 0
    if options.replay:
        replay(options.replay)
        return 0
    names = options.only or list(SCENARIOS)
    bad, total, began = 0, 0, time.monotonic()
    for name in names:
        since = time.monotonic()
        done, failures = explore(lib, name, -(-options.count // len(names)))
        total += done
        took = time.monotonic() - since
        print(f"{name:36} {done:7} schedules {took:7.1f} s  {len(failures)} failed")
        for failure in failures:
            bad += 1
            path = save(options.save, failure)
            print(f"  {failure['how']}: {path}\n{failure['text']}", flush=True)
    print(f"{total} schedules in {time.monotonic() - began:.0f} s, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

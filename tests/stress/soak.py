"""Mixed load for a long time, its books kept all the while: `make soak`.

Steady posts and bursts, fast and slow routines, one failure in a hundred, cancels, and
workers and runtimes that come and go. Each second the invariants are checked, and
memory, threads and latency are written down; at the end they are drawn into a PNG
(needs matplotlib; else they stay a CSV), and the run fails if a promise was broken:

- every accepted job ended, exactly once;
- memory grows by less than a megabyte an hour once it is warm;
- the threads are the same ones throughout, and gone in the end.

ROUTILUX_SOAK_SECONDS says how long (1800). The p99 latency is that of the steady posts,
from `post` to the end of the job.
"""

import csv
import gc
import logging
import os
import random
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path

from routilux import (
    ErrorHandler,
    Flow,
    Routine,
    Runtime,
    batch_size_policy,
    immediate_policy,
    time_interval_policy,
)

SECONDS = float(os.environ.get("ROUTILUX_SOAK_SECONDS", "1800"))
OUT = Path(os.environ.get("ROUTILUX_SOAK_OUT", "build/soak"))
WARM = 0.2  # share of the run before memory counts
WAIT = 60.0


class Books:
    """Accepted jobs by number, and how they ended; latencies of the last seconds."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = self.second = 0
        self.open = {}
        self.ends = Counter()
        self.latency = deque(maxlen=20_000)
        self.twice = []

    def accept(self, job, begin, *, timed):
        with self.lock:
            self.accepted += 1
            number = self.accepted
            self.open[number] = self.second

        def ended(job):
            with self.lock:
                if self.open.pop(number, None) is None:
                    self.twice.append(number)
                self.ends[str(job.status)] += 1
                if timed:
                    self.latency.append(time.monotonic() - begin)

        job.add_done_callback(ended)

    def check(self):
        # Ages are counted in checks: a machine that stands still ages nothing.
        with self.lock:
            self.second += 1
            assert not self.twice, f"ended twice: {self.twice[:5]}"
            assert sum(self.ends.values()) + len(self.open) == self.accepted
            oldest = min(self.open.values(), default=self.second)
            assert self.second - oldest < WAIT, "a job does not end"


def stage(work, policy=None, **slot):
    routine = Routine()
    routine.add_slot("input", **slot)
    routine.add_event("output")
    routine.set_activation_policy(policy or immediate_policy())

    def logic(slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            work(item["n"])
            routine.emit("output", n=item["n"], load=bytes(200))

    routine.set_logic(logic)
    return routine


def chain(name, *routines):
    flow = Flow(name)
    for number, routine in enumerate(routines):
        flow.add_routine(routine, f"r{number}")
        if number:
            flow.connect(f"r{number - 1}", "output", f"r{number}", "input")
    return flow


def nothing(n):
    pass


def fail(n):
    if random.random() < 0.01:
        raise ValueError(n)


def slow(n):
    time.sleep(0.002)


def flows():
    """Give the steady flow and the one for bursts."""
    retried = stage(fail)
    retried.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.001))
    steady = chain("steady", stage(nothing), stage(fail), retried, stage(nothing))
    sleepy = stage(slow, max_queue_length=20)
    sleepy.set_concurrency(2)
    bursts = chain(
        "bursts",
        stage(nothing, max_queue_length=50),
        stage(nothing, batch_size_policy(10, max_wait=0.01)),
        sleepy,
        stage(nothing, time_interval_policy(0.01)),
    )
    return steady, bursts


def post(runtime, flow_id, books, n, *, timed=False):
    begin = time.monotonic()
    job = runtime.post(flow_id, "r0", "input", {"n": n}, timeout=WAIT).job
    books.accept(job, begin, timed=timed)
    return job


def loads(runtime, books, stop):
    """Give what runs on threads of its own until `stop`."""

    def steady():
        n = 0
        while not stop.is_set():
            job = post(runtime, "steady", books, n, timed=True)
            if n % 100 == 0:
                job.cancel()
            n += 1
            time.sleep(0.001)

    def bursts():
        while not stop.wait(random.random()):
            for n in range(random.randint(1, 300)):
                post(runtime, "bursts", books, n)

    def comers_and_goers():
        while not stop.wait(0.2):
            with Runtime(2, max_queue_size=10) as brief:
                for flow in flows():
                    brief.exec(flow)
                    for n in range(20):
                        post(brief, flow.flow_id, books, n)

    return steady, bursts, comers_and_goers


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def slope(rows):
    """Megabytes an hour, by least squares over the warm part."""
    warm = rows[int(len(rows) * WARM) :]
    xs = [row["second"] / 3600 for row in warm]
    ys = [row["rss_mb"] for row in warm]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - mean_x) ** 2 for x in xs)


SHOWN = {
    "rss_mb": "resident memory, MB",
    "threads": "threads",
    "jobs_a_second": "jobs that ended in a second",
    "p99_ms": "latency of the steady jobs, 99th percentile, ms",
}


def draw(rows, path):
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    seconds = [row["second"] for row in rows]
    figure, axes = pyplot.subplots(4, 1, sharex=True, figsize=(8, 7), layout="tight")
    for axis, (name, what) in zip(axes, SHOWN.items(), strict=True):
        axis.plot(seconds, [row[name] for row in rows], linewidth=0.8)
        axis.set_title(what, loc="left", fontsize=10)
        if name != "rss_mb":
            axis.set_ylim(0, 1.1 * max(row[name] for row in rows))
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("seconds")
    figure.savefig(path)


def watch(books, most_threads):
    """Check the books each second, and write down what is seen.

    Nothing is kept: a list of rows alone would grow by a megabyte an hour.
    """
    begin, done = time.monotonic(), 0
    with open(OUT / "soak.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["second", "rss_mb", "threads", "jobs_a_second", "p99_ms"])
        while (second := time.monotonic() - begin) < SECONDS:
            time.sleep(1)
            books.check()
            gc.collect()
            ended = sum(books.ends.values())
            ordered = sorted(books.latency) or [0.0]
            p99 = 1e3 * ordered[int(0.99 * (len(ordered) - 1))]
            threads = threading.active_count()
            table.writerow(
                [
                    *(round(second, 1), round(resident(), 3), threads),
                    *(ended - done, round(p99, 2)),
                ]
            )
            done = ended
            assert threads <= most_threads, "threads pile up"


def main():
    logging.getLogger("routilux").addHandler(logging.NullHandler())
    OUT.mkdir(parents=True, exist_ok=True)
    books, stop = Books(), threading.Event()
    before = threading.active_count()
    runtime = Runtime(4, max_queue_size=500)
    for flow in flows():
        runtime.exec(flow)
    threads = [
        threading.Thread(target=load, daemon=True)
        for load in loads(runtime, books, stop)
    ]
    for thread in threads:
        thread.start()
    watch(books, before + len(threads) + 2 * 8)
    stop.set()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive(), "a load hangs"
    assert runtime.wait_until_all_jobs_finished(WAIT), "jobs are left"
    runtime.shutdown(timeout=WAIT)
    books.check()
    assert not books.open, f"{len(books.open)} jobs never ended"
    assert threading.active_count() == before, "threads are left"
    with open(OUT / "soak.csv", newline="") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    draw(rows, OUT / "soak.png")
    grows = slope(rows)
    print(f"{books.accepted} jobs in {SECONDS:.0f} s: {dict(books.ends)}")
    print(f"memory: {rows[-1]['rss_mb']} MB, {grows:+.2f} MB an hour when warm")
    p99s = sorted(row["p99_ms"] for row in rows)
    print(
        f"p99 of the steady jobs: {p99s[len(p99s) // 2]} ms in the median second,"
        f" {p99s[-1]} ms in the worst; see {OUT}"
    )
    if SECONDS >= 600:  # a short run says nothing about an hour
        assert grows < 1, f"memory grows by {grows:.2f} MB an hour"
    return 0


if __name__ == "__main__":
    sys.exit(main())

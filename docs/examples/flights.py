"""Stream a year of New York flights through a flow, then prove every total.

Each of the 336,776 flights that left New York in 2013 is posted as one job. Its
weather is looked up, joined to it, and the pair goes to two statistics and, in
batches of 1,000, to SQLite::

    post, one job a flight
      |
      v                flight
    parse ───────┬─────────────────────────> join ──┬──> carrier_stats
      |          |                            ^     ├──> route_stats
      | invalid  └──> weather ────────────────┘     └──> archive ──> SQLite
      v                        observation               (batches of 1,000)
    reject

    report: one last job, which reads what the others kept

Three promises of the runtime carry this example:

* A routine runs one activation at a time, in order. So no total needs a lock, and
  the two inputs of ``join`` line up, although they took ways of unequal length.
* ``post`` waits while ``max_queue_size`` jobs are unfinished. So a year of data
  streams through in little memory, as fast as the slowest routine takes it.
* The wait at the end flushes the last batch, which is smaller than the others.

Run it with::

    pip install "routilux[examples]"
    python flights.py                  # all flights; --limit 5000 for a taste

At the end, ``flights_check.py`` computes the same totals with pandas; one minute
of delay too much or too little makes the exit code 1.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

try:
    from flights_check import load, progress, show, verify
except ImportError as error:
    print(f'{error}: pip install "routilux[examples]"', file=sys.stderr)
    raise SystemExit(2) from None

from routilux import (
    Flow,
    Routine,
    Runtime,
    WorkerState,
    all_slots_ready_policy,
    batch_size_policy,
    get_current_job,
    immediate_policy,
)

BATCH = 1_000
PATIENCE = 60.0  # seconds; no wait in this program is without an end

# What a complete flight has, in the order of checking, and the verdict without it.
REQUIRED = {
    "dep_time": "cancelled: no departure",
    "arr_time": "no arrival time",
    "arr_delay": "diverted: no arrival delay",
}


# --- State ---------------------------------------------------------------------------


def kept(worker_state: WorkerState) -> dict:
    """Return the running routine's own dict, which lives in the worker.

    ``get_routine_state`` answers a shallow copy: the dict inside is the same one on
    each call, so it may be changed in place. That needs no lock, because a worker
    runs a routine one activation at a time.
    """
    routine_id = worker_state.current_routine_id
    state = worker_state.get_routine_state(routine_id)
    if state is None:
        state = {"kept": {}}
        worker_state.update_routine_state(routine_id, state)
    return state["kept"]


def count(worker_state: WorkerState, what: str) -> None:
    """Add 1 to one of the running routine's counters."""
    counters = kept(worker_state)
    counters[what] = counters.get(what, 0) + 1


@dataclass(slots=True)
class Delays:
    """Arrival delays in whole minutes: integers, so no sum is ever rounded."""

    count: int
    total: int
    worst: int

    def add(self, minutes: int) -> None:
        """Take one more flight in."""
        self.count += 1
        self.total += minutes
        self.worst = max(self.worst, minutes)

    @property
    def mean(self) -> float:
        """The mean delay of a flight."""
        return self.total / self.count


# --- Routines, in the order in which a flight meets them -----------------------------


class Parse(Routine):
    """Let complete flights pass; send the others away with the reason."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input")
        self.add_event("flight", ["flight"])
        self.add_event("invalid", ["flight", "reason"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        [flight] = slot_data["input"]
        for field, verdict in REQUIRED.items():
            if flight[field] is None:
                self.emit("invalid", flight=flight, reason=verdict)
                return
        self.emit("flight", flight=flight)


class Reject(Routine):
    """Count the incomplete flights, by reason."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        [item] = slot_data["input"]
        count(worker_state, item["reason"])


class Weather(Routine):
    """Answer each flight with the weather at its airport in its hour, or None.

    A missing observation is sent too: ``join`` needs one answer for each flight.
    """

    def __init__(self, observations: dict[tuple[str, str], dict]) -> None:
        super().__init__()
        self.observations = observations
        self.add_slot("query")
        self.add_event("observation", ["row", "observation"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        [item] = slot_data["query"]
        flight = item["flight"]
        found = self.observations.get((flight["origin"], flight["time_hour"]))
        self.emit("observation", row=flight["row"], observation=found)


class Join(Routine):
    """Pair each flight with its weather: one item of each slot, in arrival order."""

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("flight")
        self.add_slot("observation")
        self.add_event("joined", ["flight", "weather"])
        self.set_activation_policy(all_slots_ready_policy())

    def logic(self, slot_data, policy_message, worker_state):
        [left] = slot_data["flight"]
        [right] = slot_data["observation"]
        flight, weather = left["flight"], right["observation"]
        if flight["row"] != right["row"]:  # never, as order is kept; so check it
            count(worker_state, "mispaired")
        count(worker_state, "miss" if weather is None else "hit")
        self.emit("joined", flight=flight, weather=weather)


class DelayStats(Routine):
    """Keep count, sum and maximum of the arrival delay for each group of flights."""

    def __init__(self, *fields: str) -> None:
        super().__init__()
        self.fields = fields
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        [item] = slot_data["input"]
        flight = item["flight"]
        group = "-".join([flight[field] for field in self.fields])
        minutes = flight["arr_delay"]
        groups = kept(worker_state)
        if group in groups:
            groups[group].add(minutes)
        else:
            groups[group] = Delays(1, minutes, minutes)


class Archive(Routine):
    """Write joined flights to SQLite, a batch in one transaction."""

    CREATE = (
        "CREATE TABLE flights (row INTEGER, carrier TEXT, number INTEGER,"
        " origin TEXT, dest TEXT, time_hour TEXT, arr_delay INTEGER, temp REAL)"
    )
    INSERT = "INSERT INTO flights VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    FIELDS = ("row", "carrier", "flight", "origin", "dest", "time_hour", "arr_delay")

    def __init__(self, database: sqlite3.Connection) -> None:
        super().__init__()
        self.database = database
        self.add_slot("input", max_queue_length=2 * BATCH)
        self.set_activation_policy(batch_size_policy(BATCH))

    def logic(self, slot_data, policy_message, worker_state):
        rows = []
        for item in slot_data["input"]:
            flight, weather = item["flight"], item["weather"]
            temp = weather["temp"] if weather else None
            rows.append((*[flight[field] for field in self.FIELDS], temp))
        with self.database:  # commits, or rolls back when the body raises
            self.database.executemany(self.INSERT, rows)
        count(worker_state, policy_message["reason"])  # "batch_ready", "batch_flush"


@dataclass
class Totals:
    """All that the flow found out: what gets printed, and what gets checked."""

    rejects: dict[str, int]
    joins: dict[str, int]
    carriers: dict[str, Delays]
    routes: dict[str, Delays]
    batches: dict[str, int]

    @property
    def activations(self) -> int:
        """Count the calls of a logic: an immediate routine runs once for each item."""
        good = self.joins.get("hit", 0) + self.joins.get("miss", 0)
        bad = sum(self.rejects.values())
        per_good = 5  # parse, weather, join, carrier_stats, route_stats
        per_bad = 2  # parse, reject
        return per_good * good + per_bad * bad + sum(self.batches.values()) + 1


class Report(Routine):
    """Collect what the other routines kept; the totals are this job's result."""

    SOURCES = ("reject", "join", "carrier_stats", "route_stats", "archive")

    def __init__(self) -> None:
        super().__init__()
        self.add_slot("trigger")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        states = [worker_state.get_routine_state(name) for name in self.SOURCES]
        get_current_job().set_result(Totals(*[s["kept"] if s else {} for s in states]))


def build_flow(observations: dict, database: sqlite3.Connection) -> Flow:
    """Connect the routines as the picture at the top of this file shows."""
    flow = Flow("flights")
    flow.add_routine(Parse(), "parse")
    flow.add_routine(Reject(), "reject")
    flow.add_routine(Weather(observations), "weather")
    flow.add_routine(Join(), "join")
    flow.add_routine(DelayStats("carrier"), "carrier_stats")
    flow.add_routine(DelayStats("origin", "dest"), "route_stats")
    flow.add_routine(Archive(database), "archive")
    flow.add_routine(Report(), "report")

    flow.connect("parse", "invalid", "reject", "input")
    flow.connect("parse", "flight", "join", "flight")  # one event, two slots:
    flow.connect("parse", "flight", "weather", "query")  # a fan-out
    flow.connect("weather", "observation", "join", "observation")
    for target in ("carrier_stats", "route_stats", "archive"):
        flow.connect("join", "joined", target, "input")
    return flow


# --- The run -------------------------------------------------------------------------


def run(flow: Flow, flights: Iterable[dict], threads: int | None, queue: int) -> Totals:
    """Post every flight, wait for the last, and return what the report found."""
    with Runtime(thread_pool_size=threads, max_queue_size=queue) as runtime:
        runtime.exec(flow)
        for flight in flights:
            runtime.post("flights", "parse", "input", flight, timeout=PATIENCE)
        if not runtime.wait_until_all_jobs_finished(timeout=PATIENCE):
            raise TimeoutError(f"jobs are unfinished after {PATIENCE:g} s")
        _, job = runtime.post("flights", "report", "trigger", {})
        return job.result(timeout=PATIENCE)


def positive(text: str) -> int:
    """Read a number that is 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Stream a year of flights, check it.")
    add = parser.add_argument
    add("--limit", type=positive, metavar="N", help="post only the first N flights")
    add("--database", metavar="PATH", help="keep the archive, in this new SQLite file")
    add("--threads", type=positive, metavar="N", help="threads (default: CPU count)")
    add("--max-queue", type=positive, default=1_000, metavar="N", help="jobs at a time")
    add("--corrupt", action="store_true", help="spoil a total: the check must notice")
    args = parser.parse_args()
    if args.database and Path(args.database).exists():
        parser.error(f"{args.database} exists; --database wants the name of a new file")
    return args


def main() -> int:
    """Run the example: 0 when every total is right, 1 when one is not."""
    args = options()
    data = load(args.limit)
    with tempfile.TemporaryDirectory() as folder:
        path = args.database or Path(folder, "flights.db")
        # Any thread of the pool may write, though only one at a time.
        with closing(sqlite3.connect(path, check_same_thread=False)) as database:
            database.execute(Archive.CREATE)
            flow = build_flow(data.observations(), database)
            flights = progress(data.rows(), len(data.flights))
            started = time.perf_counter()
            totals = run(flow, flights, args.threads, args.max_queue)
            seconds = time.perf_counter() - started
            if args.corrupt:
                next(iter(totals.carriers.values())).total += 1
            show(totals, seconds, data)
            return verify(totals, database, data)


if __name__ == "__main__":
    raise SystemExit(main())

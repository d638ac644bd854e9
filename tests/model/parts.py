"""What the model is made of: jobs, the items they hold, activations, and routines."""

from collections import deque
from dataclasses import dataclass, field

from program import Item

PENDING, RUNNING = "pending", "running"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"


class Illegal(AssertionError):
    """The run did what the contract does not allow."""


@dataclass(eq=False)
class Job:
    """A job: its state, and how many items and activations hold it open."""

    number: int
    worker: int
    status: str = PENDING
    error: str | None = None
    open: int = 0
    finished: bool = False
    result: object = None

    @property
    def is_dead(self):
        return self.status in (FAILED, CANCELLED)


@dataclass(eq=False)
class Entry:
    """An item in a slot, and whose it is."""

    item: Item
    jobs: tuple[Job, ...]  # oldest first; none in a slot whose routine never runs
    newest: Job | None
    arrival: int
    parked: bool | None = False  # a policy has said "not yet" to it; None: perhaps


@dataclass(eq=False)
class Activation:
    """A call of logic, from taking its items to its end."""

    cell: "Cell"
    taken: list[list[Entry]]
    reason: str
    jobs: tuple[Job, ...]
    newest: Job
    shown: list[list[Entry]] | None = (
        None  # by a policy that does not show what it took
    )
    attempt: int = 0

    @property
    def items(self):
        """What logic gets: a list for each slot."""
        shown = self.shown if self.shown is not None else self.taken
        return [[entry.item for entry in given] for given in shown]

    @property
    def is_dead(self):
        return all(job.is_dead for job in self.jobs)


@dataclass(eq=False)
class Cell:
    """One routine in one worker: its queues, and what of it goes on."""

    worker: int
    index: int
    spec: object
    rank: int
    limit: int
    queues: list[deque] = field(default_factory=list)
    running: int = 0  # activations that go on, those that wait for a retry included
    retries: list[Activation] = field(default_factory=list)
    flush: bool | None = False  # a partial batch may go; None: only if nothing moved
    fresh: bool = False  # something arrived since a Python policy was asked
    ready: bool = False  # its policy fired, and nobody took it yet
    arrivals: int = 0
    put: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    seen: list[tuple] = field(default_factory=list)  # activations so far

    @property
    def total(self):
        return sum(map(len, self.queues))

    def entries(self):
        return [entry for queue in self.queues for entry in queue]

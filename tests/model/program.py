"""A program: a random flow, what its logic does, and what is done to its runtime.

Everything is a plain value, so the `repr` of a failing program can be pasted back in.
What logic does is a pure function of the items it got and of how often it was tried
(`script`), so the model knows it without running anything.
"""

from dataclasses import dataclass
from hashlib import blake2b

BOOM, FATAL = "Boom", "Fatal"


class Boom(Exception):
    """What logic raises; a retry is worth it."""


class Fatal(Exception):
    """What logic raises; no handler retries it."""


@dataclass(frozen=True)
class Slot:
    """One slot of a routine."""

    bound: int
    overflow: str


@dataclass(frozen=True)
class Handler:
    """An error handler, of a routine or of the flow."""

    strategy: str
    retries: int = 0


@dataclass(frozen=True)
class Routine:
    """One routine: slots, policy, and how its logic behaves."""

    policy: str
    slots: tuple[Slot, ...]
    events: int = 1
    size: int = 1  # of a batch, of what a custom policy waits for
    wait: float = 0.0  # seconds: max_wait of a batch, the interval
    compiled: bool = True  # False: the policy is called as any callable is
    limit: int = 1  # set_concurrency; 0: the pool's size
    handler: Handler | None = None
    fails: int = 0  # percent of the activations that raise
    patience: int = 10  # attempts of one activation that may raise
    fatal: bool = True  # some of what it raises is not worth a retry
    tricks: int = 0  # percent of those that cancel, flush, post
    width: int = 3  # emits of one activation at most


@dataclass(frozen=True)
class Program:
    """A flow, a runtime's parameters, and the steps of the thread that drives it.

    A step is a tuple: ("post", worker, routine, slot, fuel, job, block) where job is
    None or the number of a job to join, ("cancel", job), ("flush",), ("wait",),
    ("wait_job", job), ("shutdown", cancel_pending).
    """

    seed: int
    routines: tuple[Routine, ...]
    edges: tuple[tuple[int, int, int, int], ...]  # routine, event, routine, slot
    steps: tuple[tuple, ...]
    workers: int = 1
    pool: int = 2
    max_queue_size: int = 1000
    handler: Handler | None = None

    def targets(self, routine, event):
        """Give the (routine, slot) pairs of an event, in connect order."""
        return [edge[2:] for edge in self.edges if edge[:2] == (routine, event)]


@dataclass(frozen=True)
class Item:
    """What travels: a number that tells where it comes from, and what it may cause."""

    key: int
    fuel: int


def mix(*values):
    """Make a number of 60 bits out of any values, the same in every process."""
    return int.from_bytes(blake2b(repr(values).encode(), digest_size=8).digest()) >> 4


def script(program, routine, items, attempt):
    """Tell what logic does with `items` (a list for each slot) at an attempt.

    Returns:
        Actions in order: ("emit", event, Item, catches), ("raise", name),
        ("cancel",), ("flush",), ("post", routine, slot, Item), ("result", value).
    """
    spec = program.routines[routine]
    keys = [[item.key for item in given] for given in items]
    bits = mix(program.seed, routine, keys, attempt)
    fuel = sum(item.fuel for given in items for item in given) // (1 + attempt)
    chosen = []
    if spec.events:
        for number in range(bits % (spec.width + 1)):
            chosen.append(mix(bits, number) % spec.events)
    children = sum(max(1, len(program.targets(routine, event))) for event in chosen)
    share = (fuel - 1) // max(1, children)
    actions = []
    if share >= 1:
        for number, event in enumerate(chosen):
            item = Item(mix(bits, "item", number), share)
            catches = mix(bits, "catch", number) % 2 == 0
            actions.append(("emit", event, item, catches))
    dice = mix(bits, "dice")
    if dice % 100 < spec.tricks and fuel > 1:
        dice //= 100
        trick = (
            ("cancel",),
            ("flush",),
            ("result", bits % 1000),
            (
                "post",
                dice % len(program.routines),
                0,
                Item(mix(bits, "post"), fuel // 2),
            ),
        )[dice % 4]
        actions.insert(dice % (len(actions) + 1), trick)
    dice = mix(bits, "fails")
    if dice % 100 < spec.fails and attempt < spec.patience:
        dice //= 100
        name = FATAL if spec.fatal and dice % 5 == 0 else BOOM
        del actions[dice % (len(actions) + 1) :]
        actions.append(("raise", name))
    return actions

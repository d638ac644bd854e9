"""Simulation: a flow on one thread, in virtual time, with every accident from a seed.

`Runtime(engine="sim", seed=7)` makes one; `Runtime.simulation` answers what it drew and
what happened. `explore` runs a check with one seed after the other. The work is done in
the compiled core (`sim.pyx`); only the thread that waits or posts takes part.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from routilux._core import FAULTS, FaultDriver, SimControl, SimDriver, audit_core
from routilux.arguments import iterate
from routilux.errors import SimulationError

if TYPE_CHECKING:
    from routilux.virtual_loop import VirtualLoop

__all__ = ["Simulation", "SimulationError", "Step", "explore"]

SEEDS = 1 << 64
Interleave: TypeAlias = Literal["waits", "posts", "logic"]
LEVELS: tuple[Interleave, ...] = get_args(Interleave)


class Step(NamedTuple):
    """One thing that a simulation did.

    Attributes:
        number: 1 for the first.
        time: Virtual seconds since the simulation began.
        what: "run" (an activation), "loop" (a callback of the event loop), "call" (of
            its executor) or "timer".
        worker_id: The worker whose routine ran; None for the others.
        routine_id: The routine that ran; None for the others.
        activation: Number of the activation in its worker; 0 for the others.
    """

    number: int
    time: float
    what: str
    worker_id: str | None
    routine_id: str | None
    activation: int

    def __str__(self) -> str:
        what = (
            self.what if self.routine_id is None else f"{self.what} {self.routine_id}"
        )
        return f"{self.number:6} {self.time:12.6f} s  {what}"


class Simulation:
    """What a simulated runtime drew from its seed, and what it did.

    Made by `Runtime`; see `Runtime.simulation`.
    """

    def __init__(
        self,
        core: SimControl,
        seed: int,
        interleave: Interleave,
        faults: tuple[str, ...],
    ) -> None:
        self._core = core
        level = LEVELS.index(interleave)
        self._driver = (
            FaultDriver(core, seed, level, new_loop, faults)
            if faults
            else SimDriver(core, seed, level, new_loop)
        )
        core.attach(self._driver)

    @property
    def seed(self) -> int:
        """The seed; a runtime that is made with it does the same again."""
        return self._driver.seed

    @property
    def threads(self) -> int:
        """How many threads the runtime plays: 1 to its pool's size, by the seed."""
        return self._driver.threads

    @property
    def interleave(self) -> Interleave:
        """Where activations may run: "waits", "posts" or "logic"."""
        return LEVELS[self._driver.level]

    @property
    def time(self) -> float:
        """Virtual seconds since the simulation began."""
        return self._driver.time_ns() / 1e9

    @property
    def steps(self) -> int:
        """How many steps it took."""
        return self._driver.steps

    @property
    def fingerprint(self) -> int:
        """A number that stands for all steps: two runs with the same did the same."""
        return self._driver.fingerprint

    @property
    def faults(self) -> tuple[str, ...]:
        """The kinds of faults that happen in this run, by the seed."""
        if isinstance(self._driver, FaultDriver):
            return tuple(self._driver.names)
        return ()

    def calm(self) -> None:
        """End all faults: from now on every job has to end."""
        if isinstance(self._driver, FaultDriver):
            self._driver.calm()

    @property
    def history(self) -> list[Step]:
        """The last 4,096 steps, oldest first."""
        return [Step(one[0], one[1] / 1e9, *one[2:]) for one in self._driver.history]

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass; see `Runtime.sleep`."""
        self._core.let_pass(seconds)

    def poll(self) -> None:
        """Take a step, because somebody looks whether something is done."""
        self._core.poll()

    def draw_id(self) -> str:
        """Return eight hex digits that the seed decides."""
        return f"{self._driver.draw(1 << 32):08x}"

    def check(self) -> None:
        """Count everything in the core again.

        Raises:
            AssertionError: An invariant of the runtime itself does not hold: a bug in
                routilux. The text says which, with the seed.
        """
        found = audit_core(self._core)
        if found:
            where = f"simulation with seed {self.seed}, step {self.steps}"
            raise AssertionError(f"{where}: {'; '.join(found)}")

    def check_each_step(self, on: bool = True) -> None:
        """Call `check` after each step from now on. What it finds ends the step.

        The first failure is kept, and raised by the next wait or sleep.
        """
        self._driver.watch = self.check if on else None

    def cancel_coroutines(self) -> None:
        """Cancel the async logic that runs; the steps that are left end it."""
        self._driver.cancel_coroutines()

    def __repr__(self) -> str:
        return f"<Simulation, seed {self.seed}: {self.steps} steps, {self.time:.6f} s>"


def new_loop(driver: SimDriver) -> VirtualLoop:
    """Make the event loop of a simulation."""
    from routilux.virtual_loop import VirtualLoop  # here: it imports asyncio

    return VirtualLoop(driver)


def check_seed(seed: int | None) -> int:
    """Return a seed, drawn when it is None, or say what is wrong with it."""
    if seed is None:
        return int.from_bytes(os.urandom(4), "big")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an int or None, not {seed!r}")
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed must be at least 0 and less than 2**64, not {seed!r}")
    return seed


def check_interleave(interleave: object) -> None:
    """Raise unless it is one of the levels."""
    if interleave not in LEVELS:
        known = ", ".join(map(repr, LEVELS))
        raise ValueError(f"interleave must be one of {known}, not {interleave!r}")


def check_faults(faults: bool | Iterable[str]) -> tuple[str, ...]:
    """Return the names of faults that may happen, or say what is wrong with them."""
    if isinstance(faults, bool):
        return FAULTS if faults else ()
    names = (faults,) if isinstance(faults, str) else tuple(iterate("faults", faults))
    for name in names:
        if name not in FAULTS:
            raise ValueError(
                f"faults must be a bool or some of {', '.join(map(repr, FAULTS))},"
                f" not {name!r}"
            )
    return names


def explore(check: Callable[[int], object], seeds: int | Iterable[int] = 1000) -> None:
    """Call ``check(seed)`` with one seed after the other.

    The first exception ends it and comes through, with a note that names the seed.

    Args:
        check: Makes a simulated runtime with the seed, runs a flow and asserts what has
            to hold.
        seeds: How many, from 0 on, or which.

    Example:
        >>> def check(seed):
        ...     with Runtime(engine="sim", seed=seed) as runtime:
        ...         assert total(runtime) == 10
        >>> explore(check, seeds=1000)
    """
    for seed in range(seeds) if isinstance(seeds, int) else seeds:
        try:
            check(seed)
        except BaseException as error:
            text = f"routilux simulation: this happened with seed={seed}"
            if sys.version_info >= (3, 11):
                error.add_note(text)
            else:
                print(text, file=sys.stderr)
            raise

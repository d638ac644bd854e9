"""Task Bench on one machine: graphs, a kernel, systems that run them, and the sweep.

Slaughter et al., "Task Bench: A Parameterized Benchmark for Evaluating Parallel Runtime
Performance", SC 2020. `metg.py` is the program.
"""

from . import ours, schedulers, threads
from .patterns import Pattern, patterns
from .sweeping import WIDTH, Sweep, sweep
from .system import System

SYSTEMS: list[System] = [ours.SYSTEM, *threads.SYSTEMS, *schedulers.SYSTEMS]

__all__ = ["SYSTEMS", "WIDTH", "Pattern", "Sweep", "System", "patterns", "sweep"]

"""The graphs on systems that track dependencies: Dask on threads, distributed, Ray."""

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peers.clusters import cluster_running, ray_running

from .kernel import BUFFER, LARGEST, kernels
from .patterns import Pattern
from .system import Prepare, Run, System, sinks


def task(size: int, *needed: int) -> int:
    """Hash; what a task in another process does."""
    hashlib.sha256(BUFFER[:size])
    return 1


@contextmanager
def with_dask(workers: int) -> Iterator[Prepare]:
    """A graph of tuples, given to Dask's scheduler of threads."""
    from dask.threaded import get

    @contextmanager
    def prepare(pattern: Pattern, steps: int, size: int) -> Iterator[Run]:
        work = kernels(pattern.width, size)
        seen = [0] * pattern.width

        def call(point: int, *needed: None) -> None:
            work[point]()
            seen[point] += 1

        graph: dict[Any, Any] = {}
        for step, point in pattern.points(steps):
            sources = pattern.sources(step, point) if step else ()
            needed = [(step - 1, source) for source in sources]
            graph[step, point] = (call, point, *needed)
        ends = sinks(pattern, steps)

        def run() -> int:
            before = sum(seen)
            get(graph, ends, num_workers=workers)
            return sum(seen) - before

        yield run

    yield prepare


@contextmanager
def with_distributed(workers: int) -> Iterator[Prepare]:
    """The same graph on a local cluster, a process for each worker."""
    with cluster_running(workers) as client:
        runs = itertools.count()

        @contextmanager
        def prepare(pattern: Pattern, steps: int, size: int) -> Iterator[Run]:
            ends = sinks(pattern, steps)

            def run() -> int:
                # Names of their own: the cluster computes no name twice.
                turn = next(runs)
                graph: dict[Any, Any] = {}
                for step, point in pattern.points(steps):
                    sources = pattern.sources(step, point) if step else ()
                    needed = [(turn, step - 1, source) for source in sources]
                    graph[turn, step, point] = (task, size, *needed)
                results = client.get(graph, [(turn, *end) for end in ends])
                if sum(results) != len(ends):
                    raise RuntimeError("results are missing")
                return len(graph)

            yield run

        yield prepare


@contextmanager
def with_ray(workers: int) -> Iterator[Prepare]:
    """A remote call for each task; what it needs are references."""
    with ray_running(workers) as ray:
        remote = ray.remote(task)

        @contextmanager
        def prepare(pattern: Pattern, steps: int, size: int) -> Iterator[Run]:
            ends = sinks(pattern, steps)

            def run() -> int:
                refs: dict[tuple[int, int], Any] = {}
                for step, point in pattern.points(steps):
                    sources = pattern.sources(step, point) if step else ()
                    needed = [refs[step - 1, source] for source in sources]
                    refs[step, point] = remote.remote(size, *needed)
                if sum(ray.get([refs[end] for end in ends])) != len(ends):
                    raise RuntimeError("results are missing")
                return len(refs)

            yield run

        yield prepare


SYSTEMS = [
    System("Dask, threads", with_dask, "dask", largest=1 << 22),
    System(
        "Dask distributed", with_distributed, "distributed", largest=LARGEST, factor=2
    ),
    System("Ray", with_ray, "ray", largest=LARGEST, factor=2),
]

"""Peers that run stages in processes of their own: Dask distributed and Ray."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .peer import Feed, Item, Peer, step

WORKERS = 2


@contextmanager
def cluster_running(workers: int) -> Iterator[Any]:
    """Start a local cluster, a process for each worker, and connect to it."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def with_distributed(depth: int) -> Iterator[Feed]:
    """`client.map` over the futures of the stage before."""
    with cluster_running(WORKERS) as client:

        def feed(items: Sequence[Item]) -> int:
            results: Any = list(items)
            for _ in range(depth):
                results = client.map(step, results, pure=False)
            return len(client.gather(results))

        yield feed


@contextmanager
def ray_running(workers: int) -> Iterator[Any]:
    """Start Ray on this machine, quietly, and end it again."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
    )
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def with_ray_actors(depth: int) -> Iterator[Feed]:
    """An actor for each stage; references go from one to the next."""
    with ray_running(WORKERS) as ray:

        @ray.remote(num_cpus=0)
        class Stage:
            def run(self, item: Item) -> Item:
                return step(item)

        actors = [Stage.remote() for _ in range(depth)]

        def feed(items: Sequence[Item]) -> int:
            ends = []
            for item in items:
                result = item
                for actor in actors:
                    result = actor.run.remote(result)
                ends.append(result)
            return len(ray.get(ends))

        yield feed


PEERS = [
    Peer(
        "Dask distributed, 2 processes",
        with_distributed,
        "distributed",
        100,
        "processes, dependencies, result and error of each call",
    ),
    Peer(
        "Ray, an actor a stage",
        with_ray_actors,
        "ray",
        200,
        "processes, order, result and error of each call",
    ),
]

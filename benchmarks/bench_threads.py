"""Threads: several that post, several that run, many that sleep."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from driving import Work, post_from, submit_all
from flows import Case, buffers_of, hashing, items_of, napping, shares_of
from pytest_benchmark.fixture import BenchmarkFixture

from routilux import Runtime

POSTS = 8_000
BUFFERS = 16
NAPS = 32

pytestmark = pytest.mark.benchmark(group="threads")

posters = pytest.mark.parametrize("posters", [1, 2, 4], ids="posters={}".format)
long = pytest.mark.benchmark(group="threads", min_rounds=3)
pools = pytest.mark.parametrize("pool", [1, 2], ids="pool={}".format)


@posters
def bench_posting_threads(
    benchmark: BenchmarkFixture,
    start: Callable[..., Runtime],
    threads: Callable[[int], ThreadPoolExecutor],
    single: Case,
    posters: int,
) -> None:
    """A slowdown with several posters only: they get into each other's way."""
    shares = shares_of(POSTS, posters)
    benchmark(partial(post_from, threads(posters), start(single), single, shares))
    assert single.is_complete(single.tallies, POSTS)


@posters
def bench_posting_threads_baseline(
    benchmark: BenchmarkFixture,
    threads: Callable[[int], ThreadPoolExecutor],
    single: Case,
    posters: int,
) -> None:
    """A slowdown: threads that make plain calls got slower."""
    executor, shares = threads(posters), shares_of(POSTS, posters)
    benchmark(lambda: list(executor.map(single.feed, shares)))


@pools
def bench_hashing(
    benchmark: BenchmarkFixture, posting: Callable[..., Work], pool: int
) -> None:
    """A slowdown with pool 2 only: logic that releases the GIL overlaps less."""
    benchmark(posting(hashing(), buffers_of(BUFFERS), pool))


@pools
def bench_hashing_baseline(
    benchmark: BenchmarkFixture,
    threads: Callable[[int], ThreadPoolExecutor],
    pool: int,
) -> None:
    """A slowdown: the machine hashes less, or has fewer cores to give."""
    logics = [tally.logic for tally in hashing().bare]
    benchmark(partial(submit_all, threads(pool), logics, buffers_of(BUFFERS)))


@long
def bench_naps(benchmark: BenchmarkFixture, posting: Callable[..., Work]) -> None:
    """A slowdown: sleeping logic is started late although threads are free."""
    benchmark(posting(napping(), items_of(NAPS), NAPS))


@long
def bench_naps_baseline(
    benchmark: BenchmarkFixture, threads: Callable[[int], ThreadPoolExecutor]
) -> None:
    """A slowdown: an executor of as many threads starts its work late."""
    logics = [tally.logic for tally in napping().bare]
    benchmark(partial(submit_all, threads(NAPS), logics, items_of(NAPS)))

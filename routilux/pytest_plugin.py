"""The pytest plugin: run a test once for each seed of a simulation.

A test that asks for the fixture `routilux_seed` or `simulated_runtime` runs with
`--routilux-seeds` seeds (25 when nothing is said), each a test of its own. When one
fails, the report shows what the simulation did last and how to run that seed again.
pytest loads the plugin by itself where routilux is installed.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from routilux import Runtime

__all__ = ["routilux_seed", "simulated_runtime"]

SEEDS = 25
SHOWN_STEPS = 30
MADE = pytest.StashKey["list[Runtime]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the marker's text."""
    group = parser.getgroup("routilux", "simulations of routilux")
    group.addoption(
        "--routilux-seeds",
        type=int,
        metavar="N",
        help=f"run each simulated test with the seeds 0 to N - 1 (default {SEEDS})",
    )
    group.addoption(
        "--routilux-seed",
        type=int,
        action="append",
        metavar="SEED",
        help="run each simulated test with this seed alone; may be given again",
    )
    parser.addini("routilux_seeds", "the default of --routilux-seeds", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "routilux_seeds(n): run this simulated test with n seeds"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a simulated test its seeds."""
    if "routilux_seed" not in metafunc.fixturenames:
        return
    config = metafunc.config
    chosen = config.getoption("--routilux-seed")
    if chosen is None:
        marker = metafunc.definition.get_closest_marker("routilux_seeds")
        count = config.getoption("--routilux-seeds")
        if count is None:
            default = int(config.getini("routilux_seeds") or SEEDS)
            count = marker.args[0] if marker is not None else default
        chosen = range(count)
    metafunc.parametrize(
        "routilux_seed", chosen, ids=[f"seed={seed}" for seed in chosen], indirect=True
    )


@pytest.fixture
def routilux_seed(request: pytest.FixtureRequest) -> int:
    """The seed of the simulation that this test is to make."""
    seed: int = request.param
    return seed


@pytest.fixture
def simulated_runtime(
    request: pytest.FixtureRequest, routilux_seed: int
) -> Iterator[Callable[..., Runtime]]:
    """Make simulated runtimes with the seed of this test, and shut them down after it.

    Takes what `routilux.Runtime` takes but `engine` and `seed`.
    """
    from routilux import Runtime

    made = request.node.stash.setdefault(MADE, [])

    def make(*args: Any, **options: Any) -> Runtime:
        runtime = Runtime(*args, engine="sim", seed=routilux_seed, **options)
        made.append(runtime)
        return runtime

    yield make
    for runtime in reversed(made):
        runtime.shutdown(cancel_pending=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, None]:
    """Tell of a simulated test that failed which seed it was and what happened."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    params = getattr(getattr(item, "callspec", None), "params", {})
    if not report.failed or "routilux_seed" not in params:
        return
    name = item.nodeid.split("[")[0]
    again = f"pytest {shlex.quote(name)} --routilux-seed={params['routilux_seed']}"
    lines = [f"run it again with: {again}"]
    for runtime in item.stash.get(MADE, []):
        if runtime.simulation is not None:
            lines += ["", f"{runtime.simulation}; the last steps:"]
            lines += map(str, runtime.simulation.history[-SHOWN_STEPS:])
    report.sections.append(("routilux simulation", "\n".join(lines)))

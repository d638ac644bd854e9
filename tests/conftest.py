"""What holds for every test: nothing of ours outlives it.

Also: a Python that a test starts imports the routilux that the test itself imports. In
the root of the checkout it would find the sources instead, which an installed wheel has
left uncompiled.
"""

import functools
import os
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import routilux
from routilux import Runtime

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 5.0


@pytest.fixture(autouse=True, scope="session")
def children_import_what_we_test(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Leave the checkout; point children to it only if it is what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("cwd"))
        if Path(routilux.__file__).resolve().parents[1] == ROOT:
            patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        yield


@pytest.fixture(autouse=True)
def nothing_outlives_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close every runtime that the test made, then expect its threads to end.

    A test that uses the process-wide pool says so with a fixture `shared_pool`.
    """
    made: weakref.WeakSet[Runtime] = weakref.WeakSet()
    init = Runtime.__init__

    @functools.wraps(init)
    def init_and_remember(self: Runtime, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        made.add(self)

    before = set(threading.enumerate())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runtime, "__init__", init_and_remember)
        yield
    for runtime in list(made):
        runtime.shutdown(wait=False, cancel_pending=True)
    if "shared_pool" in request.fixturenames:
        return
    end = time.monotonic() + DEADLINE
    while left := [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("routilux") and thread not in before
    ]:
        if time.monotonic() > end:
            pytest.fail(f"{DEADLINE:.0f} s after the test these threads live: {left}")
        time.sleep(0.005)

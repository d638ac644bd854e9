"""Memory may run out at any place: a call fails or a job does, and all else goes on.

`sweep.py` fails the first allocation of a scenario, then the second, and so on, in a
child process for each scenario; docs/reliability.md says how.

ROUTILUX_STRESS_ALLOCATIONS is the step with which Python's own allocations fail (7 by
default; 1 for each of them).
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
STEP = os.environ.get("ROUTILUX_STRESS_ALLOCATIONS", "7")
TIMEOUT = 300

# Each allocates in its own way: see cases.py.
CASES = """
    posts start start_of_all_kinds monitored full_slots batches patient_batches pairs
    python_policies keys many_keys timers
    retries timeouts deadlines in_bulk typed typed_joins typed_policies cancels letters
    checkpoints resumes slots looks traces end
"""
# Those that stay on one thread, and whose own code is little.
PYTHON_CASES = """
    posts full_slots batches python_policies keys timers retries deadlines
"""

pytestmark = [
    pytest.mark.memory,
    pytest.mark.timeout(TIMEOUT + 30),
    pytest.mark.skipif(sys.platform != "linux", reason="it patches ELF modules"),
]


def run(*arguments):
    """Run the sweep; give what it printed, and fail if it found something."""
    done = subprocess.run(
        [sys.executable, str(HERE / "sweep.py"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """Compile the library that fails allocations."""
    if COMPILER is None or platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("no C compiler, or a processor that shim.h does not know")
    path = tmp_path_factory.mktemp("shim") / "shim.so"
    options = ["-O1", "-shared", "-fPIC", "-x", "c"]  # a .c is what Cython writes here
    command = [COMPILER, *options, HERE / "shim.h", "-o", path]
    subprocess.run(command, check=True, timeout=60)
    return path


@pytest.mark.parametrize("case", CASES.split())
def test_nothing_is_lost_whichever_of_our_allocations_fails(case, shim):
    assert "allocations failed, each with all after it" in run(
        shim, case, "inline", "threads"
    )


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="CPython itself has to stand it, which was tried with 3.11 only",
)
@pytest.mark.parametrize("case", PYTHON_CASES.split())
def test_nothing_is_lost_whichever_allocation_of_python_fails(case):
    pytest.importorskip("_testcapi")
    assert "allocations failed" in run("--python", STEP, case, "inline")

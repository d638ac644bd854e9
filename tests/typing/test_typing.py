"""Programs of users, as mypy sees them: `make lint` runs this too.

The programs beside this file pass `mypy --strict`, and run; `mistakes.py` has an error
in each line that is marked, and in no other.
"""

import os
import re
import runpy
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import routilux

pytest.importorskip("mypy")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MISTAKES = HERE / "mistakes.py"
PROGRAMS = sorted({*HERE.glob("*.py")} - {Path(__file__).resolve(), MISTAKES})
LINE = re.compile(r"(?P<path>.+\.py):(?P<line>\d+): error: (?P<text>.*)")


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, list[str]]]:
    """Return what mypy says of all programs: file name to line to texts."""
    environment = dict(os.environ)
    if Path(routilux.__file__).resolve().parents[1] == ROOT:
        environment["MYPYPATH"] = str(ROOT)  # else mypy finds what is installed
    options = ["--strict", "--follow-imports=silent", "--config-file="]
    options += ["--cache-dir", str(tmp_path_factory.mktemp("mypy"))]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *PROGRAMS, MISTAKES],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for match in LINE.finditer(done.stdout):
        found[Path(match["path"]).name][int(match["line"])].append(match["text"])
    assert set(found) <= {path.name for path in [*PROGRAMS, MISTAKES]}
    return found


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_mypy_accepts_the_program(
    errors: dict[str, dict[int, list[str]]], program: Path
) -> None:
    assert errors.get(program.name, {}) == {}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_program_runs(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def test_mypy_finds_each_mistake_and_nothing_else(
    errors: dict[str, dict[int, list[str]]],
) -> None:
    lines = MISTAKES.read_text("utf-8").splitlines()
    marked = {n for n, text in enumerate(lines, 1) if text.endswith("  # error")}
    assert len(marked) > 30
    assert set(errors["mistakes.py"]) == marked

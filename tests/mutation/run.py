"""Run the tests against each seeded bug, and say which test killed it.

    python tests/mutation/run.py --lib build/probe/lib [--only 3 17] [--table FILE]

`make mutants` builds and runs. One build holds all bugs; ROUTILUX_MUTANT chooses one at
run time. For each, the test that mutants.py names runs first, then the contract, then
all of the suite, until something fails, crashes or hangs.
"""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mutants import MUTANTS, Mutant

TESTS = Path(__file__).resolve().parents[1]
WIDER = [["contract"], ["sim", "stress", "regressions", "model", "dropin", "api"]]
TEST_LIMIT = 20  # seconds for one test; a hang is a kill
RUN_LIMITS = [90, 600]  # and for a run of pytest: of the named test, of more
BEGIN, END = "<!-- mutants: begin -->\n", "<!-- mutants: end -->\n"


class Verdict(NamedTuple):
    """How a run of tests ended: "passed", "failed", "hung", "crashed", and where."""

    how: str
    test: str


def run(lib: Path, number: int, targets: list[str], limit: int) -> Verdict:
    """Run tests with one bug switched on; stop at the first failure."""
    env = os.environ | {
        "ROUTILUX_MUTANT": str(number),
        "PYTHONPATH": str(lib),
        "ROUTILUX_SIM_SEEDS": os.environ.get("ROUTILUX_SIM_SEEDS", "500"),
        "ROUTILUX_MODEL_FLOWS": os.environ.get("ROUTILUX_MODEL_FLOWS", "200"),
    }
    command = [
        sys.executable,
        "-u",
        "-m",
        "pytest",
        "-x",
        "-v",
        "-p",
        "no:cacheprovider",
    ]
    command += ["-c", str(TESTS.parent / "pyproject.toml"), "--rootdir"]
    command += [str(TESTS.parent), "--timeout", str(TEST_LIMIT), "--no-header"]
    command += [str(TESTS / target) for target in targets]
    try:
        done = subprocess.run(
            command,
            cwd=lib,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
            text=True,
            errors="replace",
        )
        code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        code, output = -1, (error.stdout or b"").decode(errors="replace")
        return Verdict("hung", last_started(output))
    if code == 0:
        return Verdict("passed", "")
    if code > 1 and "Fatal Python error" not in output:
        raise SystemExit(f"mutant {number}: pytest could not run\n{output[-3000:]}")
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.M)
    if failed:
        return Verdict("failed", failed[-1])
    how = "hung" if "+ Timeout +" in output else "crashed"
    return Verdict(how, last_started(output))


def last_started(output: str) -> str:
    """Return the test that ran when the output broke off."""
    started = re.findall(r"^((?:tests/)?\S+\.py::\S+)", output, re.M)
    return started[-1] if started else "?"


def hunt(lib: Path, mutant: Mutant, wide: bool) -> Verdict:
    """Run ever wider sets of tests until one notices the bug."""
    verdict = Verdict("passed", "")
    for targets in [[mutant.killer], *(WIDER if wide else [])]:
        verdict = run(lib, mutant.number, targets, RUN_LIMITS[targets in WIDER])
        if verdict.how != "passed":
            break
    return verdict


def short(test: str) -> str:
    """Return `test_file::test_name` of a node id, without its parameters."""
    return re.sub(r"\[.*", "", test).rpartition("/")[2].replace(".py", "")


def table(rows: list[tuple[Mutant, Verdict]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| | file | what is broken | noticed by | how |", "| --- " * 5 + "|"]
    for mutant, verdict in rows:
        lines.append(
            f"| {mutant.number} | `{mutant.file}` | {mutant.breaks}"
            f" | `{short(verdict.test)}` | {verdict.how} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run what the command line asks for; 1 if a bug survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lib", type=Path, required=True, help="the probe build")
    parser.add_argument("--only", type=int, nargs="*", help="numbers; default: all")
    parser.add_argument("--quick", action="store_true", help="only the named tests")
    parser.add_argument("--jobs", type=int, default=4, help="so many at a time")
    parser.add_argument("--table", type=Path, help="page to write the table into")
    options = parser.parse_args()
    if options.table and options.only:
        parser.error("--table is for all of them, not with --only")
    lib = options.lib.resolve()
    chosen = [m for m in MUTANTS if not options.only or m.number in options.only]
    verdict = run(lib, 0, sorted({m.killer for m in chosen}), RUN_LIMITS[1])
    if verdict.how != "passed":
        raise SystemExit(f"without any bug: {verdict.how} in {verdict.test}")
    rows = []
    with ThreadPoolExecutor(options.jobs) as pool:  # most of them wait, for a hang
        verdicts = pool.map(partial(hunt, lib, wide=not options.quick), chosen)
        for mutant, verdict in zip(chosen, verdicts, strict=True):
            rows.append((mutant, verdict))
            line = f"{mutant.number:3} {verdict.how:8} {short(verdict.test)}"
            print(f"{line}  [{mutant.breaks}]", flush=True)
    survived = [mutant.number for mutant, verdict in rows if verdict.how == "passed"]
    if options.table and not survived:
        text = options.table.read_text("utf-8")
        head, _, rest = text.partition(BEGIN)
        tail = rest.partition(END)[2]
        options.table.write_text(head + BEGIN + table(rows) + END + tail, "utf-8")
    print(f"{len(rows) - len(survived)} of {len(rows)} killed; alive: {survived}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())

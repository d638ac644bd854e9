"""Count the instructions of a post and of a hop, and compare with the recorded figures.

    python benchmarks/instructions.py [--record] [--json FILE]

Callgrind counts the same on a busy machine as on a quiet one. The figures belong to an
interpreter and a kind of processor; `instructions.json` has one set for each that was
recorded. More than 5 % above it fails, here and in `make test`. `--record` writes what
was counted, to be committed with the change that is the reason.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

import routilux
import routilux._core.slot

Figures: TypeAlias = dict[str, int]

HERE = Path(__file__).parent
RECORD = HERE / "instructions.json"
PROGRAM = HERE / "counted.py"
PARTS = ("post", "post_many", "chain", "function", "functions")
TOLERANCE = 1.05
JOBS = 1_000
HOPS = 9
LIMIT = 300.0


def key() -> str:
    """Return what the figures belong to."""
    major, minor = sys.version_info[:2]
    return f"{sys.implementation.name}-{major}.{minor}-{platform.machine()}"


def obstacle() -> str | None:
    """Return why nothing can be counted here; None if it can."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "a free-threaded interpreter adds its own threads' work"
    if b".debug_info" in Path(routilux._core.slot.__file__).read_bytes():
        return "the core was not compiled by `make build`"
    return None


def counted() -> Figures:
    """Run the parts under callgrind.

    Returns:
        Instructions of a job of one routine by `post`, of one by `post_many`, of each
        hop that a chain adds, and of each that a chain of plain functions adds.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        command += ["--dump-before=getppid", sys.executable, str(PROGRAM)]
        if shutil.which("setarch"):
            command = ["setarch", "-R", *command]  # the same addresses each time
        where = str(Path(routilux.__file__).parents[1])
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": where}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LIMIT
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
        # A dump has what was counted since the one before: 1 is the start.
        totals = [total_of(Path(f"{out}.{2 * n + 2}")) for n in range(len(PARTS))]
    one, many, chain, function, functions = (total / JOBS for total in totals)
    return {
        "post": round(one),
        "post_many": round(many),
        "hop": round((chain - one) / HOPS),
        "function": round((functions - function) / HOPS),
    }


def total_of(path: Path) -> int:
    """Return the instructions of one dump."""
    for line in path.read_text().splitlines():
        if line.startswith(("summary:", "totals:")):
            return int(line.split()[1])
    raise RuntimeError(f"{path.name} has no total")


def recorded() -> dict[str, dict[str, Any]]:
    """Return all sets of figures by key."""
    sets: dict[str, dict[str, Any]] = json.loads(RECORD.read_text("utf-8"))
    return sets


def record(figures: Figures) -> None:
    """Write the figures of this interpreter into the file."""
    found = {
        "python": platform.python_version(),
        "compiler": platform.python_compiler(),
        "instructions": figures,
    }
    sets = dict(sorted((recorded() | {key(): found}).items()))
    RECORD.write_text(json.dumps(sets, indent=2) + "\n", "utf-8")


def excess(figures: Figures, before: Figures) -> list[str]:
    """Return a sentence for each figure that rose by more than 5 %."""
    return [
        f"{name}: {figures[name]} instructions, {count} recorded"
        f" ({figures[name] / count - 1:+.1%})"
        for name, count in before.items()
        if figures[name] > count * TOLERANCE
    ]


def main() -> None:
    """Count, print, and record or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if reason := obstacle():
        text = f"skipped, can't count instructions: {reason}"
        sys.exit(text) if options.record else print(text)
        return
    figures = counted()
    before = recorded().get(key(), {}).get("instructions", {})
    for name, count in figures.items():
        was = f"recorded: {before[name]}" if name in before else "not recorded"
        print(f"{name:12}{count:8} instructions, {was}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({key(): figures}, indent=1) + "\n", "utf-8")
    if options.record:
        record(figures)
    elif problems := excess(figures, before):
        sys.exit("\n".join(["more than 5 % above the record:", *problems]))


if __name__ == "__main__":
    main()

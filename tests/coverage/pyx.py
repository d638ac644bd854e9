"""Lines of the .pyx files that ran, as gcc counted them: `make coverage`.

Python's own tracing can't count them: it calls Python wherever a line begins, also
where the core holds a lock and no Python may run. In a build with `make trace` the C
compiler counts instead; the comments that Cython writes say which line of a .pyx each
line of the C stands for.

A line that is marked `no cover` is left out. The functions that a .pxd inlines count in
the file that has them.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src_cy"
MARK = "pragma: no cover"
ORIGIN = re.compile(r'\s*/\* "(routilux/[^"]+)":(\d+)$')


def origins(generated):
    """Give the place in our sources that each line of a generated .c stands for."""
    place, places = None, {}
    for number, text in enumerate(generated.read_text("utf-8").splitlines(), 1):
        if found := ORIGIN.match(text):
            place = found[1], int(found[2])
        elif "/* function exit code */" in text or text.startswith("/* ####"):
            place = None  # what follows is clean-up, and belongs to no line
        elif place is not None:
            places[number] = place
    return places


def counts(built):
    """Give the highest count of each line of each file of ours."""
    found = defaultdict(lambda: defaultdict(int))
    data = sorted(built.rglob("*.gcda"))
    if not data:
        sys.exit(f"{built} has no counts: run `make coverage`")
    command = ["gcov", "--json-format", "--stdout", *map(str, data)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    for document in told.stdout.splitlines():
        for file in json.loads(document)["files"]:
            generated = ROOT / file["file"]
            if generated.suffix != ".c" or not generated.is_relative_to(ROOT):
                continue
            places = origins(generated)
            for line in file["lines"]:
                if place := places.get(line["line_number"]):
                    name, number = place
                    seen = found[name]
                    seen[number] = max(seen[number], line["count"])
    return found


def is_code(text):
    """Tell whether a line is one that a reader would call code."""
    text = text.strip()
    return bool(text) and MARK not in text and not text.startswith(("#", '"""'))


def spans(numbers):
    """Write numbers down as "1, 3-5"."""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "trace")
    parser.add_argument("--fail-under", type=float, default=95.0)
    options = parser.parse_args()
    lines = missed = 0
    for name, seen in sorted(counts(options.build).items()):
        text = (SOURCES / name).read_text("utf-8").splitlines()
        code = {n: count for n, count in seen.items() if is_code(text[n - 1])}
        gaps = sorted(n for n, count in code.items() if count == 0)
        lines += len(code)
        missed += len(gaps)
        share = 100 - 100 * len(gaps) / max(1, len(code))
        print(f"{name:44} {len(code):5} {len(gaps):4} {share:5.0f}%  {spans(gaps)}")
    total = 100 - 100 * missed / max(1, lines)
    print(f"{'total':44} {lines:5} {missed:4} {total:5.1f}%")
    return int(total < options.fail_under)


if __name__ == "__main__":
    sys.exit(main())

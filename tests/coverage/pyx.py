"""Count the lines of the .pyx files that ran, as gcc saw it.

Python's own tracing can't count them: it calls Python wherever a line begins, also
where the core holds a lock and no Python may run. In a build with `make trace` the C
compiler counts instead; the comments that Cython writes say which line of a .pyx each
line of the C stands for.

The functions that a .pxd inlines count in the file that has them.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src_cy"
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
    return bool(text) and not text.startswith(("#", '"""'))


def compiled(built):
    """Give each file of the core, its number of lines, and those that did not run."""
    for name, seen in sorted(counts(built).items()):
        text = (SOURCES / name).read_text("utf-8").splitlines()
        lines = [number for number in sorted(seen) if is_code(text[number - 1])]
        yield SOURCES / name, len(lines), [n for n in lines if seen[n] == 0]

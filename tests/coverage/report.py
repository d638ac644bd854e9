"""Tell which lines the suite runs, and why the others do not: `make coverage`.

Of Python, coverage.py counted; of the .pyx files, gcc (see pyx.py). Each line that did
not run needs a reason in reasons.toml: there every function has the number of its
lines that may stay, and why. More lines than that, and the command fails.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

import coverage
import tomllib
from pyx import ROOT, SOURCES, compiled

REASONS = Path(__file__).with_name("reasons.toml")
BEGIN = re.compile(r"(\s*)(?:async def|def|(?:cdef )?class|cp?def(?=[^=]*\())\b(.*)")
NAME = re.compile(r"(\w+)\s*[(:]")


def interpreted():
    """Give each file of Python, its number of lines, and those that did not run."""
    measured = coverage.Coverage()
    measured.load()
    for path in sorted(measured.get_data().measured_files()):
        _, lines, _, missing, _ = measured.analysis2(path)
        yield Path(path), len(lines), missing


def functions(path):
    """Name the function or class that each line of a file is in."""
    within, names = [], []
    for text in path.read_text("utf-8").splitlines():
        if text.strip() and not text.lstrip().startswith((")", "#")):
            depth = len(text) - len(text.lstrip())
            while within and within[-1][0] >= depth:
                within.pop()
        if (found := BEGIN.match(text)) and (name := NAME.search(found[2])):
            within.append((len(found[1]), name[1]))
        names.append(".".join(name for _, name in within) or "module")
    return names


def spans(numbers):
    """Write numbers down as "1, 3-5"."""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def tell(title, files, known, kinds):
    """Print a table, and give the share of lines that ran and what has no reason."""
    lines = missed = 0
    wrong = []
    for path, count, gaps in files:
        root = SOURCES if path.is_relative_to(SOURCES) else ROOT
        name = path.relative_to(root).as_posix()
        share = 100 - 100 * len(gaps) / max(1, count)
        print(f"{name:52} {count:5} {len(gaps):4} {share:4.0f}%  {spans(gaps)}")
        lines += count
        missed += len(gaps)
        names = functions(path)
        for function, found in Counter(names[number - 1] for number in gaps).items():
            allowed, why = known.get(name, {}).pop(function, (0, "no reason"))
            kinds[why.partition(":")[0]] += found
            if found > allowed:
                where = spans([n for n in gaps if names[n - 1] == function])
                wrong.append(f"{name}: {function}: {where}: {allowed} have a reason")
    share = 100 - 100 * missed / max(1, lines)
    print(f"{title:52} {lines:5} {missed:4} {share:6.1f}%\n")
    return share, wrong


def listed(title, texts):
    """Print what there is to say, if there is any."""
    if texts:
        print(title, *texts, "", sep="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "trace")
    parser.add_argument("--fail-under", type=float, default=95.0, metavar="PERCENT")
    options = parser.parse_args()
    known, kinds = tomllib.loads(REASONS.read_text("utf-8")), Counter()
    core, wrong = tell("the core", compiled(options.build), known, kinds)
    rest, more = tell("Python", interpreted(), known, kinds)
    listed(
        "Why lines did not run:", [f"{n:5}  {why}" for why, n in kinds.most_common()]
    )
    spare = [f"{name}: {function}" for name in known for function in known[name]]
    listed("All lines of these ran:", spare)
    listed(f"Without a reason in {REASONS.name}:", [*wrong, *more])
    return int(bool(wrong or more) or min(core, rest) < options.fail_under)


if __name__ == "__main__":
    sys.exit(main())

"""Draw the last measured figures as pictures, and keep them beside as JSON.

    python benchmarks/report.py [--results FOLDER] [--out FOLDER]

The folder of results is what `make bench-all` writes, one file for each program; a
program that was not run has no picture. Each picture names machine, versions, load and
the command behind it.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, OTHERS, BARE, INK = "#0b6e4f", "#9aa5b1", "#4a5568", "#1a202c"
COLORS = ("#0b6e4f", "#c2410c", "#b45309", "#2563eb", "#7c3aed", "#9d174d")
STYLE = {
    "font.size": 9,
    "axes.edgecolor": OTHERS,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "routilux",
}
DPI = 144

Result = dict[str, Any]


def color_of(name: str) -> str:
    """Return the color of a bar."""
    if name.startswith("routilux"):
        return OURS
    return BARE if name.startswith("nested") else OTHERS


def spoken(nanoseconds: float) -> str:
    """Return a time with three digits and a unit that fits."""
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def caption(result: Result, command: str) -> str:
    """Return what stands below a picture."""
    facts = result["machine"]
    gil = "with the GIL" if facts["gil"] else "without the GIL"
    peers = {name: v for name, v in facts.get("peers", {}).items() if v}
    versions = ", ".join(f"{name} {v}" for name, v in peers.items())
    lines = [
        f"{command} · {facts['rounds']} rounds · {facts['date'][:10]} ·"
        f" load {facts['load_at_start']} to {facts['load_at_end']}",
        f"{facts['python']} {gil} · routilux {facts['routilux']} ·"
        f" {facts['processor']}, {facts['cores']} cores",
    ]
    return "\n".join([*lines, versions] if versions else lines)


def hops(results: dict[str, Result]) -> Figure:
    """Draw what a hop costs, one bar for each way to run the chain."""
    result = results["chains"]
    rows = [*result["rows"], *results.get("published", {}).get("rows", [])]
    rows = sorted((r for r in rows if r["unit"] == "ns"), key=lambda r: -r["value"])
    names = [row["what"] for row in rows]
    values = [row["value"] for row in rows]
    figure, axes = plt.subplots(figsize=(8, 1.4 + 0.27 * len(rows)))
    bars = axes.barh(names, values, color=[color_of(name) for name in names])
    axes.bar_label(bars, [spoken(value) for value in values], padding=4, color=INK)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 8)
    axes.set_xlabel("nanoseconds a hop, chain of 10, scale of logarithms")
    axes.set_title("What a hop costs", loc="left", weight="bold")
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        if label.get_text().startswith("routilux"):
            label.set_color(OURS)
            label.set_weight("bold")
    return signed(figure, result, "make bench-peers")


def metg(results: dict[str, Result]) -> Figure:
    """Draw METG by pattern and system, and the curves of one pattern."""
    result = results["metg"]
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in result["rows"]:
        if row["unit"] == "µs":
            pattern, _, system = row["what"].removeprefix("METG ").partition(", ")
            found.setdefault(system, {})[pattern] = row
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6))
    draw_bars(left, found)
    draw_curves(right, found, "stencil_1d")
    return signed(figure, result, "make bench-metg")


def draw_bars(axes: Axes, found: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Draw a group of bars for each pattern, a bar for each system."""
    patterns = list(next(iter(found.values())))
    width = 0.84 / len(found)
    for number, (system, rows) in enumerate(found.items()):
        places = [index + (number + 0.5) * width - 0.42 for index in range(len(rows))]
        values = [rows[pattern]["value"] for pattern in patterns]
        axes.bar(places, values, width, color=COLORS[number], label=system)
    axes.axhline(5, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_ylabel("METG(50 %) in µs")
    axes.set_xticks(range(len(patterns)), patterns)
    axes.set_title(
        "The smallest task that keeps half of the machine", loc="left", weight="bold"
    )
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 12)


def draw_curves(
    axes: Axes, found: dict[str, dict[str, dict[str, Any]]], pattern: str
) -> None:
    """Draw efficiency over granularity for one pattern."""
    for number, (system, rows) in enumerate(found.items()):
        if pattern in rows:
            curve = rows[pattern]["curve"]
            xs, ys = [point[0] for point in curve], [point[1] for point in curve]
            axes.plot(xs, ys, "o-", color=COLORS[number], markersize=3, label=system)
    axes.axhline(0.5, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_ylim(0, 1.1)
    axes.set_xlabel("µs of a worker for a task")
    axes.set_ylabel("share of the machine's peak")
    axes.set_title(f"Efficiency, {pattern}", loc="left", weight="bold")


def free_threaded(results: dict[str, Result]) -> Figure:
    """Draw the speed-up of a second worker over the size of a hop."""
    result = results["free_threaded"]
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for number, name in enumerate(("two workers of one flow", "a flow for each")):
        rows = [row for row in result["rows"] if row["what"].startswith(name)]
        sizes = [row["curve"][0][0] for row in rows]
        values = [row["value"] for row in rows]
        axes.plot(sizes, values, "o-", color=COLORS[number], label=name)
    axes.axhline(1.8, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(0.8, 2.2)
    axes.set_xlabel("µs of pure Python a hop")
    axes.set_ylabel("speed-up")
    axes.set_title("A second worker without the GIL", loc="left", weight="bold")
    axes.legend(frameon=False)
    return signed(figure, result, "make bench-free-threaded")


def signed(figure: Figure, result: Result, command: str) -> Figure:
    """Put the caption below a picture."""
    text = caption(result, command)
    figure.supxlabel(text, fontsize=6.5, color=BARE, x=0.01, ha="left")
    figure.set_layout_engine("constrained")
    return figure


PICTURES: dict[str, tuple[str, Callable[[dict[str, Result]], Figure]]] = {
    "hops": ("chains", hops),
    "metg": ("metg", metg),
    "free_threaded": ("free_threaded", free_threaded),
}


def read(folder: Path) -> dict[str, Result]:
    """Return the results of each program by its name."""
    return {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted(folder.glob("*.json"))
    }


def draw(results: dict[str, Result], out: Path) -> Sequence[Path]:
    """Draw all pictures whose results are there; return the files."""
    made = []
    for name, (needs, picture) in PICTURES.items():
        if not results.get(needs, {}).get("rows"):
            print(f"{name}: skipped, no results of {needs}")
            continue
        with plt.rc_context(STYLE):
            figure = picture(results)
            for suffix in ("svg", "png"):
                path = out / f"{name}.{suffix}"
                meta = {"Date": None} if suffix == "svg" else {}
                figure.savefig(path, dpi=DPI, metadata=meta)
                made.append(path)
            plt.close(figure)
    return made


def main() -> None:
    """Read, draw, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path(".benchmarks/last"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    options = parser.parse_args()
    results = read(options.results)
    if not results:
        parser.error(f"{options.results} has no results: run `make bench-all` first")
    options.out.mkdir(parents=True, exist_ok=True)
    for path in draw(results, options.out):
        print(path)
    kept = options.out / "last.json"
    kept.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    print(kept)


if __name__ == "__main__":
    main()

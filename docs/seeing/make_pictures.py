"""Make the pictures of docs/seeing.md again.

    python docs/seeing/make_pictures.py [NAME ...]

Each runs a real flow and photographs what a user would see with a headless Chromium.
Needs the extras `progress` and `draw`, and `chromium` or `google-chrome` on the PATH.
Two runs differ in their figures, not in what they show.
"""

from __future__ import annotations

import io
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from routilux import (
    Flow,
    Routine,
    Runtime,
    all_slots_ready_policy,
    batch_size_policy,
    immediate_policy,
)

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Step(Routine):
    """Takes its time, sends most items on, and fails now and then.

    Args:
        events: Names of its events; an item goes to the first mostly.
        micros: How long it takes.
        slots: Names of its slots.
        fails: One in how many it refuses; 0 for none.
    """

    def __init__(
        self,
        events: str = "output",
        micros: float = 20.0,
        slots: str = "input",
        fails: int = 0,
    ) -> None:
        super().__init__()
        for name in slots.split():
            self.add_slot(name)
        self.names = events.split()
        for name in self.names:
            self.add_event(name)
        self.micros, self.fails, self.seen = micros, fails, 0
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        self.seen += 1
        until = time.perf_counter() + self.micros / 1e6
        while time.perf_counter() < until:
            pass
        if self.fails and self.seen % self.fails == 0:
            raise ValueError(f"order {self.seen} has no <price>")
        if self.names:
            other = self.seen % 5 == 0
            self.emit(self.names[-1 if other else 0])


def shop() -> Flow:
    """Return a flow of a dozen routines."""
    flow = Flow("shop")
    steps = {
        "receive": Step(),
        "parse": Step("order broken", 40),
        "stock": Step("found missing", 60),
        "price": Step("output", 420, fails=97),
        "tax": Step(micros=30),
        "invoice": Step(micros=90, slots="amount correction"),
        "mail": Step("", 120),
        "archive": Step("", 15),
        "reorder": Step("", 25),
        "repair": Step("fixed hopeless", 30),
        "rejected": Step("", 5),
    }
    for name, step in steps.items():
        flow.add_routine(step, name)
    for ends in (
        "receive output parse input",
        "parse order stock input",
        "parse broken repair input",
        "repair fixed stock input",
        "repair hopeless rejected input",
        "stock found price input",
        "stock missing reorder input",
        "price output tax input",
        "tax output invoice amount",
        "invoice output mail input",
        "invoice output archive input",
    ):
        flow.connect(*ends.split())
    return flow


def plant() -> Flow:
    """Return a flow of 300 routines, a few of which are slow."""
    rng = random.Random(11)
    flow = Flow("plant")
    before: list[str] = []
    for layer in range(20):
        row = [f"p{layer}_{number}" for number in range(15)]
        for number, name in enumerate(row):
            slow = rng.random() < 0.04
            flow.add_routine(Step(micros=900 if slow else rng.uniform(5, 60)), name)
            if before:
                near = {max(0, min(14, number + rng.choice((-1, 0, 0, 1))))}
                if rng.random() < 0.25:
                    near.add(rng.randrange(15))
                for index in near:
                    flow.connect(before[index], "output", name, "input")
        before = row
    return flow


def run(flow: Flow, count: int, **options: object) -> Runtime:
    """Run a flow on some items; the runtime still knows all about it."""
    sources = [
        name
        for name in flow.routines
        if all(name != edge.target_routine_id for edge in flow.connections)
    ]
    with Runtime(2, max_queue_size=10_000, enable_monitoring=True) as runtime:
        runtime.exec(flow)
        for number in range(count):
            source = sources[number % len(sources)]
            runtime.post(flow.flow_id, source, "input", {"n": number})
        assert runtime.wait_until_all_jobs_finished(120.0, **options)  # type: ignore[arg-type]
    return runtime


def photograph(
    page: Path, target: Path, width: int, height: int, scale: float = 1.0
) -> None:
    """Write a screenshot of a page."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is on the PATH")
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            f"--window-size={width},{height}",
            f"--force-device-scale-factor={scale}",
            f"--screenshot={target}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )


def draw(
    flow: Flow,
    target: Path,
    folder: Path,
    runtime: Runtime | None = None,
    scale: float = 1.0,
) -> None:
    """Draw a flow as SVG, and photograph it."""
    page = flow.draw(folder / "flow.svg", run=runtime)
    size = re.search(r'width="(\d+)"\s+height="(\d+)"', page.read_text("utf-8"))
    assert size is not None
    photograph(page, target, int(size[1]), int(size[2]), scale)


def make_flow(target: Path, folder: Path) -> None:
    """A flow as a notebook shows it."""
    draw(shop(), target, folder)


def make_bottleneck(target: Path, folder: Path) -> None:
    """The same after a run."""
    flow = shop()
    draw(flow, target, folder, run(flow, 1500))


def make_large(target: Path, folder: Path) -> None:
    """A flow of 300 routines after a run."""
    flow = plant()
    draw(flow, target, folder, run(flow, 300), scale=0.6)


def photograph_terminal(
    shown: object, title: str, target: Path, folder: Path, width: int, lines: int
) -> None:
    """Photograph what a terminal of this size shows."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        record=True,
        force_terminal=True,
        highlight=False,
        width=width,
    )
    console.print(shown)
    page = folder / "terminal.svg"
    page.write_text(console.export_svg(title=title), encoding="utf-8")
    photograph(page, target, round(12.2 * width + 24), round(24.4 * lines + 95), 0.8)


def make_metrics(target: Path, folder: Path) -> None:
    """The table of a run."""
    text = str(run(shop(), 2000).metrics())
    lines = text.splitlines()
    width = max(map(len, lines)) + 2
    photograph_terminal(
        text, "print(runtime.metrics())", target, folder, width, len(lines)
    )


def make_explain(target: Path, folder: Path) -> None:
    """A runtime that does not go on, and why."""
    gate = threading.Event()

    def pay(slot_data, policy_message, worker_state):
        gate.wait(20.0)

    flow = Flow("orders")
    for name, logic, policy in (
        ("pay", pay, immediate_policy()),
        ("pack", pay, batch_size_policy(10)),
        ("join", pay, all_slots_ready_policy()),
    ):
        routine = Routine()
        for slot in ("invoice", "parcel") if name == "join" else ("order",):
            routine.add_slot(slot)
        routine.set_logic(logic)
        routine.set_activation_policy(policy)
        flow.add_routine(routine, name)
    with Runtime(2, enable_monitoring=True) as runtime:
        runtime.exec(flow, "worker-1")
        for name, slot, count in (
            ("pay", "order", 3),
            ("pack", "order", 7),
            ("join", "parcel", 2),
        ):
            for number in range(count):
                runtime.post("orders", name, slot, number)
        runtime.wait_until_all_jobs_finished(1.2)
        text = f"{runtime.explain()}\n "  # or the last line is cut
        gate.set()
        runtime.shutdown(cancel_pending=True)
    lines = text.splitlines()
    width = min(112, max(map(len, lines)) + 2)
    height = sum(1 + len(line) // width for line in lines)
    photograph_terminal(text, "print(runtime.explain())", target, folder, width, height)


def make_progress(target: Path, folder: Path) -> None:
    """The bars in a terminal, in the middle of a run."""
    from rich.console import Group

    from routilux.observability.bars import jobs_bar, routine_bars
    from routilux.observability.readings import Meter

    flow = shop()
    with Runtime(2, max_queue_size=10_000, enable_monitoring=True) as runtime:
        runtime.exec(flow)
        meter = Meter(runtime, total=4000)
        for number in range(4000):
            runtime.post("shop", "receive", "input", {"n": number})
            if number in (1500, 3000):
                reading = meter.read()
        runtime.wait_until_all_jobs_finished(60.0)
    shown = Group(jobs_bar(reading), routine_bars(reading.routines))
    photograph_terminal(shown, "runtime.progress()", target, folder, 84, 13)


def make_report(target: Path, folder: Path) -> None:
    """The upper part of a report."""
    page = run(shop(), 1500).report(folder / "run.html")
    photograph(page, target, 1440, 1500, scale=0.75)


MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "metrics": make_metrics,
    "explain": make_explain,
    "flow": make_flow,
    "bottleneck": make_bottleneck,
    "large": make_large,
    "progress": make_progress,
    "report": make_report,
}


def main(names: list[str]) -> None:
    """Make the pictures with these names, or all."""
    for name in names or MAKERS:
        target = HERE / f"{name}.png"
        with tempfile.TemporaryDirectory() as folder:
            MAKERS[name](target, Path(folder))
        print(f"{target.name}: {target.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(sys.argv[1:])

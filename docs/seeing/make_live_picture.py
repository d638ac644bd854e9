"""Make the picture of the live page in docs/seeing.md again.

    python docs/seeing/make_live_picture.py

Runs a flow, opens its page in a headless Chromium, clicks a routine, and writes
docs/seeing/live.png. Needs the extra `browser`, and Chromium at CHROMIUM.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from routilux import Flow, Routine, Runtime, all_slots_ready_policy, immediate_policy

CHROMIUM = "/usr/bin/chromium"
TARGET = Path(__file__).resolve().parent / "live.png"
STEPS = {  # name: (milliseconds, one in how many fails)
    "receive": (0.1, 0),
    "parse": (0.4, 60),
    "stock": (0.5, 0),
    "price": (2.2, 0),
    "tax": (0.2, 0),
    "join": (0.1, 0),
    "mail": (0.6, 0),
}
EDGES = (
    ("receive", "parse", "input"),
    ("parse", "stock", "input"),
    ("parse", "price", "input"),
    ("stock", "join", "stocked"),
    ("price", "tax", "input"),
    ("tax", "join", "priced"),
    ("join", "mail", "input"),
)


class Step(Routine):
    """Takes its time, hands on what it got, and fails now and then."""

    def __init__(self, millis: float, fails: int, *slots: str) -> None:
        super().__init__()
        for slot in slots:
            self.add_slot(slot)
        self.add_event("output")
        self.millis, self.fails, self.seen = millis, fails, 0
        pairs = len(slots) > 1
        self.set_activation_policy(
            all_slots_ready_policy() if pairs else immediate_policy()
        )

    def logic(self, slot_data, policy_message, worker_state):
        self.seen += 1
        time.sleep(self.millis / 1e3)
        if self.fails and self.seen % self.fails == 0:
            raise ValueError(f"order {self.seen} has no <price>")
        self.emit("output", n=self.seen)


def orders() -> Flow:
    """Return the flow of the picture."""
    flow = Flow("orders")
    for name, (millis, fails) in STEPS.items():
        slots = ("stocked", "priced") if name == "join" else ("input",)
        flow.add_routine(Step(millis, fails, *slots), name)
    for source, target, slot in EDGES:
        flow.connect(source, "output", target, slot)
    return flow


def main() -> None:
    """Run, look, click, photograph."""
    stop = threading.Event()
    with Runtime(2, enable_monitoring=True) as runtime:
        runtime.exec(orders(), "worker-1")

        def feed() -> None:
            while not stop.is_set():
                runtime.post("orders", "receive", "input", {"order": 1})
                time.sleep(0.0022)

        thread = threading.Thread(target=feed)
        thread.start()
        with runtime.dashboard() as live, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 760})
            page.goto(live.url)
            page.locator('.node[data-routine="price"]').click()
            page.wait_for_selector("#detail .histogram rect")
            page.wait_for_timeout(5_000)
            page.screenshot(path=TARGET)
            browser.close()
            stop.set()
            thread.join()


if __name__ == "__main__":
    main()

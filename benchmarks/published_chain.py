"""Time a chain on the published package 1.1.0; `published.py` runs this there.

    python published_chain.py DEPTH ITEMS

Prints JSON: the version, and the seconds that the items took after a few to warm up.
It keeps all jobs that it ever had and gets slower by them, so there is one run a
process. It imports nothing of this folder, and goes by what that version's users see: a
policy is a callable that takes from the slots; without `worker_id`, each post would
start a worker; stages behind the first have to hand runtime and worker to `emit`; a
slot that is full loses what comes, so the slots are longer than a run.
"""

import gc
import json
import logging
import sys
import threading
import time
from importlib.metadata import version

from routilux import Flow, Routine, Runtime

WAIT = 120.0
WARM_UP = 50


def one_by_one(slots, worker_state):
    """Activate for each item by itself."""
    items = slots["input"].consume_one_new()
    if items is None or items == []:
        return False, {}, None
    return True, {"input": items if isinstance(items, list) else [items]}, None


class Stage(Routine):
    """Take a value, send it on, one larger."""

    def __init__(self, runtime, length):
        super().__init__()
        self.runtime = runtime
        self.add_slot("input", max_queue_length=length)
        self.add_event("output", ["value"])
        self.set_activation_policy(one_by_one)
        self.set_logic(self.run)

    def run(self, items, policy_message=None, worker_state=None):
        for item in items:
            self.emit(
                "output",
                runtime=self.runtime,
                worker_state=worker_state,
                value=item["value"] + 1,
            )


class End(Routine):
    """Count what arrives, and ring when it is all."""

    def __init__(self, length):
        super().__init__()
        self.add_slot("input", max_queue_length=length)
        self.set_activation_policy(one_by_one)
        self.set_logic(self.run)
        self.seen = 0
        self.wanted = 0
        self.done = threading.Event()

    def run(self, items, policy_message=None, worker_state=None):
        self.seen += len(items)
        if self.seen >= self.wanted:
            self.done.set()


def main():
    """Build the chain, run the rounds, print."""
    depth, count = map(int, sys.argv[1:])
    logging.disable(logging.CRITICAL)
    runtime = Runtime(thread_pool_size=2)
    # From 80 % on, it looks for what it can throw away; stay below.
    length = 2 * count
    flow = Flow("chain")
    for index in range(depth - 1):
        flow.add_routine(Stage(runtime, length), str(index))
    end = End(length)
    flow.add_routine(end, str(depth - 1))
    for index in range(depth - 1):
        flow.connect(str(index), "output", str(index + 1), "input")
    worker = runtime.exec("chain").worker_id
    for items in (range(WARM_UP), range(count)):
        end.wanted = end.seen + len(items)
        end.done.clear()
        gc.collect()
        start = time.perf_counter()
        for number in items:
            runtime.post("chain", "0", "input", {"value": number}, worker_id=worker)
        if not end.done.wait(WAIT):
            sys.exit(f"{end.wanted - end.seen} of {len(items)} items are missing")
        seconds = time.perf_counter() - start
    runtime.shutdown()
    print(json.dumps({"version": version("routilux"), "seconds": seconds}))


if __name__ == "__main__":
    main()

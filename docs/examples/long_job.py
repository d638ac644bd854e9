"""A long job that is killed and goes on: how many primes are below twenty million?

`python long_job.py` starts the work as a process of its own, kills that as soon as it
has written a checkpoint, and starts it again. The second process finds the checkpoint
and does what is left of it; no range is counted twice, and none is lost.
"""

import signal
import subprocess
import sys
import tempfile
import time
from math import isqrt
from pathlib import Path

from routilux import Flow, Routine, Runtime
from routilux.activation_policies import immediate_policy

LIMIT, STEP = 20_000_000, 20_000


class Ranges(Routine):
    """Cuts the job into ranges."""

    def __init__(self):
        super().__init__()
        self.add_slot("limit")
        self.add_event("range", ["start", "stop"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        limit = slot_data["limit"][0]["limit"]
        for start in range(0, limit, STEP):
            self.emit("range", start=start, stop=min(start + STEP, limit))


class Sieve(Routine):
    """Counts the primes of a range."""

    def __init__(self):
        super().__init__()
        self.add_slot("range")
        self.add_event("count", ["start", "primes"])
        self.set_activation_policy(immediate_policy())
        self.set_concurrency(2)  # ranges have nothing to do with one another

    def logic(self, slot_data, policy_message, worker_state):
        start, stop = slot_data["range"][0]["start"], slot_data["range"][0]["stop"]
        flags = bytearray([1]) * (stop - start)
        for divisor in range(2, isqrt(stop) + 1):
            first = max(divisor * divisor, -(-start // divisor) * divisor) - start
            flags[first::divisor] = bytes(len(range(first, len(flags), divisor)))
        self.emit("count", start=start, primes=sum(flags) - 2 * (start == 0))


class Total(Routine):
    """Adds up, in the state of the worker, which is part of a checkpoint."""

    def __init__(self):
        super().__init__()
        self.add_slot("count")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        state = worker_state.get_routine_state("total", {"ranges": [], "primes": 0})
        for item in slot_data["count"]:
            state = {
                "ranges": [*state["ranges"], item["start"]],
                "primes": state["primes"] + item["primes"],
            }
        worker_state.update_routine_state("total", state)


def work(path):
    """Begin the job or go on with it, with a checkpoint every tenth of a second."""
    with Runtime(thread_pool_size=2) as runtime:
        if path.exists():
            worker_state = runtime.resume(path)
            done = worker_state.get_routine_state("total", {"ranges": []})
            print(f"going on after {len(done['ranges'])} ranges", flush=True)
        else:
            flow = Flow("primes")
            flow.add_routine(Ranges(), "ranges")
            flow.add_routine(Sieve(), "sieve")
            flow.add_routine(Total(), "total")
            flow.connect("ranges", "range", "sieve", "range")
            flow.connect("sieve", "count", "total", "count")
            worker_state = runtime.exec(flow)
            runtime.post("primes", "ranges", "limit", {"limit": LIMIT})
        while not runtime.wait_until_all_workers_idle(timeout=0.1):
            worker_state.pause()
            worker_state.checkpoint(path)
            worker_state.resume()
    total = worker_state.get_routine_state("total")
    assert sorted(total["ranges"]) == list(range(0, LIMIT, STEP))
    print(f"{total['primes']} primes below {LIMIT}", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "primes.json")
        command = [sys.executable, __file__, str(path)]
        child = subprocess.Popen(command)
        while not path.exists() and child.poll() is None:
            time.sleep(0.01)
        child.kill()
        killed = child.wait() == -signal.SIGKILL
        print("killed" if killed else "ended before it could be killed", flush=True)
        sys.exit(subprocess.run(command).returncode)


if __name__ == "__main__":
    work(Path(sys.argv[1])) if sys.argv[1:] else main()

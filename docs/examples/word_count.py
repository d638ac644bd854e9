"""Map and reduce: which words are the most frequent in a folder of texts?

One job reads all files. `split` emits their paragraphs, `count` counts the words of
each, several at once, and shares them out by their first letter among the reducers,
which keep their totals in the state of the worker, without a lock.

    split ──► count ──┬──► reduce_0
                      ├──► reduce_1
                      └──► reduce_2

    python word_count.py [folder]     by default the pages of this documentation
"""

import re
import sys
from collections import Counter
from pathlib import Path

from routilux import Flow, Routine, Runtime
from routilux.activation_policies import batch_size_policy, immediate_policy

REDUCERS = 3
WORD = re.compile(r"[a-z]+")


class Split(Routine):
    """Reads files and emits their paragraphs."""

    def __init__(self):
        super().__init__()
        self.add_slot("path")
        self.add_event("paragraph", ["text"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["path"]:
            text = Path(item["path"]).read_text(encoding="utf-8")
            for paragraph in text.split("\n\n"):
                self.emit("paragraph", text=paragraph)


class Count(Routine):
    """Counts the words of a paragraph, and shares them out among the reducers."""

    def __init__(self):
        super().__init__()
        self.add_slot("paragraph")
        for number in range(REDUCERS):
            self.add_event(f"part_{number}", ["counts"])
        self.set_activation_policy(immediate_policy())
        self.set_concurrency(4)  # paragraphs need no order

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["paragraph"]:
            parts = [Counter() for _ in range(REDUCERS)]
            for word in WORD.findall(item["text"].lower()):
                parts[ord(word[0]) % REDUCERS][word] += 1
            for number, counts in enumerate(parts):
                if counts:
                    self.emit(f"part_{number}", counts=counts)


class Reduce(Routine):
    """Adds up counts, fifty at a time and the rest in the end."""

    def __init__(self):
        super().__init__()
        self.add_slot("counts")
        self.set_activation_policy(batch_size_policy(50))

    def logic(self, slot_data, policy_message, worker_state):
        name = worker_state.current_routine_id
        total = Counter(worker_state.get_routine_state(name))
        for item in slot_data["counts"]:
            total.update(item["counts"])
        worker_state.update_routine_state(name, total)


def count_words(folder):
    """Return how often each word is in the texts of a folder."""
    flow = Flow("word_count")
    flow.add_routine(Split(), "split")
    flow.add_routine(Count(), "count")
    flow.connect("split", "paragraph", "count", "paragraph")
    for number in range(REDUCERS):
        flow.add_routine(Reduce(), f"reduce_{number}")
        flow.connect("count", f"part_{number}", f"reduce_{number}", "counts")
    with Runtime(thread_pool_size=4) as runtime:
        worker_state = runtime.exec("word_count")
        for path in sorted(folder.glob("*.md")):
            runtime.post("word_count", "split", "path", {"path": path})
        runtime.wait_until_all_jobs_finished(timeout=60.0)
    parts = [worker_state.get_routine_state(f"reduce_{n}", {}) for n in range(REDUCERS)]
    return Counter({word: n for part in parts for word, n in part.items()})


def main(folder):
    counts = count_words(folder)
    print(f"{counts.total()} words, {len(counts)} different ones")
    for word, count in counts.most_common(5):
        print(f"{count:6} {word}")
    text = "\n\n".join(path.read_text("utf-8") for path in folder.glob("*.md"))
    if counts != Counter(WORD.findall(text.lower())):
        sys.exit("the plain way finds something else")
    print("the plain way finds the same")


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else Path(__file__).resolve().parents[1]))

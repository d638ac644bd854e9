"""An ETL with a retry cycle: extract, transform, load, and once more what failed.

The shop writes CSV, the warehouse is SQLite. An order that could not be loaded goes
back, in a cycle of the flow; after three tries it goes to the dead letters.

    extract ──► transform ──► load ──► retry ──► dead
                    │           ▲        │
                    ▼           └────────┘
                 rejected
"""

import csv
import io
import sqlite3

from routilux import Flow, Routine, Runtime, get_current_job
from routilux.activation_policies import immediate_policy

ARTICLES = ("tea", "cup", "pot")
ORDERS = "id,article,pieces,price\n" + "".join(
    f"{n},{ARTICLES[n % 3]},{'many' if n % 25 == 7 else n % 9 + 1},{n}.50\n"
    for n in range(100)
)
TRIES = 3


class Step(Routine):
    """A routine that takes items one by one; its class lists its events."""

    events_of_class: tuple[str, ...] = ()

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        for name in self.events_of_class:
            self.add_event(name)
        self.set_activation_policy(immediate_policy())


class Extract(Step):
    events_of_class = ("row",)

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            for row in csv.DictReader(io.StringIO(item["text"])):
                self.emit("row", row=row)


class Transform(Step):
    events_of_class = ("order", "rejected")

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            row = item["row"]
            try:
                cents = int(row["pieces"]) * round(float(row["price"]) * 100)
            except ValueError as error:
                self.emit("rejected", id=row["id"], reason=str(error))
            else:
                order = (int(row["id"]), row["article"], cents)
                self.emit("order", order=order, tries=0)


class Load(Step):
    """Loads orders over a connection that breaks now and then, and always at 13."""

    events_of_class = ("failed",)

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            order, tries = item["order"], item["tries"] + 1
            if (order[0] + tries) % 4 == 0 or order[0] == 13:
                self.emit("failed", order=order, tries=tries)
            else:  # no lock: a routine runs one activation at a time
                insert = "INSERT INTO orders VALUES (?, ?, ?)"
                self.get_config("warehouse").execute(insert, order)


class Retry(Step):
    events_of_class = ("again", "dead")

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            self.emit("again" if item["tries"] < TRIES else "dead", **item)


class Keep(Step):
    """Keeps what it gets in the data of the job."""

    def logic(self, slot_data, policy_message, worker_state):
        kept = get_current_job().data.setdefault(worker_state.current_routine_id, [])
        kept.extend(slot_data["input"])


def main():
    warehouse = sqlite3.connect(":memory:", check_same_thread=False)
    warehouse.execute("CREATE TABLE orders (id PRIMARY KEY, article, cents)")
    (load := Load()).set_config(warehouse=warehouse)
    flow = Flow("orders_etl")
    flow.pipe(Extract(), "extract")
    flow.pipe(Transform(), "transform", from_event="row")
    flow.pipe(load, "load", from_event="order")
    flow.pipe(Retry(), "retry", from_event="failed")
    flow.connect("retry", "again", "load", "input")
    flow.pipe(Keep(), "dead", from_event="dead")
    flow.pipe(Keep(), "rejected", from_routine="transform", from_event="rejected")
    with Runtime(thread_pool_size=4) as runtime:
        runtime.exec("orders_etl")
        _, job = runtime.post("orders_etl", "extract", "input", {"text": ORDERS})
    print("job:", job.status)
    print("rejected:", *[item["id"] for item in job.data["rejected"]])
    print("dead:", *[item["order"][0] for item in job.data["dead"]])
    query = "SELECT article, count(*), sum(cents) FROM orders GROUP BY article"
    for article, count, cents in warehouse.execute(query):
        print(f"{article}: {count} orders, {cents / 100:.2f}")
    warehouse.close()


if __name__ == "__main__":
    main()

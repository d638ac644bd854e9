"""Routines and functions that the specs of the tests refer to by import path."""

from routilux import Routine, immediate_policy


class Doubler(Routine):
    """Doubles what it gets."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["value"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            self.emit("output", value=item["value"] * 2)


class Kept(Routine):
    """Keeps what it gets in the state of its worker."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        keep(slot_data, policy_message, worker_state)


def keep(slot_data, policy_message, worker_state):
    routine_id = worker_state.current_routine_id
    worker_state.update_routine_state_with(
        routine_id, lambda state: {"got": [*state.get("got", []), *slot_data["input"]]}
    )


def is_many(slots, worker_state):
    return len(slots["input"]) >= 2


def take_all(slots, worker_state):
    items = slots["input"].consume_all_new()
    return bool(items), {"input": items}, "all"


def is_big(data):
    return data["value"] > 10


def triple(number):
    return 3 * number


NOT_A_CLASS = 3

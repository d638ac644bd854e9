"""A stream of sensors: windows of time, their means, and an alarm.

Three sensors report at any moment. `window` runs once a second at most, with all that
has arrived since; `watch` compares the means of each sensor with those of the window
before, and tells of a jump.

    reading ──► window ──► watch ──► alarm

    python sensors.py                 with the clock, ten seconds
    python sensors.py --simulate      in virtual time, at once, always the same
"""

import sys
from statistics import mean

from routilux import Flow, Routine, Runtime
from routilux.activation_policies import immediate_policy, time_interval_policy

SENSORS = ("boiler", "hall", "roof")
WINDOW = 1.0  # seconds
JUMP = 5.0  # degrees


def readings():
    """Yield (sensor, degrees), thirty for each second; the boiler fails after six."""
    for tick in range(300):
        sensor = SENSORS[tick % 3]
        base = {"boiler": 60.0, "hall": 20.0, "roof": 4.0}[sensor]
        if sensor == "boiler" and tick >= 180:
            base -= 25.0
        yield sensor, base + (tick * 7 % 10) / 10


class Window(Routine):
    """Takes the mean of each sensor over a window."""

    def __init__(self):
        super().__init__()
        self.add_slot("reading")
        self.add_event("means", ["means", "count"])
        self.set_activation_policy(time_interval_policy(WINDOW))

    def logic(self, slot_data, policy_message, worker_state):
        by_sensor = {}
        for item in slot_data["reading"]:
            by_sensor.setdefault(item["sensor"], []).append(item["degrees"])
        means = {sensor: mean(values) for sensor, values in by_sensor.items()}
        self.emit("means", means=means, count=len(slot_data["reading"]))


class Watch(Routine):
    """Compares a window with the one before."""

    def __init__(self):
        super().__init__()
        self.add_slot("means")
        self.add_event("jump", ["sensor", "before", "now"])
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        state = worker_state.get_routine_state("watch", {"count": 0, "windows": 0})
        before = state.get("means", {})
        for item in slot_data["means"]:
            for sensor, now in item["means"].items():
                if abs(now - before.get(sensor, now)) > JUMP:
                    self.emit("jump", sensor=sensor, before=before[sensor], now=now)
            before = {**before, **item["means"]}
            state["count"] += item["count"]
            state["windows"] += 1
        worker_state.update_routine_state("watch", {**state, "means": before})


class Alarm(Routine):
    def __init__(self):
        super().__init__()
        self.add_slot("jump")
        self.set_activation_policy(immediate_policy())

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["jump"]:
            print(f"ALARM: {item['sensor']}: {item['before']:.1f} -> {item['now']:.1f}")


def build():
    flow = Flow("sensors")
    flow.add_routine(Window(), "window")
    flow.add_routine(Watch(), "watch")
    flow.add_routine(Alarm(), "alarm")
    flow.connect("window", "means", "watch", "means")
    flow.connect("watch", "jump", "alarm", "jump")
    return flow


def main(**options):
    with Runtime(thread_pool_size=2, **options) as runtime:
        worker_state = runtime.exec(build())
        for sensor, degrees in readings():
            item = {"sensor": sensor, "degrees": degrees}
            runtime.post("sensors", "window", "reading", item)
            runtime.sleep(1 / 30)
        runtime.wait_until_all_jobs_finished(timeout=10.0)
    state = worker_state.get_routine_state("watch")
    print(f"{state['count']} readings in {state['windows']} windows")
    for sensor, value in sorted(state["means"].items()):
        print(f"{sensor}: {value:.1f}")


if __name__ == "__main__":
    if "--simulate" in sys.argv[1:]:
        main(engine="sim", seed=1)
    else:
        main()

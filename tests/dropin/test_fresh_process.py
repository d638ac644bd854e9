"""Checkpoints: work that was written by one process goes on in another."""

import os
import subprocess
import sys
import textwrap

PARTS = """
    import os
    import sys

    from routilux import Flow, Routine, Runtime, get_current_job, immediate_policy


    class Square(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.add_event("output", ["n"])
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            self.emit("output", n=slot_data["input"][0]["n"] ** 2)


    class Keep(Routine):
        def __init__(self):
            super().__init__()
            self.add_slot("input")
            self.set_activation_policy(immediate_policy())

        def logic(self, slot_data, policy_message, worker_state):
            get_current_job().set_result(slot_data["input"][0]["n"])


    def write(path):
        flow = Flow("squares")
        flow.add_routine(Square(), "square")
        flow.add_routine(Keep(), "keep")
        flow.connect("square", "output", "keep", "input")
        runtime = Runtime(thread_pool_size=2)
        worker = runtime.exec(flow)
        worker.pause()
        for n in range(10):
            runtime.post(flow, "square", "input", {"n": n}, job_id=f"job {n}")
        worker.checkpoint(path)
        os._exit(9)


    def resume(path):
        with Runtime(thread_pool_size=2) as runtime:
            worker = runtime.resume(path)
            assert runtime.wait_until_all_jobs_finished(20)
            print([runtime.get_job(f"job {n}").result() for n in range(10)])
            print(type(worker.flow.routines["square"]).__module__)
"""


def test_work_goes_on_in_a_fresh_process(tmp_path):
    (tmp_path / "parts.py").write_text(textwrap.dedent(PARTS))
    path = os.pathsep.join([str(tmp_path), *sys.path])
    runs = [
        subprocess.run(
            [sys.executable, "-c", f"import parts; parts.{name}('work.json')"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=60,
        )
        for name in ("write", "resume")
    ]
    assert [run.returncode for run in runs] == [9, 0], runs[1].stderr
    assert runs[1].stdout.splitlines() == [str([n * n for n in range(10)]), "parts"]


def test_script_goes_on_from_its_own_checkpoint(tmp_path):
    script = textwrap.dedent(PARTS) + textwrap.dedent(
        """
        if __name__ == "__main__":
            if os.path.exists("work.json"):
                resume("work.json")
            else:
                write("work.json")
        """
    )
    (tmp_path / "script.py").write_text(script)
    runs = [
        subprocess.run(
            [sys.executable, "script.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        for _ in range(2)
    ]
    assert [run.returncode for run in runs] == [9, 0], runs[1].stderr
    assert runs[1].stdout.splitlines() == [str([n * n for n in range(10)]), "__main__"]


def test_what_a_script_does_not_name_is_no_part_of_its_documents(tmp_path):
    script = textwrap.dedent(
        """
        from routilux import Routine, SerializationError


        def make(number):
            def logic(slot_data, policy_message, worker_state):
                return number

            return logic


        class Work(Routine):
            def __init__(self):
                super().__init__()
                self.add_slot("input")


        top = make(1)
        top.__qualname__ = "top"
        for logic in (top, make(2)):
            routine = Work()
            routine.set_logic(logic)
            try:
                print(routine.serialize()["_logic"]["name"])
            except SerializationError as error:
                print(error)
        """
    )
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == "top"
    assert "has no name at the top of the main script that leads to it" in second

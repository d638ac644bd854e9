"""A flow as Mermaid and DOT: complete, and safe for every name."""

import shutil
import subprocess

import pytest

from routilux import Flow, Routine

NASTY = "<b>&\"'`#;|]\n\\N {日本語} 😀\x00\ud800\u202e--> end"


def unit(*events: str, slots: tuple[str, ...] = ("input",)) -> Routine:
    routine = Routine()
    for slot in slots:
        routine.add_slot(slot)
    for event in events:
        routine.add_event(event)
    return routine


def chain() -> Flow:
    flow = Flow()
    flow.add_routine(unit("output"), "reader")
    flow.add_routine(unit("good", "bad"), "parser")
    flow.add_routine(unit(slots=("left", "right")), "writer")
    flow.connect("reader", "output", "parser", "input")
    flow.connect("parser", "good", "writer", "left")
    flow.connect("parser", "bad", "writer", "right")
    return flow


def test_mermaid_names_routines_and_what_tells_connections_apart() -> None:
    assert chain().to_mermaid().splitlines() == [
        "flowchart LR",
        '    n0["reader"]',
        '    n1["parser"]',
        '    n2["writer"]',
        "    n0 --> n1",
        '    n1 -->|"good → left"| n2',
        '    n1 -->|"bad → right"| n2',
    ]


def test_direction_is_said_in_both_languages() -> None:
    flow = chain()
    assert flow.to_mermaid(direction="TB").startswith("flowchart TB\n")
    assert "rankdir=TB;" in flow.to_dot(direction="TB")


@pytest.mark.parametrize("form", ["to_mermaid", "to_dot"])
def test_unknown_direction_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="direction must be 'LR' or 'TB', not 'up'"):
        getattr(chain(), form)(direction="up")


def test_no_part_of_a_name_is_syntax_of_mermaid() -> None:
    flow = Flow()
    flow.add_routine(unit(), NASTY)
    head, box = flow.to_mermaid().splitlines()
    assert head == "flowchart LR"
    assert box.startswith('    n0["') and box.endswith('"]')
    assert not set("<>&\"'`|[]{}\\") & set(box[8:-2])
    assert "日本語" in box
    box.encode("utf-8")


def test_routines_that_are_alike_fold_on_request_only() -> None:
    flow = Flow()
    flow.add_routine(unit("output"), "source")
    for number in range(20):
        flow.add_routine(unit(), f"worker_{number}")
        flow.connect("source", "output", f"worker_{number}", "input")
    assert flow.to_mermaid().count("-->") == 20
    folded = flow.to_mermaid(fold=True)
    assert folded.count("-->") == 1
    assert (
        'n1[["worker_0 … worker_19<br/>20 routines"]]'.replace("…", "#8230;") in folded
    )


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is missing")
def test_graphviz_reads_every_name_back() -> None:
    flow = Flow(NASTY)
    flow.add_routine(unit(NASTY, "b"), NASTY)
    flow.add_routine(unit(slots=(NASTY, "b")), "other")
    flow.connect(NASTY, NASTY, "other", NASTY)
    done = subprocess.run(
        ["dot", "-Tsvg"],
        input=flow.to_dot().encode(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""
    picture = done.stdout.decode()
    assert "&lt;b&gt;&amp;" in picture
    assert "<b>" not in picture


def test_alike_routines_have_a_second_edge_in_dot() -> None:
    flow = Flow()
    flow.add_routine(unit("output"), "source")
    for number in range(20):
        flow.add_routine(unit(), f"worker_{number}")
        flow.connect("source", "output", f"worker_{number}", "input")
    lines = [line for line in flow.to_dot(fold=True).splitlines() if "peri" in line]
    assert len(lines) == 1
    assert "20 routines" in lines[0] and "peripheries=2" in lines[0]
    assert "peripheries" not in flow.to_dot()

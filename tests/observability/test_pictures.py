"""A flow as SVG, in files and in notebooks: nothing overlaps, nothing leaks."""

import random
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routilux import ConfigurationError, Flow, Routine

NASTY = "</svg><script>alert('x')</script>&amp;\"\n日本語 😀\x00\ud800\u202e"
SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "title", "rect", "g", "path", "text"}


def unit(slots: int = 1, events: int = 1) -> Routine:
    routine = Routine()
    for number in range(slots):
        routine.add_slot(f"in{number}")
    for number in range(events):
        routine.add_event(f"out{number}")
    return routine


def web(count: int, pairs: list[tuple[int, int]]) -> Flow:
    flow = Flow()
    for number in range(count):
        flow.add_routine(unit(1 + number % 2, 1 + number % 3), f"routine_{number}")
    for source, target in pairs:
        flow.connect(f"routine_{source}", "out0", f"routine_{target}", "in0")
    return flow


def chain(count: int) -> Flow:
    return web(count, [(number, number + 1) for number in range(count - 1)])


def fan(count: int) -> Flow:
    middle = range(2, count)
    return web(count, [*((0, n) for n in middle), *((n, 1) for n in middle)])


def hub(count: int) -> Flow:
    pairs = [(number, number + 1) for number in range(count - 2)]
    return web(count, [*pairs, *((number, count - 1) for number in range(count - 2))])


def tangle(count: int) -> Flow:
    rng = random.Random(count)
    pairs = [(rng.randrange(count), rng.randrange(count)) for _ in range(2 * count)]
    return web(count, pairs)


def drawn(flow: Flow, tmp_path: Path, **options: object) -> ElementTree.Element:
    path = flow.draw(tmp_path / "flow.svg", **options)  # type: ignore[arg-type]
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def boxes_of(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Return the edges of the boxes of routines: left, top, right, bottom."""
    found = []
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("rx"):
            x, y, wide, tall = (
                float(rect.get(name, "")) for name in ("x", "y", "width", "height")
            )
            found.append((x, y, x + wide, y + tall))
    return found


def check_boxes(root: ElementTree.Element, count: int) -> None:
    boxes = boxes_of(root)
    assert len(boxes) == count
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for left, top, right, bottom in boxes:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height
    for one, other in combinations(boxes, 2):
        apart = (
            one[2] <= other[0]
            or other[2] <= one[0]
            or one[3] <= other[1]
            or other[3] <= one[1]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("count", [3, 30, 300])
@pytest.mark.parametrize("shape", [chain, fan, hub, tangle])
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_boxes_lie_in_the_picture_and_apart(
    shape: Callable[[int], Flow], count: int, direction: str, tmp_path: Path
) -> None:
    root = drawn(shape(count), tmp_path, direction=direction, fold=False)
    check_boxes(root, count)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_graph_is_drawn_with_all_its_arrows(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, 12))
    node = st.integers(0, max(0, count - 1))
    pairs = data.draw(st.lists(st.tuples(node, node), max_size=30 if count else 0))
    path = tmp_path_factory.mktemp("drawn")
    root = drawn(web(count, pairs), path, fold=False)
    check_boxes(root, count)
    titles = {
        line
        for item in root.iter(f"{SVG}title")
        for line in (item.text or "").split("\n")
    }
    for source, target in pairs:
        assert f"routine_{source}.out0 → routine_{target}.in0" in titles


def test_a_long_chain_goes_on_in_new_rows(tmp_path: Path) -> None:
    root = drawn(chain(300), tmp_path)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert width < 2000 < 40_000 / 2
    assert 0.3 < width / height < 3


def test_a_hub_of_300_does_not_make_the_picture_larger_than_its_boxes_do(
    tmp_path: Path,
) -> None:
    path = hub(300).draw(tmp_path / "hub.svg")
    assert path.stat().st_size < 1_000_000


def test_routines_that_are_alike_are_one_box(tmp_path: Path) -> None:
    flow = Flow()
    flow.add_routine(unit(), "source")
    flow.add_routine(unit(), "sink")
    for number in range(298):
        flow.add_routine(unit(), f"worker_{number}")
        flow.connect("source", "out0", f"worker_{number}", "in0")
        flow.connect(f"worker_{number}", "out0", "sink", "in0")
    text = flow.draw(tmp_path / "flow.svg").read_text(encoding="utf-8")
    assert "worker_0 … worker_297" in text
    assert "298 routines" in text
    assert len(text) < 6000


def test_no_name_becomes_markup(tmp_path: Path) -> None:
    flow = Flow(NASTY)
    first, second = Routine(), Routine()
    for name in (NASTY, "other"):
        first.add_event(name)
        second.add_slot(name)
    flow.add_routine(first, NASTY)
    flow.add_routine(second, "second")
    flow.connect(NASTY, NASTY, "second", NASTY)
    root = drawn(flow, tmp_path)
    assert {item.tag.removeprefix(SVG) for item in root.iter()} <= TAGS
    shown = [item.text or "" for item in root.iter(f"{SVG}text")]
    assert any("<script>" in text and "日本語" in text for text in shown)
    assert not re.search("[\x00-\x09\ud800-\udfff\u202e]", "".join(shown))


def test_an_empty_flow_is_an_empty_picture(tmp_path: Path) -> None:
    check_boxes(drawn(Flow(), tmp_path), 0)


def test_a_notebook_shows_the_picture() -> None:
    flow = chain(3)
    bundle = flow._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/svg+xml"}
    assert "routine_2" in bundle["text/html"]
    assert flow._repr_html_() == bundle["text/html"]
    assert set(flow._repr_mimebundle_(include={"text/html"})) == {"text/html"}
    assert "text/html" not in flow._repr_mimebundle_(exclude={"text/html"})


def test_a_notebook_shows_a_huge_flow_as_text() -> None:
    flow = chain(1001)
    assert flow._repr_mimebundle_() == {"text/plain": repr(flow)}
    assert flow._repr_html_() is None


def test_ipython_takes_the_bundle() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(chain(2))
    assert {"text/plain", "text/html", "image/svg+xml"} <= set(data)


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_graphviz_draws_the_other_formats(
    tmp_path: Path, suffix: str, magic: bytes
) -> None:
    graphviz = pytest.importorskip("graphviz")
    try:
        graphviz.version()
    except graphviz.ExecutableNotFound:
        pytest.skip("the program dot is missing")
    path = chain(3).draw(tmp_path / f"flow{suffix}")
    assert path.read_bytes().startswith(magic)


def test_without_the_package_the_message_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "graphviz", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'routilux\[draw\]'"):
        chain(2).draw(tmp_path / "flow.png")
    assert list(tmp_path.iterdir()) == []


def test_without_the_program_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("graphviz")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ConfigurationError, match=r"program 'dot'.*apt install graphviz"
    ):
        chain(2).draw(tmp_path / "flow.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["flow", "flow.docx"])
def test_an_unknown_format_is_refused_with_the_common_ones(
    name: str, tmp_path: Path
) -> None:
    pytest.importorskip("graphviz")
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf"):
        chain(2).draw(tmp_path / name)


def test_many_connections_of_two_routines_are_one_arrow_with_few_lines(
    tmp_path: Path,
) -> None:
    flow = Flow()
    first, second = Routine(), Routine()
    for number in range(7):
        first.add_event(f"out{number}")
        second.add_slot(f"in{number}")
    flow.add_routine(first, "first")
    flow.add_routine(second, "second")
    for number in range(7):
        flow.connect("first", f"out{number}", "second", f"in{number}")
    root = drawn(flow, tmp_path)
    texts = [item.text or "" for item in root.iter(f"{SVG}text")]
    assert texts.count("and 4 more") == 1
    assert sum("out" in text for text in texts) == 3


def test_marks_on_letters_take_no_room(tmp_path: Path) -> None:
    plain, marked = Flow(), Flow()
    plain.add_routine(unit(), "o" * 20)
    marked.add_routine(unit(), "o\u0308" * 20)
    assert boxes_of(drawn(plain, tmp_path)) == boxes_of(drawn(marked, tmp_path))

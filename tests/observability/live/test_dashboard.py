"""The live page, in a real browser, and who may ask its server for what."""

import contextlib
import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standing import Gate, flow_of, nothing, routine

from routilux import Runtime, all_slots_ready_policy, batch_size_policy

pytest.importorskip("starlette", reason="extra 'dashboard' is not installed")
pytest.importorskip("uvicorn", reason="extra 'dashboard' is not installed")

CHROMIUM = "/usr/bin/chromium"
TOKEN = "0123456789abcdef-secret"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
    own = {"executable_path": CHROMIUM} if Path(CHROMIUM).exists() else {}
    with api.sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(args=["--no-sandbox"], **own)
        except api.Error as error:
            pytest.skip(f"no Chromium starts: {error}")
        yield found
        found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that allows no error of its scripts."""
    errors: list[str] = []
    made = browser.new_page(viewport={"width": 1400, "height": 900})
    made.set_default_timeout(15_000)
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
    yield made
    made.close()
    assert errors == []


def ask(
    dashboard: Any,
    path: str = "/",
    method: str = "GET",
    body: Any = None,
    **headers: Any,
) -> tuple[int, str, dict[str, str]]:
    """Ask the server like any program; header names have "_" for "-"."""
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=10.0)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with contextlib.closing(connection):
        connection.request(method, path, body and json.dumps(body), named)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, text, {k.lower(): v for k, v in answer.getheaders()}


def secret_of(dashboard: Any) -> str:
    """Return the secret that only the page gets."""
    return ask(dashboard)[1].partition('name="routilux-secret" content="')[2][:43]


def node(page: Any, routine_id: str) -> Any:
    """Return the box of a routine."""
    return page.locator(f'.node[data-routine="{routine_id}"]')


def test_the_page_loads_and_its_numbers_move(page: Any) -> None:
    with Runtime(1, enable_monitoring=True) as runtime, runtime.dashboard() as live:
        flow = flow_of("shop", pay=routine(nothing), ship=routine(nothing))
        flow.connect("pay", "out", "ship", "input")
        runtime.exec(flow, "w1")
        page.goto(live.url)
        page.wait_for_selector(".node")
        assert page.locator(".node").count() == 2
        assert page.locator(".edge").count() == 1
        completed = page.locator("#totals div", has_text="Completed").locator("dd")
        assert completed.inner_text() == "0"
        assert all(
            j.wait(10.0) for j in runtime.post_many("shop", "pay", "input", [1, 2])
        )
        totals = page.locator("#totals div", has_text="Completed")
        totals.locator("dd", has_text=re.compile("^2$")).wait_for()
        node(page, "pay").click()
        page.wait_for_selector("#detail .histogram rect")
        assert "2 activations" in page.locator("#detail").inner_text()


def test_a_failing_job_shows_its_traceback(page: Any) -> None:
    def refuse(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        raise ValueError("no such <b>order</b>")

    with Runtime(1, enable_monitoring=True) as runtime, runtime.dashboard() as live:
        runtime.exec(flow_of("shop", pay=routine(refuse)))
        page.goto(live.url)
        job = runtime.post("shop", "pay", "input", 1).job
        assert job.wait(10.0)
        page.locator("#failed button").first.click()
        shown = page.locator("#detail pre.traceback")
        shown.wait_for()
        assert "in refuse" in shown.inner_text()
        assert "ValueError: no such <b>order</b>" in shown.inner_text()
        assert job.job_id in page.locator("#detail").inner_text()
        node(page, "pay").click()
        error = page.locator("#detail details", has_text=job.job_id)
        error.locator("summary").click()
        assert "in refuse" in error.locator("pre").inner_text()


def test_pause_stops_activations_and_resume_goes_on(page: Any) -> None:
    ran: list[int] = []

    def note(slot_data: Any, policy_message: Any, worker_state: Any) -> None:
        ran.append(1)

    with Runtime(1) as runtime, runtime.dashboard() as live:
        worker = runtime.exec(flow_of("shop", pay=routine(note)))
        page.goto(live.url)
        page.wait_for_selector(".node")
        page.click("#pause")
        page.wait_for_selector("#status.paused")
        assert worker.status == "paused"
        job = runtime.post("shop", "pay", "input", "a parked item").job
        node(page, "pay").click()
        items = page.locator("#detail details", has_text="Oldest items in input")
        items.locator("summary").click()
        assert "a parked item" in items.locator("pre").inner_text()
        assert (ran, job.status) == ([], "pending")
        page.click("#resume")
        assert job.wait(10.0)
        page.wait_for_selector("#status.running")
    assert ran == [1]


def test_flush_runs_partial_batches_and_cancel_ends_a_job(page: Any) -> None:
    with Runtime(1) as runtime, runtime.dashboard() as live:
        batch = routine(nothing, policy=batch_size_policy(10))
        pair = routine(nothing, "left", "right", policy=all_slots_ready_policy())
        runtime.exec(flow_of("shop", batch=batch, pair=pair))
        batched = runtime.post("shop", "batch", "input", 1).job
        parked = runtime.post("shop", "pair", "left", 1).job
        page.goto(live.url)
        page.wait_for_selector(".node")
        page.click("#flush")
        assert batched.wait(10.0) and batched.status == "completed"
        page.fill("#job", parked.job_id)
        page.click("#find button")
        page.wait_for_selector("#cancel")
        assert "all_slots_ready waits for 'right'" in page.inner_text(
            "#detail .explain"
        )
        page.click("#cancel")
        assert parked.wait(10.0) and parked.status == "cancelled"
        page.locator("#detail .explain", has_text="is cancelled").wait_for()


def test_names_and_items_with_markup_are_shown_as_text(page: Any) -> None:
    name = "<script>alert('name')</script>"
    item = "<img src=x onerror=alert('item')>"
    with Runtime(1) as runtime, runtime.dashboard() as live:
        pair = routine(nothing, name, "right", policy=all_slots_ready_policy())
        flow = flow_of("<i>shop</i>", **{name: pair})
        runtime.exec(flow, "<b>worker</b>")
        runtime.post("<i>shop</i>", name, name, item, job_id="<u>job</u>")
        page.goto(live.url)
        page.wait_for_selector(".node")
        assert page.locator(".node .name").inner_html().startswith("&lt;script&gt;")
        page.locator(".node").click()
        page.locator("#detail summary").first.click()
        page.wait_for_selector("#detail pre.items")
        assert item in page.inner_text("#detail pre.items")
        assert name in page.inner_text("#detail h3")
        page.locator("#live button").first.click()
        page.wait_for_selector("#detail .explain")
        assert "<u>job</u>" in page.inner_text("#detail h3")
        assert page.locator("body script, body img, #detail u, body b").count() == 0


def test_the_page_says_when_the_runtime_has_ended(page: Any) -> None:
    with Runtime(1) as runtime:
        live = runtime.dashboard()
        runtime.exec(flow_of("shop", pay=routine(nothing)))
        page.goto(live.url)
        page.wait_for_selector(".node")
    page.wait_for_selector("#link.off")
    assert "routilux-dashboard" not in [t.name for t in threading.enumerate()]


def test_a_held_item_is_shown(page: Any) -> None:
    with Runtime(1) as runtime, runtime.dashboard() as live:
        runtime.exec(flow_of("shop", pay=routine(nothing)))
        with runtime.add_breakpoint("pay"):
            runtime.post("shop", "pay", "input", {"amount": 7})
            page.goto(live.url)
            held = page.locator("#held li")
            held.wait_for()
            assert "{'amount': 7}" in held.inner_text()


def test_other_hosts_and_origins_are_refused() -> None:
    with Runtime(1) as runtime, runtime.dashboard() as live:
        here = f"127.0.0.1:{live.port}"
        assert ask(live, "/")[0] == 200
        assert ask(live, "/events", Host="evil.example")[0] == 403
        assert ask(live, "/", Host=f"evil.example:{live.port}")[0] == 403
        assert ask(live, "/job?job=x", Origin="http://evil.example")[0] == 403
        assert ask(live, "/job?job=x", Origin="null")[0] == 403
        assert ask(live, "/job?job=x", Origin=f"http://{here}")[0] == 404
        assert ask(live, "/job?job=x", Sec_Fetch_Site="cross-site")[0] == 403
        assert ask(live, "/job?job=x", Sec_Fetch_Site="same-site")[0] == 403


def test_actions_need_the_secret_of_the_page() -> None:
    with Runtime(1) as runtime, runtime.dashboard() as live:
        worker = runtime.exec(flow_of("shop", pay=routine(nothing)), "w1")
        action = {"action": "pause", "target": "w1"}
        assert ask(live, "/action", "POST", action)[0] == 403
        assert ask(live, "/action", "POST", action, X_Routilux_Secret="no")[0] == 403
        assert ask(live, "/action", "GET")[0] == 405
        assert worker.status == "running"
        mine = {"X_Routilux_Secret": secret_of(live)}
        foreign = {**mine, "Origin": "http://evil.example"}
        assert ask(live, "/action", "POST", action, **foreign)[0] == 403
        assert ask(live, "/action", "POST", action, **mine)[0] == 200
        assert worker.status == "paused"
        for wrong in ({"action": "stop", "target": "w1"}, {**action, "target": "w2"}):
            assert ask(live, "/action", "POST", wrong, **mine)[0] == 404
        assert ask(live, "/action", "POST", ["pause"], **mine)[0] == 400


def test_every_answer_forbids_what_is_not_its_own() -> None:
    with Runtime(1) as runtime, runtime.dashboard() as live:
        for path in ("/", "/static/page.js", "/static/nothing", "/job?job=x"):
            headers = ask(live, path)[2]
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy and "script-src 'self'" in policy
            assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers


def test_a_token_is_asked_for_and_moves_to_a_cookie(page: Any) -> None:
    with Runtime(1) as runtime, runtime.dashboard(token=TOKEN) as live:
        runtime.exec(flow_of("shop", pay=routine(nothing)))
        assert ask(live, "/")[0] == ask(live, "/events")[0] == 401
        assert ask(live, "/?token=wrong")[0] == 401
        status, _, headers = ask(live, f"/?token={TOKEN}")
        assert (status, headers["location"]) == (303, "/")
        assert "HttpOnly" in headers["set-cookie"]
        assert "SameSite=strict" in headers["set-cookie"]
        page.goto(live.url)
        page.wait_for_selector(".node")
        assert "token" not in page.url


def test_a_token_may_be_any_text() -> None:
    token = "sesam \u00f6ffne dich; \u958b\u3051\u30b4\u30de %41"
    with Runtime(1) as runtime, runtime.dashboard(token=token) as live:
        status, _, headers = ask(live, "/?" + live.url.partition("?")[2])
        assert status == 303
        cookie = headers["set-cookie"].partition(";")[0]
        assert ask(live, "/", Cookie=cookie)[0] == 200
        assert ask(live, "/", Cookie=cookie + "x")[0] == 401


def test_an_action_that_is_no_json_is_refused() -> None:
    with Runtime(1) as runtime, runtime.dashboard() as live:
        secret = secret_of(live)
        for body in ("{", "[" * 100_000, "[]", "\xff"):
            connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=10)
            with contextlib.closing(connection):
                named = {"X-Routilux-Secret": secret}
                connection.request("POST", "/action", body, named)
                assert connection.getresponse().status == 400


def test_an_item_that_can_not_be_shown_does_not_end_the_page(gate: Gate) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise SystemExit("not for you")

    with Runtime(1) as runtime, runtime.dashboard() as live:
        runtime.exec(flow_of("shop", pay=routine(gate.hold)), "w1")
        runtime.post_many("shop", "pay", "input", [1, Shy()])
        gate.wait_for(1)
        status, text, _ = ask(live, "/routine?worker=w1&routine=pay")
        assert (status, "<Shy whose repr raised SystemExit>" in text) == (200, True)
        assert ask(live)[0] == 200
        gate.open()


def test_another_host_needs_a_token() -> None:
    with Runtime(1) as runtime:
        for host in ("0.0.0.0", "192.0.2.1", "example.org", "::"):
            with pytest.raises(ValueError, match="so the page needs a token"):
                runtime.dashboard(host=host)
        with pytest.raises(ValueError, match="16 characters"):
            runtime.dashboard(token="short")
        with pytest.raises(ValueError, match="port must be from 0 to 65535, not 70000"):
            runtime.dashboard(70_000)
        with runtime.dashboard(host="0.0.0.0", token=TOKEN) as live:
            assert ask(live, "/")[0] == 401
            assert ask(live, f"/?token={TOKEN}", Host="some.name")[0] == 303
    with pytest.raises(RuntimeError, match="shut down"):
        runtime.dashboard()


def test_a_closed_page_frees_its_port_and_thread(gate: Gate) -> None:
    with Runtime(1) as runtime:
        runtime.exec(flow_of("shop", pay=routine(gate.hold)))
        live = runtime.dashboard()
        port = live.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)
        connection.request("GET", "/events")
        assert connection.getresponse().readline().startswith(b"data: {")
        begun = time.monotonic()
        live.close()
        live.close()
        assert time.monotonic() - begun < 5.0  # a listener does not keep it open
        connection.close()
        with runtime.dashboard(port) as again:
            assert again.port == port
        gate.open()


def test_of_very_many_jobs_the_number_is_told_and_none_is_listed() -> None:
    waits = routine(nothing, policy=batch_size_policy(9000), max_queue_length=10_000)
    with Runtime(1) as runtime, runtime.dashboard(host="localhost") as live:
        runtime.exec(flow_of("shop", waits=waits))
        for number in (10, 5000):
            runtime.post_many("shop", "waits", "input", range(number))
            connection = http.client.HTTPConnection("localhost", live.port, timeout=10)
            with contextlib.closing(connection):
                connection.request("GET", "/events")
                answer = connection.getresponse()
                state = {"jobs": {"pending": 0}}
                while state["jobs"]["pending"] < number:  # it tells once a second
                    line = answer.readline()
                    if line.strip():
                        state = json.loads(line.removeprefix(b"data: "))
                assert len(state["live"]) == (10 if number == 10 else 0)
        assert repr(live) == f"<Dashboard at port {live.port}>"
        live.close()
        assert repr(live) == f"<Dashboard at port {live.port}, closed>"
        runtime.shutdown(cancel_pending=True)


def test_a_job_of_a_simulation_is_as_old_as_its_clock_says() -> None:
    waits = routine(nothing, policy=batch_size_policy(2))
    with Runtime(engine="sim", seed=1) as runtime, runtime.dashboard() as live:
        runtime.exec(flow_of("shop", waits=waits))
        job = runtime.post("shop", "waits", "input", 1).job
        runtime.sleep(90.0)
        status, text, _ = ask(live, f"/job?job={job.job_id}")
        assert status == 200
        assert 90.0 <= json.loads(text)["seconds"] < 90.1
        runtime.shutdown(cancel_pending=True)

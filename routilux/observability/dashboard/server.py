"""The server of the live page: who may ask, and what is answered.

Starlette on uvicorn, on one thread with an event loop of its own. It listens on
loopback unless told otherwise, and then asks for a token. A page of another origin can
neither read nor act: `Host` and `Origin` have to be ours, which also stops a foreign
name that leads to this address; actions need a secret that only our page has; nothing
allows cross-origin reading. The page may load nothing from elsewhere and run no script
but its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from routilux.extras import load_extra
from routilux.observability.dashboard.feed import Feed

if TYPE_CHECKING:
    from types import TracebackType

    from routilux.runtime import Runtime

__all__ = ["Dashboard", "open_dashboard"]

TICK_SECONDS = 1.0
SHARE = 50  # a tick takes no more than this part of the time, however much there is
NEEDS = "dashboard()"
FILES = {
    "page.js": "text/javascript; charset=utf-8",
    "graph.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Answer = Callable[[Any], Awaitable[Any]]


def open_dashboard(
    runtime: Runtime, port: int, host: str, token: str | None
) -> Dashboard:
    """Serve the live page; see `Runtime.dashboard`."""
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"port must be an int, not {port!r}")
    if not 0 <= port < 65536:
        raise ValueError(f"port must be from 0 to 65535, not {port}")
    if token is not None and (not isinstance(token, str) or len(token) < 16):
        raise ValueError("token must be a str of 16 characters at least")
    if token is None and not is_loopback(host):
        raise ValueError(
            f"host {host!r} can be reached from elsewhere, so the page needs a token:"
            " dashboard(host=..., token=secrets.token_urlsafe())"
        )
    if not runtime.core.is_open:
        raise RuntimeError("Runtime is shut down: there is nothing to look at")
    return Dashboard(runtime, port, host, token)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and nothing else can reach it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Dashboard:
    """The live page of a runtime: its `url`, until `close()` or the runtime's end.

    Attributes:
        url: Where a browser finds it, with the token if there is one.
        port: The port that it listens on.

    Example:
        >>> with runtime.dashboard() as page:
        ...     print(page.url)
    """

    def __init__(
        self, runtime: Runtime, port: int, host: str, token: str | None
    ) -> None:
        uvicorn = load_extra("uvicorn", NEEDS)
        self._token = token
        self._secret = secrets.token_urlsafe()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self.port: int = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self._hosts = {f"{shown}:{self.port}"}
        if is_loopback(host):
            self._hosts |= {
                f"{name}:{self.port}" for name in ("localhost", "127.0.0.1")
            }
        self._any_host = not is_loopback(host)  # it may have several names; a token
        self.url = f"http://{shown}:{self.port}/"
        if token is not None:
            self.url += f"?token={quote(token, safe='')}"
        self._cookie = f"routilux_token_{self.port}"  # browsers share them among ports
        self._closing = False
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None  # of who looks
        self._files: dict[str, bytes] = {
            name: resources.files(__package__).joinpath("static", name).read_bytes()
            for name in (*FILES, "index.html")
        }
        self._feed = Feed(runtime)
        self._told: tuple[float, str] = (0.0, "")  # the newest state, and when it ends
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app(),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(
            target=self._serve, name="routilux-dashboard", daemon=True
        )
        self._thread.start()
        runtime._machine.companions.add(self)

    def stop(self) -> None:
        """Tell the server to end."""
        self._closing = True
        self._server.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._ended.set)

    def join(self) -> None:
        """Wait for its thread."""
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def close(self) -> None:
        """Serve the page no longer; idempotent."""
        self.stop()
        self.join()

    def __enter__(self) -> Dashboard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Dashboard at port {self.port}{', closed' if self._closing else ''}>"

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def _app(self) -> Any:
        starlette = load_extra("starlette.applications", NEEDS).Starlette
        route = load_extra("starlette.routing", NEEDS).Route
        return starlette(
            routes=[
                route("/", self._checked(self._index)),
                route("/static/{name}", self._checked(self._file)),
                route("/events", self._checked(self._events)),
                route("/routine", self._checked(self._routine)),
                route("/job", self._checked(self._job)),
                route("/action", self._checked(self._action), methods=["POST"]),
            ]
        )

    def _checked(self, answer: Answer) -> Answer:
        async def checked(request: Any) -> Any:
            refusal = self._refusal(request)
            response = await answer(request) if refusal is None else text(*refusal)
            response.headers.update(HEADERS)
            return response

        return checked

    def _refusal(self, request: Any) -> tuple[int, str] | None:
        # Why a request gets no answer: a status and a text, or None.
        headers = request.headers
        host = headers.get("host", "")
        if not self._any_host and host not in self._hosts:
            return 403, "this page answers to its own address only"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, "a page of another origin may not ask"
        # A link from elsewhere is no request of a page: it may show ours.
        link = request.url.path == "/" and headers.get("sec-fetch-mode") == "navigate"
        site = headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin") and not link:
            return 403, "a page of another origin may not ask"
        if self._token is not None:
            given = unquote(request.cookies.get(self._cookie, ""))
            given = given or request.query_params.get("token", "")
            if not same(given, self._token):
                return 401, "a token is needed: open the url of the dashboard"
        return None

    async def _index(self, request: Any) -> Any:
        responses = load_extra("starlette.responses", NEEDS)
        if self._token is not None and "token" in request.query_params:
            # The token leaves the address bar for a cookie that scripts can't read.
            response = responses.RedirectResponse("/", 303)
            value = quote(self._token, safe="")  # a header can't hold every text
            response.set_cookie(
                self._cookie, value, httponly=True, samesite="strict", path="/"
            )
            return response
        page = self._files["index.html"].decode("utf-8")
        return responses.HTMLResponse(page.replace("{{secret}}", self._secret))

    async def _file(self, request: Any) -> Any:
        name = request.path_params["name"]
        if name not in FILES:
            return text(404, "no such file")
        return text(200, self._files[name], FILES[name])

    async def _events(self, request: Any) -> Any:
        streaming = load_extra("starlette.responses", NEEDS).StreamingResponse
        return streaming(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        # One state is computed for all who look; if that is slow, pauses are longer.
        self._loop = asyncio.get_running_loop()
        while not self._closing:
            until, line = self._told
            if time.monotonic() >= until:
                begun = time.monotonic()
                line = f"data: {json.dumps(self._feed.state(), default=str)}\n\n"
                taken = time.monotonic() - begun
                pause = max(TICK_SECONDS, SHARE * taken)
                self._told = until, line = begun + pause, line
            yield line
            # One timer, not a look now and then: each takes the GIL from logic.
            with contextlib.suppress(asyncio.TimeoutError):
                left = max(0.0, until - time.monotonic())
                await asyncio.wait_for(self._ended.wait(), left)

    async def _routine(self, request: Any) -> Any:
        params = request.query_params
        return self._ask(
            lambda feed: feed.routine(
                params.get("worker", ""), params.get("routine", "")
            )
        )

    async def _job(self, request: Any) -> Any:
        return self._ask(lambda feed: feed.job(request.query_params.get("job", "")))

    async def _action(self, request: Any) -> Any:
        if not same(request.headers.get("x-routilux-secret", ""), self._secret):
            return text(403, "only the page itself may act")
        try:
            asked = json.loads(await request.body())
            action, target = str(asked["action"]), str(asked["target"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return text(400, "expected {action, target} as JSON")
        return self._ask(lambda feed: {"done": feed.act(action, target)})

    def _ask(self, question: Callable[[Feed], dict[str, Any]]) -> Any:
        try:
            found = question(self._feed)
        except (ValueError, RuntimeError) as error:
            return text(404, str(error))
        return text(200, json.dumps(found, default=str), "application/json")


def same(given: str, wanted: str) -> bool:
    """Compare secrets without telling by the time it takes how much is right."""
    return secrets.compare_digest(given.encode("utf-8"), wanted.encode("utf-8"))


def text(status: int, body: str | bytes, media_type: str = "text/plain") -> Any:
    """Make an answer of a text."""
    response = load_extra("starlette.responses", NEEDS).Response
    return response(body, status, media_type=media_type)

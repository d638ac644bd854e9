"""The live page of a runtime: a small web server on a thread of its own.

`server` answers, `feed` says what is shown, `static` is the page: plain HTML, CSS and
JavaScript without a build step. Nothing is computed while nobody looks.
"""

from __future__ import annotations

from routilux.observability.dashboard.server import Dashboard, open_dashboard

__all__ = ["Dashboard", "open_dashboard"]

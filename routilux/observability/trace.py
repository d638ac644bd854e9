"""Traces: a file that Perfetto and chrome://tracing open, written as a runtime runs.

The compiled `Tracer` makes the lines and writes them; here is the thread that it does
so on, and who ends it.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from routilux._core import Tracer
from routilux.arguments import check_path

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux._core import Control

__all__ = ["Tracing"]

logger = logging.getLogger("routilux")

JOIN_SECONDS = 60.0


class Tracing:
    """A trace that is being written; leaving its `with` block ends it.

    Thread-safety: every method may be called from any thread.
    """

    def __init__(self, core: Control, path: str | os.PathLike[str]) -> None:
        self.path = str(check_path("path", path))
        self._tracer = Tracer(core, self.path)
        self._lock = threading.Lock()
        self._ended = False
        self._tracer.start()
        self._thread = threading.Thread(
            target=self._tracer.run, name="routilux-trace", daemon=True
        )
        self._thread.start()
        atexit.register(self.end)

    def end(self) -> None:
        """Write what is left and close the file. Idempotent."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        atexit.unregister(self.end)
        self._tracer.stop()
        self._thread.join(JOIN_SECONDS)
        try:
            self._tracer.close()
        except OSError as error:
            logger.error("the trace %r could not be written: %s", self.path, error)
        if self._tracer.lost:
            logger.warning(
                "the trace %r misses %d records: the disk was too slow",
                self.path,
                self._tracer.lost,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

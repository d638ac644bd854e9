"""Dump: what executes right now, written when the process gets a signal.

The signal is taken by `faulthandler`, whose handler needs neither the main thread nor
the GIL: it writes a few bytes into a pipe. A thread that reads the pipe writes the
dump, so it comes while every other thread blocks, the main thread included, as long as
the interpreter itself goes on.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import traceback
import weakref
from datetime import datetime, timezone
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from routilux._core import survey
from routilux.arguments import check_path
from routilux.observability.explain import explain_all

if TYPE_CHECKING:
    from routilux.runtime import Runtime

__all__ = ["SignalDump", "dump_on_signal", "dump_text"]

Target = "str | PathLike[str] | IO[str] | None"


def dump_text(runtime: Runtime) -> str:
    """Say what a runtime does, with the stack of every activation in progress."""
    when = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    lines = [f"routilux: {runtime!r} in process {os.getpid()} at {when}"]
    lines.append(explain_all(runtime))
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    found: dict[int, list[str]] = {}
    for worker in runtime.list_workers():
        for one in survey(runtime.core, worker)["executing"]:
            found.setdefault(one["thread"], []).append(repr(one["routine_id"]))
    for thread, routines in found.items():
        inside = " inside of ".join(routines)
        lines.append(f"thread {names.get(thread, thread)!r} executes {inside}:")
        lines.append(stack_of(frames.get(thread)))
    for number, coroutine in enumerate(runtime._machine.coroutines()):
        lines.append(f"coroutine {number + 1} on the event loop:")
        lines.append(coroutine_stack(coroutine))
    return "\n".join(lines) + "\n"


def stack_of(frame: FrameType | None) -> str:
    """Return the stack of a thread, the innermost call last."""
    if frame is None:
        return "  (it has ended)"
    return "".join(traceback.format_stack(frame)).rstrip("\n")


def coroutine_stack(coroutine: Any) -> str:
    """Return where a suspended coroutine stands, the innermost await last."""
    lines = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            lines += traceback.format_stack(frame)[-1:]
        coroutine = getattr(coroutine, "cr_await", None)
    return "".join(lines).rstrip("\n") or "  (it has ended)"


class SignalDump:
    """Writes a dump of a runtime for each signal, until it is closed.

    It ends with its runtime. One signal serves any number of runtimes.
    """

    def __init__(self, runtime: Runtime, signum: int, file: Any) -> None:
        self._runtime = weakref.ref(runtime)
        self._file = file
        self._signum = signum
        self._bell = Bell.enter(signum, self)

    def write(self) -> None:
        """Write a dump now."""
        runtime = self._runtime()
        if runtime is None:
            return
        text = dump_text(runtime)
        if isinstance(self._file, (str, os.PathLike)):
            with open(self._file, "a", encoding="utf-8") as out:
                out.write(text)
            return
        target = self._file or sys.stderr
        if target is not None:
            target.write(text)
            target.flush()

    def stop(self) -> None:
        """Take no signal any more; the thread ends by itself."""
        self._bell.leave(self)

    def join(self) -> None:
        """Wait for the thread, if nobody else needs it."""
        self._bell.join()

    def close(self) -> None:
        """Take no signal any more."""
        self.stop()
        self.join()

    def __enter__(self) -> SignalDump:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Bell:
    """A signal, the pipe that it is written to, and the thread that reads the pipe."""

    bells: dict[int, Bell] = {}  # noqa: RUF012, guarded by `lock`
    lock = threading.Lock()

    def __init__(self, signum: int) -> None:
        self._signum = signum
        self._dumps: list[SignalDump] = []
        # Without a handler of Python's own, the rest of the chain ends the process.
        chain = callable(signal.getsignal(signum))
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)  # the handler must never wait for a reader
        self._writer = os.fdopen(writer, "wb", buffering=0)
        try:
            faulthandler.register(signum, self._writer, all_threads=False, chain=chain)
        except BaseException:  # a signal that no program may take
            self._writer.close()
            os.close(self._reader)
            raise
        self._thread = threading.Thread(
            target=self._read, name="routilux-dump", daemon=True
        )
        self._thread.start()

    @classmethod
    def enter(cls, signum: int, dump: SignalDump) -> Bell:
        """Have a signal ring for one more runtime."""
        with cls.lock:
            if signum not in cls.bells:
                cls.bells[signum] = cls(signum)
            bell = cls.bells[signum]
            bell._dumps.append(dump)
            return bell

    def leave(self, dump: SignalDump) -> None:
        """Have it ring for one less; the last one puts it away."""
        with self.lock:
            if dump not in self._dumps:
                return
            self._dumps.remove(dump)
            if not self._dumps:
                del self.bells[self._signum]
                faulthandler.unregister(self._signum)
                self._writer.close()  # the thread reads the end of the pipe

    def join(self) -> None:
        """Wait for the thread unless it is needed or is the caller."""
        with self.lock:
            needed = bool(self._dumps)
        if not needed and threading.current_thread() is not self._thread:
            self._thread.join()

    def _read(self) -> None:
        # The handler writes line by line: what came while a dump was written, or within
        # one text of the handler, asks for one dump.
        pending = b""
        while data := os.read(self._reader, 65536):
            pending += data
            if b"\n" not in pending:
                continue
            rings = pending.count(b"most recent call first")
            pending = b"" if rings else pending[-200:]
            if not rings:
                continue
            with self.lock:
                dumps = list(self._dumps)
            for dump in dumps:
                try:
                    dump.write()
                except Exception:
                    traceback.print_exc()
        os.close(self._reader)


def dump_on_signal(runtime: Runtime, signum: int | None, file: Any) -> SignalDump:
    """Write a dump for each signal; see `Runtime.dump_on_signal`."""
    if not hasattr(faulthandler, "register"):
        raise RuntimeError("this system has no signals that can be asked for a dump")
    signum = signal.SIGUSR1 if signum is None else signum
    if isinstance(signum, bool) or not isinstance(signum, int):
        raise TypeError(f"signum must be the number of a signal, not {signum!r}")
    if signum not in signal.valid_signals():
        raise ValueError(f"signum must be a signal of this system, not {signum!r}")
    if isinstance(file, (str, os.PathLike)):
        file = check_path("file", file)
    elif file is not None and not hasattr(file, "write"):
        raise TypeError(f"file must be a path or an open file, not {file!r}")
    made = SignalDump(runtime, int(signum), file)
    runtime._machine.companions.add(made)
    return made

"""RuntimeRegistry: the runtimes of a process under ids, one of them the default.

For programs with several runtimes that look them up by name. It holds what is entered
weakly but for the runtime that it makes itself; a lock protects the table.
"""

from __future__ import annotations

import threading
import weakref

from routilux.errors import name_hint
from routilux.runtime import Runtime

__all__ = ["RuntimeRegistry"]


class RuntimeRegistry:
    """Find runtimes by id; use `get_instance()`.

    Thread-safety: every method may be called from any thread.
    """

    _instance: RuntimeRegistry | None = None

    def __init__(self) -> None:
        self._runtimes: weakref.WeakValueDictionary[str, Runtime] = (
            weakref.WeakValueDictionary()
        )
        self._default: str | None = None
        self._made: Runtime | None = None
        self._lock = threading.RLock()

    @classmethod
    def get_instance(cls) -> RuntimeRegistry:
        """Return the register that the process shares."""
        with _LOCK:
            if cls._instance is None:
                cls._instance = cls()
            return cls._instance

    def register(
        self, runtime: Runtime, runtime_id: str, is_default: bool = False
    ) -> None:
        """Enter a runtime; the first one is the default.

        Raises:
            TypeError: It is no `Runtime`.
            ValueError: The id belongs to another runtime.
        """
        if not isinstance(runtime, Runtime):
            raise TypeError(f"expected a Runtime, not {runtime!r}")
        with self._lock:
            known = self._runtimes.get(runtime_id)
            if known is not None and known is not runtime:
                raise ValueError(f"Runtime id {runtime_id!r} is already registered")
            self._runtimes[runtime_id] = runtime
            if is_default or self.get_default_id() is None:
                self._default = runtime_id

    def get(self, runtime_id: str | None = None) -> Runtime | None:
        """Return the runtime with an id, or the default; None if there is none."""
        with self._lock:
            key = self._default if runtime_id is None else runtime_id
            return None if key is None else self._runtimes.get(key)

    def get_or_create_default(self, thread_pool_size: int = 10) -> Runtime:
        """Return the default, made and kept if there is none."""
        with self._lock:
            found = self.get()
            if found is None or found._shutdown:
                found = self._made = Runtime(thread_pool_size)
                self._runtimes["default"] = found
                self._default = "default"
            return found

    def list_all(self) -> list[str]:
        """Return the ids."""
        with self._lock:
            return list(self._runtimes)

    def get_all(self) -> dict[str, Runtime]:
        """Return the runtimes by id."""
        with self._lock:
            return dict(self._runtimes)

    def unregister(self, runtime_id: str) -> bool:
        """Forget a runtime, which goes on; False if the id is unknown."""
        with self._lock:
            found = self._runtimes.pop(runtime_id, None)
            if found is self._made:
                self._made = None
            if self._default == runtime_id:
                self._default = next(iter(self._runtimes), None)
        return found is not None

    def set_default(self, runtime_id: str) -> None:
        """Say which runtime `get()` returns.

        Raises:
            ValueError: The id is unknown.
        """
        with self._lock:
            known = list(self._runtimes)
            if runtime_id in known:
                self._default = runtime_id
                return
        hint = name_hint(runtime_id, known, "runtimes")
        raise ValueError(f"Runtime {runtime_id!r} is not registered. {hint}")

    def get_default_id(self) -> str | None:
        """Return the id of the default, or None."""
        with self._lock:
            return self._default if self._default in self._runtimes else None

    def clear(self) -> None:
        """Forget all runtimes, which go on."""
        with self._lock:
            made, self._made = self._made, None
            self._runtimes.clear()
            self._default = None
        del made


_LOCK = threading.Lock()

"""Post: the compiled half of `Runtime`."""

from collections.abc import Callable
from typing import Any

from routilux._core.control import FORKED as FORKED
from routilux._core.control import Control
from routilux._core.room import RoomBell
from routilux.flow import Flow
from routilux.runtime import PostResult

def set_post_result(cls: type[PostResult]) -> None: ...

class RuntimeCore:
    @property
    def core(self) -> Control: ...
    def post(
        self,
        flow_id: str | Flow | None = None,
        routine_id: str | None = None,
        slot: str | None = None,
        data: Any = ...,
        worker_id: str | None = None,
        job_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        block: bool = True,
        timeout: float | None = None,
        deadline: float | None = None,
        flow_name: str | Flow | None = None,
        routine_name: str | None = None,
        slot_name: str | None = None,
    ) -> PostResult: ...
    def _attach(self, core: Control) -> None: ...
    def _forget_last_post(self) -> None: ...
    def _bell_for_room(
        self,
        flow_id: str | Flow | None,
        routine_id: str | None,
        slot: str | None,
        worker_id: str | None,
        call: Callable[[], object],
    ) -> RoomBell | None: ...
    def _resolve(self, flow: object) -> str: ...

"""What happens when nothing moves any more."""

from routilux._core.engine import Engine

class Quiet(Engine):
    def cancel_all(
        self, text: str, begun: bool = True, flow_id: str | None = None
    ) -> int: ...

"""Filter: lets items pass that meet a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from routilux.builtin_routines.conditions import Condition, compile_condition
from routilux.builtin_routines.configured import ConfiguredRoutine
from routilux.builtin_routines.settings import Setting, Settings, any_value, flag, text

if TYPE_CHECKING:
    from typing_extensions import Self

    from routilux.worker import WorkerState

__all__ = ["Filter"]


class Filter(ConfiguredRoutine):
    """Let items pass that meet a condition, turn the others away.

    Slot `input`. Events `passed` (data) and `rejected` (data, reason).

    Configuration:
        condition: None (all pass), a callable, an expression over `data` and
            `config`, a dict of fields, or a list of these that must all hold.
        pass_event: Name of the event for what passes, default "passed".
        reject_event: Name of the event for the rest, default "rejected".
        invert: Let pass what does not meet the condition.
        include_reason: Give `rejected` a reason.

    Any other key is a constant that expressions find in `config`.

    Example:
        >>> adults = Filter()
        >>> adults.set_config(condition="data['age'] >= config['limit']", limit=18)
    """

    settings: ClassVar[Settings] = {
        "condition": Setting(None, any_value),
        "pass_event": Setting("passed", text),
        "reject_event": Setting("rejected", text),
        "invert": Setting(False, flag),
        "include_reason": Setting(True, flag),
    }
    expression_keys: ClassVar[tuple[str, ...]] = ("condition",)
    takes_constants: ClassVar[bool] = True

    _condition: Condition | None = None

    def _build_ports(self) -> None:
        self.add_slot("input")
        self.add_event("passed", ["data"])
        self.add_event("rejected", ["data", "reason"])
        self._bring_immediate()

    def _derive(self, config: dict[str, Any]) -> Condition | None:
        if config["condition"] is None:
            return None
        label = "Filter: config 'condition'"
        return compile_condition(label, config["condition"], ("data", "config"))

    def _apply(self, config: dict[str, Any], derived: Condition | None) -> None:
        self._condition = derived
        for key, params in (
            ("pass_event", ["data"]),
            ("reject_event", ["data", "reason"]),
        ):
            if config[key] not in self._events:
                self.add_event(config[key], params)

    def set_condition(self, condition: Any) -> Self:
        """Set the condition; returns the routine."""
        self.set_config(condition=condition)
        return self

    def set_callable(self, function: Callable[..., Any]) -> Self:
        """Set a function of the data as the condition; returns the routine."""
        if not callable(function):
            raise TypeError(f"function must be callable, not {function!r}")
        return self.set_condition(function)

    def handle(self, data: Any, worker_state: WorkerState) -> None:
        """Emit the data through one of the two events."""
        config = self._config
        condition = self._condition
        held = condition is None or condition.test(data, config, {})
        if held is not config["invert"]:
            self.emit(config["pass_event"], data=data)
        elif config["include_reason"]:
            text = "None" if condition is None else condition.text
            met = "met" if held else "not met"
            self.emit(
                config["reject_event"], data=data, reason=f"condition {met}: {text}"
            )
        else:
            self.emit(config["reject_event"], data=data)

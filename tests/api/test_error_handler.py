"""`ErrorHandler` and `ErrorStrategy`: validation and the decision."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routilux import ErrorHandler, ErrorStrategy


@pytest.mark.parametrize("strategy", list(ErrorStrategy))
def test_strategy_prints_the_bare_word(strategy: ErrorStrategy) -> None:
    assert str(strategy) == f"{strategy}" == strategy.value == strategy.name.lower()


def test_strategies_compare_equal_to_their_words() -> None:
    assert [*ErrorStrategy] == ["stop", "continue", "retry", "skip"]


def test_defaults_stop_and_hold_three_doubling_retries() -> None:
    handler = ErrorHandler()
    assert handler.strategy is ErrorStrategy.STOP
    assert (handler.max_retries, handler.retry_delay) == (3, 1.0)
    assert (handler.retry_backoff, handler.retryable_exceptions) == (2.0, None)
    assert (handler.is_critical, handler.retry_jitter) == (False, 0.0)
    assert handler.max_delay is None


def test_first_six_arguments_are_positional() -> None:
    handler = ErrorHandler("retry", 5, 0.5, 3, (OSError,), True)
    assert (handler.max_retries, handler.retry_delay) == (5, 0.5)
    assert (handler.retry_backoff, handler.is_critical) == (3.0, True)
    assert handler.retryable_exceptions == (OSError,)


@pytest.mark.parametrize("strategy", ["retry", ErrorStrategy.RETRY])
def test_strategy_is_given_as_member_or_word(strategy: str) -> None:
    assert ErrorHandler(strategy).strategy is ErrorStrategy.RETRY


def test_unknown_strategy_lists_the_words() -> None:
    with pytest.raises(ValueError, match=r"strategy .*'stop'.*'skip', not 'retri'"):
        ErrorHandler("retri")


WRONG_TYPES: list[dict[str, Any]] = [
    {"strategy": 1},
    {"max_retries": 1.0},
    {"max_retries": True},
    {"retry_delay": "1"},
    {"retry_delay": True},
    {"retry_backoff": None},
    {"retryable_exceptions": 1},
    {"retryable_exceptions": int},
    {"retryable_exceptions": "OSError"},
    {"retryable_exceptions": (OSError, "x")},
    {"retryable_exceptions": (OSError(),)},
    {"is_critical": 1},
    {"retry_jitter": "0"},
    {"max_delay": "1"},
]


@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=str)
def test_wrong_type_names_parameter_and_type(wrong: dict[str, Any]) -> None:
    (parameter,) = wrong
    with pytest.raises(TypeError, match=rf"^{parameter} must be .* not \w+ \("):
        ErrorHandler(**wrong)


OUT_OF_RANGE: list[dict[str, Any]] = [
    {"max_retries": -1},
    {"retry_delay": -0.1},
    {"retry_delay": float("nan")},
    {"retry_delay": float("inf")},
    {"retry_delay": 10**400},
    {"retry_backoff": 0},
    {"retry_backoff": -1},
    {"retry_jitter": 1.1},
    {"retry_jitter": -0.1},
    {"max_delay": -1},
]


@pytest.mark.parametrize("wrong", OUT_OF_RANGE, ids=lambda wrong: next(iter(wrong)))
def test_number_out_of_range_names_parameter_and_value(wrong: dict[str, Any]) -> None:
    ((parameter, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"^{parameter} must be .* not {value!r}"):
        ErrorHandler(**wrong)


@pytest.mark.parametrize("given_as", [OSError, [OSError], (OSError,), {OSError}])
def test_exception_classes_are_kept_as_a_tuple(given_as: Any) -> None:
    handler = ErrorHandler("retry", retryable_exceptions=given_as)
    assert handler.retryable_exceptions == (OSError,)


@pytest.mark.parametrize("strategy", ["stop", "continue", "skip"])
def test_other_strategies_answer_their_own_word(strategy: str) -> None:
    assert ErrorHandler(strategy).decide(ValueError(), 1) == (strategy, 0.0)


def test_answer_is_an_exact_str() -> None:
    assert type(ErrorHandler("skip").decide(ValueError(), 1)[0]) is str


@pytest.mark.parametrize("strategy", list(ErrorStrategy))
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_base_exceptions_always_stop(
    strategy: ErrorStrategy, error: BaseException
) -> None:
    handler = ErrorHandler(strategy, retryable_exceptions=BaseException)
    assert handler.decide(error, 1) == ("stop", 0.0)


def test_retry_backs_off_until_max_retries() -> None:
    handler = ErrorHandler("retry", max_retries=3, retry_delay=0.5, retry_backoff=2)
    answers = [handler.decide(ValueError(), failures) for failures in (1, 2, 3, 4)]
    assert answers == [("retry", 0.5), ("retry", 1.0), ("retry", 2.0), ("stop", 0.0)]


def test_handler_keeps_no_state_between_calls() -> None:
    handler = ErrorHandler("retry", max_retries=1)
    assert [handler.decide(ValueError(), 1)[0] for _ in range(5)] == ["retry"] * 5


def test_no_retries_stops_at_once() -> None:
    handler = ErrorHandler("retry", max_retries=0)
    assert handler.decide(ValueError(), 1) == ("stop", 0.0)


def test_subclass_of_a_retryable_exception_is_retried() -> None:
    handler = ErrorHandler("retry", retryable_exceptions=(OSError,))
    assert handler.decide(ConnectionError(), 1)[0] == "retry"
    assert handler.decide(ValueError(), 1) == ("stop", 0.0)


def test_max_delay_caps_the_backoff() -> None:
    handler = ErrorHandler("retry", max_retries=9, retry_backoff=10, max_delay=50)
    delays = [handler.decide(ValueError(), failures)[1] for failures in (1, 2, 3, 4)]
    assert delays == [1.0, 10.0, 50.0, 50.0]


@pytest.mark.parametrize(("delay", "cap"), [(0.0, None), (1.0, 60.0), (1.0, None)])
def test_backoff_that_overflows_stays_finite(delay: float, cap: float | None) -> None:
    handler = ErrorHandler("retry", 10**9, delay, 1000.0, max_delay=cap)
    answer = handler.decide(ValueError(), 10**8)
    assert answer == ("retry", delay and (cap or 365 * 24 * 3600.0))


@pytest.mark.parametrize(("drawn", "delay"), [(0.0, 7.5), (0.5, 10.0), (1.0, 12.5)])
def test_jitter_moves_the_delay_both_ways(drawn: float, delay: float) -> None:
    handler = ErrorHandler("retry", retry_delay=10, retry_jitter=0.25)
    answer = handler.decide(ValueError(), 1, draw=lambda: drawn)
    assert answer == ("retry", delay)


@given(
    delay=st.floats(0, 1e4),
    backoff=st.floats(0.1, 10),
    jitter=st.floats(0, 1),
    cap=st.none() | st.floats(0, 100),
    failures=st.integers(1, 1000),
)
def test_delay_stays_within_jitter_and_cap(
    delay: float, backoff: float, jitter: float, cap: float | None, failures: int
) -> None:
    handler = ErrorHandler(
        "retry", 1000, delay, backoff, retry_jitter=jitter, max_delay=cap
    )
    plain = ErrorHandler("retry", 1000, delay, backoff, max_delay=cap)
    seconds = handler.decide(ValueError(), failures)[1]
    middle = plain.decide(ValueError(), failures)[1]
    slack = 1e-9 * (1 + middle)
    assert middle * (1 - jitter) - slack <= seconds <= middle * (1 + jitter) + slack
    assert cap is None or seconds <= cap + slack


def test_handler_survives_pickling() -> None:
    handler = pickle.loads(pickle.dumps(ErrorHandler("retry", 7, max_delay=2)))
    assert (handler.strategy, handler.max_retries) == (ErrorStrategy.RETRY, 7)
    assert handler.max_delay == 2.0


def test_repr_shows_the_rules() -> None:
    assert repr(ErrorHandler("skip")) == "ErrorHandler('skip')"
    assert "max_retries=3" in repr(ErrorHandler("retry"))

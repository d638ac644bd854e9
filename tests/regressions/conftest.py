"""Set-up that regression tests share."""

import threading

import pytest

from routilux.monitoring.hooks import reset_execution_hooks, set_execution_hooks


@pytest.fixture
def gate():
    """Give an event that logic waits on; set at the end at the latest."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def hooked():
    """Set hooks for the length of a test."""
    yield set_execution_hooks
    reset_execution_hooks()

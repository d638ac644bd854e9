"""Set-up of the fuzz tests: their modules, and no log."""

import logging
import sys
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def quiet_log(caplog):
    """Keep what odd values make the runtime say out of the report."""
    caplog.set_level(logging.CRITICAL, logger="routilux")

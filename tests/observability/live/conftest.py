"""What the tests of the live views share; the makers are in `standing`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from standing import Gate


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that logic waits at; it is opened when the test is over."""
    made = Gate()
    yield made
    made.open()

"""Makes `routilux_test_parts` importable: parts.py under a name of its own."""

import importlib.util
import sys
from pathlib import Path

import pytest

NAME = "routilux_test_parts"


@pytest.fixture(autouse=True, scope="session")
def parts():
    path = Path(__file__).with_name("parts.py")
    spec = importlib.util.spec_from_file_location(NAME, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[NAME]

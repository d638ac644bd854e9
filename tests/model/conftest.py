"""Set-up of the model tests: their modules, and a watch over what may hang."""

import faulthandler
import logging
import os
import sys
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))

HANG = 60.0


@pytest.fixture(autouse=True)
def quiet_log(caplog):
    """Keep the failures that are drawn out of the report."""
    caplog.set_level(logging.CRITICAL, logger="routilux")


@pytest.fixture
def watched(request):
    """Give a function that calls another under a name, and never hangs silently.

    Compiled code that loops lets no Python run. The dump of the stacks comes from a
    thread of C, so the name goes where the dump shows it: among the file names.
    """
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        stderr = os.dup(2)

    def call(name, function, *args):
        faulthandler.dump_traceback_later(HANG, exit=True, file=stderr)
        code = compile("function(*args)", name, "eval")
        return eval(code, {"function": function, "args": args})

    yield call
    faulthandler.cancel_dump_traceback_later()
    os.close(stderr)

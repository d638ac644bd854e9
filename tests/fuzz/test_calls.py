"""Every public callable is called with what nobody should pass.

A call may do its work, or refuse with one of the documented exceptions, whose text
names the argument: by the name of its parameter, by its value, or by its type. What a
hostile argument raises itself may come through. It may never crash or hang the process,
nor let an error of our insides out.

ROUTILUX_FUZZ_CALLS says how often each is called (25 by default).
"""

import asyncio
import inspect
import os
import warnings
from datetime import timedelta

import numpy
import pytest
import world
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from odd import ODD, Hostile

import routilux
from routilux import RoutiluxError

CALLS = int(os.environ.get("ROUTILUX_FUZZ_CALLS", "25"))
CHOSEN = "ROUTILUX_FUZZ_CALLS" not in os.environ  # the same calls each time
DOCUMENTED = (TypeError, ValueError, RuntimeError, TimeoutError, OSError, RoutiluxError)
INSIDE = (NotImplementedError, RecursionError, UnicodeError)  # some of these are those
# Arguments that say how long to sleep: an odd one may be legal, and long.
SLEEPS = {"Runtime.sleep": "seconds"}
NAMES = world.callables()
# What Python itself says when our code stumbles over an argument: it knows the type of
# the value and not which argument it was.
STUMBLES = (
    "object is not callable",
    "object is not iterable",
    "object is not subscriptable",
    "not supported between instances of",
    "unsupported operand type",
    "object cannot be interpreted as an integer",
    "is not a valid",
)
WORDS = {  # what texts call a parameter besides its name
    "fields": "field",
    "from_routine": "source_routine_id",
    "lines": "write()",
    "text": "yaml",
    "functions": "function",
    "update": "state",
}


def test_every_public_class_with_methods_is_called():
    classes = [
        name
        for name in routilux.__all__
        if inspect.isclass(getattr(routilux, name)) and name not in world.ABSTRACT
    ]
    here = world.World()
    made = {type(make(here)) for make in world.OBJECTS.values()}
    here.close()
    missing = [
        name
        for name in classes
        if world.methods_of(getattr(routilux, name))
        and not any(issubclass(one, getattr(routilux, name)) for one in made)
    ]
    assert missing == []


def draw_arguments(data, name, called, here):
    """Draw arguments, one of them odd mostly; also its name, and the value."""
    parameters = world.parameters_of(called)
    everything = data.draw(st.integers(0, 4), label="all odd") == 0
    count = len(parameters)
    chosen = data.draw(st.integers(0, count - 1), label="odd one") if count else None
    args, kwargs, odd_ones = [], {}, []
    for number, parameter in enumerate(parameters):
        if everything or number == chosen:
            value = data.draw(ODD, label=parameter.name)
            if SLEEPS.get(name) == parameter.name and isinstance(value, (int, float)):
                value = -value if value > 0 else value
            odd_ones.append((parameter.name, value))
        elif not world.is_needed(name, parameter):
            continue  # what comes later goes by keyword
        else:
            value = here.fitting(name, parameter.name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            args.append(value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            kwargs["extra"] = value
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            args.append(value)
        else:
            kwargs[parameter.name] = value
    return args, kwargs, odd_ones


def finish(result):
    """Await what a call returned, or take the first things out of it."""
    if inspect.iscoroutine(result):
        return asyncio.run(asyncio.wait_for(result, 20))
    if inspect.isgenerator(result):
        for _ in zip(range(3), result, strict=False):
            pass
        result.close()
    if inspect.isasyncgen(result):

        async def take():
            async for _ in result:
                break
            await result.aclose()

        asyncio.run(asyncio.wait_for(take(), 20))
    return result


def names_the_argument(text, odd_ones):
    """Tell whether a text says which of the odd arguments it is about."""
    for parameter, value in odd_ones:
        if isinstance(value, numpy.ndarray) or callable(value):
            return True  # it may object in words of its own when it is used
        said = {parameter, WORDS.get(parameter, parameter), parameter.split("_")[0]}
        if not any(stumble in text for stumble in STUMBLES):
            said.add(type(value).__name__)
            try:
                said |= {repr(value)[:30], str(value)[:30]} - {""}
            except Exception:  # it can't be shown
                return True
        if any(word.lower() in text.lower() for word in said):
            return True
    return not odd_ones


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=CALLS,
    deadline=timedelta(seconds=60),
    database=None,
    derandomize=CHOSEN,
    print_blob=True,
    phases=(Phase.generate,),  # arguments are as small as they get
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_a_call_works_or_says_what_is_wrong(name, data):
    here = world.World(data.draw(st.sampled_from(["inline", "threads"])))
    try:
        called = world.find(here, name)
        args, kwargs, odd_ones = draw_arguments(data, name, called, here)
        note(f"{name}(*{args!r:.300}, **{list(kwargs)!r})")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            finish(called(*args, **kwargs))
    except Hostile:
        pass
    except DOCUMENTED as error:
        if type(error) in (TypeError, ValueError):
            assert names_the_argument(str(error), odd_ones), f"{error!r} names nothing"
        elif isinstance(error, INSIDE):
            raise
    finally:
        here.close()

"""Ids for log records: which job, worker, flow and routine a line was written for.

`ActivationFilter` is for the `logging` of the standard library, `add_activation_ids` a
processor for structlog. Both ask who runs on the thread, or in the context, that logs:
logic itself, what it calls, coroutines, and threads that carry its context.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from routilux._core import get_current_job, get_current_routine_id

__all__ = ["ActivationFilter", "add_activation_ids", "current_ids"]

NAMES = ("job_id", "worker_id", "flow_id", "routine_id")


def current_ids() -> dict[str, str]:
    """Return the ids of the activation that is calling, `{}` outside of one.

    In a batch of several jobs, `job_id` is that of the newest item.
    """
    job = get_current_job()
    if job is None:
        return {}
    found = {
        "job_id": job.job_id,
        "worker_id": job.worker_id,
        "flow_id": job.flow_id,
    }
    routine_id = get_current_routine_id()
    return found if routine_id is None else {**found, "routine_id": routine_id}


class ActivationFilter(logging.Filter):
    """Puts job_id, worker_id, flow_id and routine_id on every record; drops none.

    Add it to a handler: filters of a logger do not see what its children log. What a
    record has already, by `extra=`, stays.

    Args:
        outside: What they are outside of logic, so that a format may name them.

    Example:
        >>> handler = logging.StreamHandler()
        >>> handler.addFilter(ActivationFilter())
        >>> handler.setFormatter(logging.Formatter("%(job_id)s %(message)s"))
    """

    def __init__(self, outside: str = "-") -> None:
        super().__init__()
        self.outside = outside

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the ids on a record; always True."""
        ids = current_ids()
        for name in NAMES:
            if not hasattr(record, name):
                setattr(record, name, ids.get(name, self.outside))
        return True


def add_activation_ids(
    logger: object, method_name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the ids to an event of structlog: a processor; outside of logic it adds none.

    Example:
        >>> structlog.configure(processors=[add_activation_ids, JSONRenderer()])
    """
    for name, value in current_ids().items():
        event_dict.setdefault(name, value)
    return event_dict

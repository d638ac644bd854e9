"""Who is running: the job, worker and routine of the calling logic.

The functions answer on the thread that runs the logic and, but for the routine, on
every thread that carries its context (`asyncio.to_thread`, `copy_context().run`).
"""

from routilux._core import (
    get_current_job,
    get_current_job_id,
    get_current_jobs,
    get_current_routine_id,
    get_current_worker_state,
)

__all__ = [
    "get_current_job",
    "get_current_job_id",
    "get_current_jobs",
    "get_current_routine_id",
    "get_current_worker_state",
]

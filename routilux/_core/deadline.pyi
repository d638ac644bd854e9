"""Jobs that last too long."""

from routilux._core.job import JobContext
from routilux._core.overtime import Overtime

class Deadline(Overtime):
    def limit_job(self, job: JobContext, seconds: float) -> None: ...

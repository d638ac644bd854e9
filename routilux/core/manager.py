"""The manager of workers under its older import path."""

from routilux.workers import WorkerManager, get_worker_manager, reset_worker_manager

__all__ = [
    "WorkerManager",
    "get_worker_manager",
    "reset_worker_manager",
]

"""The registers of flows and workers under their older import path."""

from routilux.monitoring.flow_registry import FlowRegistry, get_flow_registry
from routilux.workers import WorkerRegistry, get_worker_registry

__all__ = [
    "FlowRegistry",
    "WorkerRegistry",
    "get_flow_registry",
    "get_worker_registry",
]

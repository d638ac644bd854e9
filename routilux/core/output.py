"""Captured output under its older import path."""

from routilux.output import (
    RoutedStdout,
    clear_job_output,
    get_job_output,
    get_routed_stdout,
    install_routed_stdout,
    uninstall_routed_stdout,
)

__all__ = [
    "RoutedStdout",
    "clear_job_output",
    "get_job_output",
    "get_routed_stdout",
    "install_routed_stdout",
    "uninstall_routed_stdout",
]

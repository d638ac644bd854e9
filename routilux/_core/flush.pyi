"""Flushes and timers; nothing of it is visible from Python."""

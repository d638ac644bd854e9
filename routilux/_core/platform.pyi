"""Locks and sleeps of the platform; nothing of it is visible from Python."""

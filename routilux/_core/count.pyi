"""Counting of open items per job; nothing of it is visible from Python."""

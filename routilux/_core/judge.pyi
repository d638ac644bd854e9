"""Judging the end of a logic; nothing of it is visible to Python."""

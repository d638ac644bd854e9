"""The end of an activation; nothing of it is visible from Python."""

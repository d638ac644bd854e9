"""One emit to all its targets; nothing of it is visible to Python."""

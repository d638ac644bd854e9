"""Dead letters; nothing of it is visible to Python."""

"""The slot queue; nothing of it is visible to Python."""

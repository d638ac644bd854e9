"""The pump; nothing of it is visible from Python."""

"""Back-pressure of post; nothing of it is visible from Python."""

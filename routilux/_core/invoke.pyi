"""The call of logic; nothing of it is visible from Python."""
